"""What an audit's scores say of the shared log and of labelled data sets whose nature is known.

    python benchmarks/audit_scores.py [--data DIRECTORY] [--log FILE] [--only log|sets] [--seed 1] [--json]

*The log*: one row for each task found, and the long tail's complexity beside them, with the seconds and the processor
seconds that the scores took (the audit's own are not counted). *The sets*: learnability by the audit's probe where the
answer is known: public data sets with their own labels can be learned, the same with shuffled labels can't, nor can the
priority of issue reports; a label that nearly all share counts as learned only where the rest can be told. All of a set
is taken, or 2,400 rows drawn at random; issue reports are in order of time, the others in any order.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.app.audit_means import profile_means
from tierwright.core.chat import read_request
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.curation.audit import audit
from tierwright.curation.complexity import complexity
from tierwright.curation.near_duplicates import near_duplicate_groups
from tierwright.curation.probe import MOST_EXAMPLES, probe
from tierwright.curation.profile import profile
from tierwright.curation.task_traffic import SampledRequest
from tierwright.gateway.log_import import import_log
from tierwright.stats.entropy import entropy_bits
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.core.estimate import Estimate
    from tierwright.core.profile import TaskProfile

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Text and values of the fields.
Rows = list[tuple[str, tuple[str, ...]]]


def said(estimate: Estimate | None) -> list[float] | None:
    """Value and ends, and how many observations they rest on."""
    return None if estimate is None else [estimate.value, estimate.ci_low, estimate.ci_high, estimate.n]


def row_of(found: TaskProfile) -> dict[str, Any]:
    """The figures of one task."""
    learned = found.learnability
    return {
        "requests": found.requests,
        "entropy_bits": said(found.entropy_bits),
        "determinism": said(found.determinism),
        "duplicate_share": said(found.duplicate_share),
        "complexity": said(found.complexity.score),
        "signals": {signal.name: signal.value for signal in found.complexity.signals},
        "learnable": None if learned is None else learned.learnable,
        "agreement": None if learned is None else said(learned.agreement),
        "fields": {}
        if learned is None
        else {field.name: [said(field.agreement), said(field.skill), field.learnable] for field in learned.fields},
        "curve": [] if learned is None else [[point.examples, point.agreement.value] for point in learned.curve],
        "sensitive_share": said(found.sensitive_share),
        "boilerplate_share": said(found.prompt.boilerplate_share),
        "few_shot_examples": found.prompt.few_shot_examples,
        "unparsed_share": said(found.prompt.unparsed_share),
        "ungrounded_share": said(found.retrieval.ungrounded_share),
        "input_auc": None if found.drift is None else said(found.drift.input_auc),
        "languages": dict(found.languages),
    }


def of_log(log: Path, *, seed: int) -> dict[str, Any]:
    """The profiles of all tasks of a log."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/bench.db")
        import_log(log, store, price=lambda *_: Decimal("0.001"), rejects=Path(folder) / "rejects.jsonl")
        found = audit(store, seed=seed)
        store.close()
    means = profile_means(seed=seed)
    begun, used = time.perf_counter(), time.process_time()
    rows = {
        finding.task.name: row_of(profile(finding, found.period, total=found.requests, means=means, seed=seed))
        for finding in found.tasks
    }
    took, worked = time.perf_counter() - begun, time.process_time() - used
    tail = {name for name, task in found.assignments.items() if task is None}
    return {"seconds": took, "processor_seconds": worked, "tasks": rows, "long tail": tail_of(log, tail)}


def tail_of(log: Path, ids: set[Any]) -> dict[str, Any] | None:
    """The complexity of requests that are no task, each with a prompt of its own."""
    sample = []
    frames = []
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            if entry["response"]["id"] in ids:
                request = read_request(entry["request"])
                text = request.messages[-1].text
                frames.append(Frame(id=FrameId(f"f{len(sample)}"), system=fixed(request.system), user=fixed(text)))
                answer = entry["response"]["choices"][0]["message"]["content"] or ""
                sample.append(
                    SampledRequest(at=entry["timestamp"], request=request, input=text, answer=answer, frame=len(sample))
                )
    if not sample:
        return None
    task = Task(
        id=TaskId("tail"),
        name="long tail",
        contract=OutputContract(kind=ContractKind.OPEN),
        frames=tuple(frames),
        created_at=datetime.fromtimestamp(sample[0].at).astimezone(),
    )
    entropy = entropy_bits(list(Counter(one.answer for one in sample).values()))
    found = complexity(task, sample, entropy_bits=entropy, determinism=None, languages={"en": 1.0})
    return {"requests": len(sample), "complexity": said(found.score)}


def fixed(text: str) -> Template:
    """A text without a gap."""
    return Template(literals=(text,))


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a gzipped CSV file."""
    csv.field_size_limit(1 << 30)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(io.StringIO(lines.read())))


def issues(path: Path, project: str) -> list[tuple[str, str, tuple[str, str]]]:
    """(instant, text, (project, priority)) of issue reports, oldest first."""
    found = []
    for row in table(path):
        raw = row["Created"].strip()
        when = datetime.strptime(raw, "%d/%b/%y %H:%M").isoformat() if "/" in raw else raw[:19]  # noqa: DTZ007 - order
        found.append((when, f"{row['Summary']}\n{row['Description'] or ''}".strip(), (project, row["Priority"])))
    return sorted(found)


def sets(data: Path, *, seed: int) -> Iterator[tuple[str, tuple[str, ...], Rows, dict[str, bool | None]]]:
    """(name, fields, rows, what should come out by field; None: not known)."""
    rng = np.random.default_rng(seed)
    hadoop = issues(data / "gitbugs" / "hadoop_bugs.csv.gz", "hadoop")
    monkey = issues(data / "gitbugs" / "SeaMonkey_bugs.csv.gz", "seamonkey")
    for name, found in (("Hadoop", hadoop), ("SeaMonkey", monkey)):
        yield f"gitbugs {name}, priority", ("label",), [(t, v[1:]) for _, t, v in found], {"label": False}
    both: Rows = [(text, values) for _, text, values in sorted([*hadoop, *monkey])]
    yield "gitbugs both", ("project", "priority"), both, {"project": True, "priority": False}
    code = table(data / "gitbugs" / "multilingual_vscode_translated.csv.gz")
    for column, able in (("src_lang", True), ("state_reason", None)):
        rows: Rows = [(f"{r['title']}\n{r['body'] or ''}", (r[column] or "-",)) for r in code]
        yield f"gitbugs VS Code, {column}", ("label",), rows, {"label": able}
    known: list[tuple[str, Rows]] = [
        ("davidson_hate", [(r["tweet"], (r["class"],)) for r in table(data / "davidson_hate" / "labeled_data.csv.gz")]),
        ("banking77", [(r["text"], (r["category"],)) for r in table(data / "banking77" / "train.csv.gz")]),
    ]
    for name in ("policy_EN", "policy_HU", "toxicity_EN", "toxicity_ES", "toxicity_ZH"):
        file = data / "textclass" / f"{name}__train.csv.gz"
        known.append((f"textclass {name}", [(r["text"], (r["gold"],)) for r in table(file)]))
    for name, rows in known:
        drawn = [rows[at] for at in rng.permutation(len(rows))[:MOST_EXAMPLES].tolist()]
        yield name, ("label",), drawn, {"label": True}
        yield f"{name}, shuffled", ("label",), shuffled(drawn, rng), {"label": False}
    banking = known[1][1]
    drawn = [banking[at] for at in rng.permutation(len(banking))[:MOST_EXAMPLES].tolist()]
    common = Counter(values[0] for _, values in drawn).most_common(1)[0][0]
    rare: Rows = [(text, ("yes" if values[0] == common else "no",)) for text, values in drawn]
    yield f"banking77, {common} or not", ("label",), rare, {"label": True}
    yield f"banking77, {common} or not, shuffled", ("label",), shuffled(rare, rng), {"label": False}


def shuffled(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same texts and labels, which have nothing to do with each other."""
    values = [rows[at][1] for at in rng.permutation(len(rows)).tolist()]
    return [(text, found) for (text, _), found in zip(rows, values, strict=True)]


def judged(rows: Rows, fields: tuple[str, ...], *, seed: int) -> dict[str, Any]:
    """The probe on labelled rows."""
    columns = [tuple(dict.fromkeys(values[place] for _, values in rows)) for place in range(len(fields))]
    if len(fields) == 1:
        contract = OutputContract(kind=ContractKind.LABEL, labels=columns[0])
    else:
        specs = tuple(FieldSpec(name=name, values=values) for name, values in zip(fields, columns, strict=True))
        contract = OutputContract(kind=ContractKind.FIELDS, fields=specs, style=JsonStyle())
    texts = [text for text, _ in rows]
    groups = near_duplicate_groups(texts, threshold=0.8, seed=seed)
    begun = time.process_time()
    found = probe(texts, [values for _, values in rows], groups, contract, profile_means(seed=seed).learner, seed=seed)
    assert found is not None
    return {
        "n": found.agreement.n,
        "processor_seconds": time.process_time() - begun,
        "fields": {
            field.name: {
                "agreement": said(field.agreement),
                "majority": said(field.majority),
                "skill": said(field.skill),
                "learnable": field.learnable,
            }
            for field in found.fields
        },
        "curve": [[point.examples, point.agreement.value] for point in found.curve],
    }


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="What an audit's scores say of known traffic.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--only", choices=("log", "sets"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    log = given.log or given.data / "traffic" / "support_30d.jsonl.gz"
    if not log.exists() or not (given.data / "gitbugs").is_dir():
        sys.exit(f"skipped: {log} or {given.data}/gitbugs is not there; set TIERWRIGHT_DATA or give --data")
    report: dict[str, Any] = {}
    if not given.json:
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run")
    if given.only != "sets":
        report["log"] = of_log(log, seed=given.seed)
        if not given.json:
            tell_log(report["log"])
    if given.only != "log":
        report["sets"] = {}
        for name, fields, rows, wanted in sets(given.data, seed=given.seed):
            report["sets"][name] = found = judged(rows, fields, seed=given.seed) | {"should_be": wanted}
            if not given.json:
                tell_set(name, found)
    if given.json:
        print(json.dumps(report, indent=2))


def tell_log(found: dict[str, Any]) -> None:
    """The log's rows for people."""
    print(
        f"scores of {len(found['tasks'])} tasks: {found['seconds']:.1f} s, {found['processor_seconds']:.1f} s of work"
    )
    for name, row in found["tasks"].items():
        print(
            f"{name:18} n={row['requests']:,} entropy {interval(row['entropy_bits'])} bits, determinism "
            f"{interval(row['determinism'])}, repeats {interval(row['duplicate_share'])}, complexity "
            f"{interval(row['complexity'])}, boilerplate {interval(row['boilerplate_share'])}, learnable "
            f"{row['learnable']}"
        )
        for field, (agreement, skill, able) in row["fields"].items():
            print(f"{'':18} {field}: agreement {interval(agreement)}, skill {interval(skill)}, learnable {able}")
    tail = found["long tail"]
    if tail:
        print(f"{'long tail':18} n={tail['requests']:,} complexity {interval(tail['complexity'])}")


def tell_set(name: str, found: dict[str, Any]) -> None:
    """One set's row for people."""
    for field, row in found["fields"].items():
        wanted = found["should_be"][field]
        verdict = "" if wanted is None else ", as it should be" if wanted == row["learnable"] else ", WRONG"
        print(
            f"{name} ({field}): n={found['n']:,} agreement {interval(row['agreement'])}, constant "
            f"{interval(row['majority'])}, skill {interval(row['skill'])}, learnable {row['learnable']}{verdict}; "
            f"{found['processor_seconds']:.1f} s of work",
            flush=True,
        )


def interval(found: list[float] | None) -> str:
    """For people."""
    return "-" if found is None else f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"


if __name__ == "__main__":
    main()

"""How good specialist and incumbent are together: trained on a log's first days, scored on the rest.

    python benchmarks/cascade.py [--log FILE --key FILE] [--encoder DIRECTORY] [--labels 1000] [--draws 5] [--json]

Tasks are found by the audit; those whose answers are labels or closed-set fields are learned from the first two thirds
of the days: the incumbent's answers, and people's labels that the key plays, drawn at random. Nothing of the last days
reaches training, calibration, threshold or verdict: they only score. An answer counts as right if the whole of it is.
Above its threshold the specialist answers, below it the incumbent's logged answer is taken.

A draw is a new sample of people's labels with a new split and new folds. Printed are the mean and the extremes over the
draws, and for the last draw Wilson intervals. "deployed" counts the draws whose verdict allows it: the others leave the
task on the incumbent, and are scored as such under "after the gate".
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.app.demo.labels import labels_from_key, read_key
from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.errors import GateError
from tierwright.curation.audit import audit
from tierwright.curation.dataset import build_dataset
from tierwright.evals.compare import Experiment, compare
from tierwright.evals.learnability import learnability, reason_to_keep
from tierwright.gateway.log_import import import_log
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Specialist
from tierwright.stats.intervals import wilson
from tierwright.store.connection import open_store
from tierwright.training.ladder import Means, Rung, choose, climb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tierwright.app.demo.labels import KeyEntry
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.ids import InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.protocols import Store
    from tierwright.core.task import Task

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One inference of the last days."""

    input: str
    incumbent: str
    gold: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One task with the days it learns from and the days it is scored on."""

    name: str
    task: Task
    history: Sequence[Inference]
    days: Sequence[Scored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One recipe after one draw of labels; shares in [0, 1]."""

    specialist: float
    cascade: float
    incumbent: float
    local: float
    verdict: str
    deployed: bool
    chosen: bool
    train_s: float
    size_bytes: int
    right: int
    n: int


class RememberingEncoder:
    """An encoder that embeds each text once, so that several draws cost one embedding."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self._encoder.fingerprint

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder's."""
        if new := sorted({text for text in texts if text not in self._known}):
            self._known.update(zip(new, self._encoder.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def work_of(log: Path, key: dict[str, KeyEntry]) -> Iterator[Work]:
    """The tasks of a log whose answers come from closed sets, most requests first.

    The contract is that of the first days. The frames are those of the whole log, so that a prompt reworded in the last
    days is read as the gateway reads it once the new wording has joined.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/whole.db")
        import_log(log, store, price=lambda *_: None, rejects=Path(folder) / "rejects.jsonl")
        whole = audit(store, seed=1)
        days = (whole.until - whole.since).days + 1
        cut = whole.since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=round(days * 2 / 3))
        before = open_store(f"sqlite:///{folder}/before.db")
        before.append(list(store.scan(until=cut)))
        first = audit(before, seed=1)
        contracts = {finding.task.id: finding.task.contract for finding in first.tasks}
        pairs = Counter((whole.assignments[i], task) for i, task in first.assignments.items() if task is not None)
        for finding in whole.tasks:
            known = {pair: count for pair, count in pairs.items() if pair[0] == finding.task.id}
            if not known:
                continue
            contract = contracts[max(known, key=lambda pair: known[pair])[1]]
            if contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
                yield _work(replace(finding.task, contract=contract), store, cut, key)
        before.close()
        store.close()


def _work(task: Task, store: Store, cut: datetime, key: dict[str, KeyEntry]) -> Work:
    scored = []
    for inference in store.scan(since=cut, task_id=task.id):
        entry = key.get(inference.id)
        if entry is None or entry.gold is None or inference.request is None or inference.response is None:
            continue
        found = task.input_of(decode_request(inference.request))
        answer = decode_answer(inference.response).text
        if found is not None and answer is not None:
            canonical = task.contract.canonical
            scored.append(Scored(input=found, incumbent=canonical(answer), gold=canonical(entry.gold)))
    history = list(store.scan(until=cut, task_id=task.id))
    names = Counter(key[i.id].task for i in history if i.id in key)
    name = names.most_common(1)[0][0] if names else task.name
    return Work(name=name, task=task, history=history, days=scored)


def draw(
    work: Work, key: dict[str, KeyEntry], encoder: RememberingEncoder | None, *, labels: int, seed: int
) -> dict[str, Draw]:
    """Every rung of the ladder, trained and scored after one draw of labels."""
    at = datetime(2025, 1, 1, tzinfo=UTC)
    pairs: list[tuple[InferenceId, str]] = [(i.id, i.id) for i in sorted(work.history, key=lambda i: i.id)]
    words = {w.inference_id: w for w in labels_from_key(pairs, key, budget=labels, seed=seed, at=at)}
    dataset, examples = build_dataset(work.task, work.history, words, seed=seed, at=at)
    with tempfile.TemporaryDirectory() as folder:
        means = Means(
            encoder=encoder,  # type: ignore[arg-type]  # it stands in for the Encoder
            encoder_name="all-MiniLM-L6-v2",
            artifacts=Path(folder),
            weights=Path(folder),
            threads=2,
            seed=seed,
        )
        rungs = climb(dataset, examples, means=means, at=at, only=None, progress=lambda _: None)
        best = choose(rungs)
        return {
            rung.recipe: _score(rung, work, dataset, examples, encoder, chosen=rung.version is best)
            for rung in rungs
            if rung.version is not None
        }


def _score(
    rung: Rung,
    work: Work,
    dataset: Dataset,
    examples: Sequence[Example],
    encoder: RememberingEncoder | None,
    *,
    chosen: bool,
) -> Draw:
    assert rung.version is not None
    version = rung.version
    threshold = 1.01 if version.threshold is None else version.threshold
    specialist = Specialist.load(version.path, encoder=encoder)  # type: ignore[arg-type]
    predictions = specialist.predict([day.input for day in work.days])
    right = np.array([p.output == day.gold for p, day in zip(predictions, work.days, strict=True)])
    incumbent = np.array([day.incumbent == day.gold for day in work.days])
    local = np.array([p.confidence >= threshold for p in predictions])
    test = [example for example in examples if example.split is Split.TEST]
    answers = specialist.predict([example.input for example in test])
    evaluation = compare(
        Experiment(version=version, dataset=dataset, baseline="incumbent", threshold=threshold),
        test,
        answers,
        at=version.created_at,
    )
    verdict = evaluation.verdict.value
    if not learnability(dataset.contract, test, answers, level=0.95, min_gold=50).learnable:
        verdict = "not_learnable"
    elif version.threshold is None or reason_to_keep(evaluation) is not None:
        verdict = "keep"
    cascade = np.where(local, right, incumbent)
    return Draw(
        specialist=float(right.mean()),
        cascade=float(cascade.mean()),
        incumbent=float(incumbent.mean()),
        local=float(local.mean()),
        verdict=verdict,
        deployed=verdict == evaluation.verdict.value and evaluation.verdict.allows_promotion,
        chosen=chosen,
        train_s=version.train_seconds,
        size_bytes=version.size_bytes,
        right=int(cascade.sum()),
        n=len(right),
    )


def summary(name: str, recipe: str, draws: Sequence[Draw]) -> str:
    """Two lines on one recipe of one task."""
    interval = wilson(draws[-1].right, draws[-1].n)
    gated = [d.cascade if d.deployed else d.incumbent for d in draws]
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(d.verdict for d in draws).most_common())
    return (
        f"{name} {recipe}: cascade {_spread([d.cascade for d in draws])} at {_spread([d.local for d in draws])} local; "
        f"specialist alone {_spread([d.specialist for d in draws])}; incumbent {100 * draws[-1].incumbent:.1f}; "
        f"n={draws[-1].n:,}, last draw [{100 * interval.ci_low:.1f}, {100 * interval.ci_high:.1f}]\n"
        f"    {verdicts}; after the gate {_spread(gated)}; chosen {sum(d.chosen for d in draws)} of {len(draws)}; "
        f"trained in {statistics.median(d.train_s for d in draws):.1f} s; {draws[-1].size_bytes / 1e6:.1f} MB"
    )


def _spread(shares: Sequence[float]) -> str:
    return f"{100 * statistics.mean(shares):.2f} % ({100 * min(shares):.1f}-{100 * max(shares):.1f})"


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Specialist and incumbent together, on days not trained on.")
    parser.add_argument("--log", type=Path, default=DATA / "traffic" / "support_30d.jsonl.gz")
    parser.add_argument("--key", type=Path, default=DATA / "traffic" / "support_30d.key.jsonl.gz")
    parser.add_argument("--encoder", type=Path, default=WEIGHTS, help="what `tierwright model pull` built")
    parser.add_argument("--labels", type=int, default=1000, help="people's labels for each task")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tasks", help="names, with commas; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not given.log.exists() or not given.key.exists():
        sys.exit(f"skipped: {given.log} or its key is not there; set TIERWRIGHT_DATA or give --log and --key")
    encoder = RememberingEncoder(Encoder.load(given.encoder, threads=2)) if given.encoder.exists() else None
    if encoder is None:
        print(f"no sentence encoder at {given.encoder}: encoder-head is left out", file=sys.stderr)
    key = read_key(given.key)
    report: dict[str, Any] = {}
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    for work in work_of(given.log, key):
        if given.tasks and work.name not in given.tasks.split(","):
            continue
        try:
            draws = [draw(work, key, encoder, labels=given.labels, seed=seed) for seed in range(1, given.draws + 1)]
        except GateError as error:
            print(f"{work.name}: {error}", file=sys.stderr)
            continue
        for recipe in draws[0]:
            report.setdefault(work.name, {})[recipe] = [asdict(one[recipe]) for one in draws]
            print(
                summary(work.name, recipe, [one[recipe] for one in draws]),
                file=sys.stderr if given.json else sys.stdout,
            )
            sys.stdout.flush()
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

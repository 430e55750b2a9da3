"""How robust discovery is: the prompts of a log varied by a seeded generator, scored against the log's key.

    python benchmarks/discovery_variations.py [--log FILE --key FILE] [--seeds 11 12 13] [--requests 6000]
        [--kinds reworded moved ...] [--modes half thirds each all] [--json]

Every task's prompt is varied at once. `half`: half of a task's requests get one other wording; `thirds`: a third keeps
the old, the others get two; `each`: half of the requests get a wording of their own; `all`: every request gets the same
new wording. `labels`: half of a task's requests are made another task by renaming labels in prompt and answer (all of
them, half of them) or by leaving a third of the labels out; they must stay apart. Prints for each kind and seed the
adjusted Rand index (Hubert and Arabie 1985), homogeneity and completeness, and how many requests of the long tail were
assigned.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.metrics import adjusted_rand_score, completeness_score, homogeneity_score

from prompt_variations import VARIATIONS, Wording, renamed_labels, replaced, wording_of
from tierwright.curation.audit import audit
from tierwright.gateway.log_import import import_log
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
LONG_TAIL = "long-tail"
#: Requests of a task at least, where it has as many, so that small tasks count in a small sample.
FLOOR = 150
#: Labels of a task at most for it to be given another label set, and characters of one.
MOST_LABELS, LABEL_CHARACTERS = 100, 60
LABEL_SETS = ("all renamed", "half renamed", "a third left out")

Row = dict[str, Any]


def load(log: Path, key: Path) -> list[tuple[str, str, Row]]:
    """(task, version, record) of every request."""
    with gzip.open(key, "rt", encoding="utf-8") as lines:
        told = {row["id"]: (row["task"], row["version"]) for row in map(json.loads, lines)}
    with gzip.open(log, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [(*told[record["response"]["id"]], record) for record in records]


def sampled(rows: list[tuple[str, str, Row]], size: int, rng: random.Random) -> list[tuple[str, str, Row]]:
    """About that many, in the log's order, each task in proportion but for the floor."""
    by_task: dict[str, list[int]] = defaultdict(list)
    for place, (task, _, _) in enumerate(rows):
        by_task[task].append(place)
    chosen: list[int] = []
    for places in by_task.values():
        wanted = max(min(FLOOR, len(places)), round(size * len(places) / len(rows)))
        chosen += rng.sample(places, min(wanted, len(places)))
    return [rows[place] for place in sorted(chosen)]


class Prompts:
    """The prompts of a log's tasks, as far as its key tells."""

    def __init__(self, rows: list[tuple[str, str, Row]]) -> None:
        grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for task, version, record in rows:
            if task != LONG_TAIL:
                grouped[task, version].append(record)
        self.wordings: dict[tuple[str, str], Wording] = {}
        self.inputs: dict[str, str] = {}
        self.pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for (task, version), records in grouped.items():
            wording, inputs = wording_of([record["request"]["messages"] for record in records])
            self.wordings[task, version] = wording
            for record, given in zip(records, inputs, strict=True):
                self.inputs[record["response"]["id"]] = given
                self.pairs[task].append((given, answer_of(record)))


def answer_of(record: Row) -> str:
    """The answer's text."""
    return str(record["response"]["choices"][0]["message"]["content"])


def with_messages(record: Row, messages: list[dict[str, str]], answer: str | None = None) -> Row:
    """The record with other messages, and another answer if one is given."""
    changed = {**record, "request": {**record["request"], "messages": messages}}
    if answer is not None:
        choice = record["response"]["choices"][0]
        message = {**choice["message"], "content": answer}
        changed["response"] = {**record["response"], "choices": [{**choice, "message": message}]}
    return changed


def varied(
    rows: list[tuple[str, str, Row]], prompts: Prompts, kind: str, mode: str, rng: random.Random
) -> Iterator[tuple[str, Row]]:
    """(task, record) with the prompts varied."""
    vary = VARIATIONS[kind]
    fixed = {
        (task, version, n): vary(wording, prompts.pairs[task], rng)
        for (task, version), wording in prompts.wordings.items()
        for n in range(2)
    }
    for task, version, record in rows:
        if task == LONG_TAIL:
            yield task, record
            continue
        wording, draw = prompts.wordings[task, version], rng.random()
        if mode == "all" or (mode == "half" and draw < 1 / 2):
            wording = fixed[task, version, 0]
        elif mode == "thirds" and draw < 2 / 3:
            wording = fixed[task, version, int(draw < 1 / 3)]
        elif mode == "each" and draw < 1 / 2:
            wording = vary(wording, prompts.pairs[task], rng)
        yield task, with_messages(record, wording.messages(prompts.inputs[record["response"]["id"]]))


def relabelled(
    rows: list[tuple[str, str, Row]], prompts: Prompts, how: str, rng: random.Random
) -> Iterator[tuple[str, Row]]:
    """(task, record) where half of every label task is another task with another label set."""
    names: dict[str, dict[str, str]] = {}
    dropped: dict[str, set[str]] = {}
    for task, pairs in prompts.pairs.items():
        labels = sorted({answer for _, answer in pairs})
        if len(labels) > MOST_LABELS or max(map(len, labels)) > LABEL_CHARACTERS or labels[0].startswith("{"):
            continue
        share = {"all renamed": 1.0, "half renamed": 0.5}.get(how)
        names[task] = renamed_labels(labels, rng, share) if share else {}
        dropped[task] = set() if share else set(rng.sample(labels, max(1, len(labels) // 3)))
    for task, version, record in rows:
        if task not in names or rng.random() < 1 / 2:
            yield task, record
            continue
        if (answer := answer_of(record)) in dropped[task]:
            continue
        wording = prompts.wordings[task, version]
        gone = dict.fromkeys(dropped[task], "")
        pieces = {
            name: replaced(replaced(getattr(wording, name), names[task]), gone) for name in ("system", "head", "tail")
        }
        other = replace(wording, **pieces)
        given = prompts.inputs[record["response"]["id"]]
        yield f"{task}, other labels", with_messages(record, other.messages(given), replaced(answer, names[task]))


def score(rows: list[tuple[str, Row]], *, explain: bool) -> dict[str, Any]:
    """One audit of these records."""
    key = {record["response"]["id"]: task for task, record in rows}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_text("".join(json.dumps(record) + "\n" for _, record in rows), encoding="utf-8")
        store = open_store(f"sqlite:///{folder}/bench.db")
        import_log(log, store, price=lambda *_: None, rejects=Path(folder) / "rejects.jsonl")
        found = audit(store, seed=1)
        store.close()
    wanted = [key[i] for i in found.assignments]
    got = [task or "-" for task in found.assignments.values()]
    result: dict[str, Any] = {
        "requests": len(rows),
        "tasks": len(found.tasks),
        "adjusted_rand_index": adjusted_rand_score(wanted, got),
        "homogeneity": homogeneity_score(wanted, got),
        "completeness": completeness_score(wanted, got),
        "long_tail_assigned": sum(t == LONG_TAIL and g != "-" for t, g in zip(wanted, got, strict=True)),
    }
    if explain:
        result["parts"] = _parts(wanted, got)
    return result


def _parts(wanted: list[str], got: list[str]) -> list[str]:
    """What is not as it should be, in words: tasks in several parts, and parts of several tasks."""
    by_task: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for task, part in zip(wanted, got, strict=True):
        by_task[task][part] += 1
    holders: dict[str, set[str]] = defaultdict(set)
    for task, parts in by_task.items():
        for part in parts:
            holders[part].add(task)
    return [
        f"{task}: " + ", ".join(f"{part[-6:]} {count}" for part, count in sorted(parts.items(), key=lambda p: -p[1]))
        for task, parts in by_task.items()
        if len(parts) > 1 or (task != LONG_TAIL and any(len(holders[part]) > 1 for part in parts))
    ]


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How robust discovery is against varied prompts.")
    parser.add_argument("--log", type=Path, default=DATA / "traffic" / "support_30d.jsonl.gz")
    parser.add_argument("--key", type=Path, default=DATA / "traffic" / "support_30d.key.jsonl.gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--kinds", nargs="+", choices=[*VARIATIONS, "labels"], default=[*VARIATIONS, "labels"])
    parser.add_argument("--modes", nargs="+", choices=["half", "thirds", "each", "all"], default=["half", "thirds"])
    parser.add_argument("--explain", action="store_true", help="say which tasks are in several parts")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.log.exists() or not given.key.exists():
        sys.exit(f"skipped: {given.log} or its key is not there; set TIERWRIGHT_DATA or give --log and --key")
    every = load(given.log, given.key)
    rows: list[dict[str, Any]] = []
    for kind in given.kinds:
        for mode in LABEL_SETS if kind == "labels" else given.modes:
            for seed in given.seeds:
                rng = random.Random(f"{kind} {mode} {seed}")
                chosen = sampled(every, given.requests, rng)
                prompts = Prompts(chosen)
                changed = (
                    relabelled(chosen, prompts, mode, rng)
                    if kind == "labels"
                    else varied(chosen, prompts, kind, mode, rng)
                )
                row = {"kind": kind, "mode": mode, "seed": seed, **score(list(changed), explain=given.explain)}
                rows.append(row)
                if not given.json:
                    _show(row)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    worst = min(rows, key=lambda row: float(row["adjusted_rand_index"]))
    print(
        f"{len(rows)} logs; worst: {worst['kind']}, {worst['mode']}, seed {worst['seed']}: "
        f"ARI {worst['adjusted_rand_index']:.4f}"
    )


def _show(row: dict[str, Any]) -> None:
    print(
        f"{row['kind']:10} {row['mode']:16} seed {row['seed']:3} n={row['requests']:,} tasks={row['tasks']} "
        f"ARI={row['adjusted_rand_index']:.4f} homogeneity={row['homogeneity']:.4f} "
        f"completeness={row['completeness']:.4f} long tail assigned={row['long_tail_assigned']}",
        flush=True,
    )
    for line in row.get("parts", ()):
        print(f"    {line}")


if __name__ == "__main__":
    main()

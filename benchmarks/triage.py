"""How well planted faults are found in public data sets: wrong labels, leakage, drift that is not there.

    python benchmarks/triage.py [--data DIRECTORY] [--examples 3000] [--seeds 3] [--json]

*Arbitrary* slips: 5 % of the labels of a data set go to any other member. *Plausible* slips: the traffic log of the
data kit, whose simulated incumbent errs in 8.3 % of answers, to a member that is easily confused; the key says where.
Precision and recall are of labels named as more likely wrong than right; natural errors of the data sets count as
mistaken. Where cleanlab is installed (it is no dependency of ours) it judges the same out-of-fold scores, made into
probabilities. *Leakage*: 10 % of a held-out part is replaced by training texts with one word changed. *Drift*: examples
in random order have none; counted is how often it is seen all the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import average_precision_score

from learnability import DATA, labelled
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import InferenceId
from tierwright.curation.triage import groups_of, leakage
from tierwright.specialists.linear import log_softmax
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.training.drift import drift
from tierwright.training.label_noise import judge, out_of_fold_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE, LEAKED = 0.05, 0.1
SETS = ("banking77", "davidson_hate", "toxicity_EN", "policy_EN")
TASKS = ("ticket-intent", "moderation", "clause-type")


def found_labels(texts: list[str], given: list[str], right: list[str], seed: int) -> dict[str, Any]:
    """Precision, recall and ranking of the labels named, and the estimated rate."""
    members = sorted({*given, *right})
    labels = np.array([members.index(label) for label in given], dtype=np.int64)
    wrong = np.array([one != other for one, other in zip(given, right, strict=True)])
    groups = [text.casefold() for text in texts]
    scores = out_of_fold_scores(NgramFeaturiser.fit(texts).transform(texts), labels, len(members), groups, seed)
    begun = time.perf_counter()
    judged = judge(scores, labels, groups)
    seconds = time.perf_counter() - begun
    named = judged.wrong > 0.5
    return {
        "wrong": float(wrong.mean()),
        "estimated": judged.rate.value,
        "ci_low": judged.rate.ci_low,
        "ci_high": judged.rate.ci_high,
        "precision": float(wrong[named].mean()) if named.any() else None,
        "recall": float((wrong & named).sum() / wrong.sum()),
        "average_precision": float(average_precision_score(wrong, judged.wrong)),
        "seconds": seconds,
        **by_cleanlab(scores, labels, wrong),
    }


def by_cleanlab(scores: NDArray[np.float64], labels: NDArray[np.int64], wrong: NDArray[np.bool_]) -> dict[str, Any]:
    """The same by cleanlab's defaults, from the same scores as probabilities; empty where it is not installed."""
    try:
        from cleanlab.filter import find_label_issues  # noqa: PLC0415 - a contestant, not a dependency
        from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415 - as above
    except ImportError:
        return {}
    scale = min(
        np.geomspace(0.3, 100, 60), key=lambda s: -log_softmax(s * scores)[np.arange(len(labels)), labels].mean()
    )
    probability = np.exp(log_softmax(scale * scores))
    named = find_label_issues(labels, probability, n_jobs=1)
    return {
        "cleanlab_precision": float(wrong[named].mean()) if named.any() else None,
        "cleanlab_recall": float((wrong & named).sum() / wrong.sum()),
        "cleanlab_average_precision": float(
            average_precision_score(wrong, -get_label_quality_scores(labels, probability))
        ),
    }


def flipped(data: Path, name: str, count: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Texts, labels with arbitrary slips, labels without."""
    rows = labelled(data, name)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(rows))[:count].tolist()
    texts, right = [rows[at][0] for at in order], [rows[at][1][0] for at in order]
    members = sorted(set(right))
    given = [
        str(generator.choice([member for member in members if member != label])) if generator.random() < RATE else label
        for label in right
    ]
    return texts, given, right


def logged(data: Path, count: int) -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Texts, the incumbent's labels and the right ones, by task of the traffic log."""
    with gzip.open(data / "traffic" / "support_30d.key.jsonl.gz", "rt", encoding="utf-8") as lines:
        key = {row["id"]: row for row in map(json.loads, lines)}
    found: dict[str, tuple[list[str], list[str], list[str]]] = {task: ([], [], []) for task in TASKS}
    with gzip.open(data / "traffic" / "support_30d.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            known = key[row["response"]["id"]]
            if known["task"] in found and len(found[known["task"]][0]) < count:
                texts, given, right = found[known["task"]]
                texts.append(row["request"]["messages"][-1]["content"])
                given.append(row["response"]["choices"][0]["message"]["content"].strip())
                right.append(known["gold"])
    return found


def example(number: int, text: str, output: str, split: Split) -> Example:
    """An example of its own group."""
    return Example(
        id=InferenceId(f"row-{number}"),
        input=text,
        output=output,
        source=LabelSource.HUMAN,
        incumbent_output=None,
        split=split,
        group=text.casefold(),
        created_at=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
    )


def found_leaks(data: Path, name: str, count: int, seed: int) -> dict[str, Any]:
    """Planted leaks that were named, and others that were."""
    generator = np.random.default_rng(seed)
    rows = labelled(data, name)
    order = generator.permutation(len(rows))[:count].tolist()
    cut = round(0.8 * count)
    examples = [
        example(n, rows[at][0], rows[at][1][0], Split.TRAIN if n < cut else Split.TEST) for n, at in enumerate(order)
    ]
    before = {case.examples[0] for case in every_leak(examples)}
    planted = set()
    # With one word changed, shorter texts are below the similarity that counts.
    long = [one.input for one in examples[:cut] if len(one.input.split()) >= 25]
    for at in generator.choice(np.arange(cut, count), size=round(LEAKED * (count - cut)), replace=False).tolist():
        words = str(generator.choice(long)).split()
        words[int(generator.integers(len(words)))] = "indeed"
        examples[at] = example(at, " ".join(words), examples[at].output, Split.TEST)
        planted.add(examples[at].id)
    named = {case.examples[0] for case in every_leak(examples)}
    return {
        "planted": len(planted),
        "found": len(planted & named),
        "natural": len(before),
        "other": len(named - planted - before),
    }


def every_leak(examples: list[Example]) -> list[Any]:
    """All cases, also beyond those that a report lists."""
    return list(leakage(examples, groups_of(examples, seed=1)[0], most=len(examples)).cases)


def false_alarms(data: Path, name: str, count: int, seeds: int) -> dict[str, Any]:
    """Of shuffled data sets, how many are said to drift, by test."""
    rows = labelled(data, name)
    labels = tuple(sorted({values[0] for _, values in rows}))
    contract = OutputContract(kind=ContractKind.LABEL, labels=labels)
    seen: Counter[str] = Counter()
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(rows))[:count].tolist()
        examples = [example(n, rows[at][0], rows[at][1][0], Split.TRAIN) for n, at in enumerate(order)]
        for finding in drift(examples, contract, seed=seed):
            seen[finding.check] += finding.count
    return {"shuffles": seeds, **{check: seen[check] for check in ("drift-inputs", "drift-answers")}}


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How well planted faults are found.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "traffic").is_dir():
        sys.exit(f"skipped: {given.data} has no traffic log; set TIERWRIGHT_DATA or give --data")
    print(f"{os.cpu_count()} cores, {given.examples:,} examples each", file=sys.stderr)
    report: list[dict[str, Any]] = []

    def tell(row: dict[str, Any]) -> None:
        report.append(row)
        if not given.json:
            figures = ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print(figures, flush=True)

    for task, problem in logged(given.data, given.examples).items():
        tell({"labels": task, "slips": "plausible", **found_labels(*problem, 1)})
    for name in SETS:
        for seed in range(1, given.seeds + 1):
            problem = flipped(given.data, name, given.examples, seed)
            tell({"labels": name, "slips": "arbitrary", "seed": seed, **found_labels(*problem, seed)})
    for name in ("davidson_hate", "policy_EN"):
        tell({"leakage": name, **found_leaks(given.data, name, given.examples, 1)})
        tell({"drift": name, **false_alarms(given.data, name, min(given.examples, 1000), 10 * given.seeds)})
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

"""The recipe `template` on texts from attributes: `python benchmarks/templates.py`.

RNNLG laptop (trained on its train and valid splits) and E2E (trained on its devset, since the kit has no trainset),
scored on the official test splits. BLEU by sacrebleu 13a, lower-cased, of every different test input with two kinds of
references: all texts of the very same input, and, as the published figures for RNNLG have it, all test texts whose
attributes differ in copied values only, with the input's own values put in. An abstention counts as an empty text, with
all its slots missing. The published rule-based baseline that comes with RNNLG is scored in the same way. Slot errors
are those of `tierwright.evals.texts`, whose knowledge of how attributes show comes from the test references, not from
the model; the strict count adds values said more often than given, as Wen et al. (2015) do.
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
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.evals.texts import text_quality
from tierwright.specialists.attributes import read_attributes
from tierwright.specialists.delexicalising import act_of, delexicalise, render, slots_of
from tierwright.specialists.realisation import align
from tierwright.specialists.realisation_learning import learn_realisations
from tierwright.specialists.template import TemplateSpecialist
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.template import TemplateRecipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.estimate import Estimate
    from tierwright.specialists.realisation import Realisations

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEXT = OutputContract(kind=ContractKind.TEXT)
#: (input, text) pairs.
Rows = list[tuple[str, str]]


def laptop(data: Path) -> tuple[Rows, Rows, dict[str, str]]:
    """Training and test pairs, and the published baseline's text of each test input."""

    def read(name: str) -> list[list[str]]:
        with gzip.open(data / "rnnlg_products" / f"laptop_{name}.json.gz", "rt", encoding="utf-8") as lines:
            found: list[list[str]] = json.loads("".join(line for line in lines if not line.startswith("#")))
            return found

    test = read("test")
    train = [(given, text) for given, text, _ in [*read("train"), *read("valid")]]
    return train, [(given, text) for given, text, _ in test], {given: text for given, _, text in test}


def e2e(data: Path) -> tuple[Rows, Rows, dict[str, str]]:
    """Training and test pairs; there is no baseline."""

    def read(name: str) -> Rows:
        with gzip.open(data / "e2e_nlg" / name, "rt", encoding="utf-8-sig", newline="") as lines:
            return [(row["mr"], row["ref"]) for row in csv.DictReader(io.StringIO(lines.read()))]

    return read("devset.csv.gz"), read("testset_w_refs.csv.gz"), {}


def training_set(rows: Rows) -> TrainingSet:
    """The rows as people's texts; equal inputs share a group. No incumbent is involved."""
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=given,
            output=text,
            source=LabelSource.HUMAN,
            incumbent_output=None,
            split=Split.TRAIN,
            group=given,
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for number, (given, text) in enumerate(rows)
    ]
    return TrainingSet(dataset_id=DatasetId("benchmark"), contract=TEXT, examples=examples)


def of_one_kind(known: Realisations, references: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each input the texts of all inputs that differ in copied values only, with its own values."""
    kinds: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    kind_of: dict[str, Any] = {}
    for given, texts in references.items():
        attributes = read_attributes(given)
        slots = None if attributes is None else slots_of(known, attributes)
        if attributes is not None and slots is not None:
            kind_of[given] = act_of(known, attributes), frozenset(slot for slot in slots if slot is not None)
            kinds[kind_of[given]] += [(given, text) for text in texts]
    found: dict[str, list[str]] = {}
    for given, texts in references.items():
        found[given] = list(texts)
        attributes = read_attributes(given)
        if attributes is None:
            continue
        slots = slots_of(known, attributes) or []
        values = {slot: value for slot, (_, value) in zip(slots, attributes.pairs, strict=False) if slot is not None}
        for other, text in kinds.get(kind_of.get(given), []):
            theirs = read_attributes(other)
            if other != given and theirs is not None:
                tokens = delexicalise(known, theirs, text)
                if tokens is not None:
                    found[given].append(render(tokens, values))
    return found


def scored(inputs: Sequence[str], answers: Sequence[str], references: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """BLEU and slot errors of one answer to each input."""
    rights = [tuple(references[given]) for given in inputs]
    quality = text_quality(TEXT, inputs, rights, answers, inputs, seed=1)
    return {
        "bleu": _row(quality.bleu),
        "slot_errors": None if quality.slot_errors is None else _row(quality.slot_errors),
        "checked_share": quality.checked_share,
    }


def measure(name: str, train: Rows, test: Rows, baseline: Mapping[str, str], seed: int) -> list[dict[str, Any]]:
    """The recipe with one seed, and what it is held against."""
    references: dict[str, list[str]] = defaultdict(list)
    for given, text in test:
        references[given].append(text)
    inputs = list(references)
    with tempfile.TemporaryDirectory() as folder:
        fitted = TemplateRecipe().fit(
            training_set(train), artifacts=Path(folder), seed=seed, progress=lambda line: print(line, file=sys.stderr)
        )
        specialist = TemplateSpecialist.load(fitted.path)
    first, taken, predictions = [], [], []
    for given in inputs:
        begun = time.perf_counter()
        predictions += specialist.predict([given])
        first.append(time.perf_counter() - begun)
    for given in inputs:
        begun = time.perf_counter()
        specialist.predict([given])
        taken.append(time.perf_counter() - begun)
    pairs = [(read_attributes(given), text) for given, text in test]
    known = learn_realisations([a for a, _ in pairs if a is not None], [t for a, t in pairs if a is not None])
    # E2E has many texts of the very same input already.
    wide = of_one_kind(known, references) if baseline else {}
    answers = [prediction.output for prediction in predictions]
    systems = {"template recipe": answers}
    if baseline:
        systems["published rules"] = [baseline[given] for given in inputs]
    rows = []
    for system, texts in systems.items():
        read = [(read_attributes(given), text) for given, text in zip(inputs, texts, strict=True) if text]
        aligned = [align(known, attributes, text) for attributes, text in read if attributes is not None]
        slots = sum(len(attributes.pairs) for attributes, _ in read if attributes is not None)
        rows.append(
            {
                "benchmark": name,
                "system": system,
                "seed": seed,
                "inputs": len(inputs),
                "abstained": sum(not text for text in texts),
                "same_input": scored(inputs, texts, references),
                "same_kind": scored(inputs, texts, wide) if wide else None,
                "errors_of_answers": sum(found.errors for found in aligned) / slots,
                "strict_errors_of_answers": sum(found.errors + found.repeated for found in aligned) / slots,
            }
        )
    rows[0] |= {
        "train_s": fitted.train_seconds,
        "size_bytes": fitted.size_bytes,
        "threshold": fitted.threshold,
        "validation": {metric: _row(estimate) for metric, estimate in fitted.metrics.items()},
        "answered_itself": float(np.mean([p.confidence >= (fitted.threshold or 2.0) for p in predictions])),
        "first_ms": _quantiles(first),
        "again_ms": _quantiles(taken),
    }
    return rows


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {"p50": 1000 * float(np.quantile(seconds, 0.5)), "p99": 1000 * float(np.quantile(seconds, 0.99))}


def _row(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high, "n": estimate.n}


def show(rows: Sequence[dict[str, Any]]) -> None:
    """One line for each measurement."""
    for row in rows:
        figures = [
            f"{label} {100 * found['bleu']['value']:.1f} "
            f"[{100 * found['bleu']['ci_low']:.1f}, {100 * found['bleu']['ci_high']:.1f}]"
            for label, found in (("BLEU same input", row["same_input"]), ("same kind", row["same_kind"]))
            if found is not None
        ]
        errors = row["same_input"]["slot_errors"]
        if errors is not None:
            figures.append(
                f"slot errors {100 * errors['value']:.2f} % "
                f"[{100 * errors['ci_low']:.2f}, {100 * errors['ci_high']:.2f}] with abstentions "
                f"({100 * row['same_input']['checked_share']:.0f} % of slots checked), all slots "
                f"{100 * row['errors_of_answers']:.2f} % of answers "
                f"(strict {100 * row['strict_errors_of_answers']:.2f} %)"
            )
        figures.append(f"{row['abstained']} of {row['inputs']:,} abstained")
        if "train_s" in row:
            right = row["validation"]["accuracy"]
            figures.append(
                f"validation right {100 * right['value']:.1f} % (n={right['n']}), threshold {row['threshold']}, "
                f"answers itself {100 * row['answered_itself']:.0f} %; {row['train_s']:.0f} s, "
                f"{row['size_bytes'] / 1e6:.1f} MB; "
                f"first p50 {row['first_ms']['p50']:.2f} p99 {row['first_ms']['p99']:.0f} ms, "
                f"again p50 {row['again_ms']['p50']:.2f} p99 {row['again_ms']['p99']:.2f} ms"
            )
        print(f"{row['benchmark']} {row['system']} (seed {row['seed']}): {'; '.join(figures)}", flush=True)


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Texts from attributes by templates.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=("laptop", "e2e"), help="one data set")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "rnnlg_products").is_dir() or not (given.data / "e2e_nlg").is_dir():
        sys.exit(f"skipped: {given.data} has no rnnlg_products and e2e_nlg; set TIERWRIGHT_DATA or give --data")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    report: list[dict[str, Any]] = []
    for name, read in (("laptop", laptop), ("e2e", e2e)):
        if given.only in {None, name}:
            for seed in range(1, given.seeds + 1):
                rows = measure(name, *read(given.data), seed)
                report += rows
                if not given.json:
                    show(rows)
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

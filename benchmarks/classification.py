"""How good the first two recipes are on public benchmarks with clean labels, on the official splits.

    python benchmarks/classification.py [--data DIRECTORY] [--encoder DIRECTORY] [--seeds 1] [--json]

Banking77 (77 intents) and CLINC150 (150 intents, in scope) are trained on their training split through the recipes and
scored on their test split through the artifact that was written. Every answer counts, whatever its confidence. Seconds
are those of the whole recipe: embedding, out-of-fold scoring, calibration and writing. No choice was made on these test
splits by this program; see LAB.md for what was tried on them before.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Specialist
from tierwright.stats.intervals import wilson
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
#: (text, label) pairs.
Rows = list[tuple[str, str]]


def banking77(data: Path) -> tuple[Rows, Rows]:
    """Training and test split."""

    def read(name: str) -> Rows:
        with gzip.open(data / "banking77" / name, "rt", encoding="utf-8", newline="") as lines:
            return [(row["text"].strip(), row["category"]) for row in csv.DictReader(io.StringIO(lines.read()))]

    return read("train.csv.gz"), read("test.csv.gz")


def clinc150(data: Path) -> tuple[Rows, Rows]:
    """Training and test split, in scope."""
    with gzip.open(data / "clinc150" / "data_full.json.gz", "rt", encoding="utf-8") as lines:
        splits = json.load(lines)
    return [(text, label) for text, label in splits["train"]], [(text, label) for text, label in splits["test"]]


def training_set(rows: Rows) -> TrainingSet:
    """The rows as a person's labels; equal texts share a group. No incumbent is involved."""
    labels = tuple(label for label, _ in Counter(label for _, label in rows).most_common())
    examples = [
        Example(
            id=InferenceId(f"row-{number}"),
            input=text,
            output=label,
            source=LabelSource.HUMAN,
            incumbent_output=label,
            split=Split.TRAIN,
            group=text.casefold(),
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for number, (text, label) in enumerate(rows)
    ]
    contract = OutputContract(kind=ContractKind.LABEL, labels=labels)
    return TrainingSet(dataset_id=DatasetId("benchmark"), contract=contract, examples=examples)


def measure(name: str, train: Rows, test: Rows, encoder: Encoder | None, seed: int) -> list[dict[str, Any]]:
    """Both recipes on one benchmark."""
    recipes: list[tuple[str, NgramRecipe | EncoderHeadRecipe, Encoder | None]] = [("ngram", NgramRecipe(), None)]
    if encoder is not None:
        recipes.append(("encoder-head", EncoderHeadRecipe(encoder=encoder), encoder))
    found = []
    for recipe_name, recipe, needed in recipes:
        with tempfile.TemporaryDirectory() as folder:
            fitted = recipe.fit(training_set(train), artifacts=Path(folder), seed=seed, progress=lambda _: None)
            predictions = Specialist.load(fitted.path, encoder=needed).predict([text for text, _ in test])
        right = sum(p.output == label for p, (_, label) in zip(predictions, test, strict=True))
        interval = wilson(right, len(test))
        found.append(
            {
                "benchmark": name,
                "recipe": recipe_name,
                "seed": seed,
                "accuracy": interval.value,
                "ci_low": interval.ci_low,
                "ci_high": interval.ci_high,
                "n": interval.n,
                "train_s": fitted.train_seconds,
                "size_bytes": fitted.size_bytes,
                "brier": statistics.fmean(
                    (p.confidence - (p.output == label)) ** 2 for p, (_, label) in zip(predictions, test, strict=True)
                ),
                "mean_confidence": statistics.fmean(p.confidence for p in predictions),
            }
        )
    return found


def show(rows: Sequence[dict[str, Any]]) -> None:
    """One line for each measurement."""
    for row in rows:
        print(
            f"{row['benchmark']} {row['recipe']}: {100 * row['accuracy']:.2f} % "
            f"[{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], n={row['n']:,}, seed {row['seed']}; "
            f"mean confidence {100 * row['mean_confidence']:.1f} %, Brier {row['brier']:.4f}; "
            f"{row['train_s']:.1f} s, {row['size_bytes'] / 1e6:.1f} MB",
            flush=True,
        )


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="The first two recipes on public benchmarks.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=WEIGHTS, help="what `tierwright model pull` built")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "banking77").is_dir() or not (given.data / "clinc150").is_dir():
        sys.exit(f"skipped: {given.data} has no banking77 and clinc150; set TIERWRIGHT_DATA or give --data")
    encoder = Encoder.load(given.encoder, threads=2) if given.encoder.exists() else None
    if encoder is None:
        print(f"no sentence encoder at {given.encoder}: encoder-head is left out", file=sys.stderr)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    report: list[dict[str, Any]] = []
    for name, (train, test) in (("Banking77", banking77(given.data)), ("CLINC150 in scope", clinc150(given.data))):
        for seed in range(1, given.seeds + 1):
            rows = measure(name, train, test, encoder, seed)
            report += rows
            if not given.json:
                show(rows)
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

"""How good a tuned sentence encoder is on public data with clean labels, on the official splits, and how it is served.

    python benchmarks/tuned.py [--sets banking77,clinc150] [--seeds 1] [--epochs N] [--artifacts DIRECTORY] [--json]

Sets: banking77, clinc150 (trained on the 150 intents in scope; the out-of-scope texts are seen by nobody before the
test), clinc150-oos (the 100 out-of-scope training texts are one class more), and policy_EN and toxicity_EN of textclass
(test texts that occur in the training split are left out). Trained through the recipe, scored through the artifact that
was written; every answer counts, whatever its confidence. Out of scope: AUROC of the confidence, and the share of
out-of-scope texts below the confidence that 95 % of the in-scope test texts reach; for clinc150-oos that confidence is
0 where the answer is `oos`. Latency: one text after another on one thread.

A run that was stopped goes on where it was if it is started again with the same --artifacts.
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
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import DatasetId, InferenceId
from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.stats.intervals import wilson
from tierwright.training.recipe import TrainingSet
from tierwright.training.recipes.encoder_tuned import EncoderTunedRecipe
from tierwright.training.tuning_plan import TuningPlan
from tierwright.training.weights import read_tunable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tierwright.core.protocols import Predictor

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
OUTSIDE = "oos"
#: (text, label) pairs.
Rows = list[tuple[str, str]]


def table(path: Path, text: str, label: str) -> Rows:
    """Two columns of a gzipped CSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [(row[text].strip(), row[label]) for row in csv.DictReader(io.StringIO(lines.read()))]


def banking77(data: Path) -> tuple[Rows, Rows, Rows]:
    """Training split, test split, and texts out of scope."""
    train, test = (table(data / "banking77" / f"{split}.csv.gz", "text", "category") for split in ("train", "test"))
    return train, test, []


def clinc150(data: Path, *, with_outside: bool) -> tuple[Rows, Rows, Rows]:
    """The same, with or without the out-of-scope training texts."""
    with gzip.open(data / "clinc150" / "data_full.json.gz", "rt", encoding="utf-8") as lines:
        splits = json.load(lines)
    pairs = {name: [(text, label) for text, label in rows] for name, rows in splits.items()}
    return pairs["train"] + (pairs["oos_train"] if with_outside else []), pairs["test"], pairs["oos_test"]


def textclass(data: Path, name: str) -> tuple[Rows, Rows, Rows]:
    """Train and validation split for training; test texts that occur in either are left out."""
    folder = data / "textclass"
    train = [row for split in ("train", "val") for row in table(folder / f"{name}__{split}.csv.gz", "text", "gold")]
    seen = {text for text, _ in train}
    return train, [row for row in table(folder / f"{name}.csv.gz", "text", "gold") if row[0] not in seen], []


SETS: dict[str, Callable[[Path], tuple[Rows, Rows, Rows]]] = {
    "banking77": banking77,
    "clinc150": lambda data: clinc150(data, with_outside=False),
    "clinc150-oos": lambda data: clinc150(data, with_outside=True),
    "policy_EN": lambda data: textclass(data, "policy_EN"),
    "toxicity_EN": lambda data: textclass(data, "toxicity_EN"),
}


def training_set(name: str, rows: Rows) -> TrainingSet:
    """The rows as people's labels; equal texts share a group. No incumbent is involved."""
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
    return TrainingSet(dataset_id=DatasetId(f"benchmark-{name}"), contract=contract, examples=examples)


def measure(name: str, seed: int, given: argparse.Namespace, artifacts: Path) -> dict[str, Any]:
    """Trains, scores and times on one set."""
    train, test, outside = SETS[name](given.data)
    plan = replace(TuningPlan(), epochs=given.epochs) if given.epochs else TuningPlan()
    recipe = EncoderTunedRecipe(
        encoder=Encoder.load(given.encoder, threads=given.threads),
        base=read_tunable(given.encoder),
        threads=given.threads,
        plan=plan,
    )
    cpu_s = time.process_time()
    fitted = recipe.fit(
        training_set(name, train), artifacts=artifacts, seed=seed, progress=lambda words: print(words, file=sys.stderr)
    )
    cpu_s = time.process_time() - cpu_s
    specialist = load_specialist(fitted.path, encoder=None)
    begun = time.perf_counter()
    predictions = specialist.predict([text for text, _ in test])
    seconds = time.perf_counter() - begun
    right = np.array([p.output == label for p, (_, label) in zip(predictions, test, strict=True)])
    sure = np.array([0.0 if p.output == OUTSIDE else p.confidence for p in predictions])
    interval = wilson(int(right.sum()), len(test))
    found: dict[str, Any] = {
        "set": name,
        "seed": seed,
        "epochs": plan.epochs,
        "accuracy": interval.value,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "n": interval.n,
        "train_s": fitted.train_seconds,
        "train_cpu_s": cpu_s,
        "size_bytes": fitted.size_bytes,
        "calibration_error": calibration_error(np.array([p.confidence for p in predictions]), right),
        "texts_per_s": len(test) / seconds,
        "latency_ms": latency_ms(specialist, [text for text, _ in test[: given.repeats]]),
        "validation": fitted.metrics["accuracy"].value,
    }
    if outside:
        known = specialist.predict([text for text, _ in outside])
        novel = np.array([0.0 if p.output == OUTSIDE else p.confidence for p in known])
        found |= scope(sure, novel)
    return found


def scope(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> dict[str, Any]:
    """AUROC, and recall of out-of-scope texts at 95 % in-scope acceptance, with Wilson's interval."""
    order = np.sort(inside)
    below = np.searchsorted(order, outside, side="left")
    ties = np.searchsorted(order, outside, side="right") - below
    recall = wilson(int((outside < np.quantile(inside, 0.05)).sum()), len(outside))
    return {
        "auroc": float(1 - (below + ties / 2).mean() / len(inside)),
        "outside_recall": recall.value,
        "outside_ci_low": recall.ci_low,
        "outside_ci_high": recall.ci_high,
        "outside_n": recall.n,
    }


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal mass (Nixon et al. 2019)."""
    bins = np.array_split(np.argsort(confidence, kind="stable"), 15)
    gaps = [len(rows) * abs(float(confidence[rows].mean() - right[rows].mean())) for rows in bins if len(rows)]
    return sum(gaps) / len(right)


def latency_ms(specialist: Predictor, texts: list[str]) -> dict[str, float]:
    """Quantiles over single predictions, one after another."""
    laps = []
    for text in texts:
        begun = time.perf_counter()
        specialist.predict([text])
        laps.append((time.perf_counter() - begun) * 1000)
    cuts = statistics.quantiles(laps, n=100)
    return {"p50": cuts[49], "p99": cuts[98]}


def show(row: dict[str, Any]) -> None:
    """One measurement in words."""
    print(
        f"{row['set']}: {100 * row['accuracy']:.2f} % [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], "
        f"n={row['n']:,}, seed {row['seed']}, {row['epochs']} epochs; validation {100 * row['validation']:.1f} %; "
        f"calibration error {100 * row['calibration_error']:.1f} points; {row['train_s']:.0f} s "
        f"({row['train_cpu_s']:.0f} s of processor time), {row['size_bytes'] / 1e6:.1f} MB; one text "
        f"p50 {row['latency_ms']['p50']:.1f} ms, p99 {row['latency_ms']['p99']:.1f} ms; "
        f"{row['texts_per_s']:.0f} texts/s"
    )
    if "auroc" in row:
        print(
            f"  out of scope: AUROC {row['auroc']:.4f}, recall at 95 % in-scope acceptance "
            f"{100 * row['outside_recall']:.1f} % [{100 * row['outside_ci_low']:.1f}, "
            f"{100 * row['outside_ci_high']:.1f}], n={row['outside_n']:,}"
        )


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="The recipe encoder-tuned on public benchmarks.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=WEIGHTS, help="what `tierwright model pull` built")
    parser.add_argument("--sets", default="banking77,clinc150", help=f"of {', '.join(SETS)}")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=300, help="single predictions that are timed")
    parser.add_argument("--artifacts", type=Path, help="kept, to go on with a training that was stopped")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not given.data.is_dir() or not given.encoder.is_dir():
        sys.exit(f"skipped: {given.data} or {given.encoder} is not here; see --data and `tierwright model pull`")
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    report = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sets.split(","):
            for seed in range(1, given.seeds + 1):
                report.append(measure(name, seed, given, given.artifacts or Path(folder)))
                if not given.json:
                    show(report[-1])
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

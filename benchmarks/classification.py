"""How good the linear recipes are on public benchmarks with clean labels, on the official splits.

    python benchmarks/classification.py [--data DIRECTORY] [--encoder DIRECTORY] [--seeds 3] [--only NAME ...] [--json]

Each set is trained on its training split (and validation split, where it has one; with that of CLINC150 and of xsid in
lines of their own, since published figures are without) through the recipes and scored on its test split through the
artifact that was written. Every answer counts, whatever its confidence. Printed are the share of right answers with
Wilson's interval, the expected calibration error in 15 bins of equal size, and where a set has texts that belong to no
answer: the AUROC of `Prediction.confidence` between those and the test split, and the share of them that is below the
confidence which 95 % of the test split has. An answer that says "out of scope" counts as below all others. Seconds are
those of the whole recipe: embedding, out-of-fold scoring, calibration and writing. Latency is that of one text at a
time on one core. No choice was made on these test splits by this program; see LAB.md for what was tried on them before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.classified import SETS, Benchmark
from benchmarks.rig.scoring import calibration_error, latency, outside, training_set

from tierwright.specialists.encoder import Encoder
from tierwright.specialists.specialist import Specialist
from tierwright.stats.intervals import wilson
from tierwright.training.recipes.encoder_head import EncoderHeadRecipe
from tierwright.training.recipes.ngram import NgramRecipe

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Texts answered one at a time.
_ALONE = 300
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """The same encoder on two cores and on one."""

    training: Encoder
    serving: Encoder


def measure(name: str, benchmark: Benchmark, recipe: str, encoders: Encoders | None, seed: int) -> dict[str, Any]:
    """One recipe on one benchmark."""
    training, serving = (encoders.training, encoders.serving) if encoders and recipe != "ngram" else (None, None)
    chosen = NgramRecipe() if training is None else EncoderHeadRecipe(encoder=training)
    processor = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fitted = chosen.fit(
            training_set(name, benchmark.train), artifacts=Path(folder), seed=seed, progress=lambda _: None
        )
        processor = time.process_time() - processor
        specialist = Specialist.load(fitted.path, encoder=training)
        alone = Specialist.load(fitted.path, encoder=serving)
    texts = [text for text, _ in benchmark.test]
    begun = time.perf_counter()
    predictions = specialist.predict(texts)
    per_second = len(texts) / (time.perf_counter() - begun)
    right = np.array([p.output == label for p, (_, label) in zip(predictions, benchmark.test, strict=True)])
    sure = np.array([p.confidence for p in predictions])
    interval = wilson(int(right.sum()), len(right))
    return {
        "benchmark": name,
        "recipe": recipe,
        "seed": seed,
        "accuracy": interval.value,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "n": interval.n,
        "beside": dict(benchmark.beside),
        "calibration_error": calibration_error(sure, right),
        "train_s": fitted.train_seconds,
        "processor_s": processor,
        "size_bytes": fitted.size_bytes,
        "latency_ms": latency(alone, texts[:_ALONE]),
        "texts_per_s": per_second,
        **outside(predictions, specialist.predict(benchmark.outside)),
    }


def show(row: dict[str, Any]) -> None:
    """One line for each measurement."""
    beside = ", ".join(f"{name} {value}" for name, value in row["beside"].items())
    print(
        f"{row['benchmark']} {row['recipe']}: {100 * row['accuracy']:.2f} % "
        f"[{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], n={row['n']:,}, seed {row['seed']} ({beside}); "
        f"calibration error {100 * row['calibration_error']:.2f} %; "
        f"{row['train_s']:.1f} s ({row['processor_s']:.1f} s of processor time), {row['size_bytes'] / 1e6:.1f} MB; "
        f"one text p50 {row['latency_ms']['p50']:.1f} ms, p99 {row['latency_ms']['p99']:.1f} ms; "
        f"{row['texts_per_s']:.0f} texts/s",
        flush=True,
    )
    if "outside_auroc" in row:
        print(
            f"    out of scope: AUROC {row['outside_auroc']:.4f}, recall at 95 % accepted "
            f"{100 * row['outside_recall']:.1f} % "
            f"[{100 * row['outside_recall_ci_low']:.1f}, {100 * row['outside_recall_ci_high']:.1f}], "
            f"n={row['outside_n']:,}",
            flush=True,
        )


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="The linear recipes on public benchmarks.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=WEIGHTS, help="what `tierwright model pull` built")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(SETS), help="these sets; all, if none is named")
    parser.add_argument("--recipe", choices=["ngram", "encoder-head"], help="this recipe; both, if none is named")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "banking77").is_dir():
        sys.exit(f"skipped: {given.data} has no banking77; set TIERWRIGHT_DATA or give --data")
    recipes = [given.recipe] if given.recipe else ["ngram", "encoder-head"]
    encoders = None
    if given.encoder.exists():
        encoders = Encoders(
            training=Encoder.load(given.encoder, threads=2), serving=Encoder.load(given.encoder, threads=1)
        )
    elif "encoder-head" in recipes:
        print(f"no sentence encoder at {given.encoder}: encoder-head is left out", file=sys.stderr)
        recipes.remove("encoder-head")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    report: list[dict[str, Any]] = []
    for name in given.only or SETS:
        benchmark = SETS[name](given.data)
        for recipe in recipes:
            for seed in range(1, given.seeds + 1):
                report.append(measure(name, benchmark, recipe, encoders, seed))
                if not given.json:
                    show(report[-1])
    if given.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

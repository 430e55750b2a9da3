"""How good a tuned sentence encoder is on public data with clean labels, on the official splits, and how it is served.

    python benchmarks/tuned.py [--sets banking77,clinc150] [--seeds 1] [--epochs N] [--artifacts DIRECTORY] [--json]

Sets: banking77, clinc150 (trained on the 150 intents in scope; the out-of-scope texts are seen by nobody before the
test), clinc150-val (with the validation split to learn from, too), clinc150-oos (the 100 out-of-scope training texts
are one class more), policy_EN and toxicity_EN of textclass (test texts that occur in the training split are left out),
and xsid_EN. Trained through the recipe, scored through the artifact that was written; every answer counts, whatever its
confidence. Out of scope: AUROC of the confidence, and the share of out-of-scope texts below the confidence that 95 % of
the in-scope test texts reach; for clinc150-oos that confidence is below 0 where the answer is `oos`. Latency: one text
after another on one thread.

A run that was stopped goes on where it was if it is started again with the same --artifacts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import classified
from benchmarks.rig.scoring import calibration_error, latency, outside, training_set

from tierwright.specialists.encoder import Encoder
from tierwright.specialists.loading import load_specialist
from tierwright.stats.intervals import wilson
from tierwright.training.recipes.encoder_tuned import EncoderTunedRecipe
from tierwright.training.tuning_plan import TuningPlan
from tierwright.training.weights import read_tunable

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rig.classified import Benchmark

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
#: By the names of the command line.
SETS: dict[str, Callable[[Path], Benchmark]] = {
    "banking77": classified.banking77,
    "clinc150": lambda data: classified.clinc150(data, taught=False),
    "clinc150-val": lambda data: classified.clinc150(data, taught=False, validation=True),
    "clinc150-oos": lambda data: classified.clinc150(data, taught=True),
    "policy_EN": lambda data: classified.textclass(data, "policy_EN", {}),
    "toxicity_EN": lambda data: classified.textclass(data, "toxicity_EN", {}),
    "xsid_EN": classified.xsid,
    "xsid_EN-val": lambda data: classified.xsid(data, validation=True),
}


def measure(name: str, seed: int, given: argparse.Namespace, artifacts: Path) -> dict[str, Any]:
    """Trains, scores and times on one set."""
    benchmark = SETS[name](given.data)
    test = benchmark.test
    plan = replace(TuningPlan(), epochs=given.epochs) if given.epochs else TuningPlan()
    recipe = EncoderTunedRecipe(
        encoder=Encoder.load(given.encoder, threads=given.threads),
        base=read_tunable(given.encoder),
        threads=given.threads,
        plan=plan,
    )
    cpu_s = time.process_time()
    fitted = recipe.fit(
        training_set(name, benchmark.train),
        artifacts=artifacts,
        seed=seed,
        progress=lambda words: print(words, file=sys.stderr),
    )
    cpu_s = time.process_time() - cpu_s
    specialist = load_specialist(fitted.path, encoder=None)
    begun = time.perf_counter()
    predictions = specialist.predict([text for text, _ in test])
    seconds = time.perf_counter() - begun
    right = np.array([p.output == label for p, (_, label) in zip(predictions, test, strict=True)])
    interval = wilson(int(right.sum()), len(test))
    return {
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
        "latency_ms": latency(specialist, [text for text, _ in test[: given.repeats]]),
        "validation": fitted.metrics["accuracy"].value,
        **outside(predictions, specialist.predict(benchmark.outside)),
    }


def show(row: dict[str, Any]) -> None:
    """One measurement in words."""
    print(
        f"{row['set']}: {100 * row['accuracy']:.2f} % [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], "
        f"n={row['n']:,}, seed {row['seed']}, {row['epochs']} epochs at most; "
        f"validation {100 * row['validation']:.1f} %; "
        f"calibration error {100 * row['calibration_error']:.1f} points; {row['train_s']:.0f} s "
        f"({row['train_cpu_s']:.0f} s of processor time), {row['size_bytes'] / 1e6:.1f} MB; one text "
        f"p50 {row['latency_ms']['p50']:.1f} ms, p99 {row['latency_ms']['p99']:.1f} ms; "
        f"{row['texts_per_s']:.0f} texts/s"
    )
    if "outside_auroc" in row:
        print(
            f"  out of scope: AUROC {row['outside_auroc']:.4f}, recall at 95 % in-scope acceptance "
            f"{100 * row['outside_recall']:.1f} % [{100 * row['outside_recall_ci_low']:.1f}, "
            f"{100 * row['outside_recall_ci_high']:.1f}], n={row['outside_n']:,}"
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

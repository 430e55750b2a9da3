"""How often the projected volume holds what then came, beside the interval of a Poisson count.

    python benchmarks/volume.py --traces FOLDER [--log FILE --key FILE] [--windows 300] [--json]

FOLDER holds the Azure LLM inference traces of 2023 (AzureLLMInferenceTrace_{code,conv}.csv.gz, one hour each). Of each
trace, and of each task of the log, windows are drawn at random (length from a sixth of it to the whole, start anywhere,
and of the traces each request kept with a share of 1, 0.3, 0.1 or 0.03, so that small tasks are among them). The last
third of a window is held back, forecast from the first two, and counted: printed is the share of windows whose
interval of 90 % holds it, with the Clopper-Pearson interval over windows. Windows overlap, so that interval is too
narrow for other traffic: a trace holds only a few independent stretches. `naive` is the mean with the interval of a
Poisson count, for both the past and the future; `width` is the median width of ours over that of naive. `whole` is the
forecast of the last third of the whole trace. `seconds_per_million` is the time of `project` on a million instants.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.volume import forecast, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED, Z = 1, 1.6449
THINNED = (1.0, 0.3, 0.1, 0.03)


def trace(path: Path) -> NDArray[np.float64]:
    """The instants of a trace."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [row["TIMESTAMP"][:26] for row in csv.DictReader(file)]
    return np.sort([datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in texts])


def tasks(log: Path, key: Path) -> dict[str, NDArray[np.float64]]:
    """The instants of each task of a log, by its key."""
    with gzip.open(key, "rt", encoding="utf-8") as file:
        task_of = {row["id"]: row["task"] for row in map(json.loads, file)}
    found: dict[str, list[float]] = defaultdict(list)
    with gzip.open(log, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            found[task_of[row["response"]["id"]]].append(row["timestamp"])
    return {task: np.sort(at) for task, at in found.items()}


def held_back(at: NDArray[np.float64], since: float, until: float) -> dict[str, Any]:
    """The last third of a window, forecast from the rest."""
    cut = since + (until - since) * 2 / 3
    past = at[(at >= since) & (at < cut)]
    came = int(((at >= cut) & (at <= until)).sum())
    found = forecast(past, since, cut, horizon_s=until - cut)
    naive, half = len(past) / 2, Z * (len(past) / 4 + len(past) / 2) ** 0.5
    return {
        "came": came,
        "value": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "held": found.ci_low <= came <= found.ci_high,
        "naive_held": abs(came - naive) <= half,
        "width": (found.ci_high - found.ci_low) / (2 * half) if half else float("nan"),
    }


def measured(at: NDArray[np.float64], since: float, until: float, windows: int, shares: tuple[float, ...]) -> Any:
    """Coverage over random windows."""
    generator = np.random.default_rng(SEED)
    rows = []
    for _ in range(windows):
        length = generator.uniform((until - since) / 6, until - since)
        start = generator.uniform(since, until - length)
        kept = at[generator.random(len(at)) < generator.choice(shares)]
        rows.append(held_back(kept, start, start + length))
    return {
        "requests": len(at),
        "windows": windows,
        "coverage": asdict(clopper_pearson(sum(row["held"] for row in rows), windows)),
        "naive": asdict(clopper_pearson(sum(row["naive_held"] for row in rows), windows)),
        "width": float(np.nanmedian([row["width"] for row in rows])),
        "whole": held_back(at, since, until),
    }


def seconds_per_million() -> float:
    """Of `project` on a million instants of 30 days."""
    at = np.random.default_rng(SEED).random(1_000_000) * 30 * 86_400 + 1_756_684_800
    started = time.perf_counter()
    project(at, 1_756_684_800, 1_756_684_800 + 30 * 86_400)
    return time.perf_counter() - started


def main() -> None:
    """Prints a line for each trace and task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--traces", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--windows", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in ("code", "conv"):
        at = trace(options.traces / f"AzureLLMInferenceTrace_{name}.csv.gz")
        found[f"azure {name}"] = measured(at, float(at[0]), float(at[-1]), options.windows, THINNED)
    if options.log is not None and options.key is not None:
        by_task = tasks(options.log, options.key)
        since = min(float(at[0]) for at in by_task.values())
        until = max(float(at[-1]) for at in by_task.values())
        for task, at in by_task.items():
            found[task] = measured(at, since, until, options.windows, (1.0,))
    seconds = seconds_per_million()
    if options.json:
        print(json.dumps({"seconds_per_million": seconds, "traffic": found}, indent=2))
        return
    print(f"{'traffic':20}{'requests':>9}{'windows':>8}{'coverage of 90 %':>24}{'naive':>7}{'width':>7}  whole")
    for name, row in found.items():
        coverage, whole = row["coverage"], row["whole"]
        print(
            f"{name:20}{row['requests']:>9,}{row['windows']:>8}{coverage['value']:>10.3f} "
            f"[{coverage['ci_low']:.3f}, {coverage['ci_high']:.3f}]{row['naive']['value']:>7.2f}{row['width']:>7.1f}  "
            f"{whole['came']:,} in [{whole['ci_low']:,.0f}, {whole['ci_high']:,.0f}]"
        )
    print(f"project, 1,000,000 instants: {seconds:.2f} s")


if __name__ == "__main__":
    main()

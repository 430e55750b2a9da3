"""How many labels of people a comparison takes: drawn alike, by a label sheet, and with a judge.

    python benchmarks/labels.py [--draws 2000] [--seed 20261128] [--json]

On `../shared/data/textclass`, repeats removed: recorded answers of candidate, baseline and judge, and gold labels. Each
draw takes a test set of the pool's size with replacement from the pool, has so many examples labelled, and asks whether
the interval of the difference holds the pool's. The judge prefers the answer that it would have given itself.

`same width` is how many labels drawn alike would make an interval as short as the method's mean one, at most those of
the whole test set. Nothing is timed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from tierwright.stats.intervals import clopper_pearson
from tierwright.stats.prediction_powered import MIN_GOLD, ppi_mean, ppi_of_disagreements
from tierwright.stats.sampling import disagreement_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data")) / "textclass"
TASKS = (
    "policy_EN",
    "policy_ES",
    "policy_HU",
    "toxicity_EN",
    "toxicity_ES",
    "toxicity_ZH",
    "sust_finance_EN",
    "technology_EN",
)
#: Candidate, baseline, judge.
BOUTS = (
    ("gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06", "o3-2025-04-16"),
    ("o1-2024-12-17", "gpt-4o-2024-08-06", "claude-3-7-sonnet-20250219"),
)
BUDGETS = (60, 150)
#: Share of a sheet's labels that goes to disagreements, as `eval labels` has it.
SHEET_SHARE = 0.8
CRITICAL = float(ndtri(0.975))
Row = dict[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a method makes of one test set: an interval, or the counts that Tango's is computed from."""

    labels: int
    ends: tuple[float, float] | None = None
    #: Won, lost, labelled, and examples for each labelled kind.
    counts: tuple[float, float, float, float] | None = None


def pool(task: str, bout: tuple[str, str, str]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Of each example: the true difference, the judge's, and whether candidate and baseline differ."""
    with gzip.open(DATA / f"{task}.csv.gz", "rt", encoding="utf-8") as file:
        rows = {" ".join(row["text"].split()).casefold(): row for row in csv.DictReader(file)}
    candidate, baseline, judge, gold = (np.array([row[name] for row in rows.values()]) for name in (*bout, "gold"))
    true = (candidate == gold).astype(float) - (baseline == gold)
    says = (candidate == judge).astype(float) - (baseline == judge)
    return true, says, candidate != baseline


def measured(task: str, bout: tuple[str, str, str], generator: np.random.Generator, draws: int) -> Iterator[Row]:
    """One row for each budget and method."""
    true, says, differ = pool(task, bout)
    n, truth = true.size, float(true.mean())
    for budget in BUDGETS:
        by_method: dict[str, list[Drawn]] = {}
        for _ in range(draws):
            test = generator.integers(0, n, n)
            for name, one in _methods(true[test], says[test], differ[test], budget, generator):
                by_method.setdefault(name, []).append(one)
        ends = {name: _ended(found) for name, found in by_method.items()}
        base = float(np.ptp(ends["labels drawn alike"], axis=1).mean())
        for name, pairs in ends.items():
            low, high = pairs.T
            missed = int(((low > truth) | (high < truth)).sum())
            counted = clopper_pearson(missed, low.size)
            width = float((high - low).mean())
            yield {
                "task": task,
                "candidate": bout[0],
                "judge": bout[2],
                "n": n,
                "differ": float(differ.mean()),
                "judge_right": float((np.sign(says[differ]) == true[differ]).mean()),
                "truth": truth,
                "budget": budget,
                "method": name,
                "labels": float(np.mean([one.labels for one in by_method[name]])),
                "draws": low.size,
                "violations": counted.value,
                "violations_low": counted.ci_low,
                "violations_high": counted.ci_high,
                "width": width,
                "same_width": min(float(n), budget * (base / width) ** 2),
            }


def _methods(
    true: NDArray[np.float64],
    says: NDArray[np.float64],
    differ: NDArray[np.bool_],
    budget: int,
    generator: np.random.Generator,
) -> Iterator[tuple[str, Drawn]]:
    """What each method makes of one test set."""
    n = true.size
    order = generator.permutation(n)
    some, rest = order[:budget], order[budget:]
    yield "labels drawn alike", Drawn(labels=budget, counts=_counts(true[some], 1.0))
    powered = ppi_mean(true[some], says[some], says[rest], bounds=(-1.0, 1.0))
    yield "the same and the judge (PPI++)", Drawn(labels=budget, ends=(powered.ci_low, powered.ci_high))
    half = CRITICAL * math.sqrt(float(says.var(ddof=1)) / n)
    yield "judge alone", Drawn(labels=0, ends=(float(says.mean()) - half, float(says.mean()) + half))
    places = generator.permutation(np.flatnonzero(differ))
    total = places.size
    if total == 0:
        return
    labelled, others = places[: round(budget * SHEET_SHARE)], places[round(budget * SHEET_SHARE) :]
    sheet = Drawn(labels=labelled.size, counts=_counts(true[labelled], n / total))
    yield "label sheet", sheet
    if labelled.size >= MIN_GOLD and others.size:
        found = ppi_of_disagreements(true[labelled], says[labelled], says[others], disagreements=total, n=n)
        sheet = Drawn(labels=labelled.size, ends=(found.ci_low, found.ci_high))
    yield "label sheet and the judge", sheet


def _counts(changes: NDArray[np.float64], each: float) -> tuple[float, float, float, float]:
    return float((changes > 0).sum()), float((changes < 0).sum()), float(changes.size), each


def _ended(found: Sequence[Drawn]) -> NDArray[np.float64]:
    """The intervals of all draws, shape (draws, 2); those by counts are computed at once."""
    counts = np.array([one.counts or (0.0, 0.0, 1.0, 1.0) for one in found])
    low, high = disagreement_ends(counts[:, 0], counts[:, 1], counts[:, 2], counts[:, 3], 1.0, CRITICAL)
    return np.array(
        [one.ends or (float(a), float(b)) for one, a, b in zip(found, low, high, strict=True)], dtype=np.float64
    )


def main() -> None:
    """Prints one line for each task, budget and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    rows = [row for bout in BOUTS for task in TASKS for row in measured(task, bout, generator, options.draws)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    head = ""
    for row in rows:
        about = (
            f"{row['task']}: {row['candidate']} against {BOUTS[0][1]}, n {row['n']}, differ {row['differ']:.3f}, truth "
            f"{row['truth']:+.3f}; judge {row['judge']} right on {row['judge_right']:.3f} of these; "
            f"{row['budget']} labels, {row['draws']} draws"
        )
        if about != head:
            print(f"\n{about}")
            head = about
        print(
            f"  {row['method']:<32} labels {row['labels']:6.1f}  width {row['width']:.4f}  same width "
            f"{row['same_width']:7.0f}  violations {row['violations']:.4f} "
            f"[{row['violations_low']:.4f}, {row['violations_high']:.4f}]"
        )
    summary(rows)


def summary(rows: Sequence[Row]) -> None:
    """Prints what one label is worth, and how often intervals missed, over all cells."""
    print("\nover all cells: labels drawn alike that one label is worth, median (range); violations, mean (largest)")
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        found = [row for row in rows if row["method"] == method]
        worth = [float(row["same_width"]) / float(row["labels"]) for row in found if row["labels"]]
        missed = [float(row["violations"]) for row in found]
        above = sum(float(row["violations_low"]) > 0.05 for row in found)
        told = f"{np.median(worth):6.2f} ({min(worth):.2f} to {max(worth):.2f})" if worth else "no label"
        print(
            f"  {method:<32} {told:<28} {np.mean(missed):.4f} ({max(missed):.4f}); above 5 % for certain in {above} of "
            f"{len(found)} cells"
        )


if __name__ == "__main__":
    main()

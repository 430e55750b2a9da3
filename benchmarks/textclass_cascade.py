"""Cascades of a specialist trained here and recorded frontier models, on TextClass tasks.

    python benchmarks/textclass_cascade.py [--data DIRECTORY] [--encoder DIRECTORY] [--only TASK ...] [--kept FOLDER]
        [--repeats 50] [--loose] [--json]

The recipe of each task is the one that is best on its validation rows; it is trained on training and validation rows.
Frontier answers exist for test rows only, so thresholds are cross-fitted: the test rows are halved, each half is
decided by the threshold that `training.calibration.calibrate` finds on the other, and that is repeated with other
halves. A row's quality is its mean over the repeats. Test rows whose text occurs in training or validation rows, or
before in the test rows, are left out: alike but for case, punctuation and spacing, or with `--loose` only those that
occur exactly in training or validation rows (as for the reference figures). The interval of the difference to the
better model is a paired bootstrap by row; Holm's correction over all cells says where it is above 0. It holds the
halves fixed, so it is about these thresholds on more such rows.

Beside it: always either model, a random share of the same size, length and nearest neighbours instead of confidence,
the threshold that is best on the other half as counted (plug-in) and on all rows (hindsight, not attainable), and the
oracle that asks the right model every time. APGR is the mean share of the gap between both models that is closed, over
all shares of frontier calls; it means little where the models are within 3 points, and is marked with * there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.textclass import TASKS, Learned, learn, read
from sklearn.feature_extraction.text import HashingVectorizer

from tierwright.specialists.encoder import Encoder
from tierwright.training.calibration import calibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.rig.textclass import Task
    from numpy.typing import NDArray

    #: From the rows of a half to whether each row is answered locally, shape (n,).
    Rule = Callable[[NDArray[np.int64]], NDArray[np.bool_]]

DATA = Path(os.environ.get("TIERWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = Path.home() / ".cache" / "tierwright" / "weights" / "all-MiniLM-L6-v2"
#: Draws of the bootstrap.
_DRAWS = 10_000
#: Gap between both models from which APGR means something.
_MIN_GAP = 0.03
#: Neighbours that foretell which model is right.
_NEIGHBOURS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A specialist and a frontier model on the same n rows, shape (n,) each."""

    weak: NDArray[np.bool_]
    strong: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    length: NDArray[np.float64]
    #: Row numbers of the nearest rows, nearest first, shape (n, n - 1).
    neighbours: NDArray[np.int64]

    @property
    def gain(self) -> NDArray[np.float64]:
        """What answering locally gains."""
        return self.weak.astype(np.float64) - self.strong


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A way to decide, cross-fitted."""

    #: Mean quality.
    quality: float
    #: Share of frontier calls.
    frontier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One task with one frontier model."""

    task: str
    model: str
    n: int
    recipe: str
    specialist: float
    frontier: float
    cascade: Curve
    #: Of the cascade over the better of both models: the value, and its 95 % interval.
    lift: float
    ci_low: float
    ci_high: float
    #: Share of bootstrap draws in which the cascade is not better, with 1 added above and below.
    p_value: float
    #: Of ways to decide, by name.
    beside: dict[str, Curve]
    oracle: float
    #: What the cascade lacks of the oracle, as a share of it.
    gap: float
    #: None: the models are equal.
    apgr: float | None


def decided(pair: Pair, rule: Rule, repeats: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quality and share answered locally of each row, mean over the repeats."""
    generator = np.random.default_rng(1)
    n = len(pair.weak)
    quality, local = np.zeros(n), np.zeros(n)
    for _ in range(repeats):
        drawn = generator.permutation(n)
        for known, held in ((drawn[: n // 2], drawn[n // 2 :]), (drawn[n // 2 :], drawn[: n // 2])):
            here = rule(known)[held]
            local[held] += here / repeats
            quality[held] += np.where(here, pair.weak[held], pair.strong[held]) / repeats
    return quality, local


def product(pair: Pair) -> Rule:
    """The threshold that training gives a specialist."""

    def rule(known: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = calibrate(pair.confidence[known], pair.weak[known], pair.strong[known])
        if found.threshold is None:
            return np.zeros(len(pair.weak), dtype=np.bool_)
        here: NDArray[np.bool_] = found.confidence.calibrated(pair.confidence) >= found.threshold
        return here

    return rule


def best_cut(score: NDArray[np.float64], gain: NDArray[np.float64]) -> float:
    """The score from which answering locally gains most, as counted; the lowest of equals."""
    order = np.argsort(-score, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(gain[order])])
    between = np.concatenate([[True], np.diff(score[order]) < 0, [True]])
    total[~between] = -np.inf
    place = int(np.flatnonzero(total == total.max())[-1])
    return np.inf if place == 0 else float(score[order][place - 1])


def plug_in(pair: Pair, score: NDArray[np.float64]) -> Rule:
    """The best cut of a score on the known half."""

    def rule(known: NDArray[np.int64]) -> NDArray[np.bool_]:
        here: NDArray[np.bool_] = score >= best_cut(score[known], pair.gain[known])
        return here

    return rule


def nearest(pair: Pair) -> Rule:
    """Locally where the specialist was right more often among the nearest rows of the known half, or as often."""

    def rule(known: NDArray[np.int64]) -> NDArray[np.bool_]:
        usable = np.zeros(len(pair.weak), dtype=np.bool_)
        usable[known] = True
        among = usable[pair.neighbours]
        counted = among & (np.cumsum(among, axis=1) <= _NEIGHBOURS)
        here: NDArray[np.bool_] = (pair.gain[pair.neighbours] * counted).sum(axis=1) >= 0
        return here

    return rule


def closed_gap(pair: Pair) -> float | None:
    """APGR of confidence: equal confidences move together, linear between."""
    weak, strong = float(pair.weak.mean()), float(pair.strong.mean())
    if weak == strong:
        return None
    values, place = np.unique(pair.confidence, return_inverse=True)
    moved = np.bincount(place, minlength=len(values)) / len(place)
    won = -np.bincount(place, pair.gain, minlength=len(values)) / len(place)
    share = np.concatenate([[0.0], np.cumsum(moved)])
    closed = np.concatenate([[0.0], np.cumsum(won)]) / (strong - weak)
    return float(np.trapezoid(closed, share))


def measure(task: Task, learned: Learned, neighbours: NDArray[np.int64], model: str, repeats: int) -> Cell:
    """One task with one frontier model."""
    pair = Pair(
        weak=learned.test.outputs == task.gold,
        strong=task.frontier[model] == task.gold,
        confidence=learned.test.confidence,
        length=np.array([float(len(text)) for text in task.texts]),
        neighbours=neighbours,
    )
    weak, strong = float(pair.weak.mean()), float(pair.strong.mean())
    quality, local = decided(pair, product(pair), repeats)
    better = pair.weak if weak >= strong else pair.strong
    difference = quality - better
    generator = np.random.default_rng(1)
    n = len(difference)
    drawn = np.concatenate(
        [difference[generator.integers(n, size=(500, n))].mean(axis=1) for _ in range(_DRAWS // 500)]
    )
    share = 1 - float(local.mean())
    beside = {"random": Curve(quality=weak + share * (strong - weak), frontier=share)}
    rules = {
        "length": plug_in(pair, -pair.length),
        "neighbours": nearest(pair),
        "plug-in": plug_in(pair, pair.confidence),
    }
    for name, rule in rules.items():
        of, here = decided(pair, rule, min(repeats, 20) if name == "neighbours" else repeats)
        beside[name] = Curve(quality=float(of.mean()), frontier=1 - float(here.mean()))
    best = pair.confidence >= best_cut(pair.confidence, pair.gain)
    beside["hindsight"] = Curve(
        quality=float(np.where(best, pair.weak, pair.strong).mean()), frontier=1 - float(best.mean())
    )
    oracle = float((pair.weak | pair.strong).mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Cell(
        task=task.name,
        model=model,
        n=n,
        recipe=learned.recipe,
        specialist=weak,
        frontier=strong,
        cascade=Curve(quality=float(quality.mean()), frontier=share),
        lift=float(difference.mean()),
        ci_low=float(low),
        ci_high=float(high),
        p_value=float((1 + (drawn <= 0).sum()) / (1 + len(drawn))),
        beside=beside,
        oracle=oracle,
        gap=(oracle - float(quality.mean())) / oracle,
        apgr=closed_gap(pair),
    )


def neighbours_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """The other rows of each row, nearest first, by their character n-grams."""
    rows = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=1 << 18).transform(texts)
    alike = (rows @ rows.T).toarray()
    np.fill_diagonal(alike, -np.inf)
    return np.argsort(-alike, axis=1, kind="stable")[:, :-1]


def holm(p_values: Sequence[float], level: float) -> int:
    """How many hypotheses are rejected."""
    ordered = np.sort(p_values)
    failed = np.flatnonzero(ordered > level / (len(ordered) - np.arange(len(ordered))))
    return int(failed[0]) if len(failed) else len(ordered)


def show(cell: Cell) -> None:
    """Two lines on one cell."""
    beside = "; ".join(f"{name} {of.quality:.3f} @ {100 * of.frontier:.0f} %" for name, of in cell.beside.items())
    unstable = "*" if abs(cell.specialist - cell.frontier) < _MIN_GAP else ""
    apgr = "-" if cell.apgr is None else f"{cell.apgr:.2f}{unstable}"
    print(
        f"{cell.task} (n={cell.n}, {cell.recipe}) {cell.model}: specialist {cell.specialist:.3f}, frontier "
        f"{cell.frontier:.3f}, cascade {cell.cascade.quality:.3f} @ {100 * cell.cascade.frontier:.0f} %, "
        f"lift {100 * cell.lift:+.2f} [{100 * cell.ci_low:+.2f}, {100 * cell.ci_high:+.2f}] points\n"
        f"    {beside}; oracle {cell.oracle:.3f}, gap {100 * cell.gap:.1f} %, APGR {apgr}",
        flush=True,
    )


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="Cascades of specialists and recorded frontier models.")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", type=Path, default=WEIGHTS, help="what `tierwright model pull` built")
    parser.add_argument("--only", nargs="*", choices=TASKS, default=TASKS, help="these tasks; all, if none is named")
    parser.add_argument("--kept", type=Path, help="folder in which the specialists' answers stay for the next run")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--loose", action="store_true", help="leave out exact duplicates only")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    if not (given.data / "textclass").is_dir():
        sys.exit(f"skipped: {given.data} has no textclass; set TIERWRIGHT_DATA or give --data")
    encoder = Encoder.load(given.encoder, threads=1) if given.encoder.exists() else None
    if encoder is None:
        print(f"no sentence encoder at {given.encoder}: encoder-head is left out", file=sys.stderr)
    cells: list[Cell] = []
    for name in given.only:
        task = read(given.data, name, strict=not given.loose)
        english = encoder if name.endswith("_EN") else None
        learned = learn(task, encoder=english, whole=True, kept=given.kept)
        near = neighbours_of(task.texts)
        for model in task.frontier:
            cells.append(measure(task, learned, near, model, given.repeats))
            if not given.json:
                show(cells[-1])
    below = [f"{cell.task} {cell.model} {100 * cell.lift:+.2f}" for cell in cells if cell.lift < 0]
    better = sum(cell.ci_low > 0 for cell in cells)
    report = {
        "cells": [asdict(cell) for cell in cells],
        "below_the_better_model": below,
        "strictly_better": better,
        "strictly_better_after_holm": holm([cell.p_value for cell in cells], 0.025),
    }
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        print(
            f"{len(cells)} cells: strictly better in {better}, after Holm in {report['strictly_better_after_holm']}; "
            f"below the better model in {len(below)}: {', '.join(below) or 'none'}"
        )


if __name__ == "__main__":
    main()

"""How often the paired bootstrap of macro-F1 covers, by the number of examples and the level.

    python benchmarks/resampling.py [--simulations 1000] [--seed 20261128] [--json]

Two arms that are right on 90 and 80 of 100 examples, mostly on the same ones; three labels of 60, 30 and 10 %; 2,000
resamples each. Nothing is timed. A coverage c over n simulations has the error 2 sqrt(c (1 - c) / n).
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.evals.answer_scores import Metric, measure
from tierwright.stats.resampling import paired_bootstrap

if TYPE_CHECKING:
    from tierwright.evals.answer_scores import Measured

LABELS, SHARES, QUALITY = np.array(["a", "b", "c"]), [0.6, 0.3, 0.1], (0.9, 0.8)


def arms(generator: np.random.Generator, n: int) -> tuple[Measured, Measured]:
    """Both arms' answers to n examples, measured."""
    right = generator.choice(LABELS, size=n, p=SHARES)
    hard = generator.random(n)
    found = []
    for good in QUALITY:
        luck = np.where(generator.random(n) < 0.6, hard, generator.random(n))
        said = np.where(luck < good, right, generator.choice(LABELS, size=n))
        found.append(measure(Metric.MACRO_F1, right.tolist(), said.tolist()))
    return found[0], found[1]


def value(measured: Measured) -> float:
    """The figure of all examples."""
    assert measured.counts is not None
    assert measured.figure is not None
    return float(measured.figure(measured.counts.sum(axis=0)[None, :])[0])


def main() -> None:
    """Prints a table, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    generator = np.random.default_rng(asked.seed)
    large = arms(generator, 200_000)
    truth = value(large[0]) - value(large[1])
    rows = []
    for n in (30, 50, 100):
        for level in (0.95, 0.99):
            hits = below = refused = 0
            for _ in range(asked.simulations):
                first, second = arms(generator, n)
                assert first.counts is not None
                assert second.counts is not None
                assert first.figure is not None
                try:
                    found = paired_bootstrap(first.counts, second.counts, first.figure, generator, level=level)
                except NotEnoughData:
                    refused += 1
                    continue
                hits += found.difference.ci_low <= truth <= found.difference.ci_high
                below += found.difference.ci_high < truth
            made = asked.simulations - refused
            rows.append({"n": n, "level": level, "coverage": hits / made, "below": below / made, "refused": refused})
    if asked.json:
        print(json.dumps({"simulations": asked.simulations, "seed": asked.seed, "rows": rows}, indent=2))
        return
    print(f"{asked.simulations} simulations each; below: the whole interval lies below the truth")
    for row in rows:
        print(" ".join(f"{name} {number:<8.4g}" for name, number in row.items()))


if __name__ == "__main__":
    main()

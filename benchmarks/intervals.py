"""How often each interval covers the truth, with Monte-Carlo error.

    python benchmarks/intervals.py [--simulations 4000] [--seed 20261101] [--json]

Nothing is timed, so the figures do not depend on the machine. A coverage c over n simulations has the error
2 sqrt(c (1 - c) / n). For grouped observations the interval that estimates the design effect from the data (Rao and
Scott 1992) is shown beside the one this project uses, to say why it is not used.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from tierwright.stats.bounds import error_upper_bound
from tierwright.stats.intervals import (
    bootstrap_mean,
    clopper_pearson,
    clopper_pearson_by_group,
    wilson,
    wilson_by_group,
)
from tierwright.stats.paired import paired_difference, tango_ends
from tierwright.stats.power import PairedDesign, power, simulated_power

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate

Row = dict[str, str | float]
CRITICAL = float(ndtri(0.975))
#: Examples, share only the candidate gets right, share only the baseline gets right.
PAIRED = [
    (50, 0.1, 0.1),
    (200, 0.05, 0.03),
    (300, 0.1, 0.05),
    (1000, 0.02, 0.01),
    (500, 0.08, 0.0),
    (400, 0.005, 0.005),
]
#: Groups, sizes they are drawn from, chance that a member repeats its group's draw, shares as above.
GROUPED = [
    (200, [1, 1, 1, 2, 5], 0.95, 0.06, 0.04),
    (200, [1, 1, 1, 2, 5], 0.95, 0.0, 0.03),
    (300, [1, 1, 1, 2], 1.0, 0.02, 0.01),
    (300, [1] * 20 + [30], 0.95, 0.0, 0.02),
    (60, [1, 2, 3], 0.9, 0.1, 0.1),
    (30, [2, 10], 0.95, 0.1, 0.0),
]


def proportions(generator: np.random.Generator, simulations: int) -> Iterator[Row]:
    """Wilson, Clopper-Pearson and the one-sided bound."""
    for n, p in ((20, 0.5), (50, 0.1), (100, 0.9), (300, 0.02), (1000, 0.95)):
        drawn = generator.binomial(n, p, size=simulations)
        for method in (wilson, clopper_pearson, error_upper_bound):
            found = [method(k, n) for k in range(n + 1)]
            covers = np.array([estimate.ci_low <= p <= estimate.ci_high for estimate in found])
            widths = np.array([estimate.ci_high - estimate.ci_low for estimate in found])
            yield _row(found[0].method, f"n={n} p={p}", covers[drawn], float(widths[drawn].mean()))


def paired(generator: np.random.Generator, simulations: int) -> Iterator[Row]:
    """Tango's interval."""
    for n, gained, lost in PAIRED:
        drawn = generator.multinomial(n, [gained, lost, 1 - gained - lost], size=simulations)
        low, high = tango_ends(drawn[:, 0], drawn[:, 1], n, CRITICAL)
        covers = (low <= gained - lost) & (gained - lost <= high)
        yield _row("Tango score", f"n={n} gained={gained} lost={lost}", covers, float((high - low).mean()))


def grouped(generator: np.random.Generator, simulations: int) -> Iterator[Row]:
    """Groups as copies, against an estimated design effect."""
    for groups, sizes, alike, gained, lost in GROUPED:
        setting = f"groups={groups} mean size={np.mean(sizes):.1f} alike={alike} gained={gained} lost={lost}"
        hits: dict[str, list[bool]] = {}
        widths: dict[str, list[float]] = {}
        for _ in range(simulations):
            candidate, baseline, codes = _sample(generator, (groups, sizes, alike), (gained, lost))
            ends = {
                "Tango, groups as copies": (
                    _ends(paired_difference(candidate, baseline, codes.tolist())),
                    gained - lost,
                ),
                "Tango, estimated design effect": (_estimated(candidate - baseline, codes), gained - lost),
                "Tango, groups ignored": (_ends(paired_difference(candidate, baseline)), gained - lost),
                "Wilson, groups as copies": (_ends(wilson_by_group(baseline, codes.tolist())), lost),
                "Clopper-Pearson, groups as copies": (_ends(clopper_pearson_by_group(baseline, codes.tolist())), lost),
            }
            for name, ((low, high), truth) in ends.items():
                hits.setdefault(name, []).append(low <= truth <= high)
                widths.setdefault(name, []).append(high - low)
        for name, covered in hits.items():
            yield _row(name, setting, np.array(covered), float(np.mean(widths[name])))


def bootstrap(generator: np.random.Generator, simulations: int) -> Iterator[Row]:
    """BCa of a mean."""
    for n, kind, mean in (
        (50, "uniform", 0.5),
        (200, "uniform", 0.5),
        (50, "exponential", 1.0),
        (200, "exponential", 1.0),
    ):
        found = []
        for _ in range(simulations):
            values = generator.random(n) if kind == "uniform" else generator.exponential(size=n)
            found.append(_ends(bootstrap_mean(values, generator, resamples=1_000)))
        covers = np.array([low <= mean <= high for low, high in found])
        yield _row("BCa bootstrap", f"n={n} {kind}", covers, float(np.mean([high - low for low, high in found])))


def non_inferiority(generator: np.random.Generator, simulations: int) -> Iterator[Row]:
    """How often a candidate passes a margin of one point: at the margin it should in 2.5 % at most."""
    for n, discordance, difference in (
        (300, 0.1, -0.01),
        (1000, 0.05, -0.01),
        (500, 0.02, -0.01),
        (300, 0.1, 0.02),
        (500, 0.1, 0.02),
        (1000, 0.1, 0.02),
        (500, 0.1, 0.04),
    ):
        design = PairedDesign(discordance=discordance, margin=0.01, difference=difference)
        counted = simulated_power(design, n, generator, simulations=simulations)
        yield {
            "method": "passes a margin of 0.01",
            "setting": f"n={n} discordance={discordance} difference={difference:+}",
            "share": counted.value,
            "error": 2 * math.sqrt(counted.value * (1 - counted.value) / simulations),
            "approximation": power(design, n).value,
        }


def _sample(
    generator: np.random.Generator, grouping: tuple[int, list[int], float], shares: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    groups, sizes, alike = grouping
    codes = np.repeat(np.arange(groups), generator.choice(sizes, size=groups))
    weights = [*shares, 1 - sum(shares)]
    shared, own = generator.choice(3, p=weights, size=groups), generator.choice(3, p=weights, size=codes.size)
    drawn = np.where(generator.random(codes.size) < alike, shared[codes], own)
    return (drawn == 0).astype(np.float64), (drawn == 1).astype(np.float64), codes


def _estimated(change: NDArray[np.float64], codes: NDArray[np.int64]) -> tuple[float, float]:
    n, sizes = change.size, np.bincount(codes)
    alone = change.var() / n
    residuals = np.bincount(codes, weights=change) - sizes * change.mean()
    between = sizes.size / (sizes.size - 1) * float((residuals**2).sum()) / n**2
    effect = max(1.0, between / alone) if alone > 0 else float((sizes**2).sum()) / n
    gained, lost = (change > 0).sum() / effect, (change < 0).sum() / effect
    low, high = tango_ends(gained, lost, n / effect, float(stdtrit(sizes.size - 1, 0.975)))
    return float(low), float(high)


def _ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.ci_low, estimate.ci_high


def _row(method: str, setting: str, covers: NDArray[np.bool_], width: float) -> Row:
    share = float(covers.mean())
    error = 2 * math.sqrt(share * (1 - share) / covers.size)
    return {"method": method, "setting": setting, "share": share, "error": error, "mean width": width}


def main() -> None:
    """Prints one line for each method and setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=20_261_101)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    generator = np.random.default_rng(asked.seed)
    rows = [
        row
        for study in (proportions, paired, grouped, bootstrap, non_inferiority)
        for row in study(generator, asked.simulations)
    ]
    if asked.json:
        print(json.dumps({"simulations": asked.simulations, "seed": asked.seed, "rows": rows}, indent=1))
        return
    print(f"{asked.simulations} simulations each, seed {asked.seed}; nominal coverage 95 %\n")
    for row in rows:
        more = "  ".join(f"{name} {row[name]:.4f}" for name in ("mean width", "approximation") if name in row)
        print(f"{row['method']:34} {row['setting']:66} {row['share']:7.2%} +-{row['error']:6.2%}  {more}")


if __name__ == "__main__":
    main()

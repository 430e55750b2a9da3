"""Estimates from rounds, pairs and samples, with 95 % bootstrap intervals, and their form in a report.

References:
    Künsch (1989), The jackknife and the bootstrap for general stationary observations, Annals of Statistics
        17:1217-1241 (blocks, for what follows in time).
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.estimate import Estimate
from tierwright.stats.intervals import bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_RESAMPLES = 1000
_SEED = 1


def mean_of(rounds: Sequence[float]) -> Estimate:
    """The mean over rounds. With five rounds the interval is somewhat too narrow."""
    return bootstrap_mean(rounds, np.random.default_rng(_SEED))


def added_ms(pairs: NDArray[np.float64], share: float, per_block: int) -> Estimate:
    """Milliseconds that the gateway adds at a quantile: the quantile through it less the quantile past it."""

    def difference(chosen: NDArray[np.float64]) -> float:
        through, past = np.quantile(chosen, share, axis=0)
        return float(through - past) * 1000

    return _in_blocks(pairs, per_block, difference, difference, "quantile difference, bootstrap of blocks")


def slope(samples: NDArray[np.float64]) -> Estimate:
    """The least-squares slope of the second column over the first, which is equally spaced.

    The residuals are resampled in ten blocks, since each is like the one before.
    """
    when, values = samples.T
    fitted = np.polyval(np.polyfit(when, values, 1), when)
    residuals = values - fitted

    def of_residuals(chosen: NDArray[np.float64]) -> float:
        return float(np.polyfit(when, fitted + np.resize(chosen, when.size), 1)[0])

    def of_values(_: NDArray[np.float64]) -> float:
        return float(np.polyfit(when, values, 1)[0])

    block = max(1, when.size // 10)
    return _in_blocks(residuals, block, of_values, of_residuals, "least squares, bootstrap of residuals in blocks")


def shown(estimate: Estimate) -> dict[str, object]:
    """An estimate for a report, with four significant digits."""
    values = asdict(estimate)
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in values.items()}


def versions(*more: str) -> dict[str, str]:
    """Of Python and of what the gateway consists of."""
    names = ("tierwright", "aiohttp", "uvicorn", "uvloop", "httptools", "msgspec", *more)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _in_blocks(
    rows: NDArray[np.float64],
    per_block: int,
    value: Callable[[NDArray[np.float64]], float],
    resampled: Callable[[NDArray[np.float64]], float],
    method: str,
) -> Estimate:
    generator = np.random.default_rng(_SEED)
    blocks = [rows[at : at + per_block] for at in range(0, len(rows), per_block)]
    drawn = [
        resampled(np.concatenate([blocks[at] for at in generator.integers(0, len(blocks), len(blocks))]))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(value=value(rows), ci_low=float(low), ci_high=float(high), n=len(rows), method=method)

"""What the columns of some traffic say by themselves: volume, cost and latency.

Owns these figures for whatever has columns: tasks, groups, the long tail. What takes the texts is `profile`'s.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.estimate import UsdEstimate
from tierwright.core.profile import Percentiles
from tierwright.stats.means import student_mean
from tierwright.stats.volume import project

if TYPE_CHECKING:
    from tierwright.core.profile import Volume
    from tierwright.curation.task_traffic import AuditPeriod, TaskTraffic


def volume(traffic: TaskTraffic, period: AuditPeriod) -> Volume:
    """Requests over the period, and of a month."""
    return project(traffic.at, period.since.timestamp(), period.until.timestamp())


def mean_cost_usd(traffic: TaskTraffic) -> Decimal | None:
    """What one priced request costs on average; None: none has a price."""
    priced = int((traffic.cost_nano_usd >= 0).sum())
    return traffic.cost_usd / priced if traffic.cost_usd is not None and priced else None


def monthly_cost_usd(traffic: TaskTraffic, found: Volume) -> UsdEstimate | None:
    """The mean cost of a priced request times the requests of a month; what either is uncertain by, in quadrature."""
    mean = mean_cost_usd(traffic)
    if mean is None:
        return None
    costs = traffic.cost_nano_usd[traffic.cost_nano_usd >= 0]
    monthly, each = found.monthly, student_mean(costs, low=0.0)
    cost_off = (each.ci_high - each.ci_low) / 2 / each.value if each.value > 0 and each.n > 1 else 0.0
    value = mean * Decimal(repr(monthly.value))

    def off(end: float) -> Decimal:
        relative = abs(end - monthly.value) / monthly.value if monthly.value > 0 else 0.0
        return value * Decimal(repr(float(np.hypot(relative, cost_off))))

    return UsdEstimate(
        value=value,
        ci_low=max(Decimal(0), value - off(monthly.ci_low)),
        ci_high=value + off(monthly.ci_high),
        level=monthly.level,
        n=monthly.n,
        method=f"mean cost of {len(costs):,} priced requests times the month's requests ({monthly.method})",
    )


def latency_ms(traffic: TaskTraffic) -> Percentiles | None:
    """Of the requests whose latency was measured; None: of none it was."""
    measured = traffic.latency_ms[~np.isnan(traffic.latency_ms)]
    if not len(measured):
        return None
    p50, p95 = np.percentile(measured, (50, 95)).tolist()
    return Percentiles(p50=p50, p95=p95)

"""What `tierwright task audit` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from tierwright.app.cli.output import table, usd
from tierwright.core.estimate import UsdEstimate
from tierwright.stats.volume import project

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.core.profile import Volume
    from tierwright.curation.audit import Audit, TaskFinding


def audit_json(found: Audit) -> dict[str, Any]:
    """The document of `task audit --json`."""
    return {
        "requests": found.requests,
        "unassigned": found.unassigned,
        "period": {"since": found.period.since, "until": found.period.until},
        "refused": dict(found.left_out),
        "tasks": [_finding_json(finding, _volume(finding, found)) for finding in found.tasks],
    }


def audit_table(console: Console, found: Audit) -> None:
    """The audit for people."""
    volumes = [_volume(finding, found) for finding in found.tasks]
    costs = [_monthly_cost(finding, volume) for finding, volume in zip(found.tasks, volumes, strict=True)]
    rows = [
        (
            finding.task.name,
            finding.task.contract.kind.value,
            f"{finding.requests:,}",
            f"{100 * finding.share:.1f} %",
            f"{volume.monthly.value:,.0f}",
            usd(cost.value if cost else None),
            f"{latency['p50']:,.0f} ms" if (latency := _latency(finding)) else "-",
            f"{finding.distinct_outputs:,}",
            len(finding.task.frames),
        )
        for finding, volume, cost in zip(found.tasks, volumes, costs, strict=True)
    ]
    columns = ("task", "contract", ">requests", ">share", ">a month", ">cost a month", ">p50", ">answers", ">prompts")
    table(
        console,
        f"Tasks in {found.requests:,} requests, {found.period.since:%d %b} to {found.period.until:%d %b %Y}",
        columns,
        rows,
    )
    console.print(f"{found.unassigned:,} requests belong to no recurring task.")


def _volume(finding: TaskFinding, found: Audit) -> Volume:
    return project(finding.traffic.at, found.period.since.timestamp(), found.period.until.timestamp())


def _monthly_cost(finding: TaskFinding, volume: Volume) -> UsdEstimate | None:
    """The mean cost of a priced request times the requests of a month."""
    priced = int((finding.traffic.cost_nano_usd >= 0).sum())
    if finding.traffic.cost_usd is None or not priced:
        return None
    mean, monthly = finding.traffic.cost_usd / priced, volume.monthly
    value, low, high = (mean * Decimal(repr(n)) for n in (monthly.value, monthly.ci_low, monthly.ci_high))
    return UsdEstimate(value=value, ci_low=low, ci_high=high, level=monthly.level, n=monthly.n, method=monthly.method)


def _latency(finding: TaskFinding) -> dict[str, float] | None:
    measured = finding.traffic.latency_ms[~np.isnan(finding.traffic.latency_ms)]
    if not len(measured):
        return None
    p50, p95 = np.percentile(measured, (50, 95)).tolist()
    return {"p50": p50, "p95": p95}


def _finding_json(finding: TaskFinding, volume: Volume) -> dict[str, Any]:
    return {
        "id": finding.task.id,
        "name": finding.task.name,
        "contract": finding.task.contract.kind.value,
        "process": finding.task.process,
        "tools_called": finding.task.contract.calls,
        "servable": finding.task.is_servable,
        "requests": finding.requests,
        "share": finding.share,
        "monthly_requests": volume.monthly,
        "monthly_cost_usd": _monthly_cost(finding, volume),
        "unpriced_calls": finding.traffic.unpriced_calls,
        "latency_ms": _latency(finding),
        "distinct_outputs": finding.distinct_outputs,
        "clients": len(finding.traffic.clients),
        "prompt_versions": len(finding.task.frames),
    }

"""`tierwright deploy watch`, `deploy monitor` and `deploy incidents`."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    opened,
    percent,
    say,
    show,
    table,
)
from tierwright.app.cli.task import TaskArgument
from tierwright.core.errors import GateError, NotFound

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.app.watching import Look
    from tierwright.core.incident import Incident
    from tierwright.lifecycle.holdout import Comparison, Realised
    from tierwright.lifecycle.monitor import Reading, Standing


def watch(
    once: Annotated[bool, typer.Option("--once", help="Look once and leave; for cron.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look after the specialists in service, and take off those that break their promise.

    A running gateway does so by itself; this is for where it is told not to. With `--once`, exit code 1 if one was
    taken off.
    """
    from tierwright.app.watching import Watch  # noqa: PLC0415 - `--help` must not wait

    with opened(config) as parts:
        section = parts.settings.file.monitor
        watching = Watch(parts.store, section, clock=parts.clock, entropy=parts.entropy)
        if once:
            found = watching.look()
            show(_look_json(found), as_json=as_json, text=partial(_tell, found))
            if found.incidents:
                raise typer.Exit(GateError.exit_code)
            return
        say(f"looking every {section.period_s:g} s; Ctrl-C ends it")
        while True:
            seen = watching.look_safely()
            if seen is not None and seen.incidents:
                show(_look_json(seen), as_json=as_json, text=partial(_tell, seen))
            time.sleep(section.period_s)


def monitor(task: TaskArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show how a specialist in service is doing: its errors and their limit, what the holdout says, complaints."""
    from tierwright.app.watching import monitor_rules  # noqa: PLC0415 - as above
    from tierwright.lifecycle.holdout import realised  # noqa: PLC0415 - as above
    from tierwright.lifecycle.monitor import Monitor  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = parts.store.task(task)
        rules = monitor_rules(parts.settings.file.monitor)
        standing = Monitor(parts.store, rules).look(found, at=parts.clock())
        if standing is None:
            raise NotFound(f"no specialist serves task {found.name!r}; see `tierwright deploy list`")
        arms = realised(parts.store.arm_totals(standing.service.deployment.id), standing.outcomes, level=rules.level)
    show(
        _standing_json(standing) | {"realised": _realised_json(arms)},
        as_json=as_json,
        text=lambda console: _tell_standing(console, standing, arms),
    )


def incidents(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the specialists that were taken off by the monitor, newest first."""
    with opened(config) as parts:
        found = parts.store.incidents()
        names = {task.id: task.name for task in parts.store.tasks()}
    rows = [
        (
            f"{one.created_at:%Y-%m-%d %H:%M}",
            names.get(one.task_id, one.task_id),
            one.model_version_id[:12],
            one.signal.value,
            percent(one.rate),
            f"{one.limit:.1%}",
            f"{one.e_value:.3g}",
            one.rate.n,
        )
        for one in found
    ]
    columns = ("when", "task", "version", "by", ">rate", ">allowed", ">e-value", ">answers")
    show(
        [_incident_json(one, names.get(one.task_id, one.task_id)) for one in found],
        as_json=as_json,
        text=lambda console: table(console, "Incidents", columns, rows),
    )


def _look_json(look: Look) -> dict[str, Any]:
    names = {standing.task.id: standing.task.name for standing in look.standings}
    return {
        "services": [_standing_json(standing) for standing in look.standings],
        "incidents": [_incident_json(one, names[one.task_id]) for one in look.incidents],
    }


def _standing_json(standing: Standing) -> dict[str, Any]:
    service, deployment = standing.service, standing.service.deployment
    return {
        "task": standing.task.name,
        "version": deployment.model_version_id,
        "stage": deployment.stage.value,
        "deployment_id": deployment.id,
        "service_id": service.id,
        "since": service.decisions[-1].created_at,
        "breached": standing.breach is not None,
        "rates": {reading.signal.value: _reading_json(reading) for reading in standing.readings},
        "reports": {"n": len(standing.reports), "wrong": standing.complaints},
        "uncomparable": standing.uncomparable,
    }


def _reading_json(reading: Reading) -> dict[str, Any]:
    evidence, limit = reading.evidence, reading.limit
    return {
        "n": len(reading.outcomes),
        "rate": reading.rate,
        "limit": None if limit is None else limit.value,
        "limit_from": None if limit is None else limit.source,
        "e_value": None if evidence is None else evidence.e_value,
        "highest_e_value": None if evidence is None else evidence.highest,
        "alarm_at": 1 / reading.delta,
        "breached": reading.breached,
    }


def _realised_json(found: Realised) -> dict[str, Any]:
    return {
        "requests": {"specialist": found.specialist, "frontier": found.frontier},
        "quality": _comparison_json(found.quality),
        "cost_usd": _comparison_json(found.cost_usd) | {"saved": found.saved},
        "latency_ms": _comparison_json(found.latency_ms),
    }


def _comparison_json(found: Comparison) -> dict[str, Any]:
    return {
        "specialist": found.specialist,
        "frontier": found.frontier,
        "difference": found.difference,
        "unknown": found.unknown,
    }


def _incident_json(incident: Incident, task: str) -> dict[str, Any]:
    return {
        "id": incident.id,
        "task": task,
        "task_id": incident.task_id,
        "version": incident.model_version_id,
        "deployment_id": incident.deployment_id,
        "service_id": incident.service_id,
        "created_at": incident.created_at,
        "signal": incident.signal.value,
        "limit": incident.limit,
        "limit_from": incident.limit_from,
        "e_value": incident.e_value,
        "delta": incident.delta,
        "rate": incident.rate,
        "first_at": incident.first_at,
        "last_at": incident.last_at,
        "examples": list(incident.examples),
        "reports": incident.reports,
        "followed_by": incident.followed_by,
        "summary": incident.summary,
    }


def _tell(look: Look, console: Console) -> None:
    for incident in look.incidents:
        console.print(f"taken off: {incident.summary}")
    if not look.incidents:
        console.print(f"{len(look.standings)} specialists in service keep their promise")


def _tell_standing(console: Console, standing: Standing, arms: Realised) -> None:
    deployment = standing.service.deployment
    console.print(
        f"{standing.task.name}: version {deployment.model_version_id[:12]} is {deployment.stage.value}, "
        f"in service since {standing.service.decisions[-1].created_at:%Y-%m-%d %H:%M}"
    )
    rows = [
        (
            reading.signal.value,
            len(reading.outcomes),
            percent(reading.rate),
            "-" if reading.limit is None else f"{reading.limit.value:.1%}",
            "-" if reading.evidence is None else f"{reading.evidence.e_value:.3g}",
            f"{1 / reading.delta:.3g}",
        )
        for reading in standing.readings
    ]
    table(console, "Rates", ("by", ">answers", ">rate", ">allowed", ">e-value", ">alarm at"), rows)
    arm_rows = [
        ("quality", *_cells(arms.quality, "{:.1%}")),
        ("US dollars", *_cells(arms.cost_usd, "{:.7f}")),
        ("ms", *_cells(arms.latency_ms, "{:.1f}")),
    ]
    table(
        console,
        f"Drawn at random: {arms.specialist} requests to the specialist, {arms.frontier} to the frontier",
        ("a request", ">specialist", ">frontier", ">difference"),
        arm_rows,
    )
    console.print(f"saved of the frontier's cost: {percent(arms.saved)}")
    console.print(f"{standing.complaints} of {len(standing.reports)} corrections people made by themselves say wrong")


def _cells(found: Comparison, form: str) -> tuple[str, str, str]:
    specialist, frontier = ("-" if mean is None else form.format(mean) for mean in (found.specialist, found.frontier))
    gap = found.difference
    if gap is None:
        return specialist, frontier, "-"
    value, low, high = (form.format(number) for number in (gap.value, gap.ci_low, gap.ci_high))
    return specialist, frontier, f"{value} ({low} to {high})"

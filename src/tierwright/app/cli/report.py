"""`tierwright report`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from tierwright.app.cli.breakeven import breakeven
from tierwright.app.cli.html_option import HtmlOption, write_html
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, opened, percent, show, table, usd
from tierwright.app.cli.period import SinceOption, UntilOption, day
from tierwright.app.cli.privacy_report import privacy

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.core.ids import TaskId
    from tierwright.economics.savings import Savings, TaskSavings, UsdRange

app = typer.Typer(no_args_is_help=True, help="What it all came to.")


app.command()(breakeven)
app.command()(privacy)


@app.command()
def savings(
    since: SinceOption = None,
    until: UntilOption = None,
    html: HtmlOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What was paid, against what the same requests would have cost on the incumbent."""
    from tierwright.app.html.money_pages import savings_page  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.ring import saved  # noqa: PLC0415 - as above

    with opened(config) as parts:
        found = saved(parts, since=day(since), until=day(until))
        names = {task.id: task.name for task in parts.store.tasks()}
    document = savings_json(found, names)
    if html is not None:
        write_html(html, document, savings_page)
    show(document, as_json=as_json, text=lambda console: savings_table(console, found, names))


def savings_json(found: Savings, names: dict[TaskId, str]) -> dict[str, Any]:
    """The document of `report savings --json`."""
    return {
        "requests": found.requests,
        "local_requests": found.local_requests,
        "cost_before_usd": found.before_usd.value,
        "cost_after_usd": found.after_usd,
        "saving_usd": _range(found.saving_usd),
        "gross_saving_usd": _range(found.saving_usd.less(-found.deductions.sum_usd)),
        "deductions": asdict(found.deductions),
        "saving_share": found.saving_share,
        "days": found.days,
        "monthly_saving_usd": _range(found.monthly_saving_usd),
        "unpriced_requests": found.unpriced_requests,
        "unpriced_calls": found.unpriced_calls,
        "unpriced_judge_calls": found.unpriced_judge_calls,
        "unpriced_models": [
            {"model": gap.model, "calls": gap.unpriced_calls} for gap in found.gaps if gap.unpriced_calls
        ],
        "estimated_calls": found.estimated_calls,
        "estimated_models": [
            {"model": gap.model, "calls": gap.estimated_calls} for gap in found.gaps if gap.estimated_calls
        ],
        "tasks": [_task_json(task, names) for task in found.tasks],
    }


def savings_table(console: Console, found: Savings, names: dict[TaskId, str]) -> None:
    """The savings for people."""
    rows = [
        (
            names.get(task.task_id, task.task_id) if task.task_id else "(no task)",
            task.incumbent or "",
            f"{task.requests:,}",
            f"{task.local_requests / task.requests:.0%}" if task.requests else "",
            usd(task.before_usd.value),
            usd(task.after_usd),
            usd(task.saving_usd.value),
        )
        for task in found.tasks
    ]
    columns = ("task", "incumbent", ">requests", ">local", ">would have cost", ">did cost", ">saved")
    table(console, f"Savings over {found.days:.1f} days", columns, rows)
    console.print(_walk(found), markup=False)
    console.print(
        f"Saved {percent(found.saving_share)} of {usd(found.before_usd.value)}; at this volume "
        f"{usd(found.monthly_saving_usd.value)} a month."
    )
    if found.unpriced_requests or found.unpriced_calls:
        console.print(
            f"{found.unpriced_requests:,} requests and {found.unpriced_calls:,} calls have no known price "
            "and are in none of these figures; give prices in [[economics.prices]].",
            style="bold",
        )
    if found.unpriced_judge_calls:
        console.print(
            f"{found.unpriced_judge_calls:,} calls of judges have no known price and are not deducted.", style="bold"
        )
    unpriced = [(gap.model, gap.unpriced_calls) for gap in found.gaps if gap.unpriced_calls]
    if unpriced:
        console.print(
            f"No price is known for these models (calls): {_calls_by_model(unpriced)}.", style="bold red", markup=False
        )
    estimated = [(gap.model, gap.estimated_calls) for gap in found.gaps if gap.estimated_calls]
    if estimated:
        console.print(
            "The provider sent no token counts, so that the cost is an estimate, of these models (calls): "
            f"{_calls_by_model(estimated)}.",
            style="bold",
            markup=False,
        )


def _walk(found: Savings) -> str:
    """From the gross saving to the saving, one deduction a line; nothing is hidden in a sum."""
    taken = found.deductions
    lines = [
        ("saved on provider calls, the holdout's included", found.saving_usd.value + taken.sum_usd),
        ("specialists' machine time", -taken.machine_usd),
        ("shadows", -taken.shadow_usd),
        ("audits", -taken.audit_usd),
        ("judges", -taken.judge_usd),
        ("training", -taken.training_usd),
        ("the holdout, which stays on the incumbent", -taken.holdout_usd),
        ("saved", found.saving_usd.value),
    ]
    return "\n".join(f"  {what:<48}{usd(amount):>14}" for what, amount in lines)


def _calls_by_model(counts: list[tuple[str, int]]) -> str:
    return ", ".join(f"{model} ({calls:,})" for model, calls in counts)


def _task_json(task: TaskSavings, names: dict[TaskId, str]) -> dict[str, Any]:
    return {
        "task": names.get(task.task_id) if task.task_id else None,
        "task_id": task.task_id,
        "incumbent": task.incumbent,
        "requests": task.requests,
        "local_requests": task.local_requests,
        "cost_before_usd": task.before_usd.value,
        "cost_after_usd": task.after_usd,
        "second_answers_usd": task.second_usd,
        "saving_usd": _range(task.saving_usd),
        "deductions": asdict(task.deductions),
        "unpriced_requests": task.unpriced_requests,
    }


def _range(amount: UsdRange) -> dict[str, Any]:
    return {"value": amount.value, "ci_low": amount.low, "ci_high": amount.high}

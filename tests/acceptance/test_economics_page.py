"""The example that docs/economics.md works out by hand, worked out again from the page's own numbers."""

from __future__ import annotations

import ast
import operator
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tierwright.economics.assumptions import stated
from tierwright.economics.breakeven import BreakEven, break_even, own_monthly_usd
from tierwright.economics.hosting import Hosting, capacity_calls, monthly_cost, setup_cost
from tierwright.economics.outlook import outlook
from tierwright.economics.scenarios import scenario

PAGE = (Path(__file__).parents[2] / "docs" / "economics.md").read_text(encoding="utf-8")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def assumed() -> Hosting:
    """What the page's table assumes."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, flags=re.MULTILINE)
    return Hosting(**{name: Decimal(value) for name, value in rows})


def worked() -> dict[str, tuple[str, Decimal]]:
    """The lines of the sum by hand: what each is called, its arithmetic, and what the page says it comes to."""
    lines = re.findall(r"^  (\S.*?) {2,}(\S.*?) += ([\d,.]+)$", PAGE, flags=re.MULTILINE)
    return {name: (sum_, Decimal(result.replace(",", ""))) for name, sum_, result in lines}


def computed(text: str) -> Decimal:
    """The value of numbers, signs and brackets."""

    def value(node: ast.expr) -> Decimal:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        return Decimal(ast.unparse(node))

    return value(ast.parse(re.sub(r"(?<=\d),(?=\d)", "", text), mode="eval").body)


def test_the_page_has_the_example() -> None:
    """Otherwise the tests below would check nothing."""
    assert len(worked()) == 18
    assert assumed().calls_per_month == 200_000


@pytest.mark.parametrize("name", worked())
def test_each_line_adds_up(name: str) -> None:
    """The arithmetic as written comes to what is written, to its last digit."""
    text, result = worked()[name]
    assert computed(text).quantize(result) == result


def test_the_program_says_the_same() -> None:
    """Month, beginning, payback, saving and both break-evens."""
    task, said = assumed(), {name: result for name, (_, result) in worked().items()}
    month, setup = monthly_cost(task, task.calls_per_month), setup_cost(task, task.calls_per_month)
    ahead = outlook(task)
    assert {
        "the API alone": ahead.months[0].api_usd,
        "machines": month.machines_usd,
        "people": month.people_usd,
        "what the API gets": month.api_usd,
        "one's own": month.total_usd,
        "people's hours": setup.people_usd,
        "training": setup.training_usd,
        "labels": setup.labels_usd,
        "the trial": setup.trial_usd,
        "all": setup.total_usd,
        "saved in all": ahead.net_present_saving_usd,
        "a call saves": task.api_usd_per_call * task.saved_calls_share,
    }.items() <= said.items()
    assert ahead.payback_months is not None
    assert round(ahead.payback_months, 2) == said["paid back after"]
    assert capacity_calls(task) == 138_410
    first, stays = said["with 1 + 1 machines"], said["with 2 + 1 machines"]
    assert break_even(task) == BreakEven(first_calls=int(first) + 1, stays_calls=int(stays) + 1)
    assert f"from the {int(first) + 1:,}nd on" in PAGE
    assert f"until {int(stays) + 1:,} calls" in PAGE


@pytest.mark.parametrize("name", ["today", "today-owned", "today-small", "today-cpu"])
def test_the_table_of_today_is_what_the_scenarios_say(name: str) -> None:
    """The stated figures of each row; its intervals are printed by benchmarks/economics.py."""
    row = re.search(rf"^\| `{name}`.*", PAGE, flags=re.MULTILINE)
    assert row is not None
    api, own, even, saved = row[0].split("|")[2:6]
    task = stated(scenario(name).assumptions)
    assert api.strip() == f"${task.calls_per_month * task.api_usd_per_call:,.0f}"
    assert own.strip().startswith(f"${own_monthly_usd(task, task.calls_per_month):,.0f} (")
    found = break_even(task).stays_calls
    shown = "never" if found is None else f"{found / 1e6:.2f} million" if found >= 1e6 else f"{found:,}"
    assert even.strip().startswith(shown)
    net = outlook(task).net_present_saving_usd
    assert saved.strip().startswith(f"{'-' if net < 0 else ''}${abs(net):,.0f} (")

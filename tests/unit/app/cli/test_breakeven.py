"""`tierwright report breakeven`: whose figures it takes, and what it says of them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tests.fakes import NOON, a_call, a_dataset, a_task, a_version, an_estimate, an_evaluation, an_inference
from tierwright.app.cli.main import app
from tierwright.core.errors import InputError, NotEnoughData, NotFound, SettingsError
from tierwright.core.ids import InferenceId, ModelVersionId
from tierwright.core.inference import Route, RouteReason
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[routing]
holdout_share = 0.05
audit_share = 0.02
[economics]
machine_usd_per_hour = "0.4"
utilisation = 0.25
[economics.assumptions]
hours_per_month = "1 .. 2 .. 4"
[[economics.prices]]
model = "house-model"
input_usd_per_million = "1"
output_usd_per_million = "10"
"""
#: Draws enough for an interval, and few enough for a test; few months, too.
FEW = ("--draws", "40", "--assume", "horizon_months=6")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten days with ten priced answers a day, a cent and two cents in turn; the task's are every second one."""
    (tmp_path / "tierwright.toml").write_text(SETTINGS, encoding="utf-8")
    store = open_store(f"sqlite:///{tmp_path / 'tierwright.db'}")
    store.put_task(a_task())
    store.append(
        [
            an_inference(
                id=InferenceId(f"i-{number:03d}"),
                created_at=NOON + timedelta(days=number // 10, minutes=number % 10),
                task_id=a_task().id if number % 2 else None,
                calls=(a_call(cost_usd=Decimal("0.01") if number % 4 == 1 else Decimal("0.02")),),
            )
            for number in range(100)
        ]
    )
    store.close()
    return tmp_path


def run(folder: Path, *arguments: str) -> Any:
    """The document of the command; raises what it raises."""
    words = ["report", "breakeven", *FEW, *arguments, "--config", str(folder / "tierwright.toml"), "--json"]
    return json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)


def test_a_tasks_volume_and_price_are_measured(folder: Path) -> None:
    """50 requests in 9 days, projected to a month; recent days count more; $0.015 on average, 1 to 2 cents."""
    found = run(folder, "--task", "card-intent")
    calls, price = found["assumptions"]["calls_per_month"], found["assumptions"]["api_usd_per_call"]
    assert found["task"] == "card-intent"
    assert calls["value"] == pytest.approx(50 * 30.4375 / 9.00625, rel=0.1)
    assert calls["low"] <= calls["value"] <= calls["high"]
    assert price["value"] == pytest.approx(0.0150, abs=1e-9)
    # 1.96 standard errors of 50 values a half-cent away from their mean.
    assert price["high"] - price["value"] == pytest.approx(1.96 * 0.005 / 49**0.5, rel=1e-6)
    assert found["assumptions"]["judge_usd_per_call"]["value"] == price["value"]
    assert found["api_monthly_usd"]["value"] == pytest.approx(calls["value"] * price["value"])


def test_settings_go_before_the_scenario_and_the_caller_before_both(folder: Path) -> None:
    """Machine, utilisation, holdout, audits and stated assumptions are the file's; what is stated last counts."""
    found = run(folder, "--task", "card-intent")["assumptions"]
    assert [found[n]["value"] for n in ("machine_usd_per_hour", "utilisation", "holdout_share", "audit_share")] == [
        *(0.4, 0.25, 0.05, 0.02),
    ]
    assert (found["hours_per_month"]["low"], found["hours_per_month"]["high"]) == (1, 4)
    stated = run(folder, "--task", "card-intent", "--assume", "hours_per_month=3", "--assume", "labels=0..5..9")
    assert stated["assumptions"]["hours_per_month"] == {
        "value": 3,
        "low": 3,
        "high": 3,
        "about": "hours people spend on it in a month",
        "source": "stated on the command line",
    }
    assert stated["assumptions"]["labels"]["high"] == 9


def test_a_scenario_stands_for_itself(folder: Path) -> None:
    """Without a task the settings change nothing: the figures are the same everywhere."""
    found = run(folder, "--scenario", "thesis")
    assert found["assumptions"]["utilisation"]["value"] == 0.5
    assert found["assumptions"] == run(folder / "elsewhere", "--scenario", "thesis")["assumptions"]


def test_a_models_list_price_is_taken(folder: Path) -> None:
    """A thousand tokens in and a hundred out at $1 and $10 a million are $0.002; the settings' own prices count."""
    found = run(folder, *("--model", "house-model", "--prompt-tokens", "1000", "--completion-tokens", "100"))
    assert found["assumptions"]["api_usd_per_call"]["value"] == pytest.approx(0.002)
    with pytest.raises(InputError, match="no price is known of 'nobody/knows-it'"):
        run(folder, "--model", "nobody/knows-it")


def test_tokens_are_the_tasks_own(folder: Path) -> None:
    """The provider counted 100 in and 5 out: $0.00015 on the house model, 5 a second at 1,000 and 50 a second."""
    found = run(folder, "--task", "card-intent", "--model", "house-model", "--tokens-per-second", "1000,50")
    assert (found["prompt_tokens"], found["completion_tokens"]) == (100, 5)
    assert found["assumptions"]["api_usd_per_call"]["value"] == pytest.approx(0.00015)
    assert found["assumptions"]["calls_per_second"]["value"] == 5


def test_what_a_specialist_took_is_its_share(folder: Path) -> None:
    """First what an evaluation expects; once it was asked a hundred times, what it really answered."""
    store = open_store(f"sqlite:///{folder / 'tierwright.db'}")
    store.add_dataset(a_dataset(), [])
    store.add_version(a_version())
    store.add_evaluation(an_evaluation(local_share=an_estimate(0.7)))
    expected = run(folder, "--task", "card-intent")["assumptions"]["local_share"]
    assert (expected["value"], expected["source"]) == (0.7, "measured: evaluation evaluation-1")
    own = a_call(backend="specialist", model_version_id=ModelVersionId("abc123"), cost_usd=Decimal("0.00001"))
    store.append(
        [
            an_inference(
                id=InferenceId(f"s-{number:03d}"),
                created_at=NOON + timedelta(days=5, seconds=number),
                task_id=a_task().id,
                route=Route(reason=RouteReason.SPECIALIST if number < 90 else RouteReason.LOW_CONFIDENCE),
                calls=(own,) if number < 90 else (a_call(cost_usd=Decimal("0.015")),),
            )
            for number in range(100)
        ]
    )
    store.close()
    found = run(folder, "--task", "card-intent")["assumptions"]
    assert found["local_share"]["value"] == 0.9
    # What specialists charge is not what the API charges.
    assert found["api_usd_per_call"]["value"] == pytest.approx(0.015)


def test_the_document_holds_what_a_chart_needs(folder: Path) -> None:
    """Curve, months, what is paid, what flips the decision: with the same seed the same figures."""
    found = run(folder, "--scenario", "today")
    assert {"value", "ci_low", "ci_high", "level", "n", "method"} <= set(found["net_present_saving_usd"])
    assert found["net_present_saving_usd"]["n"] == 40
    assert set(found["curve"][0]) == {"calls", "api_usd", "self_hosted_usd"}
    assert len(found["months"]) == found["horizon_months"] == 6
    month = found["self_hosted_month"]
    paid = sum(month[name] for name in month if name.endswith("_usd"))
    spread = found["setup"]["total_usd"] / found["horizon_months"]
    assert found["self_hosted_monthly_usd"]["value"] == pytest.approx(paid + spread)
    assert {flip["name"] for flip in found["flips"]} >= {"local_share", "calls_per_month"}
    assert run(folder, "--scenario", "today") == found


def test_people_are_told_the_decision_and_its_limits(folder: Path) -> None:
    """The page says what pays, from which volume, and what would have to be true."""
    settings = ["--config", str(folder / "tierwright.toml")]
    page = CliRunner().invoke(app, ["report", "breakeven", *FEW, "--scenario", "today-small", *settings]).stdout
    assert "Stay on the API" in page
    assert "over 6 months self-hosting loses $" in page
    assert "Break-even: at no volume." in page
    assert "does not come back" in page
    pays = CliRunner().invoke(app, ["report", "breakeven", *FEW, "--scenario", "thesis", *settings]).stdout
    assert "Self-hosting pays: over 6 months" in pays
    assert "decision flips at" in pays


def test_scenarios_are_listed(folder: Path) -> None:
    """By name, with what each is about."""
    names = [one["name"] for one in run(folder, "--scenario", "list")]
    assert {"thesis", "today"} <= set(names)
    with pytest.raises(InputError, match=f"there is no scenario 'nope'; there are {', '.join(names)}"):
        run(folder, "--scenario", "nope")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("--task", "nobody"), NotFound, "nobody"),
        (("--assume", "labels"), InputError, "write NAME=VALUE"),
        (("--prompt-tokens", "10"), InputError, "tokens alone change nothing"),
        (("--tokens-per-second", "fast"), InputError, "'fast' are no rates"),
        (("--tokens-per-second", "0,10"), InputError, "reads 0 tokens a second"),
        (("--measure",), InputError, "name it with --task"),
        (("--measure", "--task", "card-intent"), NotFound, "train one with"),
    ],
)
def test_what_can_not_be_done_is_explained(
    folder: Path, arguments: tuple[str, ...], error: type[Exception], says: str
) -> None:
    """An unknown task, a statement that states nothing, nothing to measure."""
    with pytest.raises(error, match=says):
        run(folder, *arguments)


def test_a_task_without_prices_is_refused(folder: Path) -> None:
    """An API's price is never guessed: it says how many answers have none."""
    store = open_store(f"sqlite:///{folder / 'tierwright.db'}")
    store.put_task(a_task(id="task-2", name="unpriced"))
    store.append(
        [an_inference(id=InferenceId(f"u-{n}"), task_id="task-2", calls=(a_call(cost_usd=None),)) for n in range(3)]
    )
    store.close()
    with pytest.raises(NotEnoughData, match=r"0 answers of task 'unpriced' by an API have a price, and 3 have none"):
        run(folder, "--task", "unpriced")


@pytest.mark.parametrize("line", ['locl_share = "0.5"', 'local_share = "1.5"', 'local_share = "most"'])
def test_settings_that_assume_nonsense_are_refused(tmp_path: Path, line: str) -> None:
    """An unknown name or an impossible value, when the file is read, by its name."""
    (tmp_path / "tierwright.toml").write_text(f"[economics.assumptions]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\[economics.assumptions\].*lo"):
        run(tmp_path)

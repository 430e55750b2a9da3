"""`tierwright deploy status` and `advance` on a store that a gateway might have filled."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tests.fakes import a_call, a_dataset, a_response, a_task, a_version, an_estimate, an_evaluation, an_inference
from tierwright.app.cli.main import app
from tierwright.core.errors import InvalidTransition
from tierwright.core.ids import InferenceId, ModelVersionId
from tierwright.core.inference import CallRole, Route, RouteReason
from tierwright.core.second import SecondAnswer
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.deployment import Deployment
    from tierwright.store.sql import SqlStore

SETTINGS = """
[[backends]]
name = "frontier"
base_url = "http://127.0.0.1:9/v1"
[promotion]
require = ["shadow", "canary"]
min_requests = 10
min_hours = 0.0
approvers = ["ann"]
require_approver = ["live"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings and a store in which a version was evaluated."""
    (tmp_path / "tierwright.toml").write_text(SETTINGS, encoding="utf-8")
    with_store = open_store(f"sqlite:///{tmp_path / 'tierwright.db'}")
    with_store.put_task(a_task())
    with_store.add_dataset(a_dataset(), [])
    with_store.add_version(a_version())
    with_store.add_evaluation(an_evaluation(local_share=an_estimate(0.8)))
    with_store.close()
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[SqlStore]:
    """The same store."""
    opened = open_store(f"sqlite:///{folder / 'tierwright.db'}")
    yield opened
    opened.close()


def run(folder: Path, *arguments: str) -> Any:
    """The document of a command; raises what the command raises."""
    settings = str(folder / "tierwright.toml")
    done = CliRunner().invoke(app, [*arguments, "--config", settings, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def said(folder: Path, *arguments: str) -> str:
    """What a command prints for people."""
    settings = str(folder / "tierwright.toml")
    return CliRunner().invoke(app, [*arguments, "--config", settings], catch_exceptions=False).stdout


def asked(number: int, **changes: Any) -> Any:
    """A request of the task, made now, that the frontier answered for 300 micro-dollars in a second."""
    fields = {
        "id": InferenceId(f"i-{number}"),
        "created_at": datetime.now(UTC) + timedelta(microseconds=number),
        "task_id": a_task().id,
        "response": a_response("card_lost"),
        "latency_ms": 1000.0,
    }
    return an_inference(**fields | changes)


def shadowed(number: int, deployment: Deployment, *, confidence: float, agrees: bool) -> SecondAnswer:
    """What the version on trial said to it, for one micro-dollar in 2 ms."""
    call = a_call(
        role=CallRole.SHADOW,
        backend="specialist",
        model="ngram-abc123",
        latency_ms=2.0,
        cost_usd=Decimal("0.000001"),
        answered=False,
    )
    return SecondAnswer(
        inference_id=InferenceId(f"i-{number}"),
        call=call,
        deployment_id=deployment.id,
        propensity=1.0,
        confidence=confidence,
        output="card_lost" if agrees else "card_arrival",
        agrees=agrees,
    )


def traffic(store: SqlStore, *, count: int = 20, dropped: int = 2) -> None:
    """So many requests, of which the shadow answered all but the last few: 3 of 4 surely, and those rightly."""
    (deployment,) = store.shadows_in_force()
    store.append([asked(number) for number in range(count)])
    store.add_second_answers(
        [
            shadowed(number, deployment, confidence=0.5 if number % 4 == 0 else 0.9, agrees=number % 4 != 0)
            for number in range(count - dropped)
        ]
    )


def test_status_says_what_a_shadow_has_shown(folder: Path, store: SqlStore) -> None:
    """Share, agreement there and in all, drops, times and costs, each from the rows."""
    run(folder, "deploy", "set", "abc123", "--stage", "shadow")
    traffic(store)
    found = run(folder, "deploy", "status", "card-intent")
    assert found["serving"] is None
    shadow = found["shadow"]
    assert (shadow["requests"], shadow["failed"]) == (18, 0)
    # Of 18 the numbers 0, 4, 8, 12 and 16 were unsure and wrong.
    assert shadow["local_share"]["value"] == pytest.approx(13 / 18)
    assert (shadow["agreement"]["value"], shadow["agreement"]["n"]) == (1.0, 13)
    assert shadow["agreement"]["ci_low"] == pytest.approx(1 - (1 - 0.025 ** (1 / 13)), abs=1e-9)
    assert shadow["agreement_of_all"]["value"] == pytest.approx(13 / 18)
    assert shadow["second_answers"] == {"drawn": 20.0, "stored": 18, "missing": 2.0}
    assert (shadow["specialist_ms"]["p50"], shadow["frontier_ms"]["p50"]) == (2.0, 1000.0)
    assert shadow["cost"]["specialist_usd"] == pytest.approx(1e-6)
    assert shadow["cost"]["frontier_usd"] == pytest.approx(3e-4)
    assert shadow["cost"]["cascade_usd"]["value"] == pytest.approx(1e-6 + 5 / 18 * 3e-4)
    assert shadow["cost"]["pays"] is True
    assert shadow["lacks"] == []
    text = said(folder, "deploy", "status", "card-intent")
    assert "is shadow at 100%" in text
    assert "would answer itself: 72.2 %" in text
    assert "about 20 drawn, 18 stored, 2 missing" in text


def test_the_road_is_walked_by_commands(folder: Path, store: SqlStore) -> None:
    """Set to shadow, advance to a canary, and no further before there is evidence and a name."""
    run(folder, "deploy", "set", "abc123", "--stage", "shadow")
    with pytest.raises(InvalidTransition, match="0 of 10 requests"):
        run(folder, "deploy", "advance", "card-intent")
    traffic(store)
    taken = run(folder, "deploy", "advance", "card-intent")
    assert (taken["stage"], taken["share"], taken["evaluation_id"]) == ("canary", 0.05, "evaluation-1")
    assert "after shadow at 100%: 18 requests, 0 failed" in taken["reason"]
    assert run(folder, "deploy", "status", "card-intent")["shadow"] is None
    with pytest.raises(InvalidTransition, match=r"next step is 20% of the traffic"):
        run(folder, "deploy", "set", "abc123", "--stage", "live", "--approver", "ann", "--reason", "now")


def test_audits_speak_for_a_canary(folder: Path, store: SqlStore) -> None:
    """What the frontier model said beside local answers is the agreement of a canary; failures are counted."""
    run(folder, "deploy", "set", "abc123", "--stage", "shadow")
    traffic(store)
    run(folder, "deploy", "advance", "card-intent")
    (canary,) = store.deployments_in_force()
    route = Route(reason=RouteReason.SPECIALIST, deployment_id=canary.id, confidence=0.9, threshold=0.8)
    cheap = a_call(backend="specialist", model="ngram-abc123", cost_usd=Decimal("0.000001"))
    failed = replace(cheap, answered=False, error_code="specialist_failed", cost_usd=None)
    store.append([asked(number, route=route, calls=(cheap,)) for number in range(100, 110)])
    store.append(
        [
            asked(
                111,
                route=replace(route, reason=RouteReason.SPECIALIST_FAILED),
                calls=(failed, a_call(role=CallRole.FALLBACK)),
            )
        ]
    )
    audit = a_call(role=CallRole.AUDIT, answered=False, latency_ms=900.0)
    store.add_second_answers(
        [
            replace(shadowed(number, canary, confidence=0.9, agrees=number != 100), call=audit)
            for number in range(100, 104)
        ]
    )
    found = run(folder, "deploy", "status", "card-intent")["serving"]
    assert (found["requests"], found["failed"]) == (11, 1)
    assert found["local_share"]["value"] == pytest.approx(10 / 11)
    assert (found["agreement"]["value"], found["agreement"]["n"]) == (0.75, 4)
    assert found["second_answers"]["stored"] == 4
    assert any("failed at 1 of 11" in one for one in found["lacks"])


def test_a_trial_is_ended_by_retiring_it(folder: Path, store: SqlStore) -> None:
    """`deploy set --stage retired` of a version on trial ends the trial."""
    run(folder, "deploy", "set", "abc123", "--stage", "shadow", "--share", "0.5")
    assert [one["stage"] for one in run(folder, "deploy", "list")] == ["shadow"]
    assert run(folder, "deploy", "set", "abc123", "--stage", "retired", "--reason", "enough")["stage"] == "retired"
    assert store.shadows_in_force() == []


def test_a_task_without_a_specialist_says_how_to_begin(folder: Path) -> None:
    """Nothing on the road is no error, and the text says what to do."""
    found = run(folder, "deploy", "status", "card-intent")
    assert (found["serving"], found["shadow"]) == (None, None)
    assert "--stage shadow" in said(folder, "deploy", "status", "card-intent")
    with pytest.raises(InvalidTransition, match="no specialist of this task is on the road"):
        run(folder, "deploy", "advance", "card-intent")


def test_a_trial_that_is_over_shows_nothing_more(folder: Path, store: SqlStore) -> None:
    """The hours of a step end with it, and one said again right behind itself goes on."""
    run(folder, "deploy", "set", "abc123", "--stage", "shadow")
    traffic(store)
    run(folder, "deploy", "advance", "card-intent")
    newest = replace(a_version(), id=ModelVersionId("def456"))
    store.add_version(newest)
    run(folder, "deploy", "set", "def456", "--stage", "shadow")
    before = run(folder, "deploy", "status", "card-intent")["serving"]
    run(folder, "deploy", "set", "def456", "--stage", "retired", "--reason", "enough")
    after = run(folder, "deploy", "status", "card-intent")
    assert after["shadow"] is None
    assert after["serving"]["deployment"]["id"] != before["deployment"]["id"]
    assert after["serving"]["hours"] > before["hours"]

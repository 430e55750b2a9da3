"""Shadows and audits answer after the answer: they change nothing of it, keep to their budget, and are stored."""

from __future__ import annotations

import json
import threading
import urllib.request
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.fakes import a_deployment, a_version, after
from tests.integration.gateway.conftest import KEY, Running, Sure, eventually
from tests.integration.gateway.test_specialists import MESSAGES, ask, deploy, last, seen
from tests.integration.gateway.upstream import completion, events, streaming
from tierwright.core.deployment import Stage
from tierwright.core.errors import StoreError
from tierwright.core.ids import DeploymentId, ModelVersionId, TaskId
from tierwright.core.inference import CallRole, RouteReason
from tierwright.gateway.config import SecondConfig
from tierwright.gateway.lanes import Allowance, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.ids import InferenceId
    from tierwright.core.model import Prediction
    from tierwright.core.second import ComparedAnswer, SecondAnswer
    from tierwright.gateway.lanes import LaneState

TASK = TaskId("task-1")


@dataclass
class Held(Sure):
    """A specialist that says nothing until it may."""

    may_go_on: threading.Event = field(default_factory=threading.Event)

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """As `Sure.predict`, but for the first, later."""
        if self.batches:
            assert self.may_go_on.wait(20)
        return super().predict(inputs)


def shadow(gateway: Running, specialist: Sure, *, share: float = 1.0, number: int = 1) -> None:
    """Puts a specialist on trial, and waits until the gateway has seen it."""
    deploy(gateway, specialist, number=number, stage=Stage.SHADOW, share=share)


def compared(gateway: Running, count: int = 1) -> list[ComparedAnswer]:
    """The second answers in the store, as soon as there are that many."""
    eventually(lambda: len(gateway.store.second_answers(TASK)) >= count)
    return gateway.store.second_answers(TASK)


def lane(gateway: Running, role: CallRole) -> LaneState:
    """The counters of one kind of second answers."""
    return gateway.second.state().lanes[role]


def counted(gateway: Running, role: CallRole, outcome: Outcome, count: int) -> None:
    """Waits until so many have come to this."""
    eventually(lambda: lane(gateway, role).outcomes[outcome] == count)


def test_a_shadow_answers_a_copy_and_no_caller(gateway: Running) -> None:
    """The caller gets the frontier's answer, headers and cost; the store gets the shadow's as a second call."""
    shadow(gateway, Sure(output="Card_Arrival.", confidence=0.9), share=1.0)
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_arrival"
    assert headers["x-tierwright-served-by"] == "frontier"
    assert headers["x-tierwright-route-reason"] == "requested"
    assert headers["x-tierwright-cost-usd"] == "0.000105"
    assert "x-tierwright-confidence" not in headers
    (found,) = compared(gateway)
    assert found.second.call.role is CallRole.SHADOW
    assert (found.second.output, found.second.confidence, found.second.agrees) == ("Card_Arrival.", 0.9, True)
    assert (found.second.propensity, found.threshold, found.would_answer) == (1.0, 0.8, True)
    assert (found.given, found.frontier_output, found.specialist_output) == (
        "card_arrival",
        "card_arrival",
        "Card_Arrival.",
    )
    kept = last(gateway, 1)
    assert [(call.role, call.answered) for call in kept.calls] == [
        (CallRole.PRIMARY, True),
        (CallRole.SHADOW, False),
    ]
    assert kept.cost_usd == Decimal("0.000106")
    assert kept.route.reason is RouteReason.REQUESTED


def test_a_shadow_that_hangs_keeps_nobody_waiting(start: Callable[..., Running]) -> None:
    """Callers have their answers while the shadow has not said a word; it goes on when it can."""
    gateway = start(routing={"specialist_timeout_s": 30.0})
    held = Held()
    shadow(gateway, held, share=1.0)
    for _ in range(5):
        assert ask(gateway)[0].choices[0].message.content == "card_arrival"
    assert gateway.store.second_answers(TASK) == []
    held.may_go_on.set()
    assert len(compared(gateway, 5)) == 5


def test_a_shadow_that_fails_costs_nothing_but_itself(gateway: Running) -> None:
    """The caller's answer is untouched, and the failed call is kept, without an opinion."""
    shadow(gateway, Sure(error=RuntimeError("broken")), share=1.0)
    answer, _ = ask(gateway)
    assert answer.choices[0].message.content == "card_arrival"
    (found,) = compared(gateway)
    assert (found.second.call.error_code, found.second.confidence, found.second.agrees) == (
        "specialist_failed",
        None,
        None,
    )
    assert not found.would_answer
    counted(gateway, CallRole.SHADOW, Outcome.FAILED, 1)


def test_streams_are_shadowed(gateway: Running) -> None:
    """A streamed answer is put together before it is compared, and reaches the caller event by event."""
    shadow(gateway, Sure(output="card_lost"), share=1.0)
    gateway.upstream.script = streaming(events("card_", "lost"))
    chunks = list(gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "card_lost"
    (found,) = compared(gateway)
    assert (found.given, found.second.agrees) == ("card_lost", True)


def test_requests_with_tools_are_shadowed_and_no_tool_is_called(gateway: Running) -> None:
    """An answer that is a call of a tool is one the specialist did not give; nothing of it is executed."""
    shadow(gateway, Sure(), share=1.0)
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"card": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response(completion(choices=[choice]))

    gateway.upstream.script = script
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    answer, _ = ask(gateway, tools=[tool], extra_headers={"x-tierwright-task": "card-intent"})
    assert answer.choices[0].message.tool_calls[0].function.name == "look_up"
    (found,) = compared(gateway)
    assert (found.given, found.second.output, found.second.agrees) == (None, "card_lost", False)
    assert len(gateway.upstream.seen) == 1


def test_a_live_specialist_goes_on_beside_a_shadow(gateway: Running) -> None:
    """A version on trial takes nothing off what serves; what it is compared with is said by the route."""
    deploy(gateway, Sure(output="card_lost"), number=1)
    shadow(gateway, Sure(output="card_arrival"), number=2, share=1.0)
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-served-by"] == "specialist"
    (found,) = compared(gateway)
    assert found.second.deployment_id == "deployment-2"
    assert (found.reason, found.frontier_output) == (RouteReason.SPECIALIST, None)
    assert found.second.agrees is False


def test_errors_are_not_shadowed(gateway: Running) -> None:
    """A request that got no answer has nothing to be compared with."""
    shadow(gateway, Sure(), share=1.0)

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=400)

    gateway.upstream.script = script
    with pytest.raises(Exception, match="400"):
        ask(gateway)
    gateway.upstream.script = streaming(events("card_", "lost"))
    gateway.captured(1)
    assert lane(gateway, CallRole.SHADOW).waiting == 0
    assert sum(lane(gateway, CallRole.SHADOW).outcomes.values()) == 0


def test_content_rules_hold_for_second_answers(start: Callable[..., Running]) -> None:
    """Where content is not kept neither answer is, and whether they agreed is."""
    gateway = start(capture={"keep_content": False})
    shadow(gateway, Sure(output="card_arrival"), share=1.0)
    ask(gateway)
    (found,) = compared(gateway)
    assert (found.given, found.second.output, found.second.agrees) == (None, None, True)


def test_a_full_queue_drops_and_counts(start: Callable[..., Running]) -> None:
    """What finds no room is dropped and counted, on the metrics page, too; callers notice nothing."""
    gateway = start(routing={"specialist_timeout_s": 30.0}, second=SecondConfig(queue_limit=1))
    held = Held()
    shadow(gateway, held, share=1.0)
    # Four are under way and one waits; three find no room.
    for _ in range(8):
        assert ask(gateway)[0].choices[0].message.content == "card_arrival"
    counted(gateway, CallRole.SHADOW, Outcome.FULL, 3)
    page = gateway.app.metrics.render().decode()
    assert 'tierwright_second_answers_total{outcome="dropped_full",role="shadow"} 3.0' in page
    assert 'tierwright_second_answers_waiting{role="shadow"} 5.0' in page
    held.may_go_on.set()
    assert len(compared(gateway, 5)) == 5


def test_a_days_budget_is_kept(start: Callable[..., Running]) -> None:
    """When the day's requests are used up nothing more is shadowed, and every drop is counted."""
    gateway = start(second=SecondConfig(shadow=Allowance(requests=2)))
    shadow(gateway, Sure(), share=1.0)
    for _ in range(5):
        ask(gateway)
    assert len(compared(gateway, 2)) == 2
    counted(gateway, CallRole.SHADOW, Outcome.BUDGET, 3)


def test_an_audit_asks_the_frontier_after_a_local_answer(start: Callable[..., Running]) -> None:
    """The specialist's answer is delivered, then the frontier is asked the same in one piece; both are kept, priced."""
    gateway = start(second=SecondConfig(audit_share=1.0))
    deploy(gateway, Sure(output="card_lost"))
    answer, headers = ask(gateway)
    assert answer.choices[0].message.content == "card_lost"
    assert headers["x-tierwright-cost-usd"] == "0.000001"
    (found,) = compared(gateway)
    assert (found.second.call.role, found.second.propensity) == (CallRole.AUDIT, 1.0)
    assert (found.specialist_output, found.frontier_output) == ("card_lost", "card_arrival")
    assert (found.second.agrees, found.second.confidence) == (False, 0.99)
    assert (found.second.call.backend, found.second.call.answered) == ("frontier", False)
    assert found.second.call.cost_usd == Decimal("0.000105")
    assert last(gateway, 1).cost_usd == Decimal("0.000106")
    headers_sent, body = gateway.upstream.seen[0]
    assert json.loads(body)["messages"] == MESSAGES
    assert "idempotency-key" not in headers_sent


def test_a_streamed_local_answer_is_audited_in_one_piece(start: Callable[..., Running]) -> None:
    """The frontier is not asked for a stream that nobody reads."""
    gateway = start(second=SecondConfig(audit_share=1.0))
    deploy(gateway, Sure(output="card_arrival"))
    options: Any = {"include_usage": True}
    list(
        gateway.client().chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, stream_options=options)
    )
    (found,) = compared(gateway)
    assert found.second.agrees is True
    asked = json.loads(gateway.upstream.seen[0][1])
    assert not {"stream", "stream_options"} & set(asked)


def test_nothing_is_audited_by_default(gateway: Running) -> None:
    """An audit costs money, so that somebody has to ask for it."""
    deploy(gateway, Sure())
    ask(gateway)
    gateway.captured(1)
    assert gateway.upstream.seen == []
    assert lane(gateway, CallRole.AUDIT).waiting == 0


def test_escalated_requests_are_not_audited(start: Callable[..., Running]) -> None:
    """What the frontier answered anyway is not asked for twice."""
    gateway = start(second=SecondConfig(audit_share=1.0))
    deploy(gateway, Sure(confidence=0.1))
    ask(gateway)
    gateway.captured(1)
    assert len(gateway.upstream.seen) == 1


def test_an_audit_that_fails_is_kept_without_an_opinion(start: Callable[..., Running]) -> None:
    """An error of the model server is a call with its status and nothing else."""
    gateway = start(second=SecondConfig(audit_share=1.0))

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "down"}}, status=503)

    gateway.upstream.script = script
    deploy(gateway, Sure())
    assert ask(gateway)[0].choices[0].message.content == "card_lost"
    (found,) = compared(gateway)
    assert (found.second.call.status, found.second.call.error_code) == (503, "upstream_error")
    assert (found.second.agrees, found.second.output, found.second.call.cost_usd) == (None, None, None)


def test_audits_keep_to_their_dollars(start: Callable[..., Running]) -> None:
    """When the day's dollars are used up nothing more is audited."""
    gateway = start(second=SecondConfig(audit_share=1.0, audit=Allowance(usd=Decimal("0.0002"))))
    deploy(gateway, Sure())
    for number in range(4):
        ask(gateway)
        # One after the other: those under way may exceed the budget together.
        eventually(lambda: lane(gateway, CallRole.AUDIT).waiting == 0)
        assert lane(gateway, CallRole.AUDIT).outcomes[Outcome.DONE] == min(number + 1, 2)
    assert len(gateway.upstream.seen) == 2


def test_what_waits_is_finished_when_the_gateway_stops(start: Callable[..., Running]) -> None:
    """A stop finishes what waits and stores it behind its inference; nothing is silently lost."""
    gateway = start(capture={"max_delay_ms": 400.0})
    shadow(gateway, Sure(delay_s=0.05), share=1.0)
    for _ in range(6):
        ask(gateway)
    gateway.stop()
    assert len(gateway.store.second_answers(TASK)) == 6


def test_what_has_no_time_left_is_counted(start: Callable[..., Running]) -> None:
    """What can't be finished within the time of the stop is counted as dropped."""
    gateway = start(second=SecondConfig(close_timeout_s=0.2))
    shadow(gateway, Sure(delay_s=1.5), share=1.0)
    for _ in range(3):
        ask(gateway)
    gateway.stop()
    assert lane(gateway, CallRole.SHADOW).outcomes[Outcome.STOPPED] >= 1
    assert gateway.store.count() == 3


def test_other_settings_hold_for_audits_without_a_restart(start: Callable[..., Running]) -> None:
    """A reload that sets a share of audits is followed from the next request on."""
    gateway = start()
    deploy(gateway, Sure())
    ask(gateway)
    offer = gateway.changes.offer
    second = SecondConfig(audit_share=1.0)
    gateway.changes.make(replace(offer, config=replace(offer.config, second=second)))
    ask(gateway)
    assert len(compared(gateway, 1)) == 1


def test_a_conversation_stays_on_its_side_of_a_canary(gateway: Running) -> None:
    """With a share of a half each conversation that metadata names keeps its side, and both sides occur."""
    deploy(gateway, Sure(), stage=Stage.CANARY, share=0.5)

    def side(conversation: int) -> str:
        return ask(gateway, metadata={"conversation_id": f"c{conversation}"})[1]["x-tierwright-served-by"]

    sides = [side(conversation) for conversation in range(12)]
    assert [side(conversation) for conversation in range(12)] == sides
    assert set(sides) == {"specialist", "frontier"}


def test_a_store_that_fails_for_a_while_loses_nothing(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store does not take is tried again until it does."""
    shadow(gateway, Sure(), share=1.0)
    real, failures = gateway.store.add_second_answers, 3

    def failing(given: Sequence[SecondAnswer]) -> set[InferenceId]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreError("the database is locked; try again")
        return real(given)

    monkeypatch.setattr(gateway.store, "add_second_answers", failing)
    ask(gateway)
    assert len(compared(gateway)) == 1
    assert failures < 0


def test_what_the_store_never_takes_is_counted(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails until the end costs the second answers, no caller's answer, and is counted."""
    shadow(gateway, Sure(), share=1.0)

    def failing(_: Sequence[SecondAnswer]) -> set[InferenceId]:
        raise RuntimeError("the prompt was: secret")

    monkeypatch.setattr(gateway.store, "add_second_answers", failing)
    assert ask(gateway)[0].choices[0].message.content == "card_arrival"
    gateway.stop()
    outcomes = lane(gateway, CallRole.SHADOW).outcomes
    assert (outcomes[Outcome.DONE], outcomes[Outcome.LOST]) == (1, 1)
    assert gateway.store.count() == 1


def test_a_shadow_that_can_not_be_loaded_takes_nothing_off(gateway: Running) -> None:
    """A broken artifact on trial is said by readiness, and what serves goes on."""
    deploy(gateway, Sure(output="card_lost"), number=1)
    broken = a_version(id=ModelVersionId("version0000000002"))
    gateway.store.add_version(broken)
    gateway.store.add_deployment(
        a_deployment(
            id=DeploymentId("deployment-2"),
            model_version_id=broken.id,
            stage=Stage.SHADOW,
            created_at=after(2),
            evaluation_id=None,
        )
    )
    seen(gateway)
    assert ask(gateway)[0].choices[0].message.content == "card_lost"
    assert gateway.readiness()["specialists"]["failed"] == {"card-intent (shadow)": "ArtifactError"}


def test_messages_are_shadowed_and_audited_as_chats(start: Callable[..., Running]) -> None:
    """What was asked in Anthropic's API is answered a second time like any other request."""
    gateway = start(second=SecondConfig(audit_share=1.0))
    deploy(gateway, Sure(output="card_arrival"))
    body = {"model": "gpt-4o", "max_tokens": 50, "system": "Name the intent.", "messages": MESSAGES[1:], "stream": True}
    request = urllib.request.Request(
        f"{gateway.url}/messages",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", "x-api-key": KEY, "x-tierwright-task": "card-intent"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b"card_arrival" in answer.read()
    (found,) = compared(gateway)
    assert (found.second.call.role, found.second.agrees) == (CallRole.AUDIT, True)
    assert "stream" not in json.loads(gateway.upstream.seen[0][1])

"""What a `TrafficStore` promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.fakes import a_call, after, an_inference, inferences
from tierwright.core.ids import InferenceId, TaskId
from tierwright.core.inference import CallRole, Content
from tierwright.core.traffic import KeptContent, TrafficRow

if TYPE_CHECKING:
    from tierwright.core.inference import Inference
    from tierwright.store.sql import SqlStore


def row_of(inference: Inference) -> TrafficRow:
    """What the row of an inference says, worked out from the noun."""
    calls = [call for call in inference.calls if not call.role.is_second]
    priced = [call.cost_usd for call in calls if call.cost_usd is not None]
    answering = inference.answering_call
    return TrafficRow(
        id=inference.id,
        created_at=inference.created_at,
        client_id=inference.client_id,
        task_id=inference.task_id,
        error_code=inference.error_code,
        latency_ms=inference.latency_ms,
        content=inference.content,
        model="" if answering is None else answering.model,
        prompt_tokens=None if answering is None else answering.prompt_tokens,
        completion_tokens=None if answering is None else answering.completion_tokens,
        cost_usd=sum(priced, Decimal(0)) if priced else None,
        unpriced_calls=len(calls) - len(priced),
    )


def strange_ones() -> list[Inference]:
    """Inferences with every kind of calls, not in order of time."""
    specialist = a_call(backend="specialist", model="intent", cost_usd=Decimal("0.000001"), answered=False)
    frontier = a_call(role=CallRole.ESCALATION, model="gpt-4o", cost_usd=Decimal("0.0003"), prompt_tokens=7)
    shadow = a_call(role=CallRole.SHADOW, model="mini", cost_usd=Decimal(9), answered=False)
    unpriced = a_call(model="unknown", cost_usd=None, prompt_tokens=None, completion_tokens=None)
    given = {
        "late": {"calls": (specialist, frontier, shadow), "created_at": after(9)},
        "unpriced": {"calls": (unpriced,), "created_at": after(1), "task_id": TaskId("task-1")},
        "half-priced": {"calls": (replace(unpriced, answered=False), frontier), "created_at": after(2)},
        "refused": {
            "calls": (),
            "created_at": after(3),
            "error_code": "no_model",
            "latency_ms": None,
            "response": None,
        },
        "gone": {"created_at": after(3), "request": None, "response": None, "content": Content.EXPIRED},
        "strange": {"created_at": after(4), "client_id": "ä ' %", "request": b"\x00\xff", "response": b""},
        "only-second": {"calls": (shadow,), "created_at": after(5)},
    }
    return [an_inference(id=InferenceId(name), **changes) for name, changes in given.items()]


def test_rows_say_what_the_inferences_say(store: SqlStore) -> None:
    """Each row sums up the calls made for the caller and names the model that answered; the order is that of time."""
    given = strange_ones()
    store.append(given)
    in_order = sorted(given, key=lambda one: (one.created_at, one.id))
    assert list(store.traffic()) == [row_of(one) for one in in_order]


def test_rows_of_a_period(store: SqlStore) -> None:
    """`since` is inside, `until` is not."""
    store.append(inferences(10))
    found = [row.id for row in store.traffic(since=after(3), until=after(6))]
    assert found == ["i-000003", "i-000004", "i-000005"]


def test_rows_go_on_over_pages(store: SqlStore) -> None:
    """More rows than a page are all there, once, also where many share one instant."""
    store.append([replace(one, created_at=after(0)) for one in inferences(10_050)])
    found = [row.id for row in store.traffic()]
    assert len(found) == len(set(found)) == 10_050
    assert found == sorted(found)


def test_contents_come_in_the_order_asked(store: SqlStore) -> None:
    """Contents come back to the byte in the order of the ids, more than are read at once; what is not kept is left."""
    given = [replace(one, request=one.id.encode()) for one in inferences(1_500)]
    store.append([*given, *strange_ones()])
    asked = [one.id for one in reversed(given)]
    found = list(store.contents([InferenceId("gone"), *asked, InferenceId("nobody"), InferenceId("strange")]))
    assert [one.id for one in found] == [*asked, "strange"]
    assert all(one.request == one.id.encode() for one in found[:-1])
    assert found[-1] == KeptContent(InferenceId("strange"), b"\x00\xff", b"")
    assert list(store.contents([])) == []

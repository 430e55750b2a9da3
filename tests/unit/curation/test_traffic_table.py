"""The columns of the traffic."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tests.fakes import after
from tierwright.core.ids import InferenceId, TaskId
from tierwright.core.inference import Content
from tierwright.core.traffic import TrafficRow
from tierwright.curation.traffic_table import TrafficTable, text_key

PLAIN = TrafficRow(
    id=InferenceId("i0"),
    created_at=after(0),
    client_id="desk",
    task_id=None,
    error_code=None,
    latency_ms=12.5,
    content=Content.KEPT,
    model="gpt-4o",
    prompt_tokens=10,
    completion_tokens=2,
    cost_usd=Decimal("0.000001234567"),
    unpriced_calls=0,
)


def table(*rows: TrafficRow) -> TrafficTable:
    """A table of rows, ids and times made different."""
    made = TrafficTable()
    for number, row in enumerate(rows):
        made.note(row._replace(id=InferenceId(f"i{number}"), created_at=after(number)))
    return made


def test_sums_are_exact_and_gaps_are_counted() -> None:
    """Costs add up to the pico-dollar beyond 64 bits; what was not said or priced is missing and never 0."""
    dear = PLAIN._replace(cost_usd=Decimal("9000000.000000000001"))
    bare = PLAIN._replace(
        cost_usd=None, unpriced_calls=2, latency_ms=None, prompt_tokens=None, completion_tokens=None, model=""
    )
    made = table(PLAIN, dear, dear, bare)
    found = made.traffic(np.arange(4), ())
    assert found.cost_usd == Decimal("18000000.000001234569")
    assert found.cost_nano_usd.tolist() == [1234, 9_000_000_000_000_000, 9_000_000_000_000_000, -1]
    assert found.unpriced_calls == 2
    assert found.prompt_tokens.tolist() == [10, 10, 10, -1]
    assert found.completion_tokens.tolist() == [2, 2, 2, -1]
    assert np.isnan(found.latency_ms).tolist() == [False, False, False, True]
    assert found.models == {"gpt-4o": 3, "": 1}
    assert made.traffic(np.array([3]), ()).cost_usd is None


def test_rows_are_those_asked_for() -> None:
    """A task's columns hold its rows alone, ascending by time."""
    made = table(PLAIN, PLAIN._replace(client_id="shop"), PLAIN)
    made.mark(1, 0, "an input", text_key("an answer"))
    found = made.traffic(np.array([1, 2]), ())
    assert found.at.tolist() == [after(1).timestamp(), after(2).timestamp()]
    assert found.clients == {"shop": 1, "desk": 1}
    assert found.input_key.tolist() == [text_key("an input"), 0]
    assert found.answer_key.tolist() == [text_key("an answer"), 0]
    assert made.frames().tolist() == [-1, 0, -1]


def test_only_what_changes_is_assigned() -> None:
    """Requests whose task is as before are not written again; those that lose their task are."""
    one, other = TaskId("one"), TaskId("other")
    made = table(PLAIN._replace(task_id=one), PLAIN, PLAIN._replace(task_id=other), PLAIN._replace(task_id=one))
    assert list(made.changed([one, None, one, None])) == [("i2", one), ("i3", None)]
    assert made.tasks_before(np.arange(4)) == {one: 2, other: 1}
    assert made.was_of(one).tolist() == [True, False, False, True]
    assert made.was_of(TaskId("unheard of")).tolist() == [False] * 4


def test_keys_tell_texts_apart() -> None:
    """Equal texts have equal keys, 0 is the empty text, and half a surrogate pair is a text."""
    assert text_key("") == 0
    assert text_key("a") == text_key("a") != text_key("b")
    assert text_key("\ud83d") != 0

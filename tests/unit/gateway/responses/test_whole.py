"""The events of a Responses stream make the Response that would have come in one piece."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broken import broken
from tests.provider_recordings import events_of, recorded, stream_of
from tierwright.gateway.responses.answers import chat_answer
from tierwright.gateway.responses.whole import WholeResponse

#: Members that servers themselves write differently in the item and in the whole.
UNSTEADY = ("encrypted_content",)


def event(kind: str, **members: Any) -> dict[str, Any]:
    """One event."""
    return {"type": f"response.{kind}", **members}


def collected(*events: dict[str, Any]) -> WholeResponse:
    """A collector that was fed the events."""
    whole = WholeResponse()
    for fed in events:
        whole.feed(fed)
    return whole


CREATED = event("created", response={"id": "resp_1", "object": "response", "status": "in_progress", "output": []})
MESSAGE = event(
    "output_item.added",
    output_index=0,
    item={"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []},
)
PART = event(
    "content_part.added",
    output_index=0,
    content_index=0,
    item_id="msg_1",
    part={"type": "output_text", "annotations": [], "text": ""},
)
AT = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}


def test_the_last_event_is_the_answer() -> None:
    """What the server sent as the whole is taken as it is."""
    final = {"id": "resp_1", "status": "completed", "output": [{"type": "message", "content": []}], "new": 1}
    whole = collected(CREATED, MESSAGE, PART, event("completed", response=final))
    assert (whole.finished, whole.failed, whole.response()) == (True, False, final)


def test_what_arrived_before_a_stream_broke_is_kept() -> None:
    """Text, refusals, thoughts, calls, citations and log probabilities are put together, with a status that tells."""
    whole = collected(
        CREATED,
        MESSAGE,
        PART,
        event("output_text.delta", **AT, delta="Hel", logprobs=[{"token": "Hel"}]),
        event("output_text.annotation.added", **AT, annotation_index=0, annotation={"type": "url_citation"}),
        event("output_text.delta", **AT, delta="lo", logprobs=[{"token": "lo"}]),
        event("refusal.delta", **AT | {"content_index": 1}, delta="No."),
        event("output_item.added", output_index=1, item={"id": "rs_1", "type": "reasoning", "summary": []}),
        event("reasoning_summary_text.delta", output_index=1, summary_index=0, item_id="rs_1", delta="Hm"),
        event("reasoning_text.delta", output_index=1, content_index=0, item_id="rs_1", delta="Um"),
        event("function_call_arguments.delta", output_index=2, item_id="fc_1", delta="{"),
        event("output_item.added", output_index=3, item={"type": "web_search_call", "status": "in_progress"}),
        event("web_search_call.searching", output_index=3, item_id="ws_1"),
    )
    found = whole.response()
    assert found is not None
    assert (whole.finished, whole.failed, found["status"], found["id"]) == (False, False, "incomplete", "resp_1")
    assert found["output"] == [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [
                {
                    "type": "output_text",
                    "annotations": [{"type": "url_citation"}],
                    "text": "Hello",
                    "logprobs": [{"token": "Hel"}, {"token": "lo"}],
                },
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "content": [{"type": "reasoning_text", "text": "Um"}],
        },
        {"id": "fc_1", "type": "function_call", "arguments": "{"},
        {"type": "web_search_call", "status": "searching"},
    ]
    assert chat_answer(found)["choices"][0]["finish_reason"] is None


def test_done_replaces_what_deltas_made() -> None:
    """The whole text of a part, and the whole item, win over the pieces."""
    text = event("output_text.done", **AT, text="Hello")
    found = collected(CREATED, MESSAGE, PART, event("output_text.delta", **AT, delta="Hallo"), text).response()
    assert found is not None
    assert found["output"][0]["content"][0]["text"] == "Hello"
    item = {"id": "msg_1", "type": "message", "status": "completed", "content": [{"type": "output_text", "text": "Hi"}]}
    found = collected(CREATED, MESSAGE, PART, text, event("output_item.done", output_index=0, item=item)).response()
    assert found is not None
    assert found["output"] == [item]


def test_a_last_event_without_output_is_filled_in() -> None:
    """Some servers leave the output out of their last event."""
    final = {"id": "resp_1", "status": "completed", "output": []}
    whole = collected(
        CREATED, MESSAGE, PART, event("output_text.delta", **AT, delta="x"), event("completed", response=final)
    )
    found = whole.response()
    assert found is not None
    assert (found["status"], found["output"][0]["content"][0]["text"]) == ("completed", "x")
    assert final["output"] == []


@pytest.mark.parametrize(
    "last",
    [
        event(
            "failed", response={"status": "failed", "error": {"code": "server_error", "message": "no"}, "output": []}
        ),
        {"type": "error", "code": "server_error", "message": "no", "param": None},
    ],
)
def test_errors_are_seen(last: dict[str, Any]) -> None:
    """A stream that ends in an error says so, and the Response holds it."""
    whole = collected(CREATED, last)
    found = whole.response()
    assert whole.failed
    assert found is not None
    assert found["status"] == "failed"
    assert found["error"]["code"] == "server_error"


@pytest.mark.parametrize("events", [[], [{}], [{"type": "keepalive"}], [{"type": ["response.completed"]}]])
def test_nothing_of_a_response_is_none(events: list[dict[str, Any]]) -> None:
    """Events that hold nothing of an answer make none."""
    assert collected(*events).response() is None


def test_any_json_is_collected() -> None:
    """Whatever stands at any place of an event, the rest is collected."""
    stream = [
        CREATED,
        MESSAGE,
        PART,
        event("output_text.delta", **AT, delta="x", logprobs=[{"token": "x"}]),
        event("output_text.annotation.added", **AT, annotation={}),
        event("reasoning_summary_part.added", output_index=1, summary_index=0, part={}),
        event("output_item.done", output_index=2, item={"id": "fc_1", "type": "function_call"}),
        event("web_search_call.searching", output_index=2),
        event("completed", response={"status": "completed", "output": [{}]}),
    ]
    for odd in broken(stream):
        if isinstance(odd, list):
            found = collected(*(fed for fed in odd if isinstance(fed, dict))).response()
            assert found is None or len(chat_answer(found)["choices"]) == 1


def test_events_are_not_changed() -> None:
    """What was fed stays as it was, and nesting without end inside of an item is no burden."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    item = event("output_item.added", output_index=0, item={"type": "message", "content": [{}], "deep": deep})
    whole = collected(item, event("output_text.delta", **AT, delta="x"))
    for _ in range(2):
        found = whole.response()
        assert found is not None
        assert found["output"][0]["content"] == [{"type": "output_text", "text": "x"}]
    assert item["item"]["content"] == [{}]


def test_recorded_streams_end_as_their_servers_said() -> None:
    """Each recorded stream yields the recorded whole, and without its last event, or from deltas alone, the same."""
    streams = [stream for exchange in recorded("/responses") if (stream := stream_of(exchange)) is not None]
    assert len(streams) > 35
    exact = 0
    for text in streams:
        events = list(events_of(text))
        (last,) = [fed for fed in events if fed["type"] == "response.completed"]
        whole = collected(*events)
        assert (whole.finished, whole.failed) == (True, False)
        assert whole.response() == last["response"]
        cut = collected(*(fed for fed in events if fed is not last)).response()
        assert cut is not None
        assert cut["status"] == "incomplete"
        ours, theirs = steady(cut["output"]), steady(last["response"]["output"])
        assert [item | {"id": ""} for item in ours] == [item | {"id": ""} for item in theirs]
        # One server gives an item another id at the end.
        exact += ours == theirs
        deltas = collected(*(fed for fed in events if not fed["type"].endswith((".done", ".completed")))).response()
        assert deltas is not None
        said, meant = (chat_answer(found)["choices"][0]["message"] for found in (deltas, last["response"]))
        for member in ("content", "refusal", "tool_calls", "reasoning_content"):
            assert said.get(member) == meant.get(member)
    assert exact >= len(streams) - 1


def steady(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items without what servers write differently each time."""
    return [{name: value for name, value in item.items() if name not in UNSTEADY} for item in output]

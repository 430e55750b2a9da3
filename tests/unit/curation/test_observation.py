"""What discovery reads of a captured request, and why it reads nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import a_request, a_response, an_inference
from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.ids import InferenceId
from tierwright.curation.observation import ObservationReader, Refusal, observe, read_texts

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
PLAIN = {"role": "user", "content": "u"}
SAID = {"role": "assistant", "content": "a"}
CALL = {"id": "a", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}


def request(*messages: dict[str, Any], **members: Any) -> bytes:
    """The bytes of a request of these messages."""
    return json.dumps({"model": "m", "messages": messages, **members}).encode()


def answered(message: dict[str, Any]) -> bytes:
    """The bytes of an answer of this message."""
    return json.dumps({"id": "x", "choices": [{"message": message}]}).encode()


@pytest.mark.parametrize(
    ("request_", "response", "why"),
    [
        (None, a_response(), Refusal.NO_CONTENT),
        (a_request(), None, Refusal.NO_CONTENT),
        (b"{", a_response(), Refusal.UNREADABLE),
        (b"null", a_response(), Refusal.UNREADABLE),
        (b"[" * 100_000, a_response(), Refusal.UNREADABLE),
        (b'{"input": "a text to embed"}', a_response(), Refusal.UNREADABLE),
        (request(IMAGE), a_response(), Refusal.NOT_TEXT),
        (request(IMAGE, SAID, PLAIN), a_response(), Refusal.NOT_TEXT),
        (request({"role": "system", "content": "a"}), a_response(), Refusal.NO_QUESTION),
        (request(PLAIN, SAID), a_response(), Refusal.NO_QUESTION),
        (request(PLAIN), answered({"content": None, "refusal": "no"}), Refusal.NO_TEXT_ANSWER),
        (a_request(), b'{"choices": []}', Refusal.NO_TEXT_ANSWER),
        (a_request(), b"no JSON", Refusal.NO_TEXT_ANSWER),
    ],
)
def test_what_can_not_be_read_has_its_reason(request_: bytes | None, response: bytes | None, why: Refusal) -> None:
    """Each kind of request without a frame is refused for what it is."""
    assert read_texts(request_, response) is why


@pytest.mark.parametrize(
    "text", ["Where is my card?", "half a pair \ud83d", "NUL \x00 and \U0001f600", "é", "a" * 10_000, ""]
)
def test_texts_are_those_of_the_core(text: str) -> None:
    """Whatever JSON can hold is read as `core.chat` reads it."""
    asked, response = a_request(text), a_response(text)
    assert read_texts(asked, response) == (decode_request(asked), decode_answer(response).text, ())


def test_numbers_that_are_no_json_are_read_as_before() -> None:
    """`NaN`, which Python writes and JSON has not, does not cost a request its task."""
    asked = a_request("hm", temperature=float("nan"))
    assert read_texts(asked, a_response()) == (decode_request(asked), "card_arrival", ())


def test_failed_requests_are_left_out() -> None:
    """An inference that ended in an error is no observation."""
    good, bad = an_inference(), an_inference(error_code="upstream_timeout")
    assert [one.id for one in observe([bad, good])] == [good.id]


def test_instructions_are_kept_once() -> None:
    """Two requests with the same system message hold one copy of it."""
    reader = ObservationReader()
    one, other = (reader.read(InferenceId("i"), 0.0, a_request(text), a_response()) for text in ("a", "b"))
    assert not isinstance(one, Refusal)
    assert not isinstance(other, Refusal)
    assert one.request.messages[0] is other.request.messages[0]


def test_steps_and_calls_are_observed() -> None:
    """A request that ends with a result is a step after its tool; an answer that calls is rendered, talk aside."""
    asked = request(
        {"role": "system", "content": "S"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
        tools=[{"type": "function", "function": {"name": name}} for name in ("z", "find")],
    )
    said = answered({"content": "Let me look.", "tool_calls": [CALL]})
    (found,) = observe([an_inference(request=asked, response=said)])
    assert (found.answer, found.calls) == ('{"tool": "find", "id": 7}', ("find",))
    assert found.shape == (("find", "z"), None, "find")

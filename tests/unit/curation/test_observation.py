"""What discovery sees of a captured request, and why it sees nothing."""

from __future__ import annotations

import json

import pytest

from tests.fakes import a_request, a_response, an_inference
from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.ids import InferenceId
from tierwright.curation.observation import ObservationReader, Refusal, observe, read_texts

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}


@pytest.mark.parametrize(
    ("request_", "response", "why"),
    [
        (None, a_response(), Refusal.NO_CONTENT),
        (a_request(), None, Refusal.NO_CONTENT),
        (b"{", a_response(), Refusal.UNREADABLE),
        (b"null", a_response(), Refusal.UNREADABLE),
        (b"[" * 100_000, a_response(), Refusal.UNREADABLE),
        (b'{"input": "a text to embed"}', a_response(), Refusal.UNREADABLE),
        (json.dumps({"model": "m", "messages": [IMAGE]}).encode(), a_response(), Refusal.NOT_TEXT),
        (
            json.dumps({"model": "m", "messages": [{"role": "system", "content": "a"}]}).encode(),
            a_response(),
            Refusal.NO_QUESTION,
        ),
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
    request, response = a_request(text), a_response(text)
    assert read_texts(request, response) == (decode_request(request), decode_answer(response).text)


def test_numbers_that_are_no_json_are_read_as_before() -> None:
    """`NaN`, which Python writes and JSON has not, does not cost a request its task."""
    request = a_request("hm", temperature=float("nan"))
    assert read_texts(request, a_response()) == (decode_request(request), "card_arrival")


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

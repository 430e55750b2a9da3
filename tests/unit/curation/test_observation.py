"""What discovery reads of a request, and what it leaves out."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.fakes import a_request, a_response, an_inference
from tierwright.core.ids import InferenceId
from tierwright.curation.observation import observe

CALL = {"id": "a", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}


def request(*messages: dict[str, Any], **members: Any) -> bytes:
    """The bytes of a request of these messages."""
    return json.dumps({"model": "m", "messages": messages, **members}).encode()


def answered(message: dict[str, Any]) -> bytes:
    """The bytes of an answer of this message."""
    return json.dumps({"id": "x", "choices": [{"message": message}]}).encode()


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


def test_what_can_t_be_read_is_counted_by_reason() -> None:
    """Nothing is left out in silence."""
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    plain = {"role": "user", "content": "u"}
    cases = [
        ("pictures, sound or files", {"request": request(picture)}),
        ("pictures, sound or files", {"request": request(picture, {"role": "assistant", "content": "a"}, plain)}),
        ("no question", {"request": request(plain, {"role": "assistant", "content": "a"})}),
        ("no question", {"request": request({"role": "system", "content": "a"})}),
        ("no answer", {"response": answered({"content": None, "refusal": "no"})}),
        ("not a chat", {"request": b'{"model": "m", "input": "x"}'}),
        ("content not kept", {"request": None}),
        ("failed", {"error_code": "timeout"}),
    ]
    left_out = Counter[str]()
    inferences = [an_inference(id=InferenceId(f"i{n}"), **changes) for n, (_, changes) in enumerate(cases)]
    assert list(observe([*inferences, an_inference(request=a_request(), response=a_response())], left_out))
    assert left_out == Counter(reason for reason, _ in cases)

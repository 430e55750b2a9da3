"""Tokens of recorded payloads."""

from __future__ import annotations

import json

from tests.fakes import a_request, a_response
from tierwright.app.counting import payload_counter


def test_request_answer_and_tools_are_counted() -> None:
    """Both ways, as an estimate; a longer answer and tools that are defined count for more."""
    count = payload_counter()
    short = count(a_request("hello"), a_response("yes"), "gpt-4o")
    assert short.estimated
    assert short.prompt_tokens > 0
    longer = count(a_request("hello"), a_response("yes, with pleasure, and at once"), "gpt-4o")
    assert (longer.prompt_tokens, longer.completion_tokens > short.completion_tokens) == (short.prompt_tokens, True)
    tool = {"type": "function", "function": {"name": "look_up", "description": "Looks an order up by its number."}}
    with_tools = json.dumps(json.loads(a_request("hello")) | {"tools": [tool]}).encode()
    assert count(with_tools, a_response("yes"), "gpt-4o").prompt_tokens > short.prompt_tokens + 5

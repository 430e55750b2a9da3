"""Counts the tokens of recorded requests and answers whose log does not say.

Owns the way from two JSON payloads to the counter; refuses to know where they were recorded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tierwright.core.chat import decode_request, written
from tierwright.economics.count import TokenCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierwright.core.chat import Usage


def payload_counter() -> Callable[[bytes, bytes, str], Usage]:
    """The usage of a request and an answer for a model, marked as estimated.

    The request must be one that `decode_request` reads.
    """
    counter = TokenCounter()

    def count(request: bytes, response: bytes, model: str) -> Usage:
        tools = json.loads(request).get("tools") if b'"tools"' in request else None
        return counter.estimate(
            decode_request(request), written(response), model, definitions=json.dumps(tools) if tools else None
        )

    return count

"""A specialist's answer in exactly the form a frontier model's would have had, in one piece or as a stream.

Owns the two forms and the estimate of what the frontier model would have counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.chat import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.ids import ModelVersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialistTerms:
    """What one deployment's answers are reported as, measured where the rows are and handed in."""

    #: Prompt tokens the frontier model counts for one character of message text (all messages of a request).
    tokens_per_character: float
    #: Tokens the frontier model needs for one answer of the task.
    mean_completion_tokens: float
    #: US dollars of so many seconds of this machine.
    cost_usd: Callable[[float], Decimal]

    def usage(self, characters: int) -> Usage:
        """What the frontier model would have counted, estimated."""
        return Usage(
            prompt_tokens=max(1, round(self.tokens_per_character * characters)),
            completion_tokens=max(1, round(self.mean_completion_tokens)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAnswer:
    """A specialist's answer to one request."""

    inference_id: str
    #: As the caller named it.
    model: str
    content: str
    usage: Usage
    version_id: ModelVersionId
    created_at: datetime

    def completion(self) -> bytes:
        """The body of a chat.completion."""
        return msgspec.json.encode(
            {
                "id": self.inference_id,
                "object": "chat.completion",
                "created": int(self.created_at.timestamp()),
                "model": self.model,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": self.content, "refusal": None},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": _usage(self.usage),
                "system_fingerprint": _fingerprint(self.version_id),
            }
        )

    def events(self, *, include_usage: bool) -> bytes:
        """The whole event stream, to [DONE]."""
        deltas: list[tuple[dict[str, object], str | None]] = [
            ({"role": "assistant", "content": "", "refusal": None}, None),
            ({"content": self.content}, None),
            ({}, "stop"),
        ]
        chunks = [
            self._chunk(
                [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
                {"usage": None} if include_usage else {},
            )
            for delta, reason in deltas
        ]
        if include_usage:
            chunks.append(self._chunk([], {"usage": _usage(self.usage)}))
        return b"".join(b"data: %b\n\n" % chunk for chunk in [*chunks, b"[DONE]"])

    def _chunk(self, choices: list[dict[str, object]], more: dict[str, object]) -> bytes:
        return msgspec.json.encode(
            {
                "id": self.inference_id,
                "object": "chat.completion.chunk",
                "created": int(self.created_at.timestamp()),
                "model": self.model,
                "system_fingerprint": _fingerprint(self.version_id),
                "choices": choices,
                **more,
            }
        )


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _fingerprint(version_id: ModelVersionId) -> str:
    return f"tierwright-{version_id[:12]}"

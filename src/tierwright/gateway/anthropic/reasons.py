"""Why an answer ended: Anthropic's stop reasons and OpenAI's finish reasons, each in the other's words.

Refuses to invent an end: no reason stays no reason, and a reason that neither API knows is passed on as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: `pause_turn` and a full context window are "length": the answer is not whole, and not for a reason of the model's.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
#: Besides OpenAI's own words: "eos" is Together's, "model_length" Mistral's for a full context window.
_STOP_REASONS = {
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "model_length": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class Ending(NamedTuple):
    """Why an answer ended, in Anthropic's words."""

    #: None: not said.
    stop_reason: str | None
    #: The stop sequence that was met; None: none, or not said which.
    stop_sequence: str | None


def finish_reason(stop_reason: object) -> str | None:
    """OpenAI's word for a stop reason; None where there is none."""
    if not isinstance(stop_reason, str):
        return None
    return _FINISH_REASONS.get(stop_reason, stop_reason)


def ended(message: Mapping[str, object]) -> dict[str, object]:
    """The members of a chat choice that say why a Message ended.

    `native_finish_reason` is OpenRouter's name for the provider's own word, and `stop_reason` vLLM's for the stop
    sequence that was met: both are absent where they say nothing.
    """
    reason, sequence = message.get("stop_reason"), message.get("stop_sequence")
    found: dict[str, object] = {"finish_reason": finish_reason(reason)}
    if isinstance(reason, str):
        found["native_finish_reason"] = reason
    if reason == "stop_sequence" and isinstance(sequence, str):
        found["stop_reason"] = sequence
    return found


def ending(choice: Mapping[str, object], *, calls: bool) -> Ending:
    """Why a chat choice ended; `calls`: whether it calls tools, which some servers end with "stop"."""
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    if not isinstance(reason, str):
        return Ending(None, None)
    # vLLM says which stop sequence was met as `stop_reason`, SGLang as `matched_stop`; a number is a token.
    met = choice.get("stop_reason") or choice.get("matched_stop")
    if reason == "stop" and isinstance(met, str) and met not in _FINISH_REASONS and met not in _STOP_REASONS:
        return Ending("stop_sequence", met)
    if isinstance(native, str) and _FINISH_REASONS.get(native) == reason:
        return Ending(native, None)
    if calls and reason in ("stop", "eos"):
        return Ending("tool_use", None)
    return Ending(_STOP_REASONS.get(reason, reason), None)

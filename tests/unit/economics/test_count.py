"""Token counts of calls whose provider says none."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tierwright.core.chat import ChatRequest, Message, Usage, read_request, read_usage
from tierwright.core.errors import InputError
from tierwright.economics.count import TokenCounter, prompt_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    """One counter; it remembers vocabularies."""
    return TokenCounter()


def a_request(*texts: str, **changes: Any) -> ChatRequest:
    """A chat of user messages."""
    return ChatRequest(model="m", messages=tuple(Message(role="user", text=text) for text in texts), **changes)


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        # The worked examples of the cookbook, section 5: tokens of one text under two vocabularies.
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-4o", 6),
        ("2 + 2 = 4", "gpt-4", 7),
        ("2 + 2 = 4", "openai/gpt-4o", 7),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("お誕生日おめでとう", "gpt-4o-mini", 8),
    ],
)
def test_published_counts(counter: TokenCounter, text: str, model: str, tokens: int) -> None:
    """The counts that OpenAI's cookbook gives for cl100k_base and o200k_base come out."""
    assert counter.count(text, model) == tokens


def test_published_count_of_a_chat(counter: TokenCounter) -> None:
    """The cookbook's chat of six messages, whose API count is 129 for gpt-4 and 124 for gpt-4o.

    Some of its tokens are for names of speakers, which are left out of the messages here.
    """
    texts = [
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        "New synergies will help drive top-line growth.",
        "Things working well together will increase revenue.",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        "Let's talk later when we're less busy about how to do better.",
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    ]
    assert counter.estimate(a_request(*texts), None, "gpt-4").prompt_tokens == 129 - _NAMES
    assert counter.estimate(a_request(*texts), None, "gpt-4o").prompt_tokens == 124 - _NAMES


#: Four messages have a name: one token of overhead each, "example_user" twice has two and "example_assistant" three.
_NAMES = 4 * 1 + 2 * 2 + 2 * 3


def test_an_estimate_says_that_it_is_one(counter: TokenCounter) -> None:
    """Whatever is counted here is marked, an answer of nothing counts nothing."""
    assert counter.estimate(a_request("hello"), "hello world", "x") == Usage(
        prompt_tokens=3 + 4 + 1, completion_tokens=2, estimated=True
    )
    assert counter.estimate(a_request("hello"), None, "x").completion_tokens == 0


def test_tools_and_formats_count(counter: TokenCounter) -> None:
    """Definitions count as their text where given, by name elsewhere; so does a response format."""
    plain = counter.estimate(a_request("hello"), None, "x").prompt_tokens
    named = counter.estimate(a_request("hello", tools=("weather",)), None, "x").prompt_tokens
    defined = counter.estimate(a_request("hello", tools=("weather",)), None, "x", definitions='{"name":"weather"}')
    formatted = counter.estimate(a_request("hello", response_format='{"type":"json_object"}'), None, "x").prompt_tokens
    assert plain < named < defined.prompt_tokens
    assert formatted > plain


def test_long_texts_are_counted_in_pieces_without_error(counter: TokenCounter) -> None:
    """Cutting between words leaves the count of a long text what it is for its words."""
    assert counter.count("lazy dog " * 10_000, "gpt-4o") == pytest.approx(20_000, abs=50)
    lines = "".join(f"{place:05}\n" for place in range(5_000))
    assert counter.count(lines, "gpt-4o") == 5_000 * 3


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4", "llama-3.1-8b", "deepseek-chat", "qwen3", "gemini-2.5", "mixtral"]
)
@pytest.mark.parametrize("text", ["a" * 200_000, "\n" * 200_000, "漢" * 50_000, "\ud800 half", "<|endoftext|>", ""])
def test_hostile_text_is_counted_in_time(counter: TokenCounter, model: str, text: str) -> None:
    """One endless word, special tokens and halves of characters neither fail nor take seconds."""
    counter.preload([model])
    began = time.perf_counter()
    count = counter.count(text, model)
    assert time.perf_counter() - began < 5
    assert (count == 0) == (text == "")
    assert count <= len(text.encode("utf-8", "replace")) + 1


def test_the_tokenizer_is_imported_late_and_offline() -> None:
    """Importing the module loads no tokenizer; counting opens no socket."""
    script = """
import socket, sys
def refuse(*_args, **_kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from tierwright.economics.count import TokenCounter
assert "splintr" not in sys.modules
assert TokenCounter().count("hello world", "gpt-4o") == 2
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_prompt_estimate_by_hand() -> None:
    """A token for three characters, rounded up, and the overhead of the messages."""
    assert [prompt_estimate(characters) for characters in (0, 1, 3, 4, 3_000)] == [7, 8, 8, 9, 1_007]
    assert prompt_estimate(3_000, 10) == 1_043


class Recording(NamedTuple):
    """A recorded exchange of text alone, with the provider's counts."""

    host: str
    request: ChatRequest
    answer: str
    definitions: str | None
    usage: Usage

    @property
    def visible_tokens(self) -> int:
        """What the answer's text took: thinking is not in it."""
        return self.usage.completion_tokens - self.usage.reasoning_tokens


def test_counts_of_recorded_calls(counter: TokenCounter, record_property: pytest.RecordProperty) -> None:
    """Against the counts providers sent, the median error is small where the vocabulary is the provider's own."""
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for recording in _recordings():
        found = counter.estimate(
            recording.request, recording.answer, recording.request.model, definitions=recording.definitions
        )
        kind = "prompt with tools" if recording.definitions else "prompt"
        errors[recording.host, kind].append(_relative(found.prompt_tokens, recording.usage.prompt_tokens))
        if recording.answer and recording.visible_tokens > 0:
            errors[recording.host, "answer"].append(_relative(found.completion_tokens, recording.visible_tokens))
    for (host, kind), found_errors in sorted(errors.items()):
        if len(found_errors) >= 5:
            line = f"n={len(found_errors)} median={median(found_errors):.1%} p90={quantiles(found_errors, n=10)[8]:.1%}"
            record_property(f"{host} {kind}", line)
    assert median(errors["api.openai.com", "prompt"]) <= 0.02
    assert median(errors["api.openai.com", "answer"]) <= 0.05
    for host in ("api.groq.com", "api.anthropic.com", "api.mistral.ai", "openrouter.ai"):
        assert median(errors[host, "answer"]) <= 0.35, host


def test_prompt_estimate_is_above_most_recorded_prompts() -> None:
    """A reservation by characters covers at least nine of ten recorded prompts of OpenAI's models."""
    covered = [
        prompt_estimate(_characters(found), len(found.request.messages)) >= found.usage.prompt_tokens
        for found in _recordings()
        if found.host == "api.openai.com"
    ]
    assert len(covered) > 200
    assert sum(covered) / len(covered) >= 0.9


def _characters(found: Recording) -> int:
    texts = [message.text for message in found.request.messages]
    return sum(map(len, [*texts, found.definitions or "", found.request.response_format or ""]))


def _relative(found: int, real: int) -> float:
    return abs(found - real) / real


def _recordings() -> Iterator[Recording]:
    here = Path(os.environ.get("TIERWRIGHT_DATA", "../shared/data")) / "provider_wire_log" / "wire_log.jsonl.gz"
    if not here.is_file():
        pytest.skip(f"no recordings of providers at {here}; set TIERWRIGHT_DATA to where they are")
    with gzip.open(here, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found = _recording(row["host"], row["request"], row["response"])
            if found is not None:
                yield found


def _recording(host: str, sent: Any, got: Any) -> Recording | None:
    """A whole exchange of text; None: streamed, with pictures, cached in part, or of another endpoint."""
    if not isinstance(got, dict) or not isinstance(sent, dict):
        return None
    usage = read_usage(got.get("usage"))
    if isinstance(sent.get("system"), str):
        sent = sent | {"messages": [{"role": "system", "content": sent["system"]}, *sent.get("messages", ())]}
    try:
        request = read_request(sent)
    except InputError:
        return None
    if usage is None or usage.prompt_tokens == 0 or request.opaque or request.n != 1:
        return None
    tools = sent.get("tools") or sent.get("functions")
    definitions = json.dumps(tools, separators=(",", ":"), ensure_ascii=False) if tools else None
    return Recording(host, request, _answer(got), definitions, usage)


def _answer(got: dict[str, Any]) -> str:
    """Everything visible that the model wrote; empty where some of it can't be seen."""
    if "choices" in got:
        message = got["choices"][0].get("message") or {} if got["choices"] else {}
        calls = [call["function"] for call in message.get("tool_calls") or () if "function" in call]
        parts = [message.get("content") or "", *(f"{call['name']} {call.get('arguments', '')}" for call in calls)]
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    blocks = got.get("content")
    if not isinstance(blocks, list) or any(block.get("type") != "text" for block in blocks):
        return ""
    return "\n".join(block["text"] for block in blocks)

"""Token counts of calls whose provider says none."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import Any

import pytest
from benchmarks.token_counts import LOG, Recording, errors, recordings

from tierwright.core.chat import ChatRequest, Message, Usage
from tierwright.economics.count import TokenCounter, prompt_estimate


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


def recorded() -> list[Recording]:
    """Recorded calls of providers; skips where they are not at hand."""
    if not LOG.is_file():
        pytest.skip(f"no recordings of providers at {LOG}; set TIERWRIGHT_DATA to where they are")
    return list(recordings(LOG))


def test_counts_of_recorded_calls(counter: TokenCounter) -> None:
    """Against the counts providers sent, the median error is small where the vocabulary is the provider's own."""
    found = errors(recorded(), counter)
    assert median(map(abs, found["api.openai.com", "prompt"])) <= 0.02
    assert median(map(abs, found["api.openai.com", "answer"])) <= 0.02
    assert median(map(abs, found["api.openai.com", "prompt with tools"])) <= 0.15
    assert median(map(abs, found["api.groq.com", "answer"])) <= 0.05
    for host in ("api.anthropic.com", "api.mistral.ai", "openrouter.ai"):
        assert median(map(abs, found[host, "answer"])) <= 0.35, host


def test_prompt_estimate_is_above_most_recorded_prompts() -> None:
    """A reservation by characters covers at least nine of ten recorded prompts of OpenAI's models."""
    covered = [
        prompt_estimate(found.characters, len(found.request.messages)) >= found.usage.prompt_tokens
        for found in recorded()
        if found.host == "api.openai.com"
    ]
    assert len(covered) > 200
    assert sum(covered) / len(covered) >= 0.9

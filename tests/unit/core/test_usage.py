"""The token counts in an answer, as each provider writes them."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tierwright.core.chat import Usage, decode_answer, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Each as the provider documents or sends it, and what it means.
SHAPES = [
    pytest.param(
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 50},
        },
        Usage(
            prompt_tokens=2006,
            completion_tokens=300,
            cached_tokens=1920,
            audio_prompt_tokens=10,
            reasoning_tokens=200,
            audio_completion_tokens=50,
        ),
        id="openai chat completions",
    ),
    pytest.param(
        {
            "prompt_tokens": 550,
            "completion_tokens": 12,
            "prompt_tokens_details": {"cache_write_tokens": 400, "cached_tokens": 100},
        },
        Usage(prompt_tokens=550, completion_tokens=12, cached_tokens=100, cache_write_tokens=400),
        id="openrouter",
    ),
    pytest.param(
        {"prompt_tokens": 17, "completion_tokens": 3, "prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 1},
        Usage(prompt_tokens=17, completion_tokens=3, cached_tokens=16),
        id="deepseek",
    ),
    pytest.param(
        {"prompt_tokens": 16, "completion_tokens": 216, "cached_tokens": 8},
        Usage(prompt_tokens=16, completion_tokens=216, cached_tokens=8),
        id="together",
    ),
    pytest.param(
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
        Usage(prompt_tokens=35, completion_tokens=74, reasoning_tokens=62),
        id="gemini's openai endpoint leaves thinking out of the completion",
    ),
    pytest.param(
        {"prompt_tokens": 8, "total_tokens": 8}, Usage(prompt_tokens=8, completion_tokens=0), id="openai embeddings"
    ),
    pytest.param(
        {
            "input_tokens": 4020,
            "input_tokens_details": {"cached_tokens": 4012},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 45},
            "total_tokens": 4070,
        },
        Usage(prompt_tokens=4020, completion_tokens=50, cached_tokens=4012, reasoning_tokens=45),
        id="openai responses",
    ),
    pytest.param(
        {
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
            "output_tokens": 101,
            "type": "tokens",
        },
        Usage(prompt_tokens=14, completion_tokens=101, audio_prompt_tokens=10),
        id="openai transcriptions",
    ),
    pytest.param(
        {
            "input_tokens": 6,
            "cache_creation_input_tokens": 574,
            "cache_read_input_tokens": 20443,
            "cache_creation": {"ephemeral_1h_input_tokens": 74, "ephemeral_5m_input_tokens": 500},
            "output_tokens": 489,
            "output_tokens_details": {"thinking_tokens": 77},
            "service_tier": "standard",
        },
        Usage(
            prompt_tokens=21_023,
            completion_tokens=489,
            cached_tokens=20_443,
            cache_write_tokens=574,
            cache_write_1h_tokens=74,
            reasoning_tokens=77,
        ),
        id="anthropic messages",
    ),
]


@pytest.mark.parametrize(("sent", "meant"), SHAPES)
def test_each_provider_is_read_by_its_own_names(sent: dict[str, Any], meant: Usage) -> None:
    """What a provider counts inside or beside its totals becomes parts of one prompt and one completion."""
    assert read_usage(sent) == meant


@pytest.mark.parametrize(("sent", "meant"), SHAPES)
def test_parts_never_exceed_their_wholes(sent: dict[str, Any], meant: Usage) -> None:
    """A part larger than its whole is not believed, so that nothing is ever priced below zero."""
    mad = {name: dict.fromkeys(value, 10**9) if isinstance(value, dict) else value for name, value in sent.items()}
    found = read_usage(mad)
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (meant.prompt_tokens, meant.completion_tokens)
    assert found.cached_tokens + found.cache_write_tokens <= found.prompt_tokens
    assert found.cache_write_1h_tokens <= found.cache_write_tokens
    assert found.audio_prompt_tokens <= found.prompt_tokens
    assert found.reasoning_tokens + found.audio_completion_tokens <= found.completion_tokens


@pytest.mark.parametrize(
    ("beside", "inside", "read"),
    [
        (None, None, None),
        ("default", None, None),
        ("auto", None, None),
        ("on_demand", None, None),
        ("flex", None, "flex"),
        ("priority", None, "priority"),
        (7, None, None),
        ("default", "batch", "batch"),
    ],
)
def test_service_tier_is_read_and_the_normal_one_is_none(beside: object, inside: str | None, read: str | None) -> None:
    """OpenAI says it beside the usage, Anthropic inside; every name for the normal class reads as None."""
    sent: dict[str, object] = {"input_tokens": 1, "output_tokens": 1}
    if inside is not None:
        sent["service_tier"] = inside
    found = read_usage(sent, beside)
    assert found is not None
    assert found.service_tier == read


def test_anthropics_fast_mode_is_a_tier() -> None:
    """`speed` says it, and it has prices of its own."""
    found = read_usage({"input_tokens": 1, "output_tokens": 1, "speed": "fast", "service_tier": "standard"})
    assert found is not None
    assert found.service_tier == "fast"


def test_an_answer_carries_its_tier() -> None:
    """`decode_answer` takes the tier from beside the usage."""
    answer = decode_answer(b'{"service_tier":"flex","usage":{"prompt_tokens":3,"completion_tokens":1}}')
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=1, service_tier="flex")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        {},
        {"prompt_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 5, "completion_tokens": "3"},
        {"prompt_tokens": -5, "total_tokens": 5},
        {"output_tokens": 108},
        {"input_tokens": 1.5, "output_tokens": 2},
        {"inputTokens": 30, "outputTokens": 2},
    ],
)
def test_what_can_t_be_counted_is_none(sent: object) -> None:
    """Half a count, a wrong type and another provider's native names read as None, never as 0."""
    assert read_usage(sent) is None


#: What the recordings hold that is no usage of an endpoint spoken here: half of Anthropic's streams (joined in the test
#: that reads them), and native formats of Cohere, Bedrock (whose guardrails also count in `usage`) and Gemini.
_ELSEWHERE = ("api.cohere.com", "bedrock-runtime.", "aiplatform.googleapis.com")


def test_every_recorded_usage_is_read_or_consciously_not() -> None:
    """All usage objects of OpenAI-shaped and Anthropic endpoints in the recordings of providers are countable."""
    read: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    for host, usage in _recorded():
        if host.startswith(_ELSEWHERE) or set(usage) == {"output_tokens"}:
            continue
        found = read_usage(usage)
        if found is None:
            unread[f"{host} {sorted(usage)}"] += 1
            continue
        read[host] += 1
        # OpenRouter's own totals are the check where it has them; Gemini's totals hold what it left out.
        if isinstance(total := usage.get("total_tokens"), int):
            assert found.prompt_tokens + found.completion_tokens == total, (host, usage)
    assert not unread
    assert read["api.openai.com"] > 500
    assert read["api.anthropic.com"] > 200
    assert sum(read.values()) > 900


def _recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    """Host and usage object of every recorded answer or event of a stream."""
    here = Path(os.environ.get("TIERWRIGHT_DATA", "../shared/data")) / "provider_wire_log" / "wire_log.jsonl.gz"
    if not here.is_file():
        pytest.skip(f"no recordings of providers at {here}; set TIERWRIGHT_DATA to where they are")
    with gzip.open(here, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for document in _documents(row["response"]):
                for holder in (document, document.get("response"), document.get("message")):
                    if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                        yield row["host"], holder["usage"]


def _documents(response: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(response, dict):
        return
    if "_stream_text" not in response:
        yield response
        return
    for line in response["_stream_text"].splitlines():
        if line.startswith("data:") and line[5:].strip().startswith("{"):
            try:
                yield json.loads(line[5:])
            except ValueError:
                continue

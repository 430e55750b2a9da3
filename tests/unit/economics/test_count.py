"""Tokens of a chat nobody has counted."""

from __future__ import annotations

import gzip
import json
import os
import statistics
from pathlib import Path

import pytest

from tierwright.core.chat import ChatRequest, Message, read_answer, read_request
from tierwright.economics.count import estimate_usage

ROOT = Path(__file__).parents[3]
RECORDINGS = Path(os.environ.get("TIERWRIGHT_DATA", ROOT.parent / "shared" / "data")) / "provider_wire_log"


def test_counts_as_openai_documents_them() -> None:
    """One message of two tokens: with the overhead of a message, its role and the answer's beginning it is nine."""
    request = ChatRequest(model="gpt-4o", messages=(Message(role="user", text="hello world"),))
    usage = estimate_usage(request, "hello")
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (2 + 3 + 1 + 3, 1, True)


def test_no_answer_has_no_tokens_and_odd_text_does_not_stop_the_count() -> None:
    """Half a surrogate pair is counted as something, and a very long text by its beginning."""
    request = ChatRequest(model="m", messages=(Message(role="user", text="\ud83d" + "word " * 300_000),))
    usage = estimate_usage(request, None)
    assert usage.completion_tokens == 0
    assert 280_000 < usage.prompt_tokens < 320_000


def test_estimates_are_near_what_openai_counted() -> None:
    """On recorded chats with OpenAI, text only, prompts and answers are off by five tokens at most in the median."""
    file = RECORDINGS / "wire_log.jsonl.gz"
    if not file.exists():
        pytest.skip(f"the recordings are not there: {file}")
    prompts: list[int] = []
    answers: list[int] = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            if (found["host"], found["path"]) != ("api.openai.com", "/v1/chat/completions") or found["status"] != 200:
                continue
            try:
                request, answer = read_request(found["request"]), read_answer(found["response"])
            except Exception:  # noqa: BLE001 - what is no chat in the recordings is not looked at here
                continue
            if request.tools or request.opaque or request.response_format or not answer.text or answer.usage is None:
                continue
            usage = estimate_usage(request, answer.text)
            prompts.append(abs(usage.prompt_tokens - answer.usage.prompt_tokens))
            spoken = answer.usage.completion_tokens - answer.usage.reasoning_tokens
            answers.append(abs(usage.completion_tokens - spoken))
    assert len(prompts) > 50
    assert statistics.median(prompts) <= 5
    assert statistics.median(answers) <= 5

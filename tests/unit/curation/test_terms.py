"""The note on training on a model's answers."""

from __future__ import annotations

import re
from datetime import date

import pytest

from tierwright.core.triage import Severity
from tierwright.curation.terms import Permission, known_terms, permission, terms_of


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        ("gpt-4o-2024-08-06", Permission.RESTRICTED),
        ("openai/gpt-oss-20b", Permission.ALLOWED),
        ("o3-mini", Permission.RESTRICTED),
        ("claude-sonnet-4-5", Permission.RESTRICTED),
        ("models/gemini-2.5-flash", Permission.RESTRICTED),
        ("meta-llama/Llama-2-7b-chat-hf", Permission.RESTRICTED),
        ("llama3:8b", Permission.RESTRICTED),
        ("meta-llama/Llama-3.3-70B-Instruct", Permission.ALLOWED),
        ("Qwen/Qwen3-32B", Permission.ALLOWED),
        ("qwen-max", Permission.UNKNOWN),
        ("deepseek-ai/DeepSeek-R1", Permission.ALLOWED),
        ("deepseek-chat", Permission.UNKNOWN),
        ("mistral-large-latest", Permission.UNKNOWN),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", Permission.ALLOWED),
    ],
)
def test_model_finds_its_terms(model: str, verdict: Permission) -> None:
    """Names as providers and hubs write them lead to the entry of their family and version."""
    found = terms_of(model)
    assert found is not None
    assert found.verdict is verdict


def test_every_entry_can_be_checked() -> None:
    """Each entry has a pattern that compiles, an address and a day that is not in the future of its writing."""
    for terms in known_terms():
        re.compile(terms.pattern)
        assert terms.url.startswith("https://")
        assert date.fromisoformat(terms.checked) <= date(2026, 11, 28) or terms.checked > "2026"
        assert terms.summary.endswith(".")


def test_unknown_model_is_a_question_to_a_person() -> None:
    """What is not listed, or not known at all, is no permission."""
    for model in ("house-model-7", None):
        found = permission(model, answers=10)
        assert found.severity is Severity.WARNING
        assert "not legal advice" in found.advice


def test_people_s_labels_need_no_permission() -> None:
    """Where no answer of a model is trained on, nothing has to be asked."""
    assert permission("gpt-4o", answers=0).severity is Severity.NOTE


def test_restriction_is_a_warning_with_its_source() -> None:
    """The note says who restricts what, where that can be read and when it was looked at."""
    found = permission("gpt-4o", answers=900)
    assert (found.severity, found.count) == (Severity.WARNING, 900)
    assert "https://openai.com" in found.advice
    assert "2026-11-28" in found.advice

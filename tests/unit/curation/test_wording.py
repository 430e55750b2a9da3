"""Tests of telling prompts from rules of behaviour."""

from __future__ import annotations

import pytest

from tierwright.curation.wording import is_specific


@pytest.mark.parametrize(
    "text",
    [
        "You are a helpful assistant.",
        "You are ChatGPT, a large language model trained by OpenAI. Answer as concisely as possible.",
        "Du bist ein hilfreicher Assistent. Antworte kurz und freundlich auf Deutsch.",
        "Answer Yes or No.",
        "",
    ],
)
def test_rules_of_behaviour(text: str) -> None:
    """A message that only says how to behave names no job, however long it is."""
    assert not is_specific([text])


@pytest.mark.parametrize(
    "text", ["Label tweets: hate speech, offensive language, neither.", "Write a restaurant blurb from the attributes."]
)
def test_short_prompt(text: str) -> None:
    """A message that says what is done is a prompt, however short it is."""
    assert is_specific([text])

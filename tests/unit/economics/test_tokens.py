"""How many tokens the incumbent would have used."""

from __future__ import annotations

import numpy as np
import pytest

from tierwright.core.chat import Usage
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.economics.tokens import TokenSample, token_rates


def a_sample(characters: int, prompt: int, completion: int = 5) -> TokenSample:
    """A request of so many characters that the provider counted as so many tokens."""
    return TokenSample(request_characters=characters, usage=Usage(prompt_tokens=prompt, completion_tokens=completion))


def test_rates_by_hand() -> None:
    """100 and 300 characters at 30 and 70 tokens are a quarter of a token each, with Cochran's variance by hand.

    The residuals are 30 - 25 = 5 and 70 - 75 = -5, so the standard error is sqrt(2 * 50 / 1) / 400 = 0.025.
    """
    found = token_rates([a_sample(100, 30, 4), a_sample(300, 70, 6)])
    assert found.prompt_per_character.value == 0.25
    assert found.prompt_per_character.ci_high - 0.25 == pytest.approx(1.959964 * 0.025)
    assert found.completion_per_answer.value == 5.0
    assert found.prompt_per_character.n == 2


def test_usage_of_a_request_is_rounded_and_never_nothing() -> None:
    """A request of 1,000 characters is 250 tokens; an empty one is one token each way."""
    found = token_rates([a_sample(100, 25), a_sample(300, 75)])
    assert found.usage(1_000) == Usage(prompt_tokens=250, completion_tokens=5)
    assert found.usage(0).prompt_tokens == 1


def test_intervals_cover_the_true_rate() -> None:
    """Over 2,000 simulated tasks of 50 requests the interval covers in 95 % of cases, within three points."""
    generator = np.random.default_rng(8)
    hits = 0
    for _ in range(2_000):
        characters = generator.integers(100, 3_000, size=50)
        tokens = generator.poisson(characters * 0.25)
        found = token_rates([a_sample(int(c), int(t)) for c, t in zip(characters, tokens, strict=True)])
        hits += found.prompt_per_character.ci_low <= 0.25 <= found.prompt_per_character.ci_high
    assert hits / 2_000 == pytest.approx(0.95, abs=0.03)


def test_rates_of_too_little_are_refused() -> None:
    """One request has no spread, and requests without text have no rate."""
    with pytest.raises(NotEnoughData, match="1 answered requests"):
        token_rates([a_sample(100, 25)])
    with pytest.raises(NotEnoughData, match="text"):
        token_rates([a_sample(0, 25), a_sample(0, 25)])


def test_rates_of_wrong_input_are_refused() -> None:
    """A negative length and an impossible level are InputErrors."""
    with pytest.raises(InputError, match="negative"):
        token_rates([a_sample(-1, 25), a_sample(5, 25)])
    with pytest.raises(InputError, match="level"):
        token_rates([a_sample(1, 25), a_sample(5, 25)], level=95)

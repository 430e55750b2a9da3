"""How many tokens the incumbent would have used for a request that a specialist answered.

Owns the two rates it is estimated by, measured on requests the incumbent did answer; refuses to know any tokenizer,
since the provider's own count is what is paid.

References:
    Cochran (1977), Sampling Techniques, 3rd edition, Wiley, section 6: the ratio estimator and its linearised variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from tierwright.core.chat import Usage
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """One captured request that the incumbent answered."""

    #: Characters of the text of all its messages.
    request_characters: int
    #: As the provider counted.
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRates:
    """What the incumbent uses for one task."""

    #: Prompt tokens per character of message text, over all requests together.
    prompt_per_character: Estimate
    #: Completion tokens of one answer.
    completion_per_answer: Estimate

    def usage(self, request_characters: int) -> Usage:
        """What the incumbent would have used for a request, to the nearest token, at least one each way."""
        return Usage(
            prompt_tokens=max(1, round(self.prompt_per_character.value * request_characters)),
            completion_tokens=max(1, round(self.completion_per_answer.value)),
        )


def token_rates(samples: Sequence[TokenSample], *, level: float = 0.95) -> TokenRates:
    """The rates of a task with normal intervals, from at least two requests the incumbent answered.

    Raises NotEnoughData for fewer or where they hold no text, InputError for a negative number of characters.
    """
    if len(samples) < 2:
        raise NotEnoughData(
            f"{len(samples)} answered requests of the task have a token count; at least 2 are needed to say what the "
            "frontier model would have used: capture more, or import logs with 'usage'"
        )
    if any(sample.request_characters < 0 for sample in samples):
        raise InputError("a request has a negative number of characters; count the text of its messages")
    characters = [float(sample.request_characters) for sample in samples]
    if not any(characters):
        raise NotEnoughData("none of the requests holds text, so tokens per character can't be told")
    prompts = [float(sample.usage.prompt_tokens) for sample in samples]
    answers = [float(sample.usage.completion_tokens) for sample in samples]
    return TokenRates(
        prompt_per_character=_ratio(prompts, characters, level),
        completion_per_answer=_ratio(answers, [1.0] * len(answers), level),
    )


def _ratio(parts: Sequence[float], wholes: Sequence[float], level: float) -> Estimate:
    """Sum of the parts over sum of the wholes; the mean where every whole is 1."""
    if not 0.0 < level < 1.0:
        raise InputError(f"the confidence level is {level}; give a number between 0 and 1, for example 0.95")
    n, total = len(parts), math.fsum(wholes)
    value = math.fsum(parts) / total
    squares = math.fsum((part - value * whole) ** 2 for part, whole in zip(parts, wholes, strict=True))
    half = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(n * squares / (n - 1)) / total
    return Estimate(
        value=value,
        ci_low=max(0.0, value - half),
        ci_high=value + half,
        level=level,
        n=n,
        method="ratio, linearised (Cochran 1977)",
    )

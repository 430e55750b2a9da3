"""Members of the JSON in which feedback is sent: read strictly, and named where they are not what they should be."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tierwright.core.errors import InputError
from tierwright.core.feedback import ScoreKind

LONGEST_NAME = 200
LONGEST_TEXT = 100_000


class WrongMemberError(InputError):
    """A member of a body is not what it should be."""

    def __init__(self, member: str, message: str) -> None:
        """`member`: its name, as an error's `param` says it."""
        super().__init__(message)
        self.member = member


def text_in(item: Mapping[str, object], member: str, longest: int) -> str | None:
    """The text of a member; None where it is missing or empty. Raises WrongMemberError where it is none or longer."""
    value = item.get(member)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise WrongMemberError(member, f"'{member}' is no text of at most {longest} characters")
    return value


def required_text(item: Mapping[str, object], member: str) -> str:
    """The text of a member; raises WrongMemberError where it is missing or empty."""
    value = text_in(item, member, LONGEST_NAME)
    if value is None:
        raise WrongMemberError(member, f"'{member}' is missing; it says what is judged")
    return value


def kind_of(value: object, member: str) -> ScoreKind:
    """What a value is where nobody says; raises WrongMemberError for what no score can be."""
    if isinstance(value, bool):
        return ScoreKind.BOOLEAN
    if isinstance(value, int | float):
        return ScoreKind.NUMERIC
    if isinstance(value, str):
        return ScoreKind.CATEGORICAL
    raise WrongMemberError(member, f"'{member}' is neither a number, a yes or no, nor text")


def number_in(value: object, kind: ScoreKind, member: str) -> float | None:
    """A score's number; None: its kind has none. Raises WrongMemberError where it should be one and is not."""
    if kind not in (ScoreKind.NUMERIC, ScoreKind.BOOLEAN):
        return None
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise WrongMemberError(member, f"'{member}' is no number")
    if kind is ScoreKind.BOOLEAN and number not in (0.0, 1.0):
        raise WrongMemberError(member, f"'{member}' is neither true nor false, 1 nor 0")
    return number


def word_in(value: object, kind: ScoreKind, member: str) -> str | None:
    """A score's class or remark; None: its kind has none. Raises WrongMemberError where it is no text."""
    if kind not in (ScoreKind.CATEGORICAL, ScoreKind.TEXT):
        return None
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
        raise WrongMemberError(member, f"'{member}' is no text of 1 to {LONGEST_TEXT} characters")
    return value


def blocks_text(value: object) -> object:
    """The text of TensorZero's content blocks; anything else as it is."""
    if not isinstance(value, list) or not value:
        return value
    texts = [
        block.get("text") if isinstance(block, Mapping) and block.get("type") == "text" else None for block in value
    ]
    return "\n".join(text for text in texts if isinstance(text, str)) if None not in texts else value

"""Scores of one answer against the right one, in the form the task's contract gives both.

Owns what counts as the same answer; refuses to know who answered and who says what is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.contract import parse_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.contract import OutputContract


class ExactAnswer:
    """1 where the whole answer means the same as the right one under the contract, else 0."""

    def __init__(self, contract: OutputContract) -> None:
        self._contract = contract

    @property
    def name(self) -> str:
        """As the field calls it."""
        return "accuracy"

    def score(self, right: str, answer: str) -> float:
        """0 or 1. Case, space and order of keys don't count where the contract says they don't matter."""
        return float(self._contract.canonical(right) == self._contract.canonical(answer))


class FieldAccuracy:
    """The share of the right answer's fields that the answer has right; for answers that are JSON objects.

    An answer that is no JSON object, or lacks a field, has that field wrong; fields nobody asked for don't help. Where
    the right answer itself has no fields (a label, a text) this is `ExactAnswer`.
    """

    def __init__(self, contract: OutputContract) -> None:
        self._contract = contract
        self._whole = ExactAnswer(contract)

    @property
    def name(self) -> str:
        """As the field calls it."""
        return "field accuracy"

    def score(self, right: str, answer: str) -> float:
        """A number in [0, 1]."""
        wanted = self._fields(right)
        if not wanted:
            return self._whole.score(right, answer)
        found = self._fields(answer)
        return sum(name in found and _same(value, found[name]) for name, value in wanted.items()) / len(wanted)

    def _fields(self, answer: str) -> Mapping[str, object]:
        return {} if self._contract.style is None else parse_json_object(answer) or {}


def _same(right: object, found: object) -> bool:
    """Whether two JSON values are equal; True is not 1."""
    return type(right) is type(found) and right == found

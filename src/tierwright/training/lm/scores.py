"""How right an answer is, in [0, 1]: what early stopping watches and what rungs are compared by.

Owns the measure of each contract. Only equality with the right answer counts as right; the measure is finer where whole
answers are rarely equal.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind, parse_json_object
from tierwright.specialists.likeness import chrf

if TYPE_CHECKING:
    from tierwright.core.contract import OutputContract


def is_right(contract: OutputContract, right: str, answer: str) -> bool:
    """Whether an answer means the same as the right one."""
    return contract.canonical(right) == contract.canonical(answer)


def score(contract: OutputContract, right: str, answer: str) -> float:
    """LABEL, FIELDS: whether the whole answer is right. SPANS: F1 of the strings. TEXT: chrF (Popović 2015)."""
    if is_right(contract, right, answer):
        return 1.0
    if contract.kind is ContractKind.SPANS:
        return _overlap(_spans(contract, right), _spans(contract, answer))
    return chrf(answer, right) if contract.kind is ContractKind.TEXT else 0.0


def _spans(contract: OutputContract, answer: str) -> Counter[tuple[str, str]]:
    if contract.style is None:
        return Counter([("", answer.strip())])
    spans: Counter[tuple[str, str]] = Counter()
    for name, value in (parse_json_object(answer) or {}).items():
        strings = value if isinstance(value, list) else [value]
        spans.update((name, text) for text in strings if isinstance(text, str) and text)
    return spans


def _overlap(wanted: Counter[tuple[str, str]], found: Counter[tuple[str, str]]) -> float:
    total = wanted.total() + found.total()
    return 2 * (wanted & found).total() / total if total else 1.0

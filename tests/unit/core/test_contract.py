"""Tests of lists as answers."""

from __future__ import annotations

import pytest

from tierwright.core.contract import (
    ContractKind,
    FieldSpec,
    JsonStyle,
    OutputContract,
    parse_json_list,
    render_json,
)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('["a", "b"]', ["a", "b"]),
        ('```json\n["a"]\n```', ["a"]),
        ("[]", []),
        ("[1, [2]]", [1, [2]]),
        ("none", None),
        ('["a"', None),
        ("]a[", None),
        ("[" * 100_000 + "]" * 100_000, None),
    ],
)
def test_parse_json_list(answer: str, found: list[object] | None) -> None:
    """The list in an answer, in a code fence or not; what is no list, or nested beyond all need, is None."""
    assert parse_json_list(answer) == found


def test_list_contract() -> None:
    """Spans with a style and without fields are a list, written in that style; spans of other forms are none."""
    style = JsonStyle(item_separator=",", prefix="> ")
    contract = OutputContract(kind=ContractKind.SPANS, style=style)
    assert contract.is_list
    assert contract.canonical(' [ "a" , "b" ] ') == '> ["a","b"]' == render_json(["a", "b"], style)
    assert contract.canonical(" none ") == "none"
    assert not OutputContract(kind=ContractKind.SPANS).is_list
    assert not OutputContract(kind=ContractKind.SPANS, style=style, fields=(FieldSpec(name="a"),)).is_list
    assert not OutputContract(kind=ContractKind.TEXT, style=style).is_list

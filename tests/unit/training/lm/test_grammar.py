from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract, render_json
from tierwright.training.lm.grammar import closed_grammar, copying_grammar, slots_of

llguidance = pytest.importorskip("llguidance", reason="needs the extra `train`")

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTES = llguidance.LLTokenizer("byte")
STYLES = (
    JsonStyle(),
    JsonStyle(item_separator=",", key_separator=":"),
    JsonStyle(indent=2, item_separator=",", prefix="```json\n", suffix="\n```"),
    JsonStyle(ensure_ascii=True),
)


def allows(grammar: str | None, answer: str) -> bool:
    """Whether a grammar allows exactly this answer, byte by byte."""
    assert grammar is not None
    matcher = llguidance.LLMatcher(BYTES, llguidance.LLMatcher.grammar_from_lark(grammar))
    assert not matcher.is_error(), matcher.get_error()
    return all(matcher.consume_token(byte) for byte in answer.encode()) and matcher.is_accepting()


def fields(style: JsonStyle) -> OutputContract:
    """Two fields with members of every type, and names that JSON escapes."""
    specs = (
        FieldSpec(name='in"tent', values=("refund", "none", 'a "quoted" \\ one', "é😀")),
        FieldSpec(name="value-0", values=(1, 2.5, None, True, "1")),
    )
    return OutputContract(kind=ContractKind.FIELDS, fields=specs, style=style)


def spans(style: JsonStyle) -> OutputContract:
    """A list and a single string."""
    return OutputContract(
        kind=ContractKind.SPANS, fields=(FieldSpec(name="who", many=True), FieldSpec(name="where")), style=style
    )


def test_labels() -> None:
    """Each label, also one that another begins with, and nothing else."""
    contract = OutputContract(kind=ContractKind.LABEL, labels=("card", "card lost", 'a "b" \\ c', "é"))
    grammar = closed_grammar(contract)
    assert all(allows(grammar, label) for label in contract.labels)
    assert not any(allows(grammar, text) for text in ("", "car", "card ", "Card", "card lost!"))


@pytest.mark.parametrize("style", STYLES)
def test_fields_in_the_incumbents_style(style: JsonStyle) -> None:
    """Every answer that the contract can render is allowed, to the byte, and parses back to its values."""
    contract = fields(style)
    grammar = closed_grammar(contract)
    for values in product(*(spec.values for spec in contract.fields)):
        answer = contract.render(values)
        assert allows(grammar, answer)
        assert contract.parse(answer) == values
    answer = contract.render(("refund", 1))
    assert not allows(grammar, answer.replace("refund", "refunds"))
    assert not allows(grammar, answer[:-1])
    assert not allows(grammar, f"{answer} ")


@pytest.mark.parametrize("style", STYLES)
def test_spans_are_copied(style: JsonStyle) -> None:
    """Strings of the input are allowed however JSON escapes them; others are not."""
    text = 'Müller said "no"\nin Köln 😀'
    contract = spans(style)
    outputs = [render_json({"who": ["Müller"], "where": None}, style), render_json({"who": [], "where": "Köln"}, style)]
    grammar = copying_grammar(contract, slots_of(contract, [text, text], outputs), text)
    for who, where in product(([], ["Müller"], ['said "no"\nin', "😀", text]), (None, "Köln", "")):
        assert allows(grammar, render_json({"who": who, "where": where}, style))
    for who, where in ((["Miller"], None), ([None], None), ("Müller", None), ([], "Köln Müller"), ([], [])):
        assert not allows(grammar, render_json({"who": who, "where": where}, style))


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    ends=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=3),
    style=st.sampled_from(STYLES),
)
def test_any_piece_of_any_input_may_be_copied(text: str, ends: Sequence[tuple[int, int]], style: JsonStyle) -> None:
    """Whatever characters it has."""
    contract = spans(style)
    pieces = [text[min(pair) : max(pair)] for pair in ends]
    answer = render_json({"who": pieces, "where": text}, style)
    grammar = copying_grammar(contract, slots_of(contract, [text], [answer]), text)
    if pieces:
        assert allows(grammar, answer)
    assert allows(grammar, render_json({"who": [], "where": text}, style))


def test_the_incumbents_own_words_are_constants() -> None:
    """A string that is often answered without being in the input may be, one that was once may not."""
    contract = spans(JsonStyle())
    outputs = ['{"who": [], "where": "unknown"}'] * 3 + ['{"who": [], "where": "Atlantis"}']
    slots = slots_of(contract, ["text"] * 4, outputs)
    assert slots[1].constants == ["unknown"]
    grammar = copying_grammar(contract, slots, "somewhere else")
    assert allows(grammar, outputs[0])
    assert not allows(grammar, outputs[3])
    assert not allows(grammar, '{"who": ["unknown"], "where": "else"}')


def test_a_plain_span() -> None:
    """Without JSON the whole answer is a piece of the input, or a constant."""
    contract = OutputContract(kind=ContractKind.SPANS)
    slots = slots_of(contract, ["in Köln today"] * 4, ["Köln", "none", "none", "none"])
    grammar = copying_grammar(contract, slots, "in Bonn today")
    assert allows(grammar, "Bonn")
    assert allows(grammar, "none")
    assert not allows(grammar, "Köln")


def test_forms_that_no_grammar_knows() -> None:
    """Nested values are not constrained: there is no grammar rather than a wrong one."""
    contract = spans(JsonStyle())
    output = json.dumps({"who": [{"name": "x"}], "where": 3})
    assert copying_grammar(contract, slots_of(contract, ["x"], [output]), "x") is None

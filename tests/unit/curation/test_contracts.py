"""Tests of the inference of output contracts."""

from __future__ import annotations

import json

import pytest

from tests.unit.curation.logs import tickets
from tierwright.core.contract import ContractKind, JsonStyle
from tierwright.curation.contracts import infer_contract, is_closed, widen

PAIRS = tickets(300, seed=1)
TEXTS = [text for text, _ in PAIRS]


def test_infer_label() -> None:
    """Answers that recur are a closed set, most frequent first, one spelling for variants of case and full stop."""
    answers = [topic if n % 10 else f"{topic.title()}." for n, (_, topic) in enumerate(PAIRS)]
    contract = infer_contract(TEXTS, answers)
    assert contract.kind is ContractKind.LABEL
    assert sorted(contract.labels) == ["account", "billing", "delivery", "returns"]
    assert contract.parse('"Billing".') == ("billing",)
    assert contract.parse("something else") is None


@pytest.mark.parametrize(
    "style",
    [
        JsonStyle(),
        JsonStyle(item_separator=",", key_separator=":"),
        JsonStyle(item_separator=",", key_separator=": ", indent=2, prefix="```json\n", suffix="\n```"),
    ],
)
def test_infer_fields_keeps_the_style(style: JsonStyle) -> None:
    """A JSON answer of closed-set values is rendered again to the byte, key order and code fence included."""
    answers = []
    for n, (_, topic) in enumerate(PAIRS):
        body = json.dumps(
            {"topic": topic, "urgent": n % 3 == 0, "level": n % 4},
            indent=style.indent,
            separators=(style.item_separator, style.key_separator),
        )
        answers.append(style.prefix + body + style.suffix)
    contract = infer_contract(TEXTS, answers)
    assert contract.kind is ContractKind.FIELDS
    assert contract.heads == ("topic", "urgent", "level")
    for answer in answers[:20]:
        values = contract.parse(answer)
        assert values is not None
        assert contract.render(values) == answer


def test_fields_tell_true_from_one() -> None:
    """A boolean is not taken for the number it equals."""
    answers = [json.dumps({"ok": n % 2 == 0}) for n in range(300)]
    contract = infer_contract(TEXTS, answers)
    assert contract.parse('{"ok": true}') == (True,)
    assert contract.parse('{"ok": 1}') is None


def test_infer_spans() -> None:
    """JSON lists of strings that stand in the input are spans."""
    answers = [json.dumps({"openers": [text.split(" ", 1)[0]], "rest": [text[-4:]]}) for text in TEXTS]
    contract = infer_contract(TEXTS, answers)
    assert contract.kind is ContractKind.SPANS
    assert [(spec.name, spec.many) for spec in contract.fields] == [("openers", True), ("rest", True)]


def test_infer_text_from_attributes() -> None:
    """Texts that repeat the values of attributes are the text contract."""
    inputs = [json.dumps({"name": text[:20], "price": n + 100}) for n, text in enumerate(TEXTS)]
    answers = [f"Buy {text[:20]} now for only {n + 100} euros." for n, text in enumerate(TEXTS)]
    assert infer_contract(inputs, answers).kind is ContractKind.TEXT


def test_infer_list_of_copied_strings() -> None:
    """JSON lists of strings that stand in the input are spans without fields; of other strings, or of numbers, open."""
    answers = [json.dumps(text.split()[:2], separators=(",", ":")) for text in TEXTS]
    contract = infer_contract(TEXTS, answers)
    assert (contract.kind, contract.is_list) == (ContractKind.SPANS, True)
    assert contract.canonical(answers[0].replace(",", " , ")) == answers[0]
    assert infer_contract(TEXTS, [json.dumps([text[::-1]]) for text in TEXTS]).kind is ContractKind.OPEN
    assert infer_contract(TEXTS, [json.dumps([n]) for n in range(len(TEXTS))]).kind is ContractKind.OPEN


def test_infer_open() -> None:
    """Answers that follow no form are open."""
    assert infer_contract(TEXTS, [f"A story of {text[::-1]}" for text in TEXTS]).kind is ContractKind.OPEN


def test_infer_label_from_few_answers_offered_by_the_prompt() -> None:
    """With few answers and many labels the prompt's list is what makes the set closed."""
    labels = [f"intent_{n:02}" for n in range(60)]
    answers = [labels[(7 * n) % 60] for n in range(50)]
    assert infer_contract(TEXTS[:50], answers).kind is ContractKind.OPEN
    assert infer_contract(TEXTS[:50], answers, "Choose one of " + ", ".join(labels)).kind is ContractKind.LABEL


def test_is_closed_constant_answers() -> None:
    """One answer to everything is no evidence of a decision."""
    assert not is_closed(TEXTS, ["(none)"] * 299 + ["other"], "")
    assert is_closed(TEXTS, [topic for _, topic in PAIRS], "")


def test_widen_with_people_s_labels() -> None:
    """A label that people used and the incumbent never did becomes a member; other spellings do not."""
    contract = infer_contract(TEXTS, [topic for _, topic in PAIRS])
    widened = widen(contract, ["fraud", "Billing", "fraud"])
    assert widened.labels == (*contract.labels, "fraud")

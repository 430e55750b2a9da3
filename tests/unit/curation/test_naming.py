"""Names that tasks are given before a person names them."""

from __future__ import annotations

import re

import pytest

from tierwright.core.contract import ContractKind, FieldSpec, OutputContract
from tierwright.curation.naming import propose_group_name, propose_names


def contract(kind: ContractKind, *fields: str, labels: tuple[str, ...] = ()) -> OutputContract:
    """A contract with these fields or labels."""
    return OutputContract(kind=kind, labels=labels, fields=tuple(FieldSpec(name=name) for name in fields))


LABEL = contract(ContractKind.LABEL)


@pytest.mark.parametrize(
    ("prompt", "answers", "name"),
    [
        ("You are a helpful assistant. Moderate the comment below.", LABEL, "moderate-comment"),
        ("Summarise the following invoice.", contract(ContractKind.OPEN), "summarise-invoice"),
        ("Extract all of it.", contract(ContractKind.SPANS, "parties", "end_date"), "extract-parties-end-date"),
        ("Klassifiziere die Kundenanfrage.", LABEL, "classify-kundenanfrage"),
        ("Clasifica la reseña.", LABEL, "classify-resena"),
        ("Traduis la facture suivante.", contract(ContractKind.OPEN), "translate-facture"),
        (
            "请把客户的问题分类",
            contract(ContractKind.LABEL, labels=("billing", "delivery")),
            "classify-billing-delivery",
        ),
        ("", contract(ContractKind.FIELDS, "urgency", "topic"), "classify-urgency-topic"),
        ("", contract(ContractKind.OPEN), "task"),
    ],
)
def test_a_name_says_what_is_done_and_to_what(prompt: str, answers: OutputContract, name: str) -> None:
    """A verb that goes with the answers and the word it is about, in several languages."""
    assert propose_names([prompt], [answers]) == [name]


def test_names_are_different_and_not_taken() -> None:
    """Equal prompts and names that others have are told apart by a number."""
    prompts = ["Moderate the comment."] * 2
    assert propose_names(prompts, [LABEL] * 2, taken={"moderate-comment"}) == [
        "moderate-comment-2",
        "moderate-comment-3",
    ]


def test_names_are_short_and_can_stand_in_a_header() -> None:
    """Lower case, no white space, few characters, whatever the prompt or the labels hold."""
    odd = contract(ContractKind.LABEL, labels=("A label, with / marks " * 9, "Ü b"))
    for name in propose_names(["", "WRITE Donaudampfschifffahrtsgesellschaftskapitän NOW\n\tmore"], [odd, odd]):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert len(name) <= 80


def test_words_that_all_prompts_have_name_none() -> None:
    """Of equally placed words the one that the other prompts do not hold is said."""
    prompts = [f"Classify the Acme {what}." for what in ("ticket", "review", "contract")]
    assert propose_names(prompts, [LABEL] * 3) == ["classify-ticket", "classify-review", "classify-contract"]


def test_a_group_is_named_by_the_words_it_shares() -> None:
    """What most of the group says and the others do not, with the verb of its answers."""
    texts = [f"my card number {n} has arrived" for n in range(9)]
    others = [f"number {n} of the news has long arrived" for n in range(9)]
    assert propose_group_name(texts, others, LABEL) == "classify-card"

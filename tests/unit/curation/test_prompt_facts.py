"""What a task's requests consist of."""

from __future__ import annotations

import pytest

from tests.fakes import a_contract, a_frame, a_task
from tests.traffic_samples import many, sampled
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.task import Template
from tierwright.curation.prompt_facts import few_shot, prompt_facts, unparsed

SHOTS = "Name the topic.\n\nInput: my card is gone\nOutput: card_lost\n\nInput: where is it\nOutput: card_arrival\n\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (SHOTS + "Input: ", 2),
        ("Classify.\nQ: one\nA: two\nQ: three\nA: four\nQ: five\nA: six\nQ: ", 3),
        ("Übersetze.\nEingabe: eins\nAusgabe: one\nEingabe: zwei\nAusgabe: two\n", 2),
        ("Beispiele:\n1. Text: eins\n   Klasse: a\n2. Text: zwei\n   Klasse: b\n", 2),
        ("Examples:\nmy card is gone -> card_lost\nwhere is it → card_arrival\nit is late => card_arrival\n", 3),
        ("<example>\ngone\nlost\n</example>\n<example>\nwhere\narrival\n</example>\n", 2),
        ("### Input 1: gone\n### Output 1: lost\n### Input 2: where\n### Output 2: arrival\n", 2),
        ("Pick one.\ncard_lost: the card is gone\ncard_arrival: it has not come\nother: anything else\n", 0),
        ("You are a helpful assistant. Answer: yes or no.", 0),
        ("Rule: be short.\nTone: be kind.\nReturn JSON.", 0),
        ("", 0),
    ],
)
def test_examples_are_found_by_their_form(text: str, count: int) -> None:
    """Repeated pairs of cues, arrows and tags are examples; a list of labels and single cues are not."""
    assert few_shot(text)[0] == count


def test_examples_take_the_characters_they_take() -> None:
    """From the first cue of each to the end of its answer."""
    count, characters = few_shot(SHOTS)
    assert count == 2
    assert characters == len("Input: my card is gone\nOutput: card_lost") + len(
        "Input: where is it\nOutput: card_arrival"
    )


def test_a_long_line_without_end_costs_no_time() -> None:
    """A megabyte on one line, full of dashes and capital words, is read once."""
    assert few_shot("Aa bb cc - " * 100_000) == (0, 0)


def test_shares_are_of_all_characters_of_a_request() -> None:
    """Sixteen fixed characters of thirty-two are half."""
    found = prompt_facts(
        a_task(), many(["0123456789abcdef"] * 12, ["card_lost"] * 12), [("card_lost",)] * 12, range(12)
    )
    assert found.characters == 32
    assert (found.boilerplate_share.value, found.few_shot_examples, found.few_shot_share.value) == (0.5, 0, 0.0)


def test_few_shot_examples_of_the_prompt_are_counted() -> None:
    """They are in the fixed text of the user message."""
    task = a_task(frames=(a_frame(user=Template(literals=(SHOTS + "Input: ", ""))),))
    sample = [sampled(SHOTS + f"Input: text {n}", frame=0) for n in range(12)]
    found = prompt_facts(task, sample, [("card_arrival",)] * 12, range(12))
    assert found.few_shot_examples == 2
    assert 0.5 < found.few_shot_share.value < found.boilerplate_share.value < 1


def test_labels_that_the_prompt_does_not_offer_are_slips() -> None:
    """Where it offers nearly all others; where it offers none, nothing is said."""
    contract = a_contract("card_lost", "card_arrival", "well, it depends")
    sample = many(["text"] * 20, ["card_lost"] * 19 + ["well, it depends"])
    parsed = [contract.parse(one.answer) for one in sample]
    assert sum(unparsed(contract, sample, parsed, ["Say card_lost or card_arrival."])) == 1
    assert sum(unparsed(contract, sample, parsed, ["Which topic is it?"])) == 0


def test_json_with_something_around_it_is_not_parsed() -> None:
    """A fence or a remark breaks an application that reads strictly; spaces and the order of keys don't."""
    specs = (FieldSpec(name="a", values=("x", "y")), FieldSpec(name="b", values=(1, 2)))
    contract = OutputContract(kind=ContractKind.FIELDS, fields=specs, style=JsonStyle())
    answers = [
        '{"a": "x", "b": 1}',
        '{"b":1,"a":"y"}',
        '```json\n{"a": "x", "b": 1}\n```',
        'Here: {"a": "x", "b": 2}',
        "{",
    ]
    sample = many(["text"] * 5, answers)
    found = unparsed(contract, sample, [contract.parse(answer) for answer in answers], [""])
    assert found == [False, False, True, True, True]


def test_a_fence_that_all_answers_have_is_the_form() -> None:
    """The contract knows of it; an answer without it breaks the form."""
    style = JsonStyle(prefix="```json\n", suffix="\n```")
    contract = OutputContract(kind=ContractKind.SPANS, fields=(FieldSpec(name="a", many=True),), style=style)
    sample = many(["text"] * 2, ['```json\n{"a": []}\n```', '{"a": []}'])
    assert unparsed(contract, sample, [None, None], [""]) == [False, True]


def test_free_text_is_only_broken_where_it_is_empty() -> None:
    """There is no other form to keep."""
    contract = OutputContract(kind=ContractKind.OPEN)
    assert unparsed(contract, many(["a", "b"], ["Fine.", "  "]), [None, None], [""]) == [False, True]

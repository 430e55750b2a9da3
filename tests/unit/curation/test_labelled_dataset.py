"""Tests of datasets made from labelled history."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes import a_task, after
from tests.unit.curation.logs import tickets
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import Conflict, InputError, NotEnoughData, NotLearnable
from tierwright.core.ids import FrameId
from tierwright.core.task import Frame, Task, Template
from tierwright.curation.labelled import LabelledRow, LabelledRows
from tierwright.curation.labelled_dataset import LabelledDataset, build_labelled, classes, leakage

if TYPE_CHECKING:
    from collections.abc import Sequence

PAIRS = tickets(300, 21)


def table(pairs: Sequence[tuple[str, str]], splits: Sequence[Split | None] | None = None) -> LabelledRows:
    """Rows as they are read, the first in line 2."""
    given = splits or [None] * len(pairs)
    rows = [LabelledRow(line, *pair, split) for line, (pair, split) in enumerate(zip(pairs, given, strict=True), 2)]
    return LabelledRows(path=Path("history.csv"), rows=rows)


def build(
    pairs: Sequence[tuple[str, str]],
    splits: Sequence[Split | None] | None = None,
    *,
    kind: ContractKind | None = None,
    known: Sequence[Task] = (),
    seed: int = 1,
    name: str = "tickets",
) -> LabelledDataset:
    """A dataset of these pairs."""
    return build_labelled(table(pairs, splits), name=name, known=known, kind=kind, seed=seed, at=after(0))


def test_split_is_made() -> None:
    """Without a given split a fifth is tested, near-duplicates stay together, and everybody is a person."""
    pairs = PAIRS + [(f"{text} x", label) for text, label in PAIRS]
    built = build(pairs)
    splits: dict[str, set[Split]] = {}
    for example in built.examples:
        splits.setdefault(example.group, set()).add(example.split)
        assert (example.source, example.incumbent_output) == (LabelSource.HUMAN, None)
    assert all(len(found) == 1 for found in splits.values())
    assert built.dataset.sizes == {Split.TRAIN: 390, Split.CALIBRATION: 90, Split.TEST: 120}
    assert (leakage(built.examples), classes(built.dataset.contract, built.examples)) == (0, 4)
    assert [example.id for example in built.examples] == [f"line_{n}" for n in range(2, 602)]


def test_given_split_is_kept() -> None:
    """Test rows keep their number, repeats too; what is equal to one leaves training; what is close is counted."""
    test, train = PAIRS[:100], PAIRS[100:]
    pairs = [*train, *test, test[0], (test[1][0].upper(), test[1][1]), (f"{test[2][0]} x", test[2][1]), train[0]]
    splits = [Split.TRAIN] * 200 + [Split.TEST] * 101 + [Split.TRAIN] * 3
    found = table(pairs, splits)
    built = build_labelled(found, name="tickets", known=[], seed=1, at=after(0))
    assert built.dataset.sizes == {Split.TRAIN: 171, Split.CALIBRATION: 30, Split.TEST: 101}
    assert built.dataset.excluded == {"input is in the test split, too": 1, "repeats an earlier row": 1}
    assert found.first_lines["input is in the test split, too"] == 303
    assert leakage(built.examples) >= 1
    close = next(example for example in built.examples if example.id == "line_304")
    assert close.split is Split.TRAIN, "what crosses a given split stays where it was"
    assert next(example for example in built.examples if example.id == "line_2").occurrences == 2


def test_given_validation_is_calibration() -> None:
    """A given validation split is the calibration split, and nothing is drawn for it."""
    splits = [Split.TRAIN] * 150 + [Split.CALIBRATION] * 70 + [Split.TEST] * 80
    built = build([*PAIRS, PAIRS[160]], [*splits, Split.TRAIN])
    assert built.dataset.sizes == {Split.TRAIN: 150, Split.CALIBRATION: 70, Split.TEST: 80}
    assert built.dataset.excluded == {"input is in the calibration split, too": 1}


def test_contradictions() -> None:
    """Of different answers to one input the most frequent stands; the others are counted."""
    text = PAIRS[0][0]
    other = "returns" if PAIRS[0][1] != "returns" else "billing"
    built = build([*PAIRS, (text.upper(), other), (f" {text}", other), (text, PAIRS[0][1])])
    example = next(example for example in built.examples if example.id == "line_2")
    assert (example.output, example.occurrences) == (PAIRS[0][1], 2)
    assert built.dataset.excluded == {
        "contradicts another answer to the same input": 2,
        "repeats an earlier row": 1,
    }


def test_rare_classes_are_dropped() -> None:
    """Labels seen once are dropped where so many of them would make the answers no closed set; test rows stay."""
    rare = [(f"{text} rare", f"topic number {n}") for n, (text, _) in enumerate(PAIRS[:60])]
    built = build(PAIRS + rare)
    assert built.dataset.contract.kind is ContractKind.LABEL
    assert built.dataset.excluded == {"answer occurs only once": 60}
    assert len(built.dataset.contract.labels) == 4
    splits = [Split.TRAIN] * 300 + [Split.TEST] * 20 + [Split.TRAIN] * 40
    kept = build(PAIRS + rare, splits)
    assert kept.dataset.sizes[Split.TEST] == 20
    assert len(kept.dataset.contract.labels) == 24


def test_hundreds_of_classes_with_rare_ones() -> None:
    """A few hundred classes, some of them seen once or twice, are labels."""
    pairs = [(f"question {n} about thing {n % 300}", f"class {n % 300}") for n in range(1500)]
    pairs += [(f"a single {n} of its kind", f"class single {n}") for n in range(100)]
    built = build(pairs)
    assert built.dataset.contract.kind is ContractKind.LABEL
    assert len(built.dataset.contract.labels) == 400, "one in sixteen seen once is no reason to drop any"


def test_fields_of_several_types() -> None:
    """Flat objects are fields; numbers, booleans and null are values like others, and a missing key is null."""
    outputs = [{"topic": topic, "level": n % 3, "urgent": n % 2 == 0} for n, (_, topic) in enumerate(PAIRS)]
    for n in range(0, 300, 10):
        del outputs[n]["urgent"]
    built = build([(text, json.dumps(said)) for (text, _), said in zip(PAIRS, outputs, strict=True)])
    contract = built.dataset.contract
    assert (contract.kind, contract.heads) == (ContractKind.FIELDS, ("topic", "level", "urgent"))
    assert set(contract.fields[2].values) == {True, False, None}
    assert classes(contract, built.examples) == {"topic": 4, "level": 3, "urgent": 3}
    assert built.examples[0].output == json.dumps({**outputs[0], "urgent": None})


def test_rare_values_of_a_field_are_dropped() -> None:
    """A field whose values are nearly all frequent is closed; rows with a value seen once are dropped."""
    said = [json.dumps({"topic": topic if n % 6 else f"odd {n}", "kind": n % 2}) for n, (_, topic) in enumerate(PAIRS)]
    built = build([(text, output) for (text, _), output in zip(PAIRS, said, strict=True)])
    assert built.dataset.contract.kind is ContractKind.FIELDS
    assert built.dataset.excluded == {"answer occurs only once": 50}


def test_spans_as_objects_with_varying_keys() -> None:
    """Objects of lists that leave out what is empty all get the same keys in the same order."""
    pairs = []
    for n, (text, _) in enumerate(PAIRS):
        words = text.split()
        found = {"last": [words[-1]], "first": [words[0]]} if n % 3 else {"first": [words[0]]}
        pairs.append((text, json.dumps(found)))
    built = build(pairs)
    contract = built.dataset.contract
    assert contract.kind is ContractKind.SPANS
    assert [(spec.name, spec.many) for spec in contract.fields] == [("last", True), ("first", True)]
    assert json.loads(built.examples[0].output) == {"last": [], "first": [PAIRS[0][0].split()[0]]}


def test_spans_as_a_list() -> None:
    """A JSON list of strings copied from the input is spans without fields, written as in the file."""
    pairs = [(text, json.dumps(text.split()[-2:] if n % 4 else [])) for n, (text, _) in enumerate(PAIRS)]
    built = build(pairs)
    contract = built.dataset.contract
    assert (contract.kind, contract.is_list, contract.fields) == (ContractKind.SPANS, True, ())
    assert built.examples[1].output == pairs[1][1]
    assert contract.canonical('["a","b"]') == '["a", "b"]'


def test_text_keeps_several_answers() -> None:
    """Several texts to one list of attributes stay side by side, in one group."""
    pairs = []
    for n in range(60):
        given = json.dumps({"name": f"House {n}", "food": "Thai", "area": f"street {n % 7}"})
        pairs += [(given, f"House {n} in street {n % 7} serves Thai {word}.") for word in ("food", "dishes", "food")]
    built = build(pairs)
    assert built.dataset.contract.kind is ContractKind.TEXT
    assert (len(built.examples), built.dataset.excluded) == (120, {"repeats an earlier row": 60})
    assert set(Counter(example.group for example in built.examples).values()) == {2}
    assert leakage(built.examples) == 0


def test_open_answers_are_imported() -> None:
    """Answers that follow no form make a dataset of the open contract, unless a person says what they are."""
    pairs = [(text, f"A story of {text[::-1]}") for text, _ in PAIRS]
    assert build(pairs).dataset.contract.kind is ContractKind.OPEN
    assert build(pairs, kind=ContractKind.TEXT).dataset.contract.kind is ContractKind.TEXT


def test_demanded_contracts() -> None:
    """A demanded kind is taken also where it would not have been found."""
    singles = [(text, f"label {n % 200}") for n, (text, _) in enumerate(PAIRS)]
    assert len(build(singles, kind=ContractKind.LABEL).dataset.contract.labels) == 200
    numbers = [(text, json.dumps({"price": n / 7})) for n, (text, _) in enumerate(PAIRS)]
    fields = build(numbers, kind=ContractKind.FIELDS)
    assert len(fields.dataset.contract.fields[0].values) == 300
    assert fields.dataset.excluded == {}
    lists = [(text, json.dumps([text[:4].upper()])) for text, _ in PAIRS]
    assert build(lists, kind=ContractKind.SPANS).dataset.contract.is_list
    objects = [(text, json.dumps({"who": text[:4], "when": None})) for text, _ in PAIRS]
    assert [spec.many for spec in build(objects, kind=ContractKind.SPANS).dataset.contract.fields] == [False, False]
    assert build(PAIRS, kind=ContractKind.SPANS).dataset.contract == OutputContract(kind=ContractKind.SPANS)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        (ContractKind.LABEL, "a", "x" * 121, "more than 120 characters"),
        (ContractKind.FIELDS, '{"a": 1}', "plain", "is no JSON object"),
        (ContractKind.FIELDS, '{"a": 1}', '{"a": [1]}', "a list or an object as the value"),
        (ContractKind.SPANS, '["a"]', '["a", 1]', "is no JSON list of strings"),
        (ContractKind.SPANS, '{"a": ["b"]}', '{"a": {"b": 1}}', "neither a string, a list of strings nor null"),
    ],
)
def test_demanded_contract_that_a_row_breaks(kind: ContractKind, good: str, bad: str, message: str) -> None:
    """A row that does not fit what was demanded is an error with its line."""
    pairs = [(text, good) for text, _ in PAIRS[:80]]
    pairs[40] = (pairs[40][0], bad)
    with pytest.raises(InputError, match=rf"history.csv, line 42: the output .*{message}"):
        build(pairs, kind=kind)


def test_too_little_to_learn_from() -> None:
    """Too few rows, one class only, and test rows alone are refused, and say so."""
    with pytest.raises(NotEnoughData, match="has 20 different examples that can be used; 50 are needed"):
        build(PAIRS[:20])
    with pytest.raises(NotLearnable, match=r"all 300 rows to learn from in history\.csv have one and the same output"):
        build([(text, "same") for text, _ in PAIRS])
    with pytest.raises(NotEnoughData, match="has test rows and none to train on"):
        build(PAIRS, [Split.TEST] * 300)


def test_same_file_same_id() -> None:
    """The id is a hash of content, seed and task, not of the time."""
    built = [
        build_labelled(table(PAIRS), name=name, known=[], seed=seed, at=after(at)).dataset.id
        for name, seed, at in (("a", 1, 0), ("a", 1, 9), ("a", 2, 0), ("b", 1, 0))
    ]
    assert built[0] == built[1]
    assert len(set(built)) == 3


def test_task_is_made() -> None:
    """The task has the name that was given, for good, and no frames; the name must be one."""
    task = build(PAIRS).task
    assert (task.name, task.named_by_person, task.frames) == ("tickets", True, ())
    with pytest.raises(InputError, match="must not be empty or hold white space"):
        build(PAIRS, name="two words")
    renamed = a_task(id=task.id, name="another")
    assert build(PAIRS, known=[renamed]).task.id != task.id


def test_known_tasks() -> None:
    """A task with traffic keeps its spelling and learns new labels; one without takes over what the file says."""
    contract = OutputContract(kind=ContractKind.LABEL, labels=("Billing", "fraud"))
    frame = Frame(id=FrameId("f"), system=Template(literals=("",)), user=Template(literals=("", "")))
    captured = a_task(name="tickets", contract=contract, frames=(frame,))
    built = build(PAIRS, known=[captured])
    assert built.task.id == captured.id
    assert set(built.task.contract.labels) == {"Billing", "fraud", "account", "delivery", "returns"}
    assert "Billing" in {example.output for example in built.examples}
    imported = a_task(name="tickets", contract=contract, frames=())
    assert set(build(PAIRS, known=[imported]).task.contract.labels) == {"billing", "account", "delivery", "returns"}


def test_known_task_of_another_kind() -> None:
    """A name that stands for other answers is a conflict that says which."""
    spans = a_task(name="tickets", contract=OutputContract(kind=ContractKind.SPANS), frames=())
    with pytest.raises(Conflict, match="task 'tickets' has spans answers and the file has label ones"):
        build(PAIRS, known=[spans])


def test_one_large_family_of_texts_does_not_fill_a_split() -> None:
    """Texts of one template are one group; it trains, and the others are drawn for the test."""
    letter = "Dear Sir or Madam, we write to you about the contract that we have signed and which ends soon, number "
    pairs = [(f"{letter}{n}", "letter") for n in range(200)] + PAIRS
    built = build(pairs)
    letters = {example.split for example in built.examples if example.output == "letter"}
    assert letters == {Split.TRAIN}
    assert built.dataset.sizes[Split.TEST] == 100

"""What is wrong with a dataset, as far as it can be seen without a model."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import a_contract, an_example
from tierwright.core.contract import ContractKind, FieldSpec, JsonStyle, OutputContract
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import InferenceId
from tierwright.core.triage import Finding, Severity, Triage
from tierwright.curation.triage import ceiling, conflicts, groups_of, leakage, small_classes

WORDS = [
    f"{a}{b}{c}"
    for a in ("bra", "ste", "mol", "kri", "pun", "vex")
    for b in ("do", "li", "ka")
    for c in ("n", "sh", "r")
]


def texts(count: int, seed: int = 0) -> list[str]:
    """Different texts of a dozen words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=12)) for _ in range(count)]


def example(number: int, text: str, output: str = "card_arrival", **changes: object) -> Example:
    """An example with an id of its own."""
    return an_example(id=InferenceId(f"i{number}"), input=text, output=output, group=f"g{number}", **changes)


def test_planted_leakage_is_found_exactly() -> None:
    """Of 200 test examples 20 are training texts with a word changed, in other case: these and no others are named."""
    known, new = texts(400), texts(200, seed=1)
    rng = np.random.default_rng(2)
    planted = set(rng.choice(200, size=20, replace=False).tolist())
    for at in planted:
        words = known[int(rng.integers(400))].split()
        words[-1] = "other"
        new[at] = " ".join(words).upper()
    examples = [example(n, text) for n, text in enumerate(known)]
    examples += [example(1000 + n, text, split=Split.TEST) for n, text in enumerate(new)]
    found = leakage(examples, groups_of(examples, seed=7)[0])
    assert {case.examples[0] for case in found.cases} == {f"i{1000 + at}" for at in planted}
    assert (found.severity, found.count, found.n) == (Severity.CRITICAL, 20, 200)
    assert found.estimate is not None
    assert found.estimate.ci_low < 0.1 < found.estimate.ci_high


def test_clean_splits_are_said_to_be_clean() -> None:
    """Without leakage there is nothing to do, and the interval says how much could have been missed by chance."""
    examples = [example(n, text, split=Split.TEST if n % 4 == 0 else Split.TRAIN) for n, text in enumerate(texts(200))]
    found = leakage(examples, groups_of(examples, seed=7)[0])
    assert (found.severity, found.count, found.advice) == (Severity.NOTE, 0, "")


def test_contradiction_names_both_examples_and_both_labels() -> None:
    """Two nearly equal texts with different labels are one case; the label that is less frequent stands first."""
    one = texts(1)[0]
    examples = [
        example(0, one, "a"),
        example(1, one + ".", "a"),
        example(2, one + "!", "b", source=LabelSource.HUMAN),
        *(example(n, text, "a") for n, text in enumerate(texts(50, seed=3), 10)),
    ]
    found = conflicts(examples, groups_of(examples, seed=7)[1], a_contract("a", "b"))
    assert found.count == 1
    assert found.cases[0].examples == ("i2", "i0")
    assert (found.cases[0].given, found.cases[0].proposed) == ("b", "a")
    assert "1 are people's labels" in found.what


def test_contradiction_in_open_text_shows_no_text() -> None:
    """Where answers are no members of closed sets a case has ids only."""
    one = texts(1)[0]
    contract = OutputContract(kind=ContractKind.OPEN)
    examples = [example(0, one, "secret answer"), example(1, one, "another secret")]
    found = conflicts(examples, groups_of(examples, seed=7)[1], contract)
    assert found.count == 1
    assert "secret" not in repr(found)


def test_small_classes_are_listed_with_what_is_missing() -> None:
    """A member of three examples needs five more; one that nobody has needs eight; test examples don't count."""
    examples = [example(n, text, "a") for n, text in enumerate(texts(40))]
    examples += [example(100 + n, text, "b") for n, text in enumerate(texts(3, seed=1))]
    examples += [example(200 + n, text, "c", split=Split.TEST) for n, text in enumerate(texts(30, seed=2))]
    found = small_classes(examples, a_contract("a", "b", "c"))
    assert [(case.given, case.count, case.needed) for case in found.cases] == [("c", 0, 8), ("b", 3, 5)]
    assert "collect 13 more" in found.advice
    assert "2 have fewer than the 29 test examples" in found.what


def test_small_classes_of_fields_name_their_field() -> None:
    """In an answer of several fields a case says which one; True is not 1."""
    contract = OutputContract(
        kind=ContractKind.FIELDS,
        fields=(FieldSpec(name="flag", values=(True, False)), FieldSpec(name="kind", values=("x",))),
        style=JsonStyle(),
    )
    examples = [example(n, t, contract.render((n >= 2, "x"))) for n, t in enumerate(texts(30))]
    found = small_classes(examples, contract)
    assert [(case.field, case.given, case.count) for case in found.cases] == [("flag", False, 2)]


def test_ceiling_of_a_coin_is_the_root_of_its_agreement() -> None:
    """Who answers 80 : 20 agrees with itself in 68 % of pairs; nothing agrees with it above the root of that."""
    rng = np.random.default_rng(0)
    answers = [(f"question {n}", str(rng.choice(["a", "b"], p=[0.8, 0.2]))) for n in range(400) for _ in range(2)]
    found = ceiling(answers, seed=1)
    assert found.estimate is not None
    assert found.estimate.ci_low < 0.68**0.5 < found.estimate.ci_high
    assert found.estimate.ci_high >= 0.8
    assert found.severity is Severity.WARNING


def test_ceiling_of_a_consistent_incumbent_is_no_warning() -> None:
    """A hundred inputs asked three times with equal answers: a note, with the exact interval below 1."""
    found = ceiling([(f"question {n}", "a") for n in range(100) for _ in range(3)], seed=1)
    assert found.severity is Severity.NOTE
    assert found.estimate is not None
    assert found.estimate.value == 1.0
    assert found.estimate.ci_low == pytest.approx(0.964**0.5, abs=0.005)


def test_ceiling_falls_back_on_near_duplicates() -> None:
    """Where nothing is asked twice, texts that differ by a full stop are taken, and it is said."""
    answers = [(text + end, "a") for text in texts(60) for end in ("", ".")]
    found = ceiling(answers, seed=1)
    assert "nearly the same" in found.what
    assert found.n == 60


def test_ceiling_of_few_repeats_is_not_a_figure() -> None:
    """With fewer than twenty repeated inputs the check is skipped and says why."""
    assert ceiling([("one", "a"), ("one", "b")], seed=1).severity is Severity.SKIPPED


def test_gravest_findings_come_first() -> None:
    """A triage is in order of severity, and one critical finding makes it critical."""
    findings = [Finding(check=severity.value, severity=severity, what="") for severity in reversed(Severity)]
    report = Triage.of(findings)
    assert [finding.severity for finding in report.findings] == list(Severity)
    assert report.critical

"""Drift of a task's traffic, and evidence that its answers rest on what is not in the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.fakes import a_contract, an_estimate
from tests.traffic import task_traffic
from tests.traffic_samples import many
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.curation.determinism import same_input_pairs
from tierwright.curation.grounding import facts, retrieval
from tierwright.curation.shifts import drift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue
    from tierwright.core.estimate import Estimate
    from tierwright.core.profile import Drift

OPEN = OutputContract(kind=ContractKind.OPEN)


def drifted(answers: Sequence[tuple[FieldValue, ...] | None], groups: NDArray[np.int64] | None = None) -> Drift | None:
    """The drift of so many different inputs, one an hour."""

    def tell_apart(texts: Sequence[str], late: NDArray[np.bool_]) -> Estimate:
        return an_estimate(0.5, n=len(texts) + int(late.sum()))

    count = len(answers)
    texts = [f"text {number}" for number in range(count)]
    at = 3600.0 * np.arange(count)
    return drift(at, texts, answers, np.arange(count) if groups is None else groups, tell_apart, seed=1)


def test_the_same_mix_does_not_shift() -> None:
    """Two halves of one distribution: no new answers, and a shift whose interval holds 0."""
    rng = np.random.default_rng(1)
    found = drifted([(["a", "b", "c"][at],) for at in rng.integers(0, 3, 800)])
    assert found is not None
    assert found.new_answers.value == 0.0
    assert found.answer_shift.ci_low == 0.0
    assert found.answer_shift.value < 0.05


def test_another_mix_shifts_by_as_much_as_it_moved() -> None:
    """Thirty points fewer of one answer, and as many of another."""
    rng = np.random.default_rng(2)
    early = [("a" if coin else "b",) for coin in rng.random(1000) < 0.8]
    late = [("a" if coin else "b",) for coin in rng.random(1000) < 0.5]
    found = drifted([*early, *late])
    assert found is not None
    assert found.answer_shift.ci_low < 0.3 < found.answer_shift.ci_high
    assert found.answer_shift.ci_low > 0.2


def test_a_new_class_is_new() -> None:
    """A tenth of the late answers; what chance alone would bring is said."""
    found = drifted([("a",)] * 200 + [("a",)] * 180 + [("z",)] * 20)
    assert found is not None
    assert found.new_answers.value == 0.1
    assert "chance 0.00%" in found.new_answers.method


def test_answers_of_no_closed_set_are_not_compared() -> None:
    """Nothing is known, and the interval says so."""
    found = drifted([None] * 200)
    assert found is not None
    assert (found.new_answers.ci_low, found.new_answers.ci_high, found.new_answers.n) == (0.0, 1.0, 0)


def test_inputs_that_are_alike_are_one_and_too_few_say_nothing() -> None:
    """Two hundred requests of ninety-nine kinds are too few."""
    assert drifted([("a",)] * 200, np.arange(200) % 99) is None


def test_a_classifier_is_given_the_halves() -> None:
    """All texts, of which the later half is late."""
    found = drifted([("a",)] * 200)
    assert found is not None
    assert found.input_auc.n == 200 + 100


def repeated(apart_s: float, differ: Sequence[bool]) -> tuple[list[float], list[int], list[int]]:
    """Inputs asked twice, so far apart, and whether the second answer is another."""
    at = [1000.0 * n for n in range(len(differ))] + [1000.0 * n + apart_s for n in range(len(differ))]
    return at, [*range(1, len(differ) + 1)] * 2, [1] * len(differ) + [1 + int(other) for other in differ]


def test_answers_that_change_from_day_to_day_show() -> None:
    """Half of the pairs three days apart differ, none within a minute."""
    far, soon = repeated(259_200.0, [True, False] * 20), repeated(60.0, [False] * 40)
    at = np.array([*far[0], *soon[0]])
    inputs = np.array([*far[1], *(key + 1000 for key in soon[1])], dtype=np.uint64)
    answers = np.array([*far[2], *soon[2]], dtype=np.uint64)
    order = np.argsort(at, kind="stable")
    traffic = task_traffic(160, at=at[order], input_key=inputs[order], answer_key=answers[order])
    found = retrieval(a_contract(), (), same_input_pairs(traffic), (), lambda _: "en").changing_share
    assert found is not None
    assert found.value == 0.5
    assert found.ci_low > 0.25


def test_without_repeats_of_both_kinds_nothing_is_said_of_change() -> None:
    """What differs within a day may be noise; without it there is no telling."""
    at, inputs, answers = repeated(259_200.0, [True] * 40)
    order = np.argsort(at, kind="stable")
    traffic = task_traffic(
        80,
        at=np.array(at)[order],
        input_key=np.array(inputs, dtype=np.uint64)[order],
        answer_key=np.array(answers, dtype=np.uint64)[order],
    )
    assert retrieval(OPEN, (), same_input_pairs(traffic), (), lambda _: "en").changing_share is None


def test_names_and_numbers_that_the_request_lacks_are_ungrounded() -> None:
    """Two of three facts of each answer: the year and the city are known from elsewhere."""
    texts = [f"Who founded the shop number {n}?" for n in range(40)]
    answers = [f"The shop number {n} was founded in 1987 by people from Porto." for n in range(40)]
    pairs = same_input_pairs(task_traffic(0))
    found = retrieval(OPEN, many(texts, answers), pairs, range(40), lambda _: "en").ungrounded_share
    assert found is not None
    assert abs(found.value - 2 / 3) < 0.01
    assert found.n == 40
    assert retrieval(a_contract(), many(texts, answers), pairs, range(40), lambda _: "en").ungrounded_share is None


def test_facts_are_numbers_and_names_inside_sentences() -> None:
    """The first word of a sentence has its capital from there; German nouns all have one."""
    assert facts("Yes. Ask Anna in 12,5 days, Müller too.", names=True) == ["12,5", "Anna", "Müller"]
    assert facts("Fragen Sie am Montag in 3 Tagen.", names=False) == ["3"]
    assert facts("Позвоните в Москву завтра утром.", names=True) == ["Москву"]

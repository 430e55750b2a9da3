"""Whether the incumbent agrees with itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.traffic import task_traffic
from tierwright.curation.determinism import determinism, same_input_pairs


def keys(values: list[int]) -> np.ndarray:
    """A column of digests."""
    return np.array(values, dtype=np.uint64)


def test_each_repeat_is_paired_with_the_one_before() -> None:
    """Of three equal inputs there are two pairs, and what is between them in time belongs to another input."""
    traffic = task_traffic(5, input_key=keys([7, 8, 7, 8, 7]), answer_key=keys([1, 2, 1, 3, 4]))
    found = same_input_pairs(traffic)
    assert found.input_key.tolist() == [7, 7, 8]
    assert found.agree.tolist() == [True, False, False]
    assert found.apart_s.tolist() == [7200.0, 7200.0, 7200.0]


def test_what_is_gone_is_no_pair() -> None:
    """Requests without content are not equal to each other."""
    traffic = task_traffic(4, input_key=keys([0, 0, 5, 5]), answer_key=keys([1, 1, 0, 1]))
    assert len(same_input_pairs(traffic).agree) == 0


def test_the_share_is_that_of_pairs_that_agree() -> None:
    """Forty inputs asked twice, ten of them answered differently: 75 %."""
    inputs = [*range(1, 41), *range(1, 41)]
    answers = [1] * 40 + [1] * 30 + [2] * 10
    pairs = same_input_pairs(task_traffic(80, input_key=keys(inputs), answer_key=keys(answers)))
    found = determinism(pairs, [], [], None)
    assert found is not None
    assert (found.value, found.n) == (0.75, 40)
    assert found.ci_low < 0.62
    assert "30 of 40 pairs of equal inputs" in found.method


def test_one_input_asked_often_is_one_witness() -> None:
    """Pairs of a single input don't make the interval narrow."""
    pairs = same_input_pairs(task_traffic(200, input_key=keys([3] * 200), answer_key=keys([1, 2] * 100)))
    found = determinism(pairs, [], [], None)
    assert found is not None
    assert found.value == 0.0
    assert found.ci_high > 0.5


def test_nearly_equal_inputs_count_where_groups_are_given() -> None:
    """Twelve groups of two texts that differ in more than case and spaces, all with another answer."""
    inputs = [f"question {number} {end}" for number in range(12) for end in ("please", "pleas")]
    answers = ["a", "b"] * 12
    groups = np.repeat(np.arange(0, 24, 2), 2)
    found = determinism(same_input_pairs(task_traffic(0)), inputs, answers, groups)
    assert found is not None
    assert found.value == 0.0
    assert "0 of 12 of nearly equal ones" in found.method


def test_hardly_any_pair_says_nothing() -> None:
    """Nine pairs are too few."""
    inputs = [*range(1, 10), *range(1, 10)]
    pairs = same_input_pairs(task_traffic(18, input_key=keys(inputs)))
    assert determinism(pairs, [], [], None) is None


@pytest.mark.parametrize("same", ["Question?", "question? ", "QUESTION?"])
def test_case_and_spaces_make_no_other_text(same: str) -> None:
    """They are pairs of equal inputs for the near-duplicates, and count in neither way here."""
    assert (
        determinism(same_input_pairs(task_traffic(0)), ["question?", same] * 10, ["a"] * 20, np.zeros(20, int)) is None
    )

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.training.problems import an_example
from tierwright.training.recipe import FittedSpecialist
from tierwright.training.stopping import Gate, why_stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.dataset import Example

GATE = Gate(margin=0.01)


def examples(count: int, *, incumbent: str | None = None) -> list[Example]:
    """So many examples whose right answer is "a"."""
    return [an_example(number, f"text {number}", "a", incumbent, labelled=True) for number in range(count)]


def fitted(judged: Sequence[Example], *, right: int, score: float = 1.0) -> FittedSpecialist:
    """A specialist that gets the first so many right."""
    return FittedSpecialist(
        id="x",
        path=Path("x"),
        size_bytes=1,
        encoder=None,
        threshold=0.5,
        train_seconds=1.0,
        metrics={},
        validated={example.id: score if at < right else 0.0 for at, example in enumerate(judged)},
    )


def test_the_first_rung_without_gate_or_incumbent_never_ends_the_climb() -> None:
    """There is nothing to compare it with."""
    judged = examples(500)
    assert why_stop("ngram", fitted(judged, right=500), None, judged, GATE) == ""


def test_a_rung_better_by_more_than_noise_goes_on() -> None:
    """Twenty of 500 more are no noise."""
    judged = examples(500)
    assert why_stop("b", fitted(judged, right=470), fitted(judged, right=450), judged, GATE) == ""


@pytest.mark.parametrize("right", [449, 450, 452])
def test_a_rung_not_better_by_more_than_noise_ends_the_climb(right: int) -> None:
    """Worse, equal, and better by two of 500."""
    judged = examples(500)
    why = why_stop("b", fitted(judged, right=right), fitted(judged, right=450), judged, GATE)
    assert why == "b was not better than a cheaper rung by more than noise; --all climbs on"


def test_copies_count_once() -> None:
    """Eight better answers of 500 are more than noise, unless they are two and their near-duplicates."""
    judged = examples(500)
    better, worse = fitted(judged, right=458), fitted(judged, right=450)
    assert why_stop("b", better, worse, judged, GATE) == ""
    copies = [replace(example, group=f"g{at // 4}") for at, example in enumerate(judged)]
    assert "noise" in why_stop("b", better, worse, copies, GATE)


def test_scores_between_0_and_1_are_compared_too() -> None:
    """As the span and text recipes give them."""
    judged = examples(300)
    cheap = fitted(judged, right=300, score=0.5)
    assert why_stop("b", fitted(judged, right=300, score=0.7), cheap, judged, GATE) == ""
    assert "noise" in why_stop("b", fitted(judged, right=300, score=0.5), cheap, judged, GATE)


def test_as_good_as_the_incumbent_is_good_enough() -> None:
    """Within the margin, with confidence; an incumbent that is always right asks for nearly everything."""
    weak = [replace(e, incumbent_output="a" if at % 10 else "b") for at, e in enumerate(examples(1000))]
    assert "no worse than the incumbent" in why_stop("a", fitted(weak, right=950), None, weak, GATE)
    assert why_stop("a", fitted(weak, right=850), None, weak, GATE) == ""
    strong = examples(1000, incumbent="a")
    assert why_stop("a", fitted(strong, right=985), None, strong, GATE) == ""
    assert "no worse than the incumbent" in why_stop("a", fitted(strong, right=1000), None, strong, GATE)


def test_a_target_must_be_reached_with_confidence() -> None:
    """95.2 % of 500 may be less than 95 %; 98 % is not."""
    judged = examples(500)
    gate = Gate(margin=0.01, target=0.95)
    assert why_stop("a", fitted(judged, right=476), None, judged, gate) == ""
    assert "good enough" in why_stop("a", fitted(judged, right=490), None, judged, gate)

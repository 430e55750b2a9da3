"""The table of HIPAA's eighteen identifiers: whole, measured, and the same in the docs."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from tierwright.privacy.detector import VERSION
from tierwright.privacy.measured import Figure, figures
from tierwright.privacy.safe_harbor import SAFE_HARBOR, Category, Coverage
from tierwright.stats.intervals import wilson

PAGE = (Path(__file__).parents[3] / "docs" / "privacy-evidence.md").read_text(encoding="utf-8")


def measured_of(letter: str) -> list[Figure]:
    """The figures of one identifier."""
    return [one for one in figures() if one.subject.startswith(f"{letter} ")]


def test_there_are_eighteen_in_the_order_of_the_rule() -> None:
    """A to R, each once."""
    assert [one.letter for one in SAFE_HARBOR] == list(string.ascii_uppercase[:18])


@pytest.mark.parametrize("category", SAFE_HARBOR, ids=lambda one: one.letter)
def test_what_is_said_to_be_covered_is_measured(category: Category) -> None:
    """A covered identifier has types and figures; one that is not covered claims no type.

    What is called detected was found in full: a recall below 0.95 of any kind of it is not.
    """
    found = measured_of(category.letter)
    if category.coverage is Coverage.DETECTED:
        assert category.types
        assert found
        assert min(one.recall for one in found) >= 0.95
    if category.coverage is Coverage.PARTLY:
        assert category.types
        assert max(one.recall for one in found) > 0.5
    if category.coverage is Coverage.UNREAD:
        assert max(one.recall for one in found) == 1.0
    if category.coverage is Coverage.NOT_COVERED:
        assert not category.types
        assert found


@pytest.mark.parametrize("figure", figures(), ids=lambda one: f"{one.subject}, {one.data}")
def test_intervals_are_those_of_the_counts(figure: Figure) -> None:
    """Each interval of the packaged figures is Wilson's of its hits and number."""
    right = wilson(figure.hits, figure.n)
    assert (figure.ci_low, figure.ci_high) == pytest.approx((right.ci_low, right.ci_high))


def test_figures_are_those_of_the_rules_in_this_package() -> None:
    """Whoever changes the rules' version measures again: python benchmarks/safe_harbor.py --write."""
    of_rules = [one for one in figures() if one.detectors.startswith("rules")]
    assert of_rules
    assert {one.detectors for one in of_rules} == {f"rules/{VERSION}"}


@pytest.mark.parametrize("category", SAFE_HARBOR, ids=lambda one: one.letter)
def test_the_page_says_the_same(category: Category) -> None:
    """Name, coverage, how, and the recall of every kind with its interval."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {category.letter} |")]
    for said in (category.name, category.coverage.value, category.how):
        assert said in row
    for one in measured_of(category.letter):
        assert f"{one.subject[2:]} {one.recall:.3f} [{one.ci_low:.3f}, {one.ci_high:.3f}], n={one.n}" in row

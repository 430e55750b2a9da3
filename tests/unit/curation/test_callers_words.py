"""One caller's corrections neither make a model nor let one pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import an_example
from tierwright.core.dataset import Example, LabelSource, Split
from tierwright.core.ids import InferenceId
from tierwright.curation.callers_words import BEYOND, WordLimits, believe, callers_in_training, doubted

LIMITS = WordLimits(share=0.1, most=5)


def labelled(number: int, *, output: str, incumbent: str | None = "right") -> Example:
    """An example with a person's label."""
    return an_example(
        id=InferenceId(f"i-{number:04}"), output=output, incumbent_output=incumbent, source=LabelSource.HUMAN
    )


def unlabelled(number: int) -> Example:
    """An example with the incumbent's answer alone."""
    return replace(labelled(number, output="right"), source=LabelSource.INCUMBENT)


def test_whose_word_is_doubted() -> None:
    """A caller's, where others have the task, it is not trusted and nobody else says the same."""
    trusting = replace(LIMITS, trusted=frozenset({"desk"}))
    assert doubted(["desk", "desk"], LIMITS, several=True) == "desk"
    assert doubted(["desk"], LIMITS, several=False) is None
    assert doubted(["desk"], trusting, several=True) is None
    assert doubted(["desk", "shop"], LIMITS, several=True) is None
    assert doubted(["desk", None], LIMITS, several=True) is None
    assert doubted([None], LIMITS, several=True) is None
    assert doubted([], LIMITS, several=True) is None


def test_a_flood_of_corrections_is_cut_to_its_share() -> None:
    """Within the share they train and judge nothing; beyond it what the incumbent answered stays, or nothing does."""
    flood = [labelled(n, output="wrong") for n in range(30)] + [labelled(30, output="wrong", incumbent=None)]
    rest = [unlabelled(n) for n in range(31, 100)]
    excluded: Counter[str] = Counter()
    found = believe([*flood, *rest], {one.id: "evil" for one in flood}, LIMITS, excluded)
    assert Counter((one.output, one.source) for one in found) == {
        ("wrong", LabelSource.CALLER): 5,
        ("right", LabelSource.INCUMBENT): 25 + 69,
    }
    assert excluded == {BEYOND: 26}


def test_no_word_of_a_caller_beyond_its_share_judges() -> None:
    """Its confirmations don't either: without its corrections they would flatter the model."""
    flood = [labelled(n, output="wrong") for n in range(20)]
    confirming = [labelled(n, output="right") for n in range(20, 60)]
    operators = [labelled(n, output="wrong") for n in range(60, 120)]
    resting_on = {one.id: "evil" for one in (*flood, *confirming)}
    found = believe([*flood, *confirming, *operators], resting_on, LIMITS, Counter())
    assert {one.id for one in found if one.source is LabelSource.HUMAN} == {one.id for one in operators}


def test_callers_judge_together_and_none_alone() -> None:
    """Of two callers' words as many of the one decide as of the other; with one of them gone, none of the other's."""
    ours = [labelled(n, output="right") for n in range(40)]
    theirs = [labelled(n, output="right") for n in range(40, 50)]
    resting_on = {one.id: "shop" for one in ours} | {one.id: "desk" for one in theirs}
    both = believe([*ours, *theirs], resting_on, LIMITS, Counter())
    assert Counter(resting_on[one.id] for one in both if one.source is LabelSource.HUMAN) == {"shop": 10, "desk": 10}
    alone = believe(ours, resting_on, LIMITS, Counter())
    assert all(one.source is LabelSource.INCUMBENT for one in alone)


def test_callers_are_counted_by_their_training_examples() -> None:
    """The largest first; what is tested, or was asked by nobody, does not count."""
    rows = [unlabelled(n) for n in range(5)]
    rows[4] = replace(rows[4], split=Split.TEST)
    owners = {rows[0].id: "b", rows[1].id: "a", rows[2].id: "b", rows[4].id: "a"}
    assert callers_in_training(rows, owners) == {"b": 2, "a": 1}
    assert callers_in_training(rows, {}) == {}


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["right", "wrong"]), st.booleans()), max_size=80
    ),
    st.floats(0, 1),
    st.integers(0, 40),
)
def test_the_bounds_hold_whatever_is_said(said: list[tuple[str, str, bool]], share: float, most: int) -> None:
    """No caller trains on more corrections than its share or gives more than half of the labels that judge."""
    limits = WordLimits(share=share, most=most)
    rows = [labelled(n, output=output) if labels else unlabelled(n) for n, (_, output, labels) in enumerate(said)]
    resting_on = {row.id: who for row, (who, _, labels) in zip(rows, said, strict=True) if who and labels}
    excluded: Counter[str] = Counter()
    found = believe(rows, resting_on, limits, excluded)
    assert [one.id for one in found] == [one.id for one in rows]
    gold = [one for one in found if one.source is LabelSource.HUMAN]
    per_caller = Counter(resting_on[one.id] for one in gold if one.id in resting_on)
    assert all(2 * count <= len(gold) for count in per_caller.values())
    taught = Counter(resting_on[one.id] for one in found if one.id in resting_on and one.output == "wrong")
    assert all(count <= limits.allowed(len(rows)) for count in taught.values())
    # What the operator says is never touched.
    assert all(one == was for one, was in zip(found, rows, strict=True) if one.id not in resting_on)

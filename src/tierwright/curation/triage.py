"""Looks for what is wrong with a dataset, as far as it can be seen without a model.

Owns four checks: near-duplicates across splits, near-duplicates that contradict each other, members of closed sets with
too few examples, and the ceiling that an incumbent sets which does not agree with itself. Refuses to mend anything, and
to know models (label noise and drift are `training`'s) and other people's data (`curation.triage_pii`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.triage import Case, Finding, Severity
from tierwright.curation.near_duplicates import members_of, near_duplicate_groups, normalise
from tierwright.stats.bounds import labels_needed
from tierwright.stats.intervals import bootstrap_mean, clopper_pearson, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example

#: Cases listed at most.
MOST_CASES = 50
#: Similarity from which two inputs must not stand in different splits; as in `dataset build`.
_SAME_GROUP = 0.8
#: Similarity from which two inputs ask the same thing; as in `dataset build`.
_SAME_TEXT = 0.92
#: Training examples below which a member of a closed set is hardly learned: the least that few-shot recipes are
#: specified for (SetFit, Tunstall et al. 2022: 8 to 64 a class).
MIN_TRAINED = 8
#: Error of one member that its test examples should be able to rule out.
_RULED_OUT = 0.1
#: Repeated inputs from which the agreement of an incumbent with itself is a figure.
_MIN_REPEATED = 20
#: Below this the incumbent's own inconsistency is worth a warning.
_CONSISTENT = 0.98


def groups_of(examples: Sequence[Example], *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The near-duplicate groups of examples at the two similarities of `dataset build`, shape (n,) each.

    Both are computed afresh: the `group` of an imported example may say nothing about its text.
    """
    texts = [example.input for example in examples]
    return (
        near_duplicate_groups(texts, threshold=_SAME_GROUP, seed=seed),
        near_duplicate_groups(texts, threshold=_SAME_TEXT, seed=seed),
    )


def leakage(examples: Sequence[Example], groups: NDArray[np.int64], *, most: int = MOST_CASES) -> Finding:
    """Test examples with a near-duplicate among those that a model is fitted or calibrated on.

    `groups` are those of similarity 0.8, the rule by which `dataset build` splits. The case's first id is the test
    example, the second the earliest of its near-duplicates; `most` cases are listed.
    """
    tested = sum(example.split is Split.TEST for example in examples)
    cases: list[Case] = []
    for members in members_of(groups).values():
        seen = [examples[at] for at in members if examples[at].split is not Split.TEST]
        if seen:
            held = [examples[at] for at in members if examples[at].split is Split.TEST]
            cases += [Case(examples=(example.id, seen[0].id)) for example in held]
    if not tested:
        return Finding(check="leakage", severity=Severity.SKIPPED, what="there are no test examples to leak into")
    share = clopper_pearson(len(cases), tested)
    if not cases:
        return Finding(
            check="leakage",
            severity=Severity.NOTE,
            what=f"no test example is nearly the same as one to train or calibrate on ({tested:,} looked at)",
            n=tested,
            estimate=share,
        )
    return Finding(
        check="leakage",
        severity=Severity.CRITICAL,
        what=f"{len(cases):,} of {tested:,} test examples are nearly the same as one to train or calibrate on",
        advice=(
            "quality measured on them is too good: take them out of one of the splits, or leave out --split and let "
            "`dataset import` make splits in which near-duplicates stay together"
        ),
        count=len(cases),
        n=tested,
        estimate=share,
        cases=tuple(cases[:most]),
    )


def conflicts(examples: Sequence[Example], groups: NDArray[np.int64], contract: OutputContract) -> Finding:
    """Inputs that are the same or nearly so (similarity 0.92) and have different outputs.

    A case names two examples: one whose output is not the most frequent of its group, and one whose output is. Where
    fields differ the first of them is named.
    """
    cases: list[Case] = []
    exact = 0
    repeated = 0
    for members in members_of(groups).values():
        repeated += len(members) if len(members) > 1 else 0
        outputs = Counter(examples[at].output for at in members)
        if len(outputs) < 2:
            continue
        usual = outputs.most_common(1)[0][0]
        model = next(examples[at] for at in members if examples[at].output == usual)
        for at in members:
            if examples[at].output != usual:
                exact += normalise(examples[at].input) == normalise(model.input)
                cases.append(_conflict(examples[at], model, contract))
    if not cases:
        return Finding(
            check="conflicts",
            severity=Severity.NOTE,
            what=f"no two inputs that are nearly the same have different answers ({repeated:,} are nearly repeated)",
            n=len(examples),
        )
    labelled = {example.id for example in examples if example.source is LabelSource.HUMAN}
    people = sum(case.examples[0] in labelled for case in cases)
    return Finding(
        check="conflicts",
        severity=Severity.WARNING,
        what=(
            f"{len(cases):,} of {len(examples):,} examples contradict a near-duplicate ({exact:,} of them the very "
            f"same text; {people:,} are people's labels)"
        ),
        advice=(
            "look at the pairs: correct what is wrong with `feedback import`; where both answers are right, the input "
            "does not say which, and a specialist can't either"
        ),
        count=len(cases),
        n=len(examples),
        cases=tuple(cases[:MOST_CASES]),
    )


def _conflict(one: Example, usual: Example, contract: OutputContract) -> Case:
    """The case of a conflict; values only of closed sets, since other outputs hold text of the input."""
    said, other = contract.parse(one.output), contract.parse(usual.output)
    for place, head in enumerate(contract.heads):
        if said is not None and other is not None and said[place] != other[place]:
            return Case(examples=(one.id, usual.id), field=head, given=said[place], proposed=other[place])
    return Case(examples=(one.id, usual.id))


def small_classes(examples: Sequence[Example], contract: OutputContract) -> Finding:
    """Members of closed sets with fewer than 8 examples to train on, and those that the test can't judge.

    `count` of a case is what there is in training and calibration, `needed` what is missing to 8. A member needs 29
    test examples without an error before an error rate of 10 % is ruled out at 95 %; how many members have fewer is
    said, not listed.
    """
    if contract.kind not in {ContractKind.LABEL, ContractKind.FIELDS}:
        return _no_closed_sets("small-classes", contract)
    trained: dict[tuple[int, object], int] = defaultdict(int)
    tested: dict[tuple[int, object], int] = defaultdict(int)
    for example in examples:
        counted = tested if example.split is Split.TEST else trained
        for place, value in enumerate(contract.parse(example.output) or ()):
            counted[place, value] += 1
    members = [
        (place, value)
        for place, values in enumerate(
            [contract.labels] if contract.kind is ContractKind.LABEL else [spec.values for spec in contract.fields]
        )
        for value in values
    ]
    small = sorted((m for m in members if trained[m] < MIN_TRAINED), key=lambda m: trained[m])
    enough = labels_needed(_RULED_OUT)
    unjudged = sum(tested[member] < enough for member in members)
    said = (
        f"; {unjudged:,} have fewer than the {enough} test examples that could rule out an error rate of "
        f"{_RULED_OUT:.0%} for them alone"
        if unjudged
        else ""
    )
    if not small:
        return Finding(
            check="small-classes",
            severity=Severity.NOTE,
            what=f"each of {len(members):,} members has {MIN_TRAINED} examples or more to learn from{said}",
            n=len(members),
        )
    missing = sum(MIN_TRAINED - trained[member] for member in small)
    return Finding(
        check="small-classes",
        severity=Severity.WARNING,
        what=f"{len(small):,} of {len(members):,} members have fewer than {MIN_TRAINED} examples to learn from{said}",
        advice=(
            f"collect {missing:,} more examples of them, or fold the members into others in the prompt; until then "
            "their inputs are best left to the frontier model"
        ),
        count=len(small),
        n=len(members),
        cases=tuple(
            Case(
                field=contract.heads[place],
                given=value,
                count=trained[place, value],
                needed=MIN_TRAINED - trained[place, value],
            )
            for place, value in small[:MOST_CASES]
        ),
    )


def ceiling(
    answers: Sequence[tuple[str, str]], *, seed: int, whose: str = "the incumbent", level: float = 0.95
) -> Finding:
    """How often anything can agree with an answerer that does not always agree with itself.

    `answers` are (input, canonical answer), every time it was asked. Let A be the probability that two answers to one
    input are the same. A model that gives one answer to an input agrees with the answerer in M of all cases, where for
    every input the sum of squared probabilities A <= M <= the square root of A (the largest of some probabilities is at
    least the sum of their squares, and at most its root). So nothing agrees more often than sqrt(A): that is the
    estimate, with the interval of A by the bootstrap of inputs, or Clopper-Pearson's where no input varies.

    Inputs count as the same where nothing but case and white space differs; where fewer than 20 are repeated, where
    their similarity is 0.92 or more, and then a difference may be due to the inputs: the ceiling may be too low.
    """
    texts = [normalise(text) for text, _ in answers]
    spread = _agreements(_by_text(texts), answers)
    near = len(spread) < _MIN_REPEATED
    if near:
        distinct = list(dict.fromkeys(texts))
        found = near_duplicate_groups(distinct, threshold=_SAME_TEXT, seed=seed).tolist()
        group = dict(zip(distinct, found, strict=True))
        spread = _agreements(_by_text([str(group[text]) for text in texts]), answers)
    if len(spread) < _MIN_REPEATED:
        return Finding(
            check="ceiling",
            severity=Severity.SKIPPED,
            what=(
                f"{whose} answered only {len(spread)} inputs more than once; from {_MIN_REPEATED} on it can be said "
                "how often it agrees with itself"
            ),
            n=len(spread),
        )
    agreement = _mean(np.array(spread), seed, level)
    how = "nearly the same" if near else "the same"
    highest = Estimate(
        value=math.sqrt(agreement.value),
        ci_low=math.sqrt(agreement.ci_low),
        ci_high=math.sqrt(agreement.ci_high),
        level=level,
        n=agreement.n,
        method=f"root of self-agreement, {agreement.method}",
    )
    varying = sum(value < 1 for value in spread)
    weak = agreement.value < _CONSISTENT
    return Finding(
        check="ceiling",
        severity=Severity.WARNING if weak else Severity.NOTE,
        what=(
            f"asked {how} thing twice, {whose} gives the same answer in {agreement.value:.1%} "
            f"[{agreement.ci_low:.1%}, {agreement.ci_high:.1%}] of cases: no specialist can agree with it in more than "
            f"{highest.value:.1%} (at most {highest.ci_high:.1%})"
        ),
        advice=(
            "agreement alone can't pass a gate above that: have people label some hundred examples, and judge by them"
            if weak
            else ""
        ),
        count=varying,
        n=len(spread),
        estimate=highest,
    )


def _by_text(keys: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places


def _agreements(places: dict[str, list[int]], answers: Sequence[tuple[str, str]]) -> list[float]:
    """For each input asked more than once the share of pairs of answers that are the same; unbiased for A."""
    found = []
    for members in places.values():
        times = len(members)
        if times > 1:
            counts = Counter(answers[at][1] for at in members)
            found.append(sum(count * (count - 1) for count in counts.values()) / (times * (times - 1)))
    return found


def _mean(values: NDArray[np.float64], seed: int, level: float) -> Estimate:
    if ((values == 0) | (values == 1)).all():
        exact = clopper_pearson if (values == values[0]).all() else wilson
        return exact(int(values.sum()), len(values), level=level)
    try:
        return bootstrap_mean(values, np.random.default_rng(seed), level=level)
    except NotEnoughData:  # all alike, and neither 0 nor 1
        return clopper_pearson(math.floor(values.sum()), len(values), level=level)


def _no_closed_sets(check: str, contract: OutputContract) -> Finding:
    return Finding(
        check=check,
        severity=Severity.SKIPPED,
        what=f"answers of kind {contract.kind.value} have no closed sets to look at",
    )

"""Asks whether early and late traffic are of one kind.

Owns two tests: of the inputs, whether a classifier can tell early from late ones it has not seen, and of the answers,
whether they are spread differently over the members of closed sets. Refuses to say which came first, cause or change,
and to watch live traffic (lifecycle).

Both are tests with a level that holds: one example of each near-duplicate group is taken, so that the units are
exchangeable if nothing changes over time; the classifier is judged on units that played no part in its training, where
the ranks of early and late ones are then exchangeable too.

References:
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR.
    Mann and Whitney (1947), On a test of whether one of two random variables is stochastically larger than the other,
        Annals of Mathematical Statistics 18:50-60.
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
        characteristic curves, Biometrics 44:837-845: the interval.
    Phipson and Smyth (2010), Permutation p-values should never be zero, SAGMB 9:39.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import mannwhitneyu, rankdata
from sklearn.svm import LinearSVC

from tierwright.core.contract import ContractKind
from tierwright.core.estimate import Estimate, as_percent
from tierwright.core.triage import Finding, Severity
from tierwright.specialists.ngram import NgramFeaturiser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.core.dataset import Example

#: Units compared at most; a random sample of more.
MOST_UNITS = 10_000
#: Units below which nothing is said, and distinct instants below which there is no order of time.
_FEWEST, _INSTANTS = 100, 20
#: Level of each of the two tests: together one false alarm in a hundred datasets at most.
LEVEL = 0.005
#: Area under the curve from which a change that is there is worth acting on; 0.5 is guessing. Two normal distributions
#: a third of a standard deviation apart have 0.6.
_LARGE = 0.6
#: Share of answers that would have to change their member for both halves to be alike, from which the same holds.
_LARGE_SHIFT = 0.1
_PERMUTATIONS = 1999


def drift(examples: Sequence[Example], contract: OutputContract, *, seed: int) -> list[Finding]:
    """Findings on inputs and answers, older half against newer half; all splits are looked at."""
    units = _units(examples, seed)
    instants = len({unit.created_at for unit in units})
    if len(units) < _FEWEST or instants < _INSTANTS:
        return [
            Finding(
                check="drift",
                severity=Severity.SKIPPED,
                what=(
                    f"{len(units):,} different examples at {instants:,} instants; early and late ones are compared "
                    f"from {_FEWEST} examples at {_INSTANTS} instants on"
                ),
                n=len(units),
            )
        ]
    late = np.arange(len(units)) >= len(units) // 2
    found = [_inputs([unit.input for unit in units], late, seed)]
    if contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
        found.append(_answers([unit.output for unit in units], late, seed))
    return found


def tell_apart(texts: Sequence[str], late: NDArray[np.bool_], *, seed: int) -> tuple[Estimate, float]:
    """How well a linear classifier on n-grams tells late texts from early ones: area under the curve, and its p-value.

    Half of the texts, drawn at random, train it and the rest judge it; the p-value is one-sided, of the rank test.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    fitting, judging = order[: len(order) // 2], order[len(order) // 2 :]
    featuriser = NgramFeaturiser.fit([texts[at] for at in fitting.tolist()])
    model = LinearSVC(C=0.5, random_state=seed, class_weight="balanced")
    model.fit(featuriser.transform([texts[at] for at in fitting.tolist()]), late[fitting])
    score = model.decision_function(featuriser.transform([texts[at] for at in judging.tolist()]))
    high, low = score[late[judging]], score[~late[judging]]
    return _area(high, low), float(mannwhitneyu(high, low, alternative="greater").pvalue)


def _units(examples: Sequence[Example], seed: int) -> list[Example]:
    """One example of each group, its earliest, in order of time."""
    first: dict[str, Example] = {}
    for example in sorted(examples, key=lambda example: (example.created_at, example.id)):
        first.setdefault(example.group, example)
    units = list(first.values())
    if len(units) > MOST_UNITS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(units))[:MOST_UNITS])
        units = [units[at] for at in kept.tolist()]
    return units


def _inputs(texts: Sequence[str], late: NDArray[np.bool_], seed: int) -> Finding:
    area, p_value = tell_apart(texts, late, seed=seed)
    seen = p_value < LEVEL
    large = seen and area.ci_low > _LARGE
    said = (
        f"a classifier ranks a late input above an early one in {as_percent(area)} of pairs, where guessing has 50 % "
        f"(p = {p_value:.2g})"
    )
    what = (
        f"early and late inputs differ: {said}" if seen else f"no difference of early and late inputs is seen: {said}"
    )
    return Finding(
        check="drift-inputs",
        severity=Severity.WARNING if large else Severity.NOTE,
        what=what,
        advice=(
            "train on the newer examples as well, judge by the newest, and expect to train again: look whether a "
            "prompt, a product or the clientele has changed"
            if large
            else ""
        ),
        count=int(seen),
        n=len(texts),
        estimate=area,
        p_value=p_value,
    )


def _answers(outputs: Sequence[str], late: NDArray[np.bool_], seed: int) -> Finding:
    """The chi-squared statistic of answers by half, with its distribution over permutations of the halves."""
    _, codes = np.unique(np.asarray(outputs), return_inverse=True)
    members = int(codes.max()) + 1
    total = np.bincount(codes, minlength=members)

    def statistic(second: NDArray[np.bool_]) -> float:
        expected = total * second.mean()
        return float(((np.bincount(codes[second], minlength=members) - expected) ** 2 / total).sum())

    generator = np.random.default_rng(seed)
    here = statistic(late)
    above = sum(statistic(generator.permutation(late)) >= here for _ in range(_PERMUTATIONS))
    p_value = (1 + above) / (1 + _PERMUTATIONS)
    shares = [np.bincount(codes[half], minlength=members) / half.sum() for half in (late, ~late)]
    moved = float(np.abs(shares[0] - shares[1]).sum() / 2)
    seen = p_value < LEVEL
    large = seen and moved > _LARGE_SHIFT
    said = f"{moved:.1%} of answers would have to be others for the halves to be alike (p = {p_value:.2g})"
    return Finding(
        check="drift-answers",
        severity=Severity.WARNING if large else Severity.NOTE,
        what=(
            f"early and late answers are spread differently: {said}"
            if seen
            else f"no difference in the spread of early and late answers is seen: {said}"
        ),
        advice="the mix of requests changes: thresholds and shares measured here will move" if large else "",
        count=int(seen),
        n=len(outputs),
        p_value=p_value,
    )


def _area(high: NDArray[np.float64], low: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """The area under the curve with DeLong's interval, by placements (mid-ranks for ties)."""
    m, n = len(high), len(low)
    ranks = rankdata(np.concatenate([high, low]))
    of_high = (ranks[:m] - rankdata(high)) / n
    of_low = 1 - (ranks[m:] - rankdata(low)) / m
    area = float(of_high.mean())
    spread = float(np.sqrt(of_high.var(ddof=1) / m + of_low.var(ddof=1) / n))
    half = float(ndtri(0.5 + level / 2)) * spread
    return Estimate(
        value=area,
        ci_low=max(0.0, area - half),
        ci_high=min(1.0, area + half),
        level=level,
        n=m + n,
        method="DeLong",
    )

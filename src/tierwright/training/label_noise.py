"""Judges the labels of a dataset: how many are probably wrong, and which.

Owns the estimate of the rate and the probability of each label; refuses to see test examples (labels corrected where a
model disagrees would favour that model in the experiment) and to change anything.

Every label is looked at through linear votes over n-grams that have not seen it. Two readings of how a wrong label
comes about bracket the truth. *Arbitrary* slips go to any other member alike; their rate is what is left where the
votes are as sure as can be, so it counts only labels that make no sense for their text. *Plausible* slips go to members
that the votes find likely, as a model's or a tired person's do; their rate also takes in what the votes can't tell
themselves. Each reading is a mixture with two unknowns, the rate and the scale that turns votes into probabilities,
fitted by maximum likelihood; the interval of a rate is that of its profile likelihood, near-duplicates being copies.

References:
    Bootkrajang and Kaban (2012), Label-noise robust logistic regression and its applications, ECML PKDD: the mixture.
    Northcutt, Jiang and Chuang (2021), Confident learning, JAIR 70:1373-1411: judging labels by out-of-fold
        probabilities.
    Venzon and Moolgavkar (1988), A method for computing profile-likelihood-based confidence intervals, Applied
        Statistics 37:87-94.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri

from tierwright.core.contract import ContractKind
from tierwright.core.dataset import LabelSource, Split
from tierwright.core.errors import InputError
from tierwright.core.estimate import Estimate, as_percent
from tierwright.core.triage import Case, Finding, Severity
from tierwright.specialists.linear import log_softmax
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.stats.clusters import design_effect
from tierwright.stats.inputs import group_codes
from tierwright.stats.intervals import wilson_by_group
from tierwright.training.votes import Features, VoteConfig, out_of_fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue, OutputContract
    from tierwright.core.dataset import Example

#: Examples looked at, at most; a random sample of the groups of more.
MOST_EXAMPLES = 20_000
#: Examples below which nothing is said.
FEWEST_EXAMPLES = 60
#: Cases listed at most.
_MOST_CASES = 50
#: A rate above this is worth a person's time.
_WORTH_LOOKING = 0.03
#: Rates and logarithms of scales that are looked at.
_LEAST, _MOST = 1e-4, 0.6
_SCALES = (-2.0, 4.5)
#: Kept away from 0 and 1.
_EDGE = 1e-9
#: The members' names are no examples here: this weight leaves the votes as they are without them.
_NO_NAMES = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLabels:
    """The labels of one head, judged."""

    #: Share of labels that are wrong; the interval spans both readings of how they came about.
    rate: Estimate
    #: Probability that each label is wrong, the mean of both readings. Shape (n,).
    wrong: NDArray[np.float64]
    #: The member that each label most probably should be if it is wrong. Shape (n,).
    proposed: NDArray[np.int64]


def label_noise(examples: Sequence[Example], contract: OutputContract, *, seed: int) -> list[Finding]:
    """Findings on the labels: one of each field, and one on the incumbent where people's labels measure it.

    The cases are labels that are more likely wrong than right, the least likely first. Raises InputError where test
    examples are among the examples.
    """
    if any(example.split is Split.TEST for example in examples):
        raise InputError("test examples are among those to judge; they belong to the experiment")
    measured = _measured(examples)
    if contract.kind not in {ContractKind.LABEL, ContractKind.FIELDS}:
        return [*measured, _skipped(f"labels are judged in closed sets; these answers are {contract.kind.value}")]
    chosen = _sample(examples, seed)
    rows = [(example, values) for example in chosen if (values := contract.parse(example.output)) is not None]
    if len(rows) < FEWEST_EXAMPLES:
        return [*measured, _skipped(f"labels are judged from {FEWEST_EXAMPLES} examples on; there are {len(rows)}")]
    used = [example for example, _ in rows]
    texts = [example.input for example in used]
    features = NgramFeaturiser.fit(texts).transform(texts)
    groups = [example.group for example in used]
    found = []
    for place, head in enumerate(contract.heads):
        column = [values[place] for _, values in rows]
        members = sorted({(type(value).__name__, value) for value in column}, key=repr)
        if len(members) < 2:
            continue
        order = {member: number for number, member in enumerate(members)}
        labels = np.array([order[type(value).__name__, value] for value in column], dtype=np.int64)
        judged = judge(out_of_fold_scores(features, labels, len(members), groups, seed), labels, groups)
        found.append(_finding(head, judged, used, [value for _, value in members], labels, len(examples)))
    return [*measured, *found]


def judge(
    scores: NDArray[np.float64], labels: NDArray[np.int64], groups: Sequence[str], *, level: float = 0.95
) -> JudgedLabels:
    """Labels judged by scores of models that have not seen them, shape (n, k), k >= 2; larger is likelier."""
    effect = design_effect(group_codes(groups, len(labels)))
    readings = [_fit(scores, labels, plausible=plausible, effect=effect, level=level) for plausible in (False, True)]
    if scores.shape[1] == 2:
        readings = readings[:1]  # with two members there is only one other: the readings are the same
    rates = [reading.rate for reading in readings]
    parts = [_slips(scores, labels, reading) for reading in readings]
    slips = np.mean([part / part.sum(axis=1, keepdims=True) for part in parts], axis=0)
    rows = np.arange(len(labels))
    wrong = 1 - slips[rows, labels]
    slips[rows, labels] = -1.0
    return JudgedLabels(
        rate=Estimate(
            value=float(np.mean([rate.value for rate in rates])),
            ci_low=min(rate.ci_low for rate in rates),
            ci_high=max(rate.ci_high for rate in rates),
            level=level,
            n=len(set(groups)),
            method="noise-robust likelihood, both readings of slips",
        ),
        wrong=wrong,
        proposed=slips.argmax(axis=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A fitted mixture."""

    #: Whether slips go where the votes find it likely.
    plausible: bool
    rate: Estimate
    #: Factor of the scores.
    scale: float


def _fit(
    scores: NDArray[np.float64], labels: NDArray[np.int64], *, plausible: bool, effect: float, level: float
) -> _Reading:
    """The likeliest rate with its profile interval."""
    fitted: dict[float, tuple[float, float]] = {}

    def profile(rate: float) -> float:
        """Twice the negative logarithm of the likelihood at the scale that suits the rate best."""
        if rate not in fitted:
            best = minimize_scalar(
                lambda log_scale: (
                    -2 * np.log(_likelihood(scores, labels, log_scale=log_scale, rate=rate, plausible=plausible)).sum()
                ),
                bounds=_SCALES,
                method="bounded",
                options={"xatol": 0.01},
            )
            fitted[rate] = (float(best.fun), float(np.exp(best.x)))
        return fitted[rate][0] / effect

    found = minimize_scalar(
        lambda log_rate: profile(float(np.exp(log_rate))),
        bounds=(np.log(_LEAST), np.log(_MOST)),
        method="bounded",
        options={"xatol": 0.02},
    )
    rate = float(np.exp(found.x))
    if profile(_LEAST) <= profile(rate):
        rate = _LEAST
    limit = profile(rate) + float(ndtri(0.5 + level / 2)) ** 2

    def excess(log_rate: float) -> float:
        return profile(float(np.exp(log_rate))) - limit

    low, high, here = np.log(_LEAST), np.log(_MOST), np.log(rate)
    return _Reading(
        plausible=plausible,
        scale=fitted[rate][1],
        rate=Estimate(
            value=0.0 if rate == _LEAST else rate,
            ci_low=0.0 if rate == _LEAST or excess(low) <= 0 else float(np.exp(brentq(excess, low, here, xtol=0.02))),
            ci_high=_MOST if excess(high) <= 0 else float(np.exp(brentq(excess, here, high, xtol=0.02))),
            level=level,
            n=len(labels),
            method="profile likelihood",
        ),
    )


def _likelihood(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    log_scale: float,
    rate: float,
    plausible: bool,
) -> NDArray[np.float64]:
    """Probability of each label as it stands."""
    probability = _probabilities(scores, float(np.exp(log_scale)))
    stated = probability[np.arange(len(labels)), labels]
    if plausible:
        odds = probability / (1 - probability)
        slipped = stated * (odds.sum(axis=1) - stated / (1 - stated))
    else:
        slipped = (1 - stated) / (scores.shape[1] - 1)
    result: NDArray[np.float64] = (1 - rate) * stated + rate * slipped
    return result


def _slips(scores: NDArray[np.float64], labels: NDArray[np.int64], reading: _Reading) -> NDArray[np.float64]:
    """Weight of each member as the right answer behind each label, shape (n, k)."""
    probability = _probabilities(scores, reading.scale)
    rate = min(max(reading.rate.value, _LEAST), _MOST)
    rows = np.arange(len(labels))
    stated = probability[rows, labels]
    to_stated = stated[:, None] / (1 - probability) if reading.plausible else 1 / (scores.shape[1] - 1)
    slips = probability * rate * to_stated
    slips[rows, labels] = stated * (1 - rate)
    return slips


def _probabilities(scores: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    return np.clip(np.exp(log_softmax(scale * scores)), _EDGE, 1 - _EDGE)


def out_of_fold_scores(
    features: sp.csr_matrix, labels: NDArray[np.int64], members: int, groups: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Linear votes on each example by models that have not seen its group, shape (n, members); seeded."""
    config = VoteConfig(name_weight=_NO_NAMES)
    given = Features(ngrams=features, embeddings=None)
    unnamed = Features(ngrams=sp.csr_matrix((members, features.shape[1]), dtype=np.float32), embeddings=None)
    codes = group_codes(groups, len(labels))
    folds = (np.random.default_rng(seed).permutation(int(codes.max()) + 1) % config.folds)[codes]
    return out_of_fold(given, labels, np.ones(len(labels)), unnamed, folds, config=config, seed=seed).ngrams


def _sample(examples: Sequence[Example], seed: int) -> list[Example]:
    """All of them, or whole groups drawn at random until there are enough."""
    if len(examples) <= MOST_EXAMPLES:
        return list(examples)
    names = list(dict.fromkeys(example.group for example in examples))
    drawn = np.random.default_rng(seed).permutation(len(names))
    rank = {names[at]: place for place, at in enumerate(drawn.tolist())}
    return sorted(examples, key=lambda example: rank[example.group])[:MOST_EXAMPLES]


def _measured(examples: Sequence[Example]) -> list[Finding]:
    """How often the incumbent is wrong by people's labels: a measurement, where the rest is an estimate."""
    both = [
        example for example in examples if example.source is LabelSource.HUMAN and example.incumbent_output is not None
    ]
    if not both:
        return []
    wrong = np.array([float(example.incumbent_output != example.output) for example in both])
    rate = wilson_by_group(wrong, [example.group for example in both])
    rest = sum(example.source is LabelSource.INCUMBENT for example in examples)
    return [
        Finding(
            check="incumbent-errors",
            severity=Severity.NOTE,
            what=(
                f"by people's labels the incumbent is wrong in {as_percent(rate)} of {rate.n:,} examples; {rest:,} "
                "others are labelled by it alone"
            ),
            advice="labels of its that are probably slips are left out of training by themselves" if rest else "",
            count=int(wrong.sum()),
            n=len(both),
            estimate=rate,
        )
    ]


def _finding(
    head: str,
    judged: JudgedLabels,
    examples: Sequence[Example],
    members: Sequence[FieldValue],
    labels: NDArray[np.int64],
    available: int,
) -> Finding:
    doubtful = np.flatnonzero(judged.wrong > 0.5)
    doubtful = doubtful[np.argsort(-judged.wrong[doubtful], kind="stable")]
    people = sum(examples[at].source is LabelSource.HUMAN for at in doubtful.tolist())
    rate = judged.rate
    sampled = f", a sample of {available:,}" if available > len(examples) else ""
    field = "" if head == "label" else f" of {head!r}"
    serious = rate.value > _WORTH_LOOKING
    return Finding(
        check="label-noise",
        severity=Severity.WARNING if serious else Severity.NOTE,
        what=(
            f"an estimated {rate.ci_low:.1%} to {rate.ci_high:.1%} of the labels{field} are wrong ({len(examples):,} "
            f"examples{sampled}); {len(doubtful):,} are more likely wrong than right, {people:,} of them people's"
        ),
        advice=(
            "look at the examples listed, the least likely first, and correct them with `feedback import`; the "
            "incumbent's are left out of training by themselves where it is judged"
            if len(doubtful)
            else ""
        ),
        count=len(doubtful),
        n=len(examples),
        estimate=rate,
        cases=tuple(
            Case(
                examples=(examples[at].id,),
                field=head,
                given=members[int(labels[at])],
                proposed=members[int(judged.proposed[at])],
                probability=float(judged.wrong[at]),
            )
            for at in doubtful[:_MOST_CASES].tolist()
        ),
    )


def _skipped(why: str) -> Finding:
    return Finding(check="label-noise", severity=Severity.SKIPPED, what=why)

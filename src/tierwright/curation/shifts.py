"""How the late half of a task's traffic differs from the early half: other answers, another mix, other inputs.

Owns the halves and the three figures; the classifier comes from outside. Refuses to say why something changed, and to
watch live traffic (`lifecycle` does).

References:
    Good (1953), The population frequencies of species and the estimation of population parameters, Biometrika
        40:237-264: the share of new classes that chance alone brings.
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR: the area under the curve.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.estimate import Estimate
from tierwright.core.profile import Drift
from tierwright.stats.cluster_robust import clustered_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.contract import FieldValue

#: Inputs that are not alike, below which nothing is said, and distinct instants below which there is no order of time.
FEWEST, INSTANTS = 100, 20
#: Inputs compared at most, and characters of each that are looked at.
_MOST, _LOOKED_AT = 2000, 1000
_PERMUTATIONS = 200


def drift(
    at: NDArray[np.float64],
    inputs: Sequence[str],
    parsed: Sequence[tuple[FieldValue, ...] | None],
    groups: NDArray[np.int64],
    tell_apart: Callable[[Sequence[str], NDArray[np.bool_]], Estimate],
    *,
    seed: int,
) -> Drift | None:
    """Late against early requests of a sample in order of time; None: too few.

    Of inputs that are alike the first one stands for all. `parsed` are all None for answers that are no closed set.
    """
    rng = np.random.default_rng(seed)
    first = np.sort(np.unique(groups, return_index=True)[1])
    if len(first) < FEWEST or len(np.unique(at[first])) < INSTANTS:
        return None
    if len(first) > _MOST:
        first = np.sort(rng.choice(first, size=_MOST, replace=False))
    late = np.arange(len(first)) >= len(first) // 2
    known = np.array([parsed[place] is not None for place in first.tolist()])
    if known.sum() < FEWEST:
        nothing = Estimate(
            value=0.0, ci_low=0.0, ci_high=1.0, n=0, method="not measured: the answers are no closed set"
        )
        new = shift = nothing
    else:
        answers = [values for place in first[known].tolist() if (values := parsed[place]) is not None]
        new = _new_answers(answers, late[known])
        shift = _answer_shift(answers, late[known], rng)
    return Drift(
        new_answers=new,
        answer_shift=shift,
        input_auc=tell_apart([inputs[place][:_LOOKED_AT] for place in first.tolist()], late),
    )


def _new_answers(answers: Sequence[tuple[FieldValue, ...]], late: NDArray[np.bool_]) -> Estimate:
    """Share of late answers of which some field has a value that no early answer has."""
    before = [values for values, is_late in zip(answers, late.tolist(), strict=True) if not is_late]
    after = [values for values, is_late in zip(answers, late.tolist(), strict=True) if is_late]
    counts = [Counter(map(repr, column)) for column in zip(*before, strict=True)]
    hits = [any(repr(value) not in counts[place] for place, value in enumerate(values)) for values in after]
    chance = sum(sum(times == 1 for times in count.values()) for count in counts) / len(before)
    found = clustered_share([float(hit) for hit in hits], range(len(hits)))
    return replace(
        found, method=f"share of late answers in classes that no early one has, chance {chance:.2%}; {found.method}"
    )


def _answer_shift(
    answers: Sequence[tuple[FieldValue, ...]], late: NDArray[np.bool_], rng: np.random.Generator
) -> Estimate:
    codes = np.unique([repr(values) for values in answers], return_inverse=True)[1].astype(np.int64)
    members = int(codes.max()) + 1

    def distance(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
        shares = [np.bincount(half, minlength=members) / len(half) for half in (one, other)]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)

    early_codes, late_codes = codes[~late], codes[late]
    by_chance = np.mean([distance(codes[~mixed], codes[mixed]) for mixed in _mixes(late, rng)])
    again = [
        distance(rng.choice(early_codes, len(early_codes)), rng.choice(late_codes, len(late_codes)))
        for _ in range(_PERMUTATIONS)
    ]
    value = distance(early_codes, late_codes) - float(by_chance)
    half = 1.96 * float(np.std(again, ddof=1))
    return Estimate(
        value=max(0.0, value),
        ci_low=max(0.0, value - half),
        ci_high=min(1.0, max(0.0, value + half)),
        n=len(codes),
        method=f"total variation distance less that of {_PERMUTATIONS} halves at random ({by_chance:.3f}), bootstrap",
    )


def _mixes(late: NDArray[np.bool_], rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    return [rng.permutation(late) for _ in range(_PERMUTATIONS)]

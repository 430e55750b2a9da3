"""Whether the incumbent agrees with itself: the same question twice, is it the same answer.

Owns the pairs and how they count. Refuses to say which of two answers is right: what the incumbent does not agree with
itself on, nothing trained on its answers can agree with it on either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.curation.near_duplicates import normalise
from tierwright.curation.traffic_table import text_key
from tierwright.stats.cluster_robust import clustered_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.curation.task_traffic import TaskTraffic

#: Pairs below which nothing is said.
FEWEST_PAIRS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Requests with the same input, each with the one before it; shape (n,) each."""

    #: Digest of the input.
    input_key: NDArray[np.uint64]
    #: Whether the answers are the same.
    agree: NDArray[np.bool_]
    #: Seconds between them.
    apart_s: NDArray[np.float64]


def same_input_pairs(traffic: TaskTraffic) -> Pairs:
    """Every request whose input was asked before and whose answer is known, with the latest such request before it."""
    known = (traffic.input_key != 0) & (traffic.answer_key != 0)
    keys, answers, at = traffic.input_key[known], traffic.answer_key[known], traffic.at[known]
    order = np.argsort(keys, kind="stable")  # of the same input, in order of time: as the columns are
    keys, answers, at = keys[order], answers[order], at[order]
    again = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    return Pairs(input_key=keys[again], agree=answers[again] == answers[again - 1], apart_s=at[again] - at[again - 1])


def determinism(
    pairs: Pairs, inputs: Sequence[str], answers: Sequence[str], groups: NDArray[np.int64] | None
) -> Estimate | None:
    """Share of pairs of the same, or nearly the same, input with the same canonical answer; None: hardly any pair.

    `inputs` and canonical `answers` are those of the sample, `groups` its near-duplicates; None: only equal inputs
    count, since another word in the input rightly changes an answer that repeats the input's words. Pairs of one group
    are one cluster.
    """
    nearly: list[tuple[int, bool]] = []
    cluster_of: dict[int, int] = {}
    if groups is not None:
        last: dict[int, tuple[str, str]] = {}
        for text, answer, group in zip(inputs, answers, groups.tolist(), strict=True):
            cluster_of[text_key(text)] = group
            plain = normalise(text)
            before = last.get(group)
            if before is not None and before[0] != plain:
                nearly.append((group, before[1] == answer))
            last[group] = (plain, answer)
    clusters = [str(cluster_of.get(key, f"k{key}")) for key in pairs.input_key.tolist()]
    clusters += [str(group) for group, _ in nearly]
    alike = np.array([same for _, same in nearly], dtype=np.bool_)
    agree = np.concatenate([pairs.agree, alike])
    if len(agree) < FEWEST_PAIRS:
        return None
    found = clustered_share(agree, clusters)
    said = f"{int(pairs.agree.sum()):,} of {len(pairs.agree):,} pairs of equal inputs"
    if groups is not None:
        said += f" and {int(alike.sum()):,} of {len(alike):,} of nearly equal ones"
    return replace(found, method=f"share with the same answer: {said}; {found.method}")

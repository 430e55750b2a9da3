"""Whether the traffic of a task is still what its specialist was made for.

Owns the checks, what counts as an alarm, and how several checks share one level. Refuses to know where traffic comes
from, and what is to be done (see `lifecycle.proposal`).

    inputs       can a classifier on word and character n-grams tell late inputs from early ones?
    meaning      do embeddings of late inputs have another distribution? (only with a sentence encoder)
    confidence   is the specialist's confidence distributed otherwise?
    escalation   does it hand on another share of what it is asked?
    answers      are the answers spread otherwise over the members of closed sets?

An alarm takes two things: the p-value, after Holm's correction for the number of checks, is at most `LEVEL`, and the
size is beyond what matters. With enough traffic any change is significant; few matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import NotEnoughData
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.stats.multiplicity import holm
from tierwright.stats.two_sample import classifier_test, discrepancy_test, distance_test, mix_test, share_test

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.lifecycle.windows import Observed, Windows
    from tierwright.stats.permutation import Design
    from tierwright.stats.two_sample import Comparison

#: Probability of any alarm at one look, if nothing has changed.
LEVEL = 0.01
#: Area under the curve, and share of requests, beyond which a change matters.
LARGE_AREA, LARGE_SHARE = 0.55, 0.05
#: Requests of each side whose texts are compared, and whose numbers are; a random sample of more.
MOST_TEXTS, MOST_NUMBERS = 1000, 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCheck:
    """The outcome of one check."""

    #: inputs, meaning, confidence, escalation or answers.
    name: str
    #: Whether something changed, and by enough to matter.
    alarm: bool
    #: In a sentence.
    what: str
    #: Requests compared.
    early: int
    late: int
    #: Area under the curve (0.5: alike) for inputs and meaning, else a share of requests (0: alike); None: not looked.
    size: Estimate | None = None
    #: What the size must exceed for an alarm, in either direction for escalation; None: not looked.
    limit: float | None = None
    #: Probability of such a difference, if blocks of time were exchangeable; None: not looked.
    p_value: float | None = None
    #: The same after Holm's correction for all checks made; this is held against the level.
    adjusted_p: float | None = None
    #: The method of the test; None: not looked.
    method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How one check is made."""

    name: str
    limit: float
    #: Places of the requests that have what is compared.
    rows: list[int]
    test: Callable[[list[Observed], Design, np.random.Generator], Comparison]
    most: int = MOST_NUMBERS


def check_drift(
    windows: Windows, *, seed: int, embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None
) -> tuple[DriftCheck, ...]:
    """All checks of early against late traffic; one that can't be made says why. `embed`: None without an encoder."""
    every = list(range(len(windows.observed)))
    asked = [row for row in every if windows.observed[row].confidence is not None]
    decided = [row for row in every if windows.observed[row].local is not None]
    answered = [row for row in every if windows.observed[row].answer is not None]
    plans = [
        _Plan(name="inputs", limit=LARGE_AREA, rows=every, most=MOST_TEXTS, test=_inputs),
        _Plan(name="confidence", limit=LARGE_SHARE, rows=asked, test=_confidence),
        _Plan(name="escalation", limit=LARGE_SHARE, rows=decided, test=_escalation),
        _Plan(name="answers", limit=LARGE_SHARE, rows=answered, test=_answers),
    ]
    if embed is not None:
        plans.append(
            _Plan(name="meaning", limit=LARGE_AREA, rows=every, most=MOST_TEXTS, test=_meaning(embed)),
        )
    found = [_checked(plan, windows, np.random.default_rng([seed, place])) for place, plan in enumerate(plans)]
    return tuple(_judged(found))


def gram_of_texts(texts: Sequence[str]) -> NDArray[np.float64]:
    """Cosines of texts by their word and character n-grams, shape (n, n)."""
    ngrams = NgramFeaturiser.fit(texts).transform(texts)
    return np.asarray((ngrams @ ngrams.T).todense(), dtype=np.float64) / 2


def _inputs(observed: list[Observed], design: Design, generator: np.random.Generator) -> Comparison:
    return classifier_test(gram_of_texts([one.input for one in observed]), design, generator)


def _meaning(
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> Callable[[list[Observed], Design, np.random.Generator], Comparison]:
    def test(observed: list[Observed], design: Design, generator: np.random.Generator) -> Comparison:
        vectors = embed([one.input for one in observed]).astype(np.float64)
        return discrepancy_test(vectors @ vectors.T, design, generator)

    return test


def _confidence(observed: list[Observed], design: Design, generator: np.random.Generator) -> Comparison:
    return distance_test([one.confidence or 0.0 for one in observed], design, generator)


def _escalation(observed: list[Observed], design: Design, generator: np.random.Generator) -> Comparison:
    return share_test([float(not one.local) for one in observed], design, generator)


def _answers(observed: list[Observed], design: Design, generator: np.random.Generator) -> Comparison:
    return mix_test([one.answer or "" for one in observed], design, generator)


def _checked(plan: _Plan, windows: Windows, generator: np.random.Generator) -> DriftCheck:
    """One check before the correction."""
    rows = _sampled(plan.rows, windows.early, plan.most, generator)
    early = sum(row < windows.early for row in rows)
    empty = DriftCheck(name=plan.name, alarm=False, what="", early=early, late=len(rows) - early)
    try:
        found = plan.test([windows.observed[row] for row in rows], windows.design(rows), generator)
    except NotEnoughData as error:
        return replace(empty, what=f"not looked at: {error}")
    return replace(empty, size=found.size, limit=plan.limit, p_value=found.p_value, method=found.method)


def _sampled(rows: list[int], early: int, most: int, generator: np.random.Generator) -> list[int]:
    kept: list[int] = []
    for side in ([row for row in rows if row < early], [row for row in rows if row >= early]):
        chosen = generator.permutation(len(side))[:most] if len(side) > most else np.arange(len(side))
        kept += [side[place] for place in np.sort(chosen).tolist()]
    return kept


def _judged(found: Sequence[DriftCheck]) -> list[DriftCheck]:
    made = {check.name: check.p_value for check in found if check.p_value is not None}
    adjusted = dict(zip(made, holm(list(made.values())).tolist(), strict=True)) if made else {}
    return [_judge(check, adjusted[check.name]) if check.name in adjusted else check for check in found]


def _judge(check: DriftCheck, adjusted: float) -> DriftCheck:
    size, limit = check.size, check.limit
    assert size is not None
    assert limit is not None
    seen = adjusted <= LEVEL
    alarm = seen and (abs(size.value) if check.name == "escalation" else size.value) > limit
    return replace(check, alarm=alarm, adjusted_p=adjusted, what=_sentence(check.name, size, adjusted, seen, alarm))


def _sentence(name: str, size: Estimate, adjusted: float, seen: bool, alarm: bool) -> str:  # noqa: FBT001 - two facts
    interval = f"[{100 * size.ci_low:.1f}, {100 * size.ci_high:.1f}]"
    value = f"{100 * size.value:.1f}"
    facts = {
        "inputs": f"late inputs are told from early ones in {value} % {interval} of pairs, guessing has 50 %",
        "meaning": f"late embeddings are told from early ones in {value} % {interval} of pairs, guessing has 50 %",
        "confidence": f"{value} % {interval} of requests crossed the confidence at which early and late differ most",
        "escalation": f"the share handed on changed by {size.value * 100:+.1f} points {interval}",
        "answers": f"answers that became more frequent did so by {value} points {interval} together",
    }
    outcome = "changed" if alarm else "changed, but by too little to matter" if seen else "no change is seen"
    return f"{outcome}: {facts[name]} (p = {adjusted:.3g} after Holm's correction)"

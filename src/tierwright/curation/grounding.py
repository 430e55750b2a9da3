"""Whether answers rest on knowledge that is not in the request, or that changes over time.

Owns the two signs: equal inputs that are answered otherwise on another day, and names and numbers in answers that stand
nowhere in the request. Refuses to say whether such a name or number is right: it may be known to the model, looked up,
or made up.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind
from tierwright.core.profile import Retrieval
from tierwright.stats.cluster_robust import clustered_share
from tierwright.stats.two_samples import share_gap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierwright.core.contract import OutputContract
    from tierwright.core.estimate import Estimate
    from tierwright.curation.determinism import Pairs
    from tierwright.curation.task_traffic import SampledRequest

_DAY_S = 86_400
#: Pairs of each kind below which nothing is said of change, and facts below which nothing of their ground.
_PAIRS, _FACTS = 20, 30
#: Answers that are read at most.
_READ = 1000
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
#: A capitalised word that opens no sentence: something stands before it, and no full stop, colon, quote or bullet.
_WORD = re.compile(r"(?<=[\w,;][ \u00a0])[^\W\d_](?:[\w'\u2019&-]*[^\W_])?")
#: Languages that capitalise every noun.
_CAPITAL_NOUNS = frozenset({"de", "lb"})


def retrieval(
    contract: OutputContract,
    sample: Sequence[SampledRequest],
    pairs: Pairs,
    clusters: Sequence[int],
    language_of: Callable[[str], str],
) -> Retrieval:
    """The two signs; names and numbers only where answers are free text."""
    free = contract.kind in {ContractKind.TEXT, ContractKind.OPEN}
    return Retrieval(
        changing_share=_changing(pairs),
        ungrounded_share=_ungrounded(sample, clusters, language_of) if free else None,
    )


def _changing(pairs: Pairs) -> Estimate | None:
    """Share of different answers to equal inputs a day or more apart, less that within a day; None: too few pairs."""
    far = pairs.apart_s >= _DAY_S
    if min(int(far.sum()), int((~far).sum())) < _PAIRS:
        return None
    differ = ~pairs.agree
    later, soon = (
        clustered_share(differ[which].astype(float), pairs.input_key[which].tolist()) for which in (far, ~far)
    )
    found = share_gap(later, soon)
    return replace(
        found,
        method=f"share of answers that differ, {int(far.sum()):,} pairs of equal inputs a day or more apart less "
        f"{int((~far).sum()):,} within a day; {found.method}",
    )


def _ungrounded(
    sample: Sequence[SampledRequest], clusters: Sequence[int], language_of: Callable[[str], str]
) -> Estimate | None:
    """Share of the answers' names and numbers that stand nowhere in the request; None: they hold too few."""
    hits: list[float] = []
    whose: list[int] = []
    step = max(1, -(-len(sample) // _READ))
    for one, cluster in list(zip(sample, clusters, strict=True))[::step]:
        found = facts(one.answer, names=language_of(one.answer) not in _CAPITAL_NOUNS)
        if not found:
            continue
        given = "\n".join(message.text for message in one.request.messages).casefold()
        hits += [float(fact.casefold() not in given) for fact in found]
        whose += [cluster] * len(found)
    if len(hits) < _FACTS:
        return None
    share = clustered_share(hits, whose)
    return replace(
        share, method=f"share of {len(hits):,} names and numbers in answers that the request lacks; {share.method}"
    )


def facts(answer: str, *, names: bool) -> list[str]:
    """The different numbers of an answer, and the words in it that are names by their capital letter."""
    found = [match.group() for match in _NUMBER.finditer(answer)]
    if names:
        found += [
            match.group() for match in _WORD.finditer(answer) if match.group()[0].isupper() and match.group() != "I"
        ]
    return list(dict.fromkeys(found))

"""What the traffic shows of one task: every figure the audit scores it by.

Owns the order in which the figures are taken, and those that are plain counts; each of the others has its own module
(`determinism`, `probe`, `complexity`, `prompt_facts`, `shifts`, `grounding`). docs/audit-scores.md defines them all.
Refuses to say what to do about the task. Counts are of all requests of a task, readings of texts of its sample: with
more traffic only the sorting of columns takes longer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.contract import ContractKind
from tierwright.core.errors import NotEnoughData
from tierwright.core.estimate import Estimate
from tierwright.core.profile import TaskProfile
from tierwright.curation.complexity import complexity, uses_tools
from tierwright.curation.determinism import determinism, same_input_pairs
from tierwright.curation.figures import latency_ms, mean_cost_usd, monthly_cost_usd, volume
from tierwright.curation.grounding import retrieval
from tierwright.curation.links import has_answers
from tierwright.curation.near_duplicates import near_duplicate_groups
from tierwright.curation.probe import probe
from tierwright.curation.prompt_facts import prompt_facts
from tierwright.curation.shifts import drift
from tierwright.curation.triage_pii import types_in
from tierwright.stats.cluster_robust import clustered_share
from tierwright.stats.entropy import entropy_bits
from tierwright.stats.means import student_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.curation.audit import TaskFinding
    from tierwright.curation.probe import Learner
    from tierwright.curation.task_traffic import AuditPeriod, TaskTraffic

#: Likeness from which two inputs are nearly the same: the one that keeps them in one part of a dataset.
_NEARLY_SAME = 0.8
#: Inputs whose language is looked at, at most, and characters of each.
_LANGUAGES_OF, _LOOKED_AT = 1000, 1000
#: Characters of an input in which personal data is looked for.
_SEARCHED = 10_000
_CLOSED = frozenset({ContractKind.LABEL, ContractKind.FIELDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMeans:
    """What the figures need of other packages."""

    #: The ISO 639-1 code of a text's language, or "other".
    language_of: Callable[[str], str]
    #: A quick model of some texts.
    learner: Callable[[Sequence[str]], Learner]
    #: How well a classifier tells late texts from early ones: area under the curve.
    tell_apart: Callable[[Sequence[str], NDArray[np.bool_]], Estimate]


def profile(finding: TaskFinding, period: AuditPeriod, *, total: int, means: ProfileMeans, seed: int) -> TaskProfile:
    """All figures of a task; `total` is the number of all requests of the audit.

    Raises NotEnoughData where no request of the task has its texts.
    """
    task, traffic = finding.task, finding.traffic
    sample = traffic.sample
    if not sample:
        raise NotEnoughData(
            f"no request of the task {task.name!r} is kept with its content, so nothing can be said of it: audit "
            "before the retention deletes it, or keep it longer"
        )
    inputs = [one.input for one in sample]
    canonical = {answer: task.contract.canonical(answer) for answer in {one.answer for one in sample}}
    values = {answer: task.contract.parse(answer) for answer in canonical}
    parsed = [values[one.answer] for one in sample]
    groups = near_duplicate_groups(inputs, threshold=_NEARLY_SAME, seed=seed)
    clusters = groups.tolist()
    closed = task.contract.kind in _CLOSED
    pairs = same_input_pairs(traffic)
    month = volume(traffic, period)
    entropy = _entropy(traffic)
    agreement = determinism(pairs, inputs, [canonical[one.answer] for one in sample], groups if closed else None)
    languages = _languages(inputs, means.language_of)
    return TaskProfile(
        requests=traffic.requests,
        share=traffic.requests / total,
        volume=month,
        monthly_cost_usd=monthly_cost_usd(traffic, month),
        mean_cost_usd=mean_cost_usd(traffic),
        unpriced_calls=traffic.unpriced_calls,
        latency_ms=latency_ms(traffic),
        prompt_tokens=_mean_tokens(traffic.prompt_tokens),
        completion_tokens=_mean_tokens(traffic.completion_tokens),
        clients=traffic.clients,
        models=traffic.models,
        distinct_outputs=finding.distinct_outputs,
        entropy_bits=entropy,
        determinism=agreement,
        learnability=probe(inputs, parsed, groups, task.contract, means.learner, seed=seed),
        complexity=complexity(task, sample, entropy_bits=entropy, determinism=agreement, languages=languages),
        sensitive_share=clustered_share([float(bool(types_in(text[:_SEARCHED]))) for text in inputs], clusters),
        tool_share=sum(map(uses_tools, sample)) / len(sample),
        multi_turn_share=sum(has_answers(one.request) for one in sample) / len(sample),
        languages=languages,
        drift=drift(np.array([one.at for one in sample]), inputs, parsed, groups, means.tell_apart, seed=seed),
        duplicate_share=duplicate_share(traffic),
        prompt=prompt_facts(task, sample, parsed, clusters),
        retrieval=retrieval(task.contract, sample, pairs, clusters, means.language_of),
    )


def duplicate_share(traffic: TaskTraffic) -> Estimate:
    """Share of requests whose input came before: what a cache that forgets nothing would have answered.

    Requests with one input are one cluster; a request whose content is gone is no hit.
    """
    keys = traffic.input_key
    first = np.zeros(len(keys), dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    clusters = np.where(keys == 0, np.arange(len(keys), dtype=np.uint64), keys)
    found = clustered_share((~first & (keys != 0)).astype(float), clusters.tolist())
    return replace(found, method=f"share of requests that repeat an earlier input; {found.method}")


def _entropy(traffic: TaskTraffic) -> Estimate:
    known = traffic.answer_key[traffic.answer_key != 0]
    if not len(known):
        return Estimate(value=0.0, ci_low=0.0, ci_high=64.0, n=0, method="not measured: no answer is kept")
    return entropy_bits(np.unique(known, return_counts=True)[1])


def _languages(texts: Sequence[str], language_of: Callable[[str], str]) -> Mapping[str, float]:
    read = texts[:: max(1, -(-len(texts) // _LANGUAGES_OF))]
    counts = Counter(language_of(text[:_LOOKED_AT]) for text in read)
    return {code: count / len(read) for code, count in counts.most_common()}


def _mean_tokens(column: NDArray[np.int64]) -> Estimate | None:
    said = column[column >= 0]
    return student_mean(said, low=0.0) if len(said) > 1 else None

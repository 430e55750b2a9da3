"""Groups among requests that no frame fits: jobs that people put in their own words each time.

Owns the grouping and what it takes for a group to be proposed. Refuses to found tasks: without a frame nothing could be
recognised or cut into an input, so a group is shown to people and its requests stay in the long tail.

Requests are alike by their embeddings and by the form of their answers; groups are made by average linkage, and those
are kept that come out again when half of the requests are left out (`stats.stable_clusters`). What is asked about one
topic is no job yet: the answers must be one as well. Either they keep one contract, which is the stronger evidence, or
they are free texts of one length. Where in doubt, requests are left alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import TruncatedSVD

from tierwright.core.contract import ContractKind, OutputContract, fold_label, parse_json_list, parse_json_object
from tierwright.curation.contracts import infer_contract, spellings
from tierwright.specialists.ngram import NgramFeaturiser
from tierwright.stats.stable_clusters import stable_clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tierwright.core.estimate import Estimate
    from tierwright.core.ids import InferenceId
    from tierwright.curation.observation import Observation

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

#: Different requests of the smallest group.
SMALLEST = 20
#: Different requests that are grouped, at most; further ones are put to the groups of a random sample.
_MOST = 1500
#: Characters of a request that are looked at.
_READ = 600
#: Dimensions of the embedding by n-grams.
_DIMENSIONS = 64
#: Characters of an answer that can be a label.
_LABEL = 60
#: Likeness of two answers of one form; of two free texts of one length.
_SAME_FORM, _SAME_LENGTH = 1.0, 0.75
#: Mean of the cosine of two requests and the likeness of their answers from which they may be one group, with a
#: sentence encoder and with n-grams.
_ALIKE_EMBEDDED, _ALIKE = 0.58, 0.56
#: Stability that a group of free answers must have in nine of ten resamples.
_STABLE_FREE = 0.6
#: Standard deviation of the logarithm of the lengths of free answers, at most, and share of them that are different.
_SPREAD, _DIFFERENT = 0.7, 0.8
#: Share of a group's answers that must be other than the most frequent one.
_OTHERS = 0.1
#: Share of short answers that must have come twice for them to be labels, while not all labels have been seen.
_RECURRING = 0.8
#: Requests put to the groups at a time.
_AT_ONCE = 2000
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests without a frame that look like one job."""

    #: All requests of it, the most typical first.
    members: tuple[Observation, ...]
    contract: OutputContract
    #: How surely it comes out again when half of the requests are left out.
    stability: Estimate

    @property
    def examples(self) -> tuple[InferenceId, ...]:
        """The most typical requests."""
        return tuple(member.id for member in self.members[:_EXAMPLES])


def find_groups(observations: Sequence[Observation], *, seed: int, embed: Embed | None = None) -> list[Group]:
    """The groups among requests of no task, the largest first; mostly none.

    `embed` gives unit vectors of texts; None: n-grams are compared.
    """
    by_text: dict[str, list[Observation]] = {}
    for one in observations:
        by_text.setdefault(one.user[:_READ], []).append(one)
    by_text.pop("", None)
    if len(by_text) < 2 * SMALLEST:
        return []
    generator = np.random.default_rng(seed)
    texts = list(by_text)
    answers = [same[0].answer for same in by_text.values()]
    vectors = _by_ngrams(texts, seed) if embed is None else embed(texts).astype(np.float64)
    forms, lengths = _forms(answers)
    order = generator.permutation(len(texts))
    sample, rest = np.sort(order[:_MOST]), np.sort(order[_MOST:])

    def likeness(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        same = forms[rows][:, None] == forms[columns][None, :]
        apart = np.abs(lengths[rows][:, None] - lengths[columns][None, :])
        free = (forms[rows] == 0)[:, None]
        form = np.where(same, np.where(free, _SAME_LENGTH * np.exp(-apart), _SAME_FORM), 0.0)
        return np.asarray((vectors[rows] @ vectors[columns].T + form) / 2)

    alike = likeness(sample, sample)
    np.fill_diagonal(alike, 1.0)
    cut = 1 - (_ALIKE if embed is None else _ALIKE_EMBEDDED)
    found: list[tuple[NDArray[np.int64], OutputContract, Estimate]] = []
    for cluster in stable_clusters(alike, generator, cut=cut, smallest=SMALLEST):
        places = sample[cluster.members]
        contract = _one_job([texts[at] for at in places], [answers[at] for at in places], cluster.stability)
        if contract is not None:
            found.append((places, contract, cluster.stability))
    more = _nearest(likeness, [places for places, _, _ in found], rest)
    groups = [
        Group(
            members=tuple(one for at in (*places, *others) for one in by_text[texts[at]]),
            contract=contract,
            stability=stability,
        )
        for (places, contract, stability), others in zip(found, more, strict=True)
    ]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0].id))


def _one_job(texts: Sequence[str], answers: Sequence[str], stability: Estimate) -> OutputContract | None:
    """The contract of requests that look like one job; None: they are about one topic, and no more can be said."""
    contract = infer_contract(texts, answers)
    said = Counter(map(contract.canonical, answers))
    top = max(said.values()) / len(answers)
    if top > 1 - _OTHERS:
        return None
    if contract.kind is not ContractKind.OPEN:
        return contract
    known = sum(count for count in said.values() if count > 1) / len(answers)
    if known >= _RECURRING and len(said) <= len(answers) / 2 and all(map(_may_be_label, answers)):
        return OutputContract(kind=ContractKind.LABEL, labels=spellings([label for label, _ in said.most_common()]))
    spread = float(np.std(np.log1p([len(answer) for answer in answers])))
    free = stability.ci_low >= _STABLE_FREE and spread <= _SPREAD and len(said) >= _DIFFERENT * len(answers)
    return contract if free else None


def _nearest(
    likeness: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    groups: Sequence[NDArray[np.int64]],
    rest: NDArray[np.int64],
) -> list[list[int]]:
    """For each group, which of the rest are as alike it as nine of ten of its members are."""
    more: list[list[int]] = [[] for _ in groups]
    if not groups or not len(rest):
        return more
    least = np.array([_least(likeness(places, places)) for places in groups])
    for begin in range(0, len(rest), _AT_ONCE):
        some = rest[begin : begin + _AT_ONCE]
        beyond = np.stack([likeness(some, places).mean(axis=1) for places in groups], axis=1) - least
        best = beyond.argmax(axis=1)
        for place, number, by in zip(some.tolist(), best.tolist(), beyond.max(axis=1).tolist(), strict=True):
            if by >= 0:
                more[number].append(place)
    return more


def _least(within: NDArray[np.float64]) -> float:
    """The mean likeness to the other members that nine of ten have."""
    return float(np.quantile((within.sum(axis=1) - np.diag(within)) / (len(within) - 1), 0.1))


def _by_ngrams(texts: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Unit vectors of texts by their n-grams, less what all of them share."""
    ngrams = NgramFeaturiser.fit(texts).transform(texts)
    vectors = TruncatedSVD(min(_DIMENSIONS, len(texts) // 4), random_state=seed).fit_transform(ngrams)
    vectors = vectors - vectors.mean(axis=0)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _forms(answers: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The form of each answer, 0 for a free text, and the logarithm of its length."""
    labels = Counter(fold_label(answer) for answer in answers if _may_be_label(answer))
    numbers: dict[str, int] = {}

    def form(answer: str) -> int:
        document = parse_json_object(answer)
        if document is not None:
            return numbers.setdefault(json.dumps(sorted(document)), len(numbers) + 1)
        if parse_json_list(answer) is not None:
            return numbers.setdefault("[", len(numbers) + 1)
        if _may_be_label(answer) and labels[fold_label(answer)] > 1:
            return numbers.setdefault("label", len(numbers) + 1)
        return 0

    lengths = np.log1p([len(answer) for answer in answers])
    return np.array([form(answer) for answer in answers], dtype=np.int64), lengths


def _may_be_label(answer: str) -> bool:
    return 0 < len(answer.strip()) <= _LABEL and "\n" not in answer.strip()

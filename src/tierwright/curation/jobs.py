"""Decides which frames are the same job: a reworded prompt joins its task instead of founding a new one.

Owns the test for sameness. It looks at what is asked and what is answered, never at who asked or when: two frames are
one job if their inputs come from the same place and the answers are the same function of them. For closed sets that is
tested directly: a model that has learned the answers of one must predict those of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import ComplementNB

from tierwright.core.contract import ContractKind
from tierwright.curation.contracts import infer_contract
from tierwright.curation.templates import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from tierwright.core.contract import OutputContract
    from tierwright.core.task import Frame
    from tierwright.curation.frames import FrameGroup

#: Requests of a frame that are looked at, at most.
_SAMPLE = 2000
#: Similarity of inputs, as a share of what two halves of one frame reach.
_SAME_INPUTS = 0.75
#: The same for free answers, where it is the only evidence besides the wording.
_SAME_ANSWERS = 0.75
#: Cosine of two prompts' words from which they may be wordings of one job.
_SAME_WORDING = 0.3
#: Share of the answers of one that must be known to the other, of what its size lets expect.
_SAME_SET = 0.8
#: Agreement beyond chance with the other's answers, as a share of the agreement with one's own.
_SAME_FUNCTION = 0.6
#: Agreement beyond chance below which answers can't be learned, so that learning proves nothing.
_LEARNABLE = 0.15


def join_jobs(groups: Sequence[FrameGroup], *, seed: int) -> list[list[FrameGroup]]:
    """The groups, put together where they are the same job; each list is one job, its oldest frame first."""
    profiles = [profile(group, seed=seed) for group in groups]
    parent = list(range(len(groups)))
    for one in range(len(groups)):
        for other in range(one):
            if parent[one] != parent[other] and same_job(profiles[one], profiles[other]):
                old, new = parent[one], parent[other]
                parent = [new if root == old else root for root in parent]
    jobs: dict[int, list[FrameGroup]] = {}
    for root, group in zip(parent, groups, strict=True):
        jobs.setdefault(root, []).append(group)
    return [sorted(job, key=lambda group: (group.members[0].at, group.frame.id)) for job in jobs.values()]


def profile(group: FrameGroup, *, seed: int) -> Profile:
    """What the test needs to know of a frame."""
    return Profile(group.inputs, [member.answer for member in group.members], prompt_of(group.frame), seed=seed)


def prompt_of(frame: Frame) -> str:
    """The fixed text of a frame's requests."""
    return "\n".join((*frame.system.literals, *frame.user.literals))


def same_job(one: Profile, other: Profile) -> bool:
    """Whether two frames ask for the same thing."""
    if one.contract.kind is not other.contract.kind or _names(one.contract) != _names(other.contract):
        return False
    if _similarity(one.inputs, other.inputs) < _SAME_INPUTS:
        return False
    if one.contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}:
        return _same_set(one.answers, other.answers) and _same_function(one, other)
    wording = _cosine(one.wording, other.wording)
    if one.contract.kind is ContractKind.SPANS:
        return wording >= _SAME_WORDING
    return wording >= _SAME_WORDING and _similarity(one.texts, other.texts) >= _SAME_ANSWERS


class Profile:
    """What the test needs to know of requests that belong together, computed once."""

    def __init__(self, inputs: Sequence[str], answers: Sequence[str], prompt: str, *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(len(inputs), size=min(len(inputs), _SAMPLE), replace=False)).tolist()
        given, said = [inputs[i] for i in chosen], [answers[i] for i in chosen]
        self.contract: OutputContract = infer_contract(given, said, prompt)
        self.inputs = _VECTORS.transform(given)
        self.texts = _VECTORS.transform(said)
        self.answers = np.array([self.contract.canonical(answer).casefold() for answer in said], dtype=object)
        self.wording = _VECTORS.transform([" ".join(words(prompt))])
        self.half = rng.permutation(len(chosen)) < len(chosen) // 2


_VECTORS = HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2), alternate_sign=False, norm="l2", dtype=np.float32)


def _names(contract: OutputContract) -> tuple[str, ...]:
    return tuple(sorted(spec.name for spec in contract.fields))


def _centre(rows: sp.csr_matrix) -> NDArray[np.float64]:
    centre = np.asarray(rows.mean(axis=0), dtype=np.float64).ravel()
    return np.sqrt(centre)  # frequent words would otherwise make any two texts of a language alike


def _cosine(one: sp.csr_matrix, other: sp.csr_matrix) -> float:
    return _dot(np.asarray(one.todense(), dtype=np.float64).ravel(), np.asarray(other.todense(), np.float64).ravel())


def _dot(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0


def _similarity(one: sp.csr_matrix, other: sp.csr_matrix) -> float:
    """Likeness of two sets of texts, 1 where they are as alike as two halves of one, at equal sizes."""
    size = min(one.shape[0], other.shape[0]) // 2
    if size < 2:
        return 0.0
    within = min(_dot(_centre(rows[:size]), _centre(rows[size : 2 * size])) for rows in (_mixed(one), _mixed(other)))
    between = _dot(_centre(_mixed(one)[:size]), _centre(_mixed(other)[:size]))
    return between / within if within else 0.0


def _mixed(rows: sp.csr_matrix) -> sp.csr_matrix:
    """The rows in an order without a trend, the same every time."""
    return rows[np.random.default_rng(0).permutation(rows.shape[0])]


def _same_set(one: NDArray[np.object_], other: NDArray[np.object_]) -> bool:
    small, large = sorted((one, other), key=len)
    known = np.isin(small, np.unique(large)).mean()
    labels, counts = np.unique(large, return_counts=True)
    share = counts / counts.sum()
    expected = float((share * (1 - (1 - share) ** len(small))).sum())
    covered = float(share[np.isin(labels, np.unique(small))].sum())
    return bool(known >= _SAME_SET and covered >= _SAME_SET * expected)


def _same_function(one: Profile, other: Profile) -> bool:
    """Whether a model of one's answers predicts the other's nearly as well as its own."""
    large, small = sorted((one, other), key=lambda profile: -len(profile.answers))
    own = _agreement(
        large.inputs[large.half], large.answers[large.half], large.inputs[~large.half], large.answers[~large.half]
    )
    if own < _LEARNABLE:
        return _cosine(one.wording, other.wording) >= _SAME_WORDING
    return _agreement(large.inputs, large.answers, small.inputs, small.answers) >= _SAME_FUNCTION * own


def _agreement(
    seen: sp.csr_matrix, answers: NDArray[np.object_], unseen: sp.csr_matrix, wanted: NDArray[np.object_]
) -> float:
    """Cohen's kappa between the wanted answers and those of a model that learned the seen ones."""
    if len(np.unique(answers)) < 2:
        return 0.0
    said = ComplementNB().fit(seen, answers.astype(str)).predict(unseen)
    agreed = float((said == wanted.astype(str)).mean())
    labels = np.unique(np.concatenate([said, wanted.astype(str)]))
    chance = float(sum((said == label).mean() * (wanted.astype(str) == label).mean() for label in labels))
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0

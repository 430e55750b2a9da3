"""Decides which frames are the same job: a reworded prompt joins its task instead of founding a new one.

Owns the test for sameness. It looks at what is asked and what is answered, never at who asked or when: two frames are
one job if their inputs come from the same place and the answers are the same function of them. For closed sets that is
tested directly: a model that has learned the answers of one must predict those of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2_contingency
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from tierwright.core.contract import ContractKind, fold_label
from tierwright.curation.contracts import infer_contract
from tierwright.curation.templates import UNSPACED, words

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
#: Similarity of inputs and answers that needs no likeness of the wording, and the requests it takes to tell.
_EQUAL, _ENOUGH = 0.9, 25
#: Cosine of two prompts' words from which they may be wordings of one job.
_SAME_WORDING = 0.3
#: Cosine from which they are one prompt with another value of a variable.
_EQUAL_WORDING = 0.9
#: Share of the tools offered, of all that two frames offer, that both must offer where both offer any.
_SAME_TOOLS = 0.5
#: Difference of the shares of answers that call tools below which one job may be answered in both ways.
_SAME_CALLING = 0.5
#: Share of the answers of one that must be known to the other, of what its size lets expect.
_SAME_SET = 0.8
#: Agreement beyond chance with the other's answers, as a share of the agreement with one's own.
_SAME_FUNCTION = 0.6
#: Agreement beyond chance below which answers can't be learned, so that learning proves nothing.
_LEARNABLE = 0.15
#: Labels of a set up to which the slower and better learner is used.
_FEW_LABELS = 20
#: Members from which a set of answers is hardly shared by chance.
_TELLING_SET = 6
#: Probability of unequal shares by chance below which they are unequal.
_CHANCE = 0.001
#: Answers that fit any question.
_ANY_QUESTION = frozenset(
    """yes no y n true false 1 0 ja nein oui non si sí no sim não positive negative neutral high low medium normal none
    unknown other ok pass fail 是 否 نعم لا""".split()  # noqa: SIM905 - words on lines of their own are harder to read
)


def join_jobs(groups: Sequence[FrameGroup], *, seed: int) -> list[list[FrameGroup]]:
    """The groups, put together where they are the same job; each list is one job, its oldest frame first."""
    profiles = [profile(group, seed=seed) for group in groups]
    calling = [sum(bool(member.calls) for member in group.members) / len(group.members) for group in groups]
    parent = list(range(len(groups)))
    for one in range(len(groups)):
        for other in range(one):
            if (
                parent[one] != parent[other]
                and comparable(groups[one].frame, groups[other].frame)
                and abs(calling[one] - calling[other]) < _SAME_CALLING
                and same_job(profiles[one], profiles[other])
            ):
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
    """The fixed text of a frame's requests, with the names of the tools that are offered."""
    opening = () if frame.opening is None else frame.opening.literals
    return "\n".join((*frame.system.literals, *opening, *frame.user.literals, *frame.tools))


def comparable(one: Frame, other: Frame) -> bool:
    """Whether two frames may be wordings of one job: no step is another one, and an application knows its tools."""
    if one.after != other.after:
        return False
    mine, others = set(one.tools), set(other.tools)
    return not mine or not others or len(mine & others) >= _SAME_TOOLS * len(mine | others)


def same_job(one: Profile, other: Profile) -> bool:
    """Whether two frames ask for the same thing."""
    if one.contract.kind is not other.contract.kind or _names(one.contract) != _names(other.contract):
        return False
    inputs = _similarity(one.inputs, other.inputs)
    wording = _cosine(one.wording, other.wording)
    closed = one.contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}
    if inputs < _SAME_INPUTS:
        # Other texts under one prompt: what learned from the ones can't be asked about the others.
        return wording >= _EQUAL_WORDING and (not closed or _same_set(one.answers, other.answers))
    if closed:
        return _same_set(one.answers, other.answers) and _same_function(one, other, wording)
    return wording >= _EQUAL_WORDING or _same_texts(one, other, inputs, wording)


def _same_texts(one: Profile, other: Profile, inputs: float, wording: float) -> bool:
    """Whether open answers are of the same kind, given how alike inputs and wording are."""
    answers = _similarity(one.texts, other.texts)
    if one.contract.kind is ContractKind.SPANS:
        return wording >= _SAME_WORDING or answers >= _SAME_ANSWERS
    if wording >= _SAME_WORDING:
        return answers >= _SAME_ANSWERS
    return min(inputs, answers) >= _EQUAL and min(len(one.answers), len(other.answers)) >= _ENOUGH


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
        half = rng.permutation(len(chosen)) < len(chosen) // 2
        self._halves = half, ~half
        self._own: float | None = None

    @property
    def learnable(self) -> float:
        """Agreement beyond chance of one half's answers with a model of the other half's."""
        if self._own is None:
            seen, held = self._halves
            self._own = _agreement(self.inputs[seen], self.answers[seen], self.inputs[held], self.answers[held])
        return self._own


_VECTORS = HashingVectorizer(
    n_features=1 << 16,
    ngram_range=(1, 2),
    token_pattern=rf"[{UNSPACED}]|[^\W{UNSPACED}]{{2,}}",
    alternate_sign=False,
    norm="l2",
    dtype=np.float32,
)


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


def _same_function(one: Profile, other: Profile, wording: float) -> bool:
    """Whether a model of one's answers predicts the other's nearly as well as its own.

    Where there is nothing to learn, equal answers for like inputs are evidence if they fit not just any question.
    """
    large, small = sorted((one, other), key=lambda profile: -len(profile.answers))
    if large.learnable >= _LEARNABLE:
        agreed = _agreement(large.inputs, large.answers, small.inputs, small.answers)
        return agreed >= _SAME_FUNCTION * large.learnable
    if wording >= _EQUAL_WORDING:
        return True
    names = {fold_label(answer) for answer in (*large.answers, *small.answers)}
    telling = len(names) >= _TELLING_SET or any(len(name) > 1 and name not in _ANY_QUESTION for name in names)
    return _same_shares(one.answers, other.answers) and (telling or wording >= _SAME_WORDING)


def _same_shares(one: NDArray[np.object_], other: NDArray[np.object_]) -> bool:
    """Whether the answers are as frequent in one as in the other (chi-square, 1 in 1,000 by chance)."""
    labels = np.unique(np.concatenate([one, other]))
    table = np.array([[(answers == label).sum() for label in labels] for answers in (one, other)])
    return len(labels) < 2 or bool(chi2_contingency(table).pvalue >= _CHANCE)


def _agreement(
    seen: sp.csr_matrix, answers: NDArray[np.object_], unseen: sp.csr_matrix, wanted: NDArray[np.object_]
) -> float:
    """Cohen's kappa between the wanted answers and those of a model that learned the seen ones."""
    if len(np.unique(answers)) < 2:
        return 0.0
    if len(np.unique(answers)) > _FEW_LABELS:
        said = ComplementNB().fit(seen, answers.astype(str)).predict(unseen)
    else:
        weights = TfidfTransformer(sublinear_tf=True).fit(seen)
        learner = LinearSVC(C=0.3, class_weight="balanced").fit(weights.transform(seen), answers.astype(str))
        said = learner.predict(weights.transform(unseen))
    agreed = float((said == wanted.astype(str)).mean())
    labels = np.unique(np.concatenate([said, wanted.astype(str)]))
    chance = float(sum((said == label).mean() * (wanted.astype(str) == label).mean() for label in labels))
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0

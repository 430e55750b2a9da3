"""Captured requests of a task as drift sees them, and what has come since a dataset was made.

Owns what is read out of an inference and what is counted. Refuses to know where inferences are kept and what is
compared. Requests whose content was not kept are left out: there is nothing to compare.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.chat import decode_answer, decode_request
from tierwright.core.contract import ContractKind
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.inference import RouteReason
from tierwright.lifecycle.proposal import NewData
from tierwright.lifecycle.windows import Observed
from tierwright.stats.intervals import bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from tierwright.core.contract import OutputContract
    from tierwright.core.estimate import Estimate
    from tierwright.core.feedback import Feedback
    from tierwright.core.ids import DeploymentId, InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.task import Task

#: Requests that are kept of any traffic; a random sample of more.
MOST = 20_000
#: Characters up to which an answer outside of the contract may be a label, and such labels that are kept.
_LABEL_LENGTH, _LABELS = 80, 20
#: People's labels on local answers from which confidence is held against them.
_FEWEST_LABELS = 50
#: Requests whose answer tells something of the specialist's confidence.
_ASKED = {RouteReason.SPECIALIST: True, RouteReason.LOW_CONFIDENCE: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How inferences of a task are read."""

    task: Task
    contract: OutputContract
    #: Decisions by which the specialist serves whose confidence is compared.
    deployments: Collection[DeploymentId] = ()

    @property
    def closed(self) -> bool:
        """Whether answers are members of closed sets."""
        return self.contract.kind in {ContractKind.LABEL, ContractKind.FIELDS}

    def observed(self, inference: Inference) -> Observed | None:
        """The request; None where it was not kept or is in no known frame."""
        given = self._input(inference)
        if given is None:
            return None
        ours = inference.route.deployment_id in self.deployments
        answer = self.answer(inference)
        return Observed(
            id=inference.id,
            at=inference.created_at,
            input=given,
            answer=self.contract.canonical(answer) if answer is not None and self._fits(answer) else None,
            confidence=inference.route.confidence if ours else None,
            local=_ASKED.get(inference.route.reason) if ours else None,
        )

    def sample(self, inferences: Iterable[Inference], *, seed: int) -> list[Observed]:
        """At most `MOST` of the requests, each as likely as any other (Vitter 1985, algorithm R)."""
        generator = np.random.default_rng(seed)
        kept: list[Observed] = []
        seen = 0
        for inference in inferences:
            found = self.observed(inference)
            if found is None:
                continue
            seen += 1
            if len(kept) < MOST:
                kept.append(found)
            elif (place := int(generator.integers(seen))) < MOST:
                kept[place] = found
        return kept

    def new_data(
        self, inferences: Iterable[Inference], feedback: Mapping[InferenceId, Feedback], *, since: datetime, seed: int
    ) -> NewData:
        """What the requests since an instant are worth for training."""
        counts: Counter[str] = Counter()
        labels: Counter[str] = Counter()
        gaps: list[float] = []
        for inference in inferences:
            counts["inferences"] += 1
            answer = self.answer(inference)
            by_frontier = answer is not None and not _by_specialist(inference)
            if by_frontier and answer is not None:
                counts["frontier"] += int(self._fits(answer))
            word = feedback.get(inference.id)
            if word is not None:
                counts["human"] += 1
                gaps += self._gap(inference, answer, word)
            for said in [word.output] if word is not None else [answer] if by_frontier and answer else []:
                if self.closed and not self._fits(said) and len(said.strip()) <= _LABEL_LENGTH:
                    labels[said.strip()] += 1
        return NewData(
            since=since,
            inferences=counts["inferences"],
            frontier_answers=counts["frontier"],
            human_labels=counts["human"],
            new_labels=dict(labels.most_common(_LABELS)),
            gap=_mean_gap(gaps, seed),
        )

    def answer(self, inference: Inference) -> str | None:
        """The text of the answer; None where there is none, or it was not kept."""
        if inference.response is None or inference.status >= 400:
            return None
        try:
            return decode_answer(inference.response).text
        except InputError:
            return None

    def _input(self, inference: Inference) -> str | None:
        if inference.request is None:
            return None
        try:
            return self.task.input_of(decode_request(inference.request))
        except InputError:
            return None

    def _fits(self, answer: str) -> bool:
        return self.closed and self.contract.parse(answer) is not None

    def _gap(self, inference: Inference, answer: str | None, word: Feedback) -> list[float]:
        """Correctness less confidence of a local answer; empty where a frontier model answered."""
        confidence = inference.route.confidence
        if answer is None or confidence is None or not _by_specialist(inference):
            return []
        right = self.contract.canonical(answer) == self.contract.canonical(word.output)
        return [float(right) - confidence]


def _by_specialist(inference: Inference) -> bool:
    call = inference.answering_call
    return call is not None and call.model_version_id is not None


def _mean_gap(gaps: list[float], seed: int) -> Estimate | None:
    if len(gaps) < _FEWEST_LABELS:
        return None
    try:
        return bootstrap_mean(gaps, np.random.default_rng(seed))
    except NotEnoughData:
        return None

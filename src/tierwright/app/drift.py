"""Drift of a task's traffic: which traffic is compared with which, what came since, and what follows.

Owns reading the store; the comparisons and the proposal are `lifecycle`'s.

Early traffic is the first days after the specialist came into service, where there are enough of them: then its
confidence can be compared, too. Otherwise it is the last days that its dataset was built from, or simply the days
before the late traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from tierwright.app.curve import learning_curve
from tierwright.core.contract import ContractKind
from tierwright.core.dataset import Split
from tierwright.core.deployment import Stage
from tierwright.core.errors import InputError, NotEnoughData, NotFound, NotLearnable
from tierwright.core.inference import Wanted
from tierwright.lifecycle.drift import check_drift
from tierwright.lifecycle.intents import find_intents
from tierwright.lifecycle.proposal import propose
from tierwright.lifecycle.traffic import Reader
from tierwright.lifecycle.windows import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tierwright.app.wiring import Parts
    from tierwright.core.dataset import Dataset, Example
    from tierwright.core.deployment import Deployment
    from tierwright.core.estimate import Estimate
    from tierwright.core.task import Task
    from tierwright.lifecycle.drift import DriftCheck
    from tierwright.lifecycle.intents import Intent
    from tierwright.lifecycle.proposal import DriftProposal, NewData
    from tierwright.lifecycle.windows import Windows

#: Days of late and of early traffic, unless somebody says otherwise: whole weeks.
LATE_DAYS, BASELINE_DAYS = 7, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftQuestion:
    """What is to be compared."""

    #: Where the late traffic begins; None: a week before the newest request.
    since: datetime | None = None
    #: Days of early traffic.
    baseline_days: float = BASELINE_DAYS
    #: Whether to measure the learning curve, which takes minutes.
    with_curve: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What was found about a task's traffic."""

    windows: Windows
    #: The late traffic begins here.
    since: datetime
    #: What the early traffic is, in words.
    baseline: str
    checks: tuple[DriftCheck, ...]
    intents: tuple[Intent, ...]
    data: NewData
    proposal: DriftProposal


def find_drift(parts: Parts, task: Task, question: DriftQuestion, *, progress: Callable[[str], None]) -> Drift:
    """Compares late with early traffic of a task. Raises NotEnoughData where one of them is too little."""
    if not question.baseline_days > 0:
        raise InputError(f"the baseline has {question.baseline_days} days; give a number above 0, for example 14")
    newest = next(iter(parts.store.latest(1, wanted=Wanted(task_id=task.id))), None)
    if newest is None:
        raise NotEnoughData(f"task {task.name!r} has no captured traffic; there is nothing to compare")
    since = question.since or newest.created_at + timedelta(microseconds=1) - timedelta(days=LATE_DAYS)
    serving = _serving(parts, task)
    dataset, examples = _dataset(parts, task, serving)
    reader = Reader(
        task=task,
        contract=dataset.contract if dataset is not None else task.contract,
        deployments={row.id for row in serving},
    )
    seed = parts.settings.file.training.seed
    progress("drift: reading the traffic")
    made_from = max((example.created_at for example in examples), default=None)
    windows, baseline = _windows(parts, reader, question, since=since, serving=serving, made_from=made_from)
    embed = _embedding(parts)
    progress(f"drift: comparing {windows.early:,} early with {windows.late:,} late requests")
    checks = check_drift(windows, seed=seed, embed=embed)
    progress("drift: looking for new kinds of requests")
    intents = find_intents(windows, _known(dataset, examples), seed=seed, embed=embed)
    begin = made_from + timedelta(microseconds=1) if made_from is not None else since
    data = reader.new_data(
        parts.store.scan(since=begin, task_id=task.id), parts.store.feedback_of_task(task.id), since=begin, seed=seed
    )
    if question.with_curve and dataset is not None:
        data = replace(data, expected_gain=_gain(parts, dataset, examples, data, progress))
    return Drift(
        windows=windows,
        since=since,
        baseline=baseline,
        checks=checks,
        intents=intents,
        data=data,
        proposal=propose(checks, intents, data),
    )


def _serving(parts: Parts, task: Task) -> list[Deployment]:
    """The newest decisions by which one version serves at one threshold, newest first; empty: none serves."""
    rows = parts.store.deployments(task.id)
    if not rows or rows[0].stage is Stage.RETIRED:
        return []
    now = rows[0].model_version_id, rows[0].threshold
    return list(
        takewhile(lambda row: row.stage is not Stage.RETIRED and (row.model_version_id, row.threshold) == now, rows)
    )


def _dataset(parts: Parts, task: Task, serving: Sequence[Deployment]) -> tuple[Dataset | None, list[Example]]:
    """The dataset of the version in service, or the task's newest; None: it has none."""
    if serving:
        found = parts.store.dataset(parts.store.version(serving[0].model_version_id).dataset_id)
    else:
        newest = next(iter(parts.store.datasets(task.id)), None)
        if newest is None:
            return None, []
        found = newest
    return found, parts.store.examples(found.id)


def _windows(
    parts: Parts,
    reader: Reader,
    question: DriftQuestion,
    *,
    since: datetime,
    serving: Sequence[Deployment],
    made_from: datetime | None,
) -> tuple[Windows, str]:
    """Late traffic and the first early traffic that is enough, and what that is in words."""
    days = timedelta(days=question.baseline_days)
    candidates: list[tuple[datetime, datetime, str]] = []
    if serving:
        start = serving[-1].created_at
        candidates.append((start, min(start + days, since), "the first days of the specialist in service"))
    if made_from is not None:
        end = min(made_from + timedelta(microseconds=1), since)
        candidates.append((end - days, end, "the last days that its dataset was built from"))
    candidates.append((since - days, since, "the days before"))
    seed = parts.settings.file.training.seed
    late = reader.sample(parts.store.scan(since=since, task_id=reader.task.id), seed=seed)
    for begin, end, words in candidates[:-1]:
        if begin >= end:
            continue
        early = reader.sample(parts.store.scan(since=begin, until=end, task_id=reader.task.id), seed=seed)
        try:
            return cut(early, late, since=since), words
        except NotEnoughData:
            continue
    begin, end, words = candidates[-1]
    early = reader.sample(parts.store.scan(since=begin, until=end, task_id=reader.task.id), seed=seed)
    return cut(early, late, since=since), words


def _embedding(parts: Parts) -> Callable[[Sequence[str]], NDArray[np.float32]] | None:
    """The sentence encoder, asked once for each text; None: there is none."""
    encoder = parts.load_encoder(threads=parts.settings.file.training.threads or parts.cores)
    if encoder is None:
        return None
    known: dict[str, NDArray[np.float32]] = {}

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            known.update(zip(missing, encoder.embed(missing), strict=True))
        return np.stack([known[text] for text in texts])

    return embed


def _known(dataset: Dataset | None, examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Inputs with their label; empty where answers are no labels."""
    if dataset is None or dataset.contract.kind is not ContractKind.LABEL:
        return []
    return [(example.input, example.output) for example in examples]


def _gain(
    parts: Parts, dataset: Dataset, examples: Sequence[Example], data: NewData, progress: Callable[[str], None]
) -> Estimate | None:
    """What the learning curve foretells of the new examples; None where it says nothing."""
    try:
        curve = learning_curve(parts, dataset, examples, progress=progress)
    except (NotEnoughData, NotLearnable, NotFound):
        return None
    now = sum(example.split is not Split.TEST for example in examples)
    now = min(max(now, curve.sizes[0]), curve.limit)
    return curve.gain(now, min(now + data.frontier_answers + data.human_labels, curve.limit))

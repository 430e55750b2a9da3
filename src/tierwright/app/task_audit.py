"""The task audit whole: the tasks found, what the traffic shows of each, what to do about it, and what that saves.

Owns putting the three together and the totals; finding is `curation.audit`'s, measuring `curation.profile`'s, advising
`curation.advice`'s. Refuses to print anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.app.left_out import left_out
from tierwright.core.chat import Usage
from tierwright.core.estimate import UsdEstimate
from tierwright.curation.advice import advise, advise_long_tail
from tierwright.curation.audit import audit
from tierwright.curation.figures import monthly_cost_usd, volume
from tierwright.economics.action_savings import LocalCosts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tierwright.app.left_out import LeftOut
    from tierwright.app.wiring import Parts
    from tierwright.core.profile import Advice, TaskProfile, Volume
    from tierwright.curation.audit import Audit, TaskFinding
    from tierwright.curation.discovery import Progress

_ALL = "sum over tasks; ends are added, as if all errors pointed the same way"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedTask:
    """One task, as far as it was looked at."""

    finding: TaskFinding
    volume: Volume
    #: None: no call has a price.
    monthly_cost_usd: UsdEstimate | None
    #: None: scores were not wanted, or no request of the task was kept with its texts.
    profile: TaskProfile | None
    #: None: as above.
    advice: Advice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTail:
    """The requests of no task."""

    requests: int
    #: None: no call has a price.
    monthly_cost_usd: UsdEstimate | None
    advice: Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAudit:
    """What `task audit` reports."""

    found: Audit
    #: Most requests first.
    tasks: tuple[AuditedTask, ...]
    long_tail: LongTail
    #: What is in no figure, or in one as an estimate.
    left_out: LeftOut

    @property
    def monthly_cost_usd(self) -> UsdEstimate | None:
        """Of all traffic, the long tail included; None: nothing has a price."""
        return _sum([*(task.monthly_cost_usd for task in self.tasks), self.long_tail.monthly_cost_usd], self.found)

    @property
    def monthly_saving_usd(self) -> UsdEstimate | None:
        """Of all advice together; None: none saves anything that is known."""
        return _sum([task.advice.monthly_saving_usd for task in self.tasks if task.advice], self.found)


def task_audit(
    parts: Parts,
    *,
    seed: int,
    scores: bool,
    progress: Progress,
) -> TaskAudit:
    """Audits all captured traffic; without `scores` only finds the tasks, their volume and their cost.

    Raises NotEnoughData as `curation.audit.audit` does.
    """
    encoder = parts.load_encoder(threads=parts.settings.file.training.threads or parts.cores)
    embed = None if encoder is None else encoder.embed
    found = audit(parts.store, seed=seed, progress=progress, embed=embed)
    profiles = _profiles(found, seed=seed, progress=progress) if scores else [None] * len(found.tasks)
    tasks = tuple(
        _audited(parts, finding, measured, found, seed=seed)
        for finding, measured in zip(found.tasks, profiles, strict=True)
    )
    tail = found.long_tail
    return TaskAudit(
        found=found,
        tasks=tasks,
        long_tail=LongTail(
            requests=tail.requests,
            monthly_cost_usd=monthly_cost_usd(tail, volume(tail, found.period)),
            advice=advise_long_tail(tail.requests, tail.requests / found.requests),
        ),
        left_out=left_out(parts.store),
    )


def _profiles(found: Audit, *, seed: int, progress: Progress) -> list[TaskProfile | None]:
    from tierwright.app.audit_means import profile_means  # noqa: PLC0415 - what trains takes a second to import
    from tierwright.curation.profile import profile  # noqa: PLC0415 - as above

    means = profile_means(seed=seed)
    profiles: list[TaskProfile | None] = []
    for number, finding in enumerate(found.tasks, start=1):
        kept = bool(finding.traffic.sample)
        profiles.append(profile(finding, found.period, total=found.requests, means=means, seed=seed) if kept else None)
        progress("scoring the tasks", number, len(found.tasks))
    return profiles


def _audited(
    parts: Parts, finding: TaskFinding, measured: TaskProfile | None, found: Audit, *, seed: int
) -> AuditedTask:
    if measured is None:
        month = volume(finding.traffic, found.period)
        cost = monthly_cost_usd(finding.traffic, month)
        return AuditedTask(finding=finding, volume=month, monthly_cost_usd=cost, profile=None, advice=None)
    return AuditedTask(
        finding=finding,
        volume=measured.volume,
        monthly_cost_usd=measured.monthly_cost_usd,
        profile=measured,
        advice=advise(measured, finding.task.contract, local_costs(parts, measured, at=found.period.until), seed=seed),
    )


def local_costs(parts: Parts, measured: TaskProfile, *, at: datetime) -> LocalCosts:
    """What the alternatives to a task's incumbent cost, at the prices of an instant and the task's mean tokens."""
    small = parts.settings.file.advice.small_model
    incumbent = next((model for model in measured.models if model), None)
    usage = None
    if measured.prompt_tokens is not None and measured.completion_tokens is not None:
        usage = Usage(
            prompt_tokens=round(measured.prompt_tokens.value), completion_tokens=round(measured.completion_tokens.value)
        )
    prompt = None if usage is None else Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=0)
    return LocalCosts(
        machine=parts.machine,
        assumptions=parts.settings.advice,
        small_model=small,
        small_usd=parts.prices.cost(small, usage, at) if small and usage else None,
        prompt_usd=parts.prices.cost(incumbent, prompt, at) if incumbent and prompt else None,
    )


def _sum(parts: Iterable[UsdEstimate | None], found: Audit) -> UsdEstimate | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return UsdEstimate(
        value=sum((part.value for part in known), Decimal(0)),
        ci_low=sum((part.ci_low for part in known), Decimal(0)),
        ci_high=sum((part.ci_high for part in known), Decimal(0)),
        level=min(part.level for part in known),
        n=found.requests,
        method=_ALL,
    )

"""The tables of the settings file that say how a specialist comes onto the road: `[promotion]`, `[shadow]`, `[audit]`.

Owns their shape, their defaults and what they mean to the gateway and to promotion; refuses to promote anything.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.deployment import Stage
from tierwright.core.errors import SettingsError
from tierwright.gateway.config import SecondConfig
from tierwright.gateway.lanes import Allowance
from tierwright.lifecycle.road import RoadRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path


class PromotionSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[promotion]`."""

    #: Stages that a version must have been through before it is live: "shadow", "canary".
    require: tuple[Stage, ...] = ()
    #: Shares of the traffic that `deploy advance` goes through; 1.0 is live.
    steps: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0)
    #: Requests that a step must have seen.
    min_requests: int = 200
    #: Hours that a step must have lasted.
    min_hours: float = 24.0
    #: Agreement that must be certain of the answers it would give or gives; 0: none.
    min_agreement: float = 0.0
    #: Share of requests at which a specialist may have failed.
    max_failed_share: float = 0.01
    #: Names of those who may decide; empty: anybody with a name.
    approvers: tuple[str, ...] = ()
    #: Stages that need one of them.
    require_approver: tuple[Stage, ...] = ()


class ShadowSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[shadow]`: what specialists on trial may use, all together."""

    requests_per_day: int = 10_000
    #: Processor seconds.
    seconds_per_day: float = 3600.0
    #: Requests that may wait for a second answer, in each process, of shadows and of audits.
    queue_limit: int = 256
    queue_limit_bytes: int = 16 * 1024 * 1024


class AuditSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[audit]`: what asking the frontier model about a specialist's answers may use."""

    requests_per_day: int = 1_000
    #: US dollars, as text.
    usd_per_day: str = "1.00"


def second_config(
    shadow: ShadowSection, audit: AuditSection, *, audit_share: float, money: Callable[[str, str], Decimal], path: Path
) -> SecondConfig:
    """What the gateway is told of second answers; `money` reads an amount. Raises SettingsError."""
    return SecondConfig(
        audit_share=audit_share,
        shadow=Allowance(requests=shadow.requests_per_day, seconds=shadow.seconds_per_day),
        audit=Allowance(requests=audit.requests_per_day, usd=money(audit.usd_per_day, f"{path}: audit.usd_per_day")),
        queue_limit=shadow.queue_limit,
        queue_limit_bytes=shadow.queue_limit_bytes,
    )


def second_shared_out(config: SecondConfig, workers: int) -> SecondConfig:
    """The part of one of several workers: together they use a day's allowance, rounded up to whole requests."""
    return replace(config, shadow=_shared(config.shadow, workers), audit=_shared(config.audit, workers))


def road_rules(section: PromotionSection, path: Path) -> RoadRules:
    """What promotion goes by. Raises SettingsError, naming the key."""
    where = f"{path}: promotion"
    steps = section.steps
    rising = all(first < second for first, second in pairwise(steps))
    if not steps or steps[-1] != 1.0 or not rising or not steps[0] > 0:
        raise SettingsError(
            f"{where}.steps must rise from above 0 to 1.0, which is live, such as [0.05, 0.2, 0.5, 1.0]"
        )
    if not set(section.require) <= {Stage.SHADOW, Stage.CANARY}:
        raise SettingsError(f'{where}.require may hold "shadow" and "canary", which come before live')
    if section.min_requests < 0 or not (math.isfinite(section.min_hours) and section.min_hours >= 0):
        raise SettingsError(f"{where}.min_requests and min_hours must not be negative; 0 asks for none")
    if not (0 <= section.min_agreement <= 1 and 0 <= section.max_failed_share <= 1):
        raise SettingsError(f"{where}.min_agreement and max_failed_share must lie between 0 and 1")
    if Stage.RETIRED in section.require_approver:
        raise SettingsError(f'{where}.require_approver must not hold "retired": taking a specialist off can\'t wait')
    return RoadRules(**msgspec.structs.asdict(section))


def _shared(allowance: Allowance, workers: int) -> Allowance:
    return Allowance(
        requests=None if allowance.requests is None else -(-allowance.requests // workers),
        seconds=None if allowance.seconds is None else allowance.seconds / workers,
        usd=None if allowance.usd is None else allowance.usd / workers,
    )

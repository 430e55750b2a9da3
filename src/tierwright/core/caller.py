"""Who may use the gateway, for what and how much: one key of one caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tierwright.core.ids import CallerKeyId
    from tierwright.core.privacy import DataClass


class Period(StrEnum):
    """How long a budget lasts, in UTC."""

    DAY = "day"
    #: From Monday.
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one key may use at most. None: as much as it likes."""

    #: Requests admitted in any minute.
    requests_per_minute: int | None = None
    #: Tokens, sent and received, in any minute; reserved before a call and settled after it.
    tokens_per_minute: int | None = None
    #: Requests under way at the same time.
    concurrent_requests: int | None = None
    #: US dollars in one `budget_period`; reserved before a call and settled after it.
    budget_usd: Decimal | None = None
    budget_period: Period = Period.MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKey:
    """A key: shown once when it is made, kept as its SHA-256."""

    id: CallerKeyId
    #: The caller, as captures and ledgers name it; several keys may share one.
    client_id: str
    #: The key's first characters, by which people tell it from others.
    prefix: str
    #: Lower-case hex SHA-256 of the key.
    sha256: str
    created_at: datetime
    #: From when it is refused; None: never.
    expires_at: datetime | None = None
    #: Since when it is refused; None: it is not revoked.
    revoked_at: datetime | None = None
    #: Names of the tasks it may ask for; None: any, and requests of no task.
    tasks: tuple[str, ...] | None = None
    #: The models it may ask for, as callers name them; a last "*" stands for any ending. None: any.
    models: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    #: Whether requests and answers of this key are kept; the ledger always is.
    keep_content: bool = True
    #: The class of all its requests, unless they say a higher one; None: not declared.
    data_class: DataClass | None = None

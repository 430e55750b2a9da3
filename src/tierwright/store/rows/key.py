"""Callers' keys as rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tierwright.core.caller import CallerKey, Limits, Period
from tierwright.core.ids import CallerKeyId
from tierwright.core.instants import to_us
from tierwright.core.privacy import DataClass
from tierwright.store.rows.scalars import from_json, from_us, to_json, to_name
from tierwright.store.schema import caller_keys

#: The columns `key_of` wants, in its order.
KEY_COLUMNS = tuple(caller_keys.c)


def key_row(key: CallerKey) -> dict[str, Any]:
    """The row of `caller_keys`."""
    return {
        "id": to_name(key.id),
        "client_id": to_name(key.client_id),
        "prefix": to_name(key.prefix),
        "sha256": to_name(key.sha256),
        "created_at_us": to_us(key.created_at),
        "expires_at_us": None if key.expires_at is None else to_us(key.expires_at),
        "revoked_at_us": None if key.revoked_at is None else to_us(key.revoked_at),
        "tasks": None if key.tasks is None else to_json(key.tasks),
        "models": None if key.models is None else to_json(key.models),
        "limits": to_json(key.limits),
        "keep_content": key.keep_content,
        "data_class": None if key.data_class is None else key.data_class.label,
    }


def key_of(row: Any) -> CallerKey:
    """The key in a row of `KEY_COLUMNS`."""
    return CallerKey(
        id=CallerKeyId(row.id),
        client_id=row.client_id,
        prefix=row.prefix,
        sha256=row.sha256,
        created_at=from_us(row.created_at_us),
        expires_at=None if row.expires_at_us is None else from_us(row.expires_at_us),
        revoked_at=None if row.revoked_at_us is None else from_us(row.revoked_at_us),
        tasks=_names(row.tasks),
        models=_names(row.models),
        limits=_limits(from_json(row.limits, dict[str, Any])),
        keep_content=row.keep_content,
        data_class=None if row.data_class is None else DataClass.of(row.data_class),
    )


def _names(stored: str | None) -> tuple[str, ...] | None:
    return None if stored is None else from_json(stored, tuple[str, ...])


def _limits(stored: dict[str, Any]) -> Limits:
    budget = stored["budget_usd"]
    return Limits(
        requests_per_minute=stored["requests_per_minute"],
        tokens_per_minute=stored["tokens_per_minute"],
        concurrent_requests=stored["concurrent_requests"],
        budget_usd=None if budget is None else Decimal(budget),
        budget_period=Period(stored["budget_period"]),
    )

"""The table of tierwright.toml that says what the audit's advice takes for granted.

Owns its shape and what it means to the sums; refuses to know what the sums are (`economics.action_savings` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.core.errors import SettingsError
from tierwright.economics.action_savings import Assumptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path


class AdviceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[advice]`; pairs of numbers are from and to."""

    #: US dollars of an hour of the person who looks after a change, as text; "0": people's time is not counted.
    person_hour_usd: str = "0"
    #: Hours a month that a change takes to look after.
    hours_per_month: float = 1.0
    #: Answers that people label for each specialist.
    labels: int = 50
    #: US dollars of one label, as text.
    label_usd: str = "0.09"
    #: Months over which what is paid once is spread.
    months: int = 12
    #: Months after which a specialist is trained again.
    retrain_months: int = 3
    #: A general small model to compare with, as the price list names it; empty: none.
    small_model: str = "gpt-4.1-nano"
    #: Share of requests that a small model is good enough for.
    small_share: tuple[float, float] = (0.5, 1.0)
    #: Share of the list price that is really paid.
    price: tuple[float, float] = (0.8, 1.0)
    #: How well a specialist's confidence tells right answers from wrong ones: area under the curve.
    ranking: tuple[float, float] = (0.75, 0.95)
    #: Factor on the seconds that an answer keeps the machine busy.
    machine: tuple[float, float] = (0.5, 2.0)
    #: Share of a long prompt's fixed text that can go.
    cut: tuple[float, float] = (0.2, 0.6)


def assumptions(
    section: AdviceSection,
    *,
    holdout_share: float,
    audit_share: float,
    margin: float,
    money: Callable[[str, str], Decimal],
    path: Path,
) -> Assumptions:
    """What the sums are told; the shares are those of the tables they belong to. Raises SettingsError."""
    values = msgspec.structs.asdict(section)
    del values["small_model"]
    for name in ("person_hour_usd", "label_usd"):
        values[name] = money(values[name], f"{path}: advice.{name}")
    try:
        return Assumptions(**values, holdout_share=holdout_share, audit_share=audit_share, margin=margin)
    except SettingsError as error:
        raise SettingsError(f"{path}: [advice] {error}") from error

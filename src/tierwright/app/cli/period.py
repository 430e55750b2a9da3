"""The options of a report's period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tierwright.core.errors import InputError

SinceOption = Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD; default: the first request.")]
UntilOption = Annotated[str | None, typer.Option(help="First day no longer in it; default: after the last one.")]


def day(text: str | None) -> datetime | None:
    """The instant at which a day begins, UTC; raises InputError where it is none."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"{text!r} is no day; write it as 2025-09-01") from error

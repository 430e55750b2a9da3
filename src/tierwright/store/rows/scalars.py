"""Single values: instants, money, names, text and JSON, on their way into a column and back."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, TypeVar

import msgspec

from tierwright.core.instants import EPOCH

#: What no database's text can hold: the character NUL (PostgreSQL) and halves of surrogate pairs (both).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_PICO = Decimal("1E-12")
#: Enough digits that no amount which fits 64 bits is rounded to fewer.
_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)

T = TypeVar("T")


def from_us(microseconds: int) -> datetime:
    """The aware UTC instant."""
    # By place: twice for each inference of a scan, and by name it takes half as long again.
    return EPOCH + timedelta(0, 0, microseconds)


def to_pico(usd: Decimal) -> int:
    """Pico-dollars, rounded half to even: a price list is never that fine, a share of a machine-hour may be."""
    return int(_EXACT.quantize(usd, _PICO).scaleb(12, _EXACT))


def from_pico(pico: int) -> Decimal:
    """US dollars, exact."""
    return Decimal(pico).scaleb(-12, _EXACT)


def to_name(name: str) -> str:
    """A name that both databases can hold: what they can't is replaced by U+FFFD.

    Callers choose names (client, workload, model); a strange one must not cost the capture of a whole batch.
    """
    return name if name.isprintable() else _UNSTORABLE.sub("�", name)


def to_name_or_none(name: str | None) -> str | None:
    """`to_name`; None stays None."""
    return None if name is None else to_name(name)


def to_bytes(content: str) -> bytes:
    """UTF-8 of any text a JSON document can hold, halves of surrogate pairs too."""
    return content.encode("utf-8", "surrogatepass")


def from_bytes(stored: bytes) -> str:
    """The text again."""
    return stored.decode("utf-8", "surrogatepass")


def to_json(value: Any) -> str:
    """JSON in ASCII of a noun or of a container of them; msgspec reads it, the encoder writes any text and number."""
    return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def from_json(stored: str, kind: type[T]) -> T:
    """The value of that type; what is read was written by `to_json`."""
    return msgspec.convert(json.loads(stored), kind)

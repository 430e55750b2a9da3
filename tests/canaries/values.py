"""Canaries: valid-looking personal data and secrets, one of its own for each request, and how they are found again."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote

#: Where a canary stands in a string; the last three are encoded.
FORMS: Final = ("card", "iban", "email", "us_ssn", "secret", "card in base64", "email in percent", "card in fullwidth")
#: What no request without a canary has: any match in what a third party was sent is a leak.
LEAK: Final = re.compile(rb"4539\d{12}|DE\d{20}|canary\d+@|219-\d{2}-\d{4}|sk-canary[A-Za-z0-9]{20}")
#: Digits as East Asian keyboards write them.
_FULLWIDTH: Final = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
_NARROW: Final = {wide: chr(narrow) for narrow, wide in _FULLWIDTH.items()}
_ESCAPED: Final = re.compile(r"\\u(ff1[0-9])")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")


def card(number: int) -> str:
    """The number of a payment card with the right check digit."""
    body = f"4539{number:011d}"
    digits = [int(digit) for digit in body][::-1]
    total = sum(sum(divmod(digit * 2, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    return f"{body}{-total % 10}"


def iban(number: int) -> str:
    """A German account number with the right check digits (ISO 13616)."""
    account = f"37040044{number:010d}"
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def phrase(form: str, number: int) -> str:
    """A text with the canary of a request in it."""
    email, account = f"canary{number}@clinic-berlin.de", iban(number)
    return {
        "card": f"card {card(number)}",
        "iban": f"to {account}",
        "email": f"write to {email}",
        "us_ssn": f"SSN 219-{number % 90 + 10:02d}-{number % 8999 + 1000:04d}",
        "secret": f"key sk-canary{number:020d}",
        "card in base64": base64.b64encode(f"the card is {card(number)}".encode()).decode(),
        "email in percent": quote(email, safe=""),
        "card in fullwidth": card(number).translate(_FULLWIDTH),
    }[form]


def leaks(sent: bytes) -> list[bytes]:
    """The canaries in what was sent, as they are or in one of the encodings above."""
    text = sent.decode("utf-8", "replace")
    unescaped = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    readings = [sent, unescaped.translate(_NARROW).encode(), text.replace("%40", "@").encode()]
    for piece in _BASE64.findall(text):
        with suppress(ValueError):
            readings.append(base64.b64decode(piece + "=" * (-len(piece) % 4)))
    return [match for reading in readings for match in LEAK.findall(reading)]

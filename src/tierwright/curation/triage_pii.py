"""Counts what looks like personal data in the inputs of a dataset: by type, never the values.

Owns the count and what it means for training; what is looked for, and what is not, is the detectors' (`privacy`). What
is not found here may still be there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tierwright.core.triage import Case, Finding, Severity
from tierwright.privacy.detector import scan
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.dataset import Example

#: Characters of a text that are looked at; more of one text adds nothing to a count of texts.
_LOOKED_AT = 100_000
#: Examples listed for each type at most.
_LISTED = 10
#: The detectors' types as people call them.
NAMES: Final[Mapping[str, str]] = {
    "account": "account number",
    "card": "payment card",
    "coordinates": "place on the map",
    "device": "device address",
    "email": "e-mail address",
    "file_number": "customer, case or policy number",
    "health_id": "health number",
    "iban": "IBAN",
    "ip": "IP address",
    "national_id": "identity, tax or insurance number",
    "phone": "telephone number",
    "secret": "key or password",
    "us_ssn": "US social security number",
}


def personal_data(examples: Sequence[Example]) -> Finding:
    """How many inputs hold personal data that the rules can see; a case for each type, with how many inputs have it."""
    found: Counter[str] = Counter()
    listed: dict[str, list[Example]] = {}
    concerned = 0
    for example in examples:
        types = types_in(example.input)
        concerned += bool(types)
        for kind in types:
            found[kind] += 1
            listed.setdefault(kind, []).append(example)
    n = len(examples)
    if not concerned:
        return Finding(
            check="personal-data",
            severity=Severity.NOTE,
            what=f"no e-mail address, telephone, card, account, identity or health number, address of a device, key or "
            f"password was seen in {n:,} inputs; names and postal addresses were not looked for",
            n=n,
            estimate=wilson(0, n) if n else None,
        )
    kinds = ", ".join(f"{kind}: {count:,}" for kind, count in found.most_common())
    return Finding(
        check="personal-data",
        severity=Severity.WARNING,
        what=f"{concerned:,} of {n:,} inputs hold what looks like personal data ({kinds}); names were not looked for",
        advice=(
            "a linear specialist keeps n-grams of its training texts as hashes, a tuned one may remember more: make "
            "sure that the purpose the data was collected for covers training, or mask it before it is captured"
        ),
        count=concerned,
        n=n,
        estimate=wilson(concerned, n),
        cases=tuple(
            Case(field=kind, count=count, examples=tuple(example.id for example in listed[kind][:_LISTED]))
            for kind, count in found.most_common()
        ),
    )


def types_in(text: str) -> Mapping[str, int]:
    """How many values of each type a text holds, by the names people have for the types."""
    return Counter(NAMES[one.type] for one in scan(text[:_LOOKED_AT]))

"""The 18 identifiers of HIPAA's Safe Harbor method (45 CFR 164.514(b)(2)(i)), and what becomes of each.

Owns the table: what is looked for and how, and what is declared not covered. How much is found is measured
(`privacy.measured`, subjects that begin with the letter). Removing these identifiers is one of two conditions: the rule
also asks that nobody has actual knowledge that what is left could identify a person (164.514(b)(2)(ii)), which no
program can attest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Coverage(StrEnum):
    """How far an identifier is looked for."""

    #: All kinds of it that are written as text.
    DETECTED = "detected"
    #: Some kinds of it, or only after a label.
    PARTLY = "partly"
    #: It is not text: what nobody can read is restricted, and goes only where restricted data may go.
    UNREAD = "kept back unread"
    #: Nothing looks for it unless a detector is trained or plugged in.
    NOT_COVERED = "not covered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One of the eighteen."""

    #: "A" to "R", as the rule counts.
    letter: str
    #: In few words of ours; the rule's own are longer.
    name: str
    coverage: Coverage
    #: How it is found, or why it is not.
    how: str
    #: Types of findings that tell it.
    types: tuple[str, ...] = ()


SAFE_HARBOR: Final = (
    Category(
        letter="A",
        name="Names",
        coverage=Coverage.NOT_COVERED,
        how="takes a trained tagger: plug a span-tagger or Presidio in",
    ),
    Category(
        letter="B",
        name="Places smaller than a state",
        coverage=Coverage.PARTLY,
        how="coordinates by form; addresses, towns and ZIP codes take a trained tagger",
        types=("coordinates",),
    ),
    Category(
        letter="C",
        name="Dates but for the year; ages over 89",
        coverage=Coverage.NOT_COVERED,
        how="takes a trained tagger: a date alone does not say whose it is",
    ),
    Category(
        letter="D",
        name="Telephone numbers",
        coverage=Coverage.DETECTED,
        how="international form, grouping, or a label",
        types=("phone",),
    ),
    Category(
        letter="E",
        name="Fax numbers",
        coverage=Coverage.DETECTED,
        how="as telephone numbers",
        types=("phone",),
    ),
    Category(
        letter="F",
        name="E-mail addresses",
        coverage=Coverage.DETECTED,
        how="form",
        types=("email",),
    ),
    Category(
        letter="G",
        name="Social security numbers",
        coverage=Coverage.DETECTED,
        how="grouping 3-2-4; nine digits after a label",
        types=("us_ssn", "national_id"),
    ),
    Category(
        letter="H",
        name="Medical record numbers",
        coverage=Coverage.PARTLY,
        how="after a label (MRN, chart, patient): they have no form of their own",
        types=("health_id",),
    ),
    Category(
        letter="I",
        name="Health plan beneficiary numbers",
        coverage=Coverage.PARTLY,
        how="Medicare's by form; others after a label",
        types=("national_id", "health_id", "file_number"),
    ),
    Category(
        letter="J",
        name="Account numbers",
        coverage=Coverage.PARTLY,
        how="cards and IBAN by checksum; others after a label",
        types=("card", "iban", "account"),
    ),
    Category(
        letter="K",
        name="Certificate and licence numbers",
        coverage=Coverage.PARTLY,
        how="DEA registrations by checksum; NPI and driving licences after a label; licences to practise are not found",
        types=("national_id", "health_id"),
    ),
    Category(
        letter="L",
        name="Vehicle identifiers and licence plates",
        coverage=Coverage.NOT_COVERED,
        how="no rule looks for them; what is found is found by chance",
    ),
    Category(
        letter="M",
        name="Device identifiers and serial numbers",
        coverage=Coverage.PARTLY,
        how="MAC addresses by form; serial numbers are not looked for",
        types=("device",),
    ),
    Category(
        letter="N",
        name="Web addresses",
        coverage=Coverage.NOT_COVERED,
        how="only a password in one is found: prompts are full of addresses that are nobody's",
    ),
    Category(
        letter="O",
        name="IP addresses",
        coverage=Coverage.DETECTED,
        how="form, IPv4 and IPv6",
        types=("ip",),
    ),
    Category(
        letter="P",
        name="Biometric identifiers",
        coverage=Coverage.UNREAD,
        how="sound and pictures can't be read; templates written as text are not looked for",
    ),
    Category(
        letter="Q",
        name="Full-face photographs",
        coverage=Coverage.UNREAD,
        how="pictures can't be read",
    ),
    Category(
        letter="R",
        name="Any other unique number, characteristic or code",
        coverage=Coverage.PARTLY,
        how="numbers of contracts, cases, members, passports and tax after a label; codes without one are not found",
        types=("file_number", "national_id"),
    ),
)

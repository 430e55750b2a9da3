"""Counts what looks like personal data in the inputs of a dataset: by type, never the values.

Owns four simple rules, three of them with a checksum or a grammar behind them: e-mail addresses, telephone numbers in
an international or North American form, payment cards (Luhn) and IBANs (ISO 13616: length by country, modulo 97).
Refuses to find names, addresses and whatever else takes a model: that is for the detectors of the package `privacy`,
which is yet to come. What is not found here may still be there.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from tierwright.core.triage import Case, Finding, Severity
from tierwright.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierwright.core.dataset import Example

EMAIL, PHONE, CARD, IBAN = "e-mail address", "telephone number", "payment card", "IBAN"

#: Characters of a text that are looked at; more of one text adds nothing to a count of texts.
_LOOKED_AT = 100_000
#: Examples listed for each type at most.
_LISTED = 10

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-zA-Z0-9-]{1,63}\.){1,8}[a-zA-Z]{2,24}\b")
_PHONE = re.compile(
    r"(?:(?<![\w+])\+|(?<![\w+])(?<!\d )00)[1-9]\d{0,2}[ .()/-]{0,2}(?:\d[ .()/-]{0,2}){6,12}\d(?!\w)"
    r"|(?<!\w)\(?[2-9]\d{2}\)?[ .-][2-9]\d{2}[ .-]\d{4}(?!\w)"
)
_CARD = re.compile(r"(?<![\w.,-])[2-6]\d{3}[ -]?(?:\d[ -]?){8,14}\d(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")

#: Digits of a card number by how it begins (ISO/IEC 7812 ranges of the large schemes).
_CARD_LENGTHS: Final[tuple[tuple[re.Pattern[str], frozenset[int]], ...]] = (
    (re.compile(r"4"), frozenset({13, 16, 19})),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),
    (re.compile(r"3[47]"), frozenset({15})),
    (re.compile(r"3[068]"), frozenset({14, 15, 16})),
    (re.compile(r"35"), frozenset({16, 17, 18, 19})),
    (re.compile(r"6"), frozenset({16, 17, 18, 19})),
)

#: Length of an IBAN by country, from the SWIFT registry.
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "FR GR IT MC MR SM",
        "28": "AZ BY CY DO GT HU LB PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU",
        "31": "MT SC",
        "32": "LC",
    }.items()
    for country in countries.split()
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
            what=f"no e-mail address, telephone number, payment card or IBAN was seen in {n:,} inputs; names and "
            "addresses were not looked for",
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
    """How many values of each type a text holds; a stretch that is a card or an IBAN is not also a telephone number."""
    rest = text[:_LOOKED_AT]
    found: Counter[str] = Counter()
    for kind, pattern, holds in _RULES:

        def taken(match: re.Match[str], kind: str = kind, holds: Callable[[str], bool] = holds) -> str:
            if not holds(match.group()):
                return match.group()
            found[kind] += 1
            return "\x00"

        rest = pattern.sub(taken, rest)
    return found


def is_card(text: str) -> bool:
    """Whether digits with spaces or hyphens are a card number: a known length for its beginning, and Luhn's sum."""
    digits = "".join(filter(str.isdigit, text))
    if not any(len(digits) in lengths for begin, lengths in _CARD_LENGTHS if begin.match(digits)):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits with spaces are an IBAN: the length of its country, and 1 modulo 97."""
    plain = text.replace(" ", "")
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(map(str.isdigit, text)) <= 15  # E.164 allows 15


#: In the order in which they take stretches of the text.
_RULES: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]] = (
    (EMAIL, _EMAIL, bool),
    (IBAN, _IBAN, is_iban),
    (CARD, _CARD, is_card),
    (PHONE, _PHONE, _is_phone),
)

"""What a number, a token or an address in a text is, and whether that is personal.

Owns the rules; refuses to know encodings (`views`) and how a whole text is gone through (`detector`).
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tierwright.core.privacy import Found
from tierwright.privacy.digits import LEAST, MOST, NO_DIGITS, SHORT
from tierwright.privacy.identifiers import ALONE_LENGTHS, labelled, luhn, matching_mixed, unlabelled
from tierwright.privacy.words import Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.privacy.digits import Number
    from tierwright.privacy.words import Labels

#: First digits and lengths of payment cards (ISO/IEC 7812 ranges of the large schemes).
_CARDS: Final = (
    (re.compile(r"4"), frozenset({13, 16, 19})),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),
    (re.compile(r"3[47]"), frozenset({15})),
    (re.compile(r"3[0689]"), frozenset({14, 15, 16, 17, 18, 19})),
    (re.compile(r"35|2131|1800"), frozenset({15, 16, 17, 18, 19})),
    (re.compile(r"220[0-4]"), frozenset({16, 17, 18, 19})),
    (re.compile(r"6"), frozenset({16, 17, 18, 19})),
    (re.compile(r"50|5[6-9]|6(?:304|7)"), frozenset(range(12, 20))),
)
_CARD_LENGTHS: Final = range(12, 20)
#: Groups of a card with the same few marks between all of them.
_PARTED = re.compile(
    rb"(?<![0-9])(?:[0-9]{4}([^0-9A-Za-z]{1,6})[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    rb"|[0-9]{4}([^0-9A-Za-z]{1,6})[0-9]{6}\2[0-9]{4,5})(?![0-9])"
)
#: Digits that tell the scheme of a card.
_SCHEME = 4
#: Digits of the numbers that a checksum tells without a label.
CHECKED_LENGTHS: Final = frozenset(_CARD_LENGTHS) | ALONE_LENGTHS
#: Digits of a telephone number (E.164: fifteen at most).
_PHONE_LENGTHS = range(LEAST, 16)
#: A day in figures, with what may stand between.
_DATE = re.compile(
    r"(?:19|20)\d\d([./ -])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:(?:0?[1-9]|[12]\d|3[01])([./ -])(?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])([./ -])(?:0?[1-9]|[12]\d|3[01]))"
    r"(?:\2|\3)(?:19|20)?\d\d(?!\d|\2\d|\3\d)"
)
#: What a telephone number of six digits looks like, too.
_SHORT_DATE = re.compile(r"\d\d([ .])\d\d\1\d\d")
_YEARS = re.compile(r"(?:19|20)\d\d ?[-/ ] ?(?:19|20)\d\d")
_AMOUNT = re.compile(r"[$\u20ac\u00a3\u00a5\u20b9\u20a9%] ?\Z|\d[.,]\Z")
#: What stands before the number of a thing, and between a label and the number of a person.
_NUMBERED = re.compile(r"# ?\Z")
#: What stands before the later groups of a date or of another number.
_PART_OF_MORE = re.compile(r"\d[./: -]?\Z|\d, ?\Z")
_GOES_ON = re.compile(r"[./: -]?\d")
#: An extension behind a telephone number.
_EXTENSION = re.compile(r"\s{0,2}(?:x|ext\.?|extension|#|poste|Durchwahl|-)\s?\d{1,6}(?!\d)", re.IGNORECASE)
#: Groups of telephone numbers, as they are written where nothing else stands in front.
_SHORT = frozenset(
    {
        (3, 4),
        (4, 4),
        (2, 2, 2, 2),
        (2, 6),
        (3, 2, 2),
        (2, 3, 3),
        (1, 3, 4),
        (2, 3, 2),
        (3, 5),
        (4, 3),
        (3, 3, 3),
        (3, 2, 3),
        (2, 2, 2),
        (3, 2, 2, 2),
        (2, 3, 2, 2),
        (2, 2, 2, 3),
        (2, 3, 4),
        (2, 4, 4),
        (3, 4, 4),
        (3, 7),
    }
)
#: An IBAN (ISO 13616) has 15 to 34 letters and digits.
_WRITTEN_IBAN = re.compile(r"[A-Za-z]{2}[0-9]{2}(?:[ .-]?[A-Za-z0-9]){11,30}")
#: Digits without which small letters are words.
_IBAN_DIGITS = 7
#: Letters and digits of a serial number in capitals that a label makes somebody's, by how many digits are among them.
_SERIALS: Final = (range(0), range(8, 10), range(6, 13))
#: Characters of the shortest kind of number with letters.
_SHORTEST_MIXED = 8
#: Labels whose numbers are personal whatever their form, with the type they give.
_LABELS: Final = (
    (Topic.HEALTH, "health_id"),
    (Topic.PERSON, "national_id"),
    (Topic.ACCOUNT, "account"),
    (Topic.FILE, "file_number"),
)
_PERSONAL: Final = frozenset(topic for topic, _ in _LABELS)
#: Groups of a social security number.
_SSN: Final = (3, 2, 4)
#: Kinds of numbers that a label of health speaks of.
_HEALTH: Final = frozenset({"us.npi", "gb.nhs", "nz.nhi"})


def number_rules(text: str, number: Number, labels: Labels, *, settled: bool) -> Iterator[Found]:
    """What one number may be; nothing where it is an amount, a date or a count.

    `settled`: it begins inside a number that was recognised, so that only a checksum is evidence for another one.
    """
    digits, start, end, sizes = number
    if len(digits) > MOST or not digits.strip("0"):
        return
    if len(digits) < SHORT:
        if Topic.PHONE in labels.near(start, end, close=True):
            yield from _phone(text, number, labelled=True)
        return
    topics = labels.near(start, end)
    if len(digits) in _CARD_LENGTHS:
        yield from _card(number, labelled=Topic.CARD in topics)
    if not settled and len(digits) in _PHONE_LENGTHS:
        yield from _phone(text, number, labelled=Topic.PHONE in topics)
    kind = unlabelled(digits, sizes)
    # A social security number's hyphens are as telling as a label.
    grouped = sizes == _SSN and digits[:3] not in {"000", "666"} and digits[0] != "9"
    told = grouped or not topics.isdisjoint(_PERSONAL)
    before = text[max(0, start - 2) : start]
    if _AMOUNT.search(before) or (not told and (kind is None or _NUMBERED.search(before))):
        return
    if kind is not None:
        yield Found(type="national_id", start=start, end=end, detector=kind.name, validated=True)
    if settled:
        return
    if grouped:
        yield Found(type="us_ssn", start=start, end=end, detector="us.ssn", validated=False)
    yield from _labelled(text, number, topics)


def _labelled(text: str, number: Number, topics: frozenset[Topic]) -> Iterator[Found]:
    """A number that a label says is somebody's, whatever its checksum says, if it is no date."""
    digits, start, end, sizes = number
    for topic, kind_type in _LABELS:
        if topic in topics:
            if is_date(text[start:end], sizes):
                return
            kinds = [kind.name for kind in labelled(digits) if (kind.name in _HEALTH) == (topic is Topic.HEALTH)]
            if topic is Topic.PERSON and sizes == _SSN and "us.ssn" in kinds:
                yield Found(type="us_ssn", start=start, end=end, detector="us.ssn", validated=True)
                return
            known = bool(kinds) and topic in {Topic.HEALTH, Topic.PERSON}
            yield Found(type=kind_type, start=start, end=end, detector=kinds[0] if known else "label", validated=known)
            return


def is_date(written: str, sizes: tuple[int, ...], *, short: bool = True) -> bool:
    """Whether a number is a day or a span of years; `short`: also three pairs of digits between blanks or dots."""
    if len(sizes) > 4 or (len(set(re.sub(r"\d", "", written))) == 1 and len(sizes) > 3):
        return False
    if not short and _SHORT_DATE.fullmatch(written):
        return False
    return _DATE.match(written) is not None or _YEARS.match(written) is not None


@lru_cache(maxsize=10_000)
def _scheme_lengths(beginning: str) -> frozenset[int]:
    """Digits that the cards which begin so have."""
    return frozenset().union(*(lengths for begin, lengths in _CARDS if begin.match(beginning)))


def _card(number: Number, *, labelled: bool) -> Iterator[Found]:
    digits = number.digits
    if len(digits) in _scheme_lengths(digits[:_SCHEME]) and luhn(digits) and len(set(digits)) > 1:
        yield Found(type="card", start=number.start, end=number.end, detector="luhn", validated=True)
    elif labelled:
        yield Found(type="card", start=number.start, end=number.end, detector="label", validated=False)


def parted_cards(raw: bytes) -> Iterator[Found]:
    """Cards between whose groups the same marks stand, whatever they are: commas, stars, quotation marks."""
    for match in _PARTED.finditer(raw):
        digits = match[0].translate(None, NO_DIGITS).decode("ascii")
        if len(digits) in _scheme_lengths(digits[:_SCHEME]) and luhn(digits):
            yield Found(type="card", start=match.start(), end=match.end(), detector="luhn", validated=True)


def _phone(text: str, number: Number, *, labelled: bool) -> Iterator[Found]:
    digits, start, end, sizes = number
    opening = text[max(0, start - 2) : start]
    start -= len(opening) - len(opening.rstrip("(+"))
    if "+" in opening or (digits.startswith("00") and len(digits) >= 10):
        known = _possible(f"+{digits.removeprefix('00')}")
        yield Found(type="phone", start=start, end=_extended(text, end), detector="e164", validated=known)
        return
    if (
        (labelled or (len(sizes) > 1 and _looks_like_phone(text, number, opening)))
        and not is_date(text[number.start : end], sizes, short=not labelled)
        and _AMOUNT.search(opening) is None
        and (labelled or _NUMBERED.search(opening) is None)
    ):
        by = "label" if labelled else "form"
        yield Found(type="phone", start=start, end=_extended(text, end), detector=by, validated=False)


def _extended(text: str, end: int) -> int:
    """Where a number ends with its extension."""
    found = _EXTENSION.match(text, end)
    return end if found is None else found.end()


def _looks_like_phone(text: str, number: Number, before: str) -> bool:
    """Whether the groups are those of a telephone number as it is written in its country."""
    digits, start, end, sizes = number
    if "(" in before or "(" in text[start:end]:
        return 8 <= len(digits) <= 13 and max(sizes) <= 8
    if sizes in {(3, 3, 4), (1, 3, 3, 4)}:
        return digits[-10] not in "01" or digits[0] == "0" or sizes == (3, 3, 4)
    if sizes in _SHORT:
        return _PART_OF_MORE.search(before) is None and _GOES_ON.match(text, end) is None
    return digits[0] == "0" and 9 <= len(digits) <= 12 and sizes[0] >= 2 and len(set(text[start:end])) > 3


@lru_cache(maxsize=1024)
def _possible(number: str) -> bool:
    """Whether a number in international form has a length its country gives out."""
    import phonenumbers  # noqa: PLC0415 - a sixth of a second, and few texts hold such a number

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False


def mixed_rules(text: str, start: int, end: int, labels: Labels) -> Iterator[Found]:
    """What a token of letters and digits may be, or a part of it that stands between marks."""
    token = text[start:end]
    for first, after in _parts(token):
        kinds = matching_mixed(token[first:after])
        if kinds:
            low, high = start + first, start + after
            yield Found(type="national_id", start=low, end=high, detector=kinds[0].name, validated=True)
            return
    digits = sum(map(str.isdigit, token))
    if (digits >= 5 and len(token) <= 24) or (token.isupper() and len(token) in _SERIALS[min(digits, 2)]):
        topics = labels.near(start, end)
        for topic, kind_type in _LABELS:
            if topic in topics:
                yield Found(type=kind_type, start=start, end=end, detector="label", validated=False)
                return


def _parts(token: str) -> Iterator[tuple[int, int]]:
    """The whole of a token, and the parts of one with marks in it that may be a number by their length."""
    yield 0, len(token)
    marks = [at for at, character in enumerate(token) if character in "./-"]
    for first in [0, *(at + 1 for at in marks)]:
        for after in [*marks, len(token)]:
            if after - first >= _SHORTEST_MIXED and after - first < len(token):
                yield first, after


def iban(text: str, start: int, _end: int, labels: Labels) -> Iterator[Found]:
    """An IBAN that begins at a place (ISO 13616); its end is where its country says."""
    reach = _WRITTEN_IBAN.match(text, start)
    if reach is None:
        return
    written, end = reach[0], reach.end()
    compact = re.sub(r"[ .-]", "", written).upper()
    from stdnum.iban import is_valid  # noqa: PLC0415 - late, with the tables it reads

    length = _iban_length(compact[:2])
    if 0 < length <= len(compact) and is_valid(compact[:length], check_country=False):
        whole = written[: _extent(written, length)]
        if whole == whole.upper() or sum(map(str.isdigit, whole)) >= _IBAN_DIGITS:
            yield Found(type="iban", start=start, end=start + len(whole), detector="iban", validated=True)
            return
    if sum(map(str.isdigit, compact)) >= _IBAN_DIGITS and Topic.ACCOUNT in labels.near(start, end):
        yield Found(type="iban", start=start, end=end, detector="label", validated=False)


@lru_cache(maxsize=1024)
def _iban_length(country: str) -> int:
    """Letters and digits of a country's account numbers, as the registry has them; 0: it has none."""
    from stdnum import numdb  # noqa: PLC0415 - as above

    form = numdb.get("iban").info(country)[0][1].get("bban", "")
    counts = re.findall(r"(\d+)!", form)
    return 4 + sum(map(int, counts)) if counts else 0


def _extent(written: str, letters: int) -> int:
    """Characters of the text that hold so many letters and digits."""
    seen = 0
    for place, character in enumerate(written):
        seen += character not in " .-"
        if seen == letters:
            return place + 1
    return len(written)


def address(text: str, start: int, end: int, _labels: Labels) -> Iterator[Found]:
    """An IP address; nothing where it is a version, a time or a row of letters."""
    written = text[start:end].split("%", 1)[0]
    for token in dict.fromkeys((written, written.rstrip(".:"), written.strip(".:"))):
        try:
            found = ipaddress.ip_address(token)
        except ValueError:
            continue
        if any(character.isdigit() for character in token):
            start = text.index(token, start)
            yield Found(type="ip", start=start, end=start + len(token), detector=f"ipv{found.version}", validated=True)
        return

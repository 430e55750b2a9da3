"""Goes through a text for personal and secret data: one quick look at everything, rules only where it saw something.

Owns the order of the looks and the merging of what they find. RE2 does the quick look: one automaton over all patterns,
linear in the text whatever is in it. Not found: names, addresses, dates, and what takes a model to see.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tierwright.core.privacy import Found
from tierwright.privacy.digits import numbers
from tierwright.privacy.rules import CHECKED_LENGTHS, address, iban, mixed_rules, number_rules, parted_cards
from tierwright.privacy.secrets import SECRETS
from tierwright.privacy.views import DIGIT_WORDS, ENCODINGS, View, decoded, normalised
from tierwright.privacy.words import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    _Rule = Callable[[str, int, int, Labels], Iterator[Found]]

#: Changes whenever the same text may give other findings.
VERSION = "2"
#: Encodings inside encodings that are undone.
_DEPTH = 3
#: What the automaton of the quick look may keep of itself. It forgets all of it where that is not enough, and is many
#: times slower then: ordinary requests of a month take half of this.
_QUICK_BYTES = 32 * 1024 * 1024

#: What stands for a letter outside of ASCII in what the patterns look at.
_FOREIGN = "\x01"
_EMAIL = (
    rf"[A-Za-z0-9.!#$&'*+/=?^_{{|}}~{_FOREIGN}-]{{1,64}}@(?:[A-Za-z0-9{_FOREIGN}-]{{1,63}}\.){{1,8}}"
    rf"(?:xn--[A-Za-z0-9-]{{2,59}}|[A-Za-z]{{2,24}}|{_FOREIGN}{{2,24}})"
    # With "(at)", and perhaps "(dot)", in brackets of any kind.
    r"|(?i:[A-Z0-9._+-]{1,64}\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?[A-Z0-9-]{1,63}"
    r"(?:(?:\.|\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?)[A-Z0-9-]{1,63}){1,8})"
)
#: What every address has somewhere: its sign with the beginning of a domain, or in brackets. The quick look asks for no
#: more: how long what stands before the sign may be would make most of its automaton.
_EMAIL_MARK = rf"@[A-Za-z0-9{_FOREIGN}-]+\.|(?i:[\[({{<]\s?(?:at|@)\s?[\])}}>])"
_IPV4 = r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"
_IPV6 = r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?"
_NUMBER = r"[0-9](?:[^0-9A-Za-z]{0,4}[0-9]){4}"
#: Groups of a card with something between them that does not stand between groups of other numbers.
_PARTED = r"[0-9]{4}[^0-9A-Za-z]{1,6}[0-9]{4,6}[^0-9A-Za-z]{1,6}[0-9]{4,5}"
_MIXED = r"\b(?:[A-Za-z]{1,8}[0-9]|[0-9]+[A-Za-z])[A-Za-z0-9]*(?:[./-]?[A-Za-z0-9]+){0,5}"
_SPACED_MIXED = r"\b(?:[A-Za-z]{2} [0-9]{2} [0-9]{2} [0-9]{2} [A-Da-d]|[0-9]{6}[+-][0-9]{3}[0-9A-Za-z])\b"
#: Where one may begin; how far it goes is found later, since the next one may begin inside of what follows.
_IBAN = r"\b[A-Za-z]{2}[0-9]{2}"
#: Degrees with a point and three places; with minutes, and perhaps seconds. Signs outside of ASCII are question marks.
_DEGREES = (
    r"(?:[0-9]{1,3}\.[0-9]{3,}\s?\??"
    r"|[0-9]{1,3}\s?[?d]\s?[0-9]{1,2}(?:\.[0-9]+)?['?]\s?(?:[0-9]{1,2}(?:\.[0-9]+)?[\"'?]{1,2})?)"
)
_COORDINATES = (
    r"-?[0-9]{1,2}\.[0-9]{4,}\s*,\s*-?[0-9]{1,3}\.[0-9]{4,}"
    rf"|{_DEGREES}\s?[NSns]\s?[,;/]?\s?{_DEGREES}\s?[EWOewo]\b"
)
#: Two places with a comma between, or a direction between two places.
_COORDINATES_MARK = (
    r"\.[0-9]{4,}\s*,\s*-?[0-9]{1,3}\.[0-9]{4}"
    r"|[0-9?'\"]\s{0,2}[NSns]\s?[,;/]?\s?[0-9]"
)
_MAC = r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b"
_DIGIT_WORD = "|".join(sorted({re.sub("[^a-z]", ".{1,2}", word) for word in DIGIT_WORDS}))
#: Six digits in words, one after another.
_SPELLED = rf"(?i)\b(?:(?:{_DIGIT_WORD})[ ,.-]{{1,2}}){{5}}(?:{_DIGIT_WORD})\b"
_LETTER = re.compile(r"[^\W\d_A-Za-z]")


class Pattern(NamedTuple):
    """What a rule or view looks for, in RE2's syntax, in a byte for each character."""

    name: str
    pattern: str
    #: What is in every text in which the pattern is, and takes fewer states to tell; empty: the pattern itself.
    mark: str = ""


#: Marks of secrets. What counts how far a word has come makes states for each word, times those of all other patterns.
_SECRET_MARKS: Final[Mapping[str, str]] = {
    "telegram": r"[0-9]:AA[A-Za-z0-9_-]",
    "discord": r"\.com/api/webhooks/[0-9]",
    "slack": r"\bxox[abeoprs]-[A-Za-z0-9-]|hooks\.slack\.com/services/",
    "mailchimp": r"[0-9a-f]-us[0-9]",
    "hashicorp": r"\bhv[sbr]\.[A-Za-z0-9_-]|[A-Za-z0-9]\.atlasv1\.",
    "url-password": r"://[^\s/@]*@",
}
#: What the quick look looks for, in the order of its answers.
PATTERNS: Final = (
    Pattern("number", _NUMBER),
    Pattern("parted", _PARTED),
    Pattern("mixed", _MIXED, r"[A-Za-z][0-9]|[0-9][A-Za-z]"),
    Pattern("spaced mixed", _SPACED_MIXED),
    Pattern("email", _EMAIL, _EMAIL_MARK),
    Pattern("ipv4", _IPV4, r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
    Pattern("ipv6", _IPV6, r":[0-9A-Fa-f]{0,4}:"),
    Pattern("iban", _IBAN),
    Pattern("coordinates", _COORDINATES, _COORDINATES_MARK),
    Pattern("mac", _MAC),
    # Names of views, with the marks without which there is nothing to undo.
    Pattern("percent", r"%[0-9A-Fa-f]{2}"),
    Pattern("json", r"\\(?:[ux][0-9A-Fa-f]{2}|u\{|[nrt/])"),
    Pattern("entity", r"&(?:#[0-9xX]|[A-Za-z]{2,31};)"),
    Pattern("spelled", _SPELLED),
    *(Pattern(f"secret {name}", pattern, _SECRET_MARKS.get(name, "")) for name, pattern in SECRETS),
)


class _Row(NamedTuple):
    """A view that needs a row of characters of a kind; counted in the automaton, it would make most of its states."""

    name: str
    #: Writes characters of the kind as "a", and all others as blanks.
    alike: bytes
    #: The shortest row of them.
    row: bytes
    #: What may stand between them.
    between: bytes = b""


def _alike(characters: str) -> bytes:
    return bytes(ord("a") if chr(at) in characters else ord(" ") for at in range(256))


_ROWS: Final = (
    _Row("base64", _alike(string.ascii_letters + string.digits + "+/_-"), b"a" * 14),
    _Row("hex", _alike(string.hexdigits), b"a" * 16, b" :"),
)


def scan(text: str) -> list[Found]:
    """What is found in a text, in order of place; places in the text as given, whatever encoding hid them.

    Takes a few ten microseconds for a thousand characters of ordinary text. Never raises for any text.
    """
    found: set[Found] = set()
    _look(text, (), found, _DEPTH)
    return _merged(found)


def _look(text: str, views: tuple[View, ...], found: set[Found], depth: int) -> None:
    """Adds what a reading of the text shows, and what the readings of it show."""
    names = _seen(text)
    _add(_direct(text, names), views, found)
    plain = normalised(text)
    if plain is not None:
        text, views, names = plain.text, (*views, plain), _seen(plain.text)
        _add(_direct(text, names), views, found)
    if depth and not ENCODINGS.isdisjoint(names):
        for view in decoded(text, names):
            _look(view.text, (*views, view), found, depth - 1)


def _add(findings: Iterable[Found], views: tuple[View, ...], found: set[Found]) -> None:
    for one in findings:
        start, end = one.start, one.end
        for view in reversed(views):
            start, end = view.place(start, end)
        found.add(Found(type=one.type, start=start, end=end, detector=one.detector, validated=one.validated))


def _seen(text: str) -> frozenset[str]:
    """Names of the patterns and rows that are, or whose marks are, somewhere in a text."""
    raw = _masked(text)
    names = [PATTERNS[at].name for at in _compiled().quick.Match(raw) or ()]
    names += [name for name, alike, row, between in _ROWS if row in raw.translate(alike, between)]
    return frozenset(names)


def _masked(text: str) -> bytes:
    """A byte for each character, so that places are the same."""
    return (text if text.isascii() else _LETTER.sub(_FOREIGN, text)).encode("ascii", "replace")


def _direct(text: str, names: frozenset[str]) -> Iterator[Found]:
    """What the rules find in a text as it stands."""
    if names <= ENCODINGS:
        return
    labels = Labels(text)
    raw = _masked(text)
    for name in names & _FORMS.keys():
        rule, single = _FORMS[name], _compiled().single[name]
        for match in single.finditer(raw):
            yield from rule(text, match.start(), match.end(), labels)
    if "number" in names:
        yield from _numbers(text, raw, labels)
    if "parted" in names:
        yield from parted_cards(raw)


def _numbers(text: str, raw: bytes, labels: Labels) -> Iterator[Found]:
    """What the numbers are; a part of a number that was recognised is not looked at by itself."""
    low = high = -1
    for number in numbers(raw):
        settled = low <= number.start < high
        if settled and (number.end <= high or len(number.digits) not in CHECKED_LENGTHS):
            continue
        for one in number_rules(text, number, labels, settled=settled):
            low, high = number.start, max(high, number.end)
            yield one


def _always(kind: str, detector: str) -> _Rule:
    """A rule for what its form alone gives away."""

    def rule(_text: str, start: int, end: int, _labels: Labels) -> Iterator[Found]:
        yield Found(type=kind, start=start, end=end, detector=detector, validated=False)

    return rule


def _assigned(text: str, start: int, end: int, _labels: Labels) -> Iterator[Found]:
    """What is said to be a password or key, unless it is a word of the language."""
    value = re.split(r"[:=]\s?|\bis\s", text[start:end], maxsplit=1)[-1].strip("\"'.")
    if not value.isalpha():
        yield Found(type="secret", start=start, end=end, detector="assignment", validated=False)


_FORMS: Final[Mapping[str, _Rule]] = {
    "email": _always("email", "email"),
    "ipv4": address,
    "ipv6": address,
    "iban": iban,
    "coordinates": _always("coordinates", "coordinates"),
    "mac": _always("device", "mac"),
    "mixed": mixed_rules,
    "spaced mixed": mixed_rules,
    **{f"secret {name}": _always("secret", name) for name, _ in SECRETS},
    "secret assignment": _assigned,
}


def _merged(found: set[Found]) -> list[Found]:
    """Without what another finding of the same type, or a validated one, covers.

    What is said to be a telephone number is one, whatever checksum it happens to pass.
    """
    ordered = sorted(found, key=lambda one: (one.start, -one.end, not one.validated, one.type, one.detector))
    kept: list[Found] = []
    for one in ordered:
        certain = one.validated or (one.type == "phone" and one.detector == "label")
        covered = any(
            other.start <= one.start
            and one.end <= other.end
            and (other.type == one.type or (other.validated and not certain))
            for other in kept[-8:]
        )
        if not covered:
            kept.append(one)
    return kept


class _Compiled(NamedTuple):
    """The patterns, compiled; re2 has no types."""

    #: Tells which patterns, or their marks, are in a text at all.
    quick: Any
    single: Mapping[str, Any]


@lru_cache(maxsize=1)
def _compiled() -> _Compiled:
    import re2  # noqa: PLC0415 - not before the first text: commands that scan nothing need not wait

    options = re2.Options()
    options.max_mem = _QUICK_BYTES
    quick = re2.Set.SearchSet(options)
    for one in PATTERNS:
        quick.Add(one.mark or one.pattern)
    quick.Compile()
    return _Compiled(quick, {one.name: re2.compile(one.pattern.encode()) for one in PATTERNS})

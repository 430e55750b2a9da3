"""Numbers that states and health systems give to people, by form and checksum.

Owns the table; the checksums are python-stdnum's, but for those it lacks. An error inside a checksum counts as
"may be one": a number is never cleared by a fault of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    _Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One kind of number."""

    #: Country and number, as python-stdnum names its module; also the detector's name.
    name: str
    #: Whether so few other numbers pass its check that it needs no label (below 1 %, or a form of its own).
    alone: bool
    check: _Check


def unlabelled(digits: str, sizes: tuple[int, ...]) -> Identifier | None:
    """The kind that a number of digits is by itself, if it is grouped as its country does or not at all."""
    kinds = _ALONE.get(len(digits))
    if not kinds or (len(sizes) > 1 and sizes not in _GROUPED and sizes.count(1) != len(sizes)):
        return None
    return next((kind for kind in kinds if kind.check(digits)), None)


def labelled(digits: str) -> list[Identifier]:
    """The kinds that a number of digits may be where a label says that it is one."""
    return [kind for kind in _BY_LENGTH.get(len(digits), ()) if kind.check(digits)]


def matching_mixed(token: str) -> list[Identifier]:
    """The kinds that a token of letters and digits may be; separators inside it don't count."""
    written = token.upper()
    # The sign of a Finnish number's century may be a dash.
    forms = [form for form in {written, written.translate(_NO_MARKS)} if _ANY_MIXED.fullmatch(form)]
    return [kind for pattern, kind in _MIXED for form in forms if pattern.fullmatch(form) and kind.check(form)]


@lru_cache(maxsize=256)
def _module(name: str) -> _Check:
    return import_module(f"stdnum.{name}").is_valid  # type: ignore[no-any-return] # stdnum's modules have no types


def _stdnum(name: str) -> _Check:
    def check(number: str) -> bool:
        try:
            return bool(_module(name)(number))
        except Exception:  # noqa: BLE001 - some checks fail on what they did not expect; such a number may be one
            return True

    return check


def luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B); a tenth of stdnum's time, asked often."""
    raw = digits.encode("ascii")
    return (sum(raw[-1::-2]) + sum(raw[-2::-2].translate(_DOUBLED)) - 48 * len(raw)) % 10 == 0


#: For a digit the one that twice it comes to, with the digits of that added.
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


def _npi(digits: str) -> bool:
    """National Provider Identifier: Luhn with the prefix 80840 (45 CFR 162.406)."""
    return digits[0] in "12" and luhn(f"80840{digits}")


def _dea(number: str) -> bool:
    """Number of the Drug Enforcement Administration: the last digit of d1+d3+d5 + 2 (d2+d4+d6) is d7."""
    digits = [int(character) for character in number[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def _clean_ssn(digits: str) -> bool:
    """A social security number that can have been given out (SSA: no 000, 666, 9xx; no 00; no 0000)."""
    return digits[:3] not in {"000", "666"} and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def _formal(_: str) -> bool:
    return True


def _snils(digits: str) -> bool:
    """Russian pension number: weighted sum modulo 101."""
    total = sum(int(d) * (9 - place) for place, d in enumerate(digits[:9])) % 101 % 100
    return total == int(digits[9:])


#: Module of python-stdnum: lengths of its digits, and whether it needs no label.
_DIGITS: Final = (
    *(("us.itin", "9", False), ("us.ein", "9", False), ("us.rtn", "9", False), ("ca.sin", "9", False)),
    *(("gb.nhs", "10", False), ("gb.utr", "10", False), ("de.idnr", "11", True), ("de.stnr", "10 11 13", False)),
    *(("fr.nir", "15", True), ("fr.nif", "13", False), ("nl.bsn", "9", False), ("be.nn", "11", True)),
    *(("at.vnr", "10", False), ("ch.ssn", "13", True), ("pt.nif", "9", False), ("pl.pesel", "11", True)),
    *(("cz.rc", "9 10", False), ("sk.rc", "9 10", False), ("hr.oib", "11", False), ("bg.egn", "10", False)),
    *(("ro.cnp", "13", True), ("si.emso", "13", True), ("dk.cpr", "10", False), ("se.personnummer", "10 12", False)),
    *(("no.fodselsnummer", "11", True), ("is_.kennitala", "10", False), ("ee.ik", "11", True)),
    *(("lt.asmens", "11", True), ("gr.amka", "11", True), ("tr.tckimlik", "11", True), ("za.idnr", "13", True)),
    *(("in_.aadhaar", "12", False), ("br.cpf", "11", True), ("br.cnpj", "14", True), ("ar.cuit", "11", False)),
    *(("ar.dni", "7 8", False), ("cl.rut", "8 9", False), ("co.nit", "8 9 10", False), ("pe.cui", "8 9", False)),
    *(("uy.rut", "12", False), ("ec.ci", "10", False), ("do.cedula", "11", False), ("cu.ni", "11", False)),
    *(("cn.ric", "18", True), ("kr.rrn", "13", True), ("th.pin", "13", False), ("my.nric", "12", False)),
    *(("id.nik", "16", False), ("id.npwp", "15 16", False), ("jp.in_", "12", False), ("au.tfn", "8 9", False)),
    *(("au.abn", "11", False), ("nz.ird", "8 9", False), ("il.idnr", "9", False), ("ua.rntrc", "10", False)),
    *(("ru.inn", "10 12", False), ("pk.cnic", "13", False), ("hu.anum", "8", False), ("gt.nit", "8 9", False)),
)
_OWN_DIGITS: Final = (
    ("us.ssn", "9", False, _clean_ssn),
    ("us.npi", "10", False, _npi),
    ("ru.snils", "11", False, _snils),
)


def _by_length() -> dict[int, tuple[Identifier, ...]]:
    table: dict[int, list[Identifier]] = {}
    for name, lengths, alone, check in (*((n, ls, a, _stdnum(n)) for n, ls, a in _DIGITS), *_OWN_DIGITS):
        for length in lengths.split():
            table.setdefault(int(length), []).append(Identifier(name=name, alone=alone, check=check))
    return {length: tuple(kinds) for length, kinds in table.items()}


_BY_LENGTH: Final = _by_length()
#: Lengths of the kinds that need no label.
ALONE_LENGTHS: Final = frozenset(length for length, kinds in _BY_LENGTH.items() if any(kind.alone for kind in kinds))
_ALONE: Final = {length: tuple(kind for kind in _BY_LENGTH[length] if kind.alone) for length in ALONE_LENGTHS}
#: Groups in which the kinds that need no label are written.
_GROUPED: Final = frozenset(
    {
        *((2, 3, 3, 3), (1, 2, 2, 2, 3, 3, 2), (13, 2), (2, 2, 2, 3, 2), (3, 4, 4, 2), (3, 3, 3, 2), (2, 3, 3, 4, 2)),
        *((6, 5), (6, 7), (6, 4), (8, 4), (6, 4, 2, 1), (4, 3, 4)),
    }
)

#: Numbers with letters: form, name, and a check where the form alone does not tell.
_MIXED: Final = tuple(
    (re.compile(pattern), Identifier(name=name, alone=True, check=check))
    for name, pattern, check in (
        ("es.dni", r"\d{8}[A-Z]", _stdnum("es.dni")),
        ("es.nie", r"[XYZ]\d{7}[A-Z]", _stdnum("es.nie")),
        ("fr.nir", r"[12]\d{4}(?:2A|2B)\d{8}", _stdnum("fr.nir")),
        ("it.codicefiscale", r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]", _stdnum("it.codicefiscale")),
        ("fi.hetu", r"\d{6}[+A-FU-Y-]\d{3}[0-9A-Y]", _stdnum("fi.hetu")),
        ("ie.pps", r"\d{7}[A-W][A-IW]?", _stdnum("ie.pps")),
        ("gb.nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", _formal),
        ("mx.curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", _stdnum("mx.curp")),
        ("mx.rfc", r"[A-Z&\u00d1]{3,4}\d{6}[0-9A-Z]{3}", _stdnum("mx.rfc")),
        ("cn.ric", r"\d{17}X", _stdnum("cn.ric")),
        ("in_.pan", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", _stdnum("in_.pan")),
        ("cl.rut", r"\d{7,8}K", _stdnum("cl.rut")),
        ("pt.cc", r"\d{9}[A-Z]{2}\d", _stdnum("pt.cc")),
        ("tw.id", r"[A-Z][12]\d{8}", _formal),
        ("sg.nric", r"[STFGM]\d{7}[A-Z]", _formal),
        (
            "us.mbi",
            r"[1-9][AC-HJ-NP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJ-NP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJKMNP-RT-Y]{2}\d{2}",
            _formal,
        ),
        ("us.dea", r"[ABFGMPR][A-Z9]\d{7}", _dea),
    )
)
#: Whether a token is of any of these forms: most are of none.
_ANY_MIXED: Final = re.compile("|".join(pattern.pattern for pattern, _ in _MIXED))
_NO_MARKS: Final = str.maketrans("", "", " ./-")

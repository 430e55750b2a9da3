"""Values for each of the identifiers of HIPAA's Safe Harbor, as notes of a clinic write them, all made up.

Owns the values and the sentences around them; refuses to know what finds them. Written without a look at the rules'
patterns, but by people who had read them: text of real patients is harder.
"""

# ruff: noqa: SIM905 - lists of words read better as sentences

from __future__ import annotations

import base64
import random
import string
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Make = Callable[[random.Random], str]

_FIRST = (
    "Maria Aisha John Wei Fatima Dmitri Chloe Kwame Ingrid Diego Yuki Olga Patrick Amara Hannah Tomás Linh Peter "
    "Nadia Samuel Priya Erik Rosa Ahmed Grace Bartosz Leila George Mei Anna"
).split()
_LAST = (
    "Gonzalez Okafor Smith Chen Haddad Volkov Martin Mensah Larsen Ramirez Tanaka Petrova Murphy Diallo Weber Silva "
    "Nguyen Johnson Rahman Brown Patel Nilsson Romano Hassan Williams Kowalski Karimi Baker Wu Schmidt"
).split()
_STREETS = "Maple Oak Washington Lincoln Park Cedar Hill Lake Pine Elm Sunset River Church Mill Spring".split()
_WAYS = "Street St Avenue Ave Road Rd Drive Dr Lane Court Blvd".split()
_TOWNS = "Springfield IL,Dayton OH,Tulsa OK,Boise ID,Mobile AL,Reno NV,Salem OR,Laredo TX,Akron OH,Fargo ND".split(",")
_MONTHS = "January February March April May June July August September October November December".split()
#: Area codes of the North American plan.
_AREAS = "212 213 312 415 503 512 602 617 702 713 718 801 808 857 904 919 971".split()
_HOSTS = "example.org clinic-records.example mail.example.com st-lukes.example".split()
#: Letters that Medicare's and the vehicle makers' numbers leave out.
_MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"
_VIN_CHARACTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of value of one of the rule's eighteen letters."""

    #: 45 CFR 164.514(b)(2)(i), "A" to "R".
    letter: str
    #: As the table names it.
    name: str
    make: _Make
    #: Sentences with one `{}` each.
    sentences: tuple[str, ...]

    def samples(self, count: int, *, seed: int) -> Iterator[tuple[str, str]]:
        """So many pairs of a text and the value in it; the same for the same seed."""
        rng = random.Random(f"{seed} {self.letter} {self.name}")
        for at in range(count):
            value = self.make(rng)
            yield self.sentences[at % len(self.sentences)].format(value), value


def _digits(rng: random.Random, count: int, *, first: str = string.digits) -> str:
    return rng.choice(first) + "".join(rng.choice(string.digits) for _ in range(count - 1))


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(count))


def _name(rng: random.Random) -> str:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return rng.choice((f"{first} {last}", f"{last}, {first}", f"{first} {rng.choice(string.ascii_uppercase)}. {last}"))


def _address(rng: random.Random) -> str:
    number, street = rng.randint(1, 9999), f"{rng.choice(_STREETS)} {rng.choice(_WAYS)}"
    town, state = rng.choice(_TOWNS).split()
    return f"{number} {street}, {town}, {state} {_digits(rng, 5, first='123456789')}"


def _coordinates(rng: random.Random) -> str:
    return f"{rng.uniform(25, 49):.{rng.randint(4, 6)}f}, {rng.uniform(-124, -67):.{rng.randint(4, 6)}f}"


def _date(rng: random.Random) -> str:
    year, month, day = rng.randint(1930, 2025), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            *(f"{month:02}/{day:02}/{year}", f"{year}-{month:02}-{day:02}", f"{_MONTHS[month - 1]} {day}, {year}"),
            *(f"{day} {_MONTHS[month - 1][:3]} {year}", f"{_MONTHS[month - 1]} {day}"),
        )
    )


def _phone(rng: random.Random) -> str:
    area, exchange, line = rng.choice(_AREAS), _digits(rng, 3, first="23456789"), _digits(rng, 4)
    return rng.choice(
        (
            *(f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"{area}.{exchange}.{line}"),
            *(f"+1 {area} {exchange} {line}", f"1-{area}-{exchange}-{line}", f"{area} {exchange} {line}"),
            f"{area}-{exchange}-{line} ext. {rng.randint(10, 999)}",
        )
    )


def _email(rng: random.Random) -> str:
    first, last = rng.choice(_FIRST).lower(), rng.choice(_LAST).lower()
    first = first.encode("ascii", "ignore").decode()
    local = rng.choice(
        (f"{first}.{last}", f"{first[0]}{last}{rng.randint(1, 99)}", f"{last}+{first}", f"{first}_{last}")
    )
    return f"{local}@{rng.choice(_HOSTS)}"


def _ssn(rng: random.Random) -> str:
    area = rng.choice([n for n in range(1, 900) if n != 666])
    parts = (f"{area:03}", f"{rng.randint(1, 99):02}", f"{rng.randint(1, 9999):04}")
    return rng.choice(("-", " ", "")).join(parts)


def _record(rng: random.Random) -> str:
    return rng.choice(
        (
            *(_digits(rng, 6), _digits(rng, 8), f"{_digits(rng, 2)}-{_digits(rng, 2)}-{_digits(rng, 2)}"),
            *(f"{_letters(rng, 1)}{_digits(rng, 7)}", f"{_digits(rng, 3)}-{_digits(rng, 4)}", f"MR{_digits(rng, 6)}"),
        )
    )


def _beneficiary(rng: random.Random) -> str:
    mixed = _MBI_LETTERS + string.digits
    form = ("123456789", _MBI_LETTERS, mixed, "0", _MBI_LETTERS, mixed, "0", _MBI_LETTERS, _MBI_LETTERS, "0", "0")
    drawn = "".join(rng.choice(string.digits if part == "0" else part) for part in form)
    return rng.choice((drawn, f"{drawn[:4]}-{drawn[4:7]}-{drawn[7:]}"))


def _member(rng: random.Random) -> str:
    return rng.choice((f"{_letters(rng, 3)}{_digits(rng, 9)}", _digits(rng, 10), f"W{_digits(rng, 8)}"))


def _account(rng: random.Random) -> str:
    return rng.choice((_digits(rng, 10), _digits(rng, 12), f"{_digits(rng, 4)}-{_digits(rng, 6)}", _digits(rng, 8)))


def _card(rng: random.Random) -> str:
    body = _digits(rng, 15, first="4")
    doubled = [int(d) * 2 - 9 * (int(d) > 4) if at % 2 == 0 else int(d) for at, d in enumerate(body)]
    whole = body + str(-sum(doubled) % 10)
    return rng.choice((whole, " ".join(whole[at : at + 4] for at in range(0, 16, 4))))


def _driving_licence(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{_letters(rng, 1)}{_digits(rng, 7)}",
            _digits(rng, 9),
            f"{_letters(rng, 1)}{_digits(rng, 3)}-{_digits(rng, 4)}",
        )
    )


def _dea(rng: random.Random) -> str:
    body = _digits(rng, 6)
    odd, even = (sum(int(d) for d in body[at::2]) for at in (0, 1))
    return f"{rng.choice('ABFM')}{_letters(rng, 1)}{body}{(odd + 2 * even) % 10}"


def _practice_licence(rng: random.Random) -> str:
    return rng.choice((f"MD{_digits(rng, 6)}", f"{_letters(rng, 1)}{_digits(rng, 5)}", f"RN-{_digits(rng, 6)}"))


def _vin(rng: random.Random) -> str:
    drawn = [rng.choice(_VIN_CHARACTERS) for _ in range(17)]
    total = sum(
        weight * (int(c) if c.isdigit() else _VIN_VALUES[c]) for c, weight in zip(drawn, _VIN_WEIGHTS, strict=True)
    )
    drawn[8] = "X" if total % 11 == 10 else str(total % 11)
    return "".join(drawn)


def _plate(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.randint(1, 9)}{_letters(rng, 3)}{_digits(rng, 3)}", f"{_letters(rng, 3)}-{_digits(rng, 4)}")
    )


def _serial(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{_letters(rng, 2)}{_digits(rng, 8)}",
            f"{_digits(rng, 2)}{_letters(rng, 1)}{_digits(rng, 6)}",
            _digits(rng, 9),
        )
    )


def _mac(rng: random.Random) -> str:
    return rng.choice(":-").join(f"{rng.randrange(256):02x}" for _ in range(6))


def _url(rng: random.Random) -> str:
    return f"https://www.{rng.choice(_HOSTS)}/{rng.choice(('patients', 'people', 'u'))}/{rng.choice(_LAST).lower()}"


def _ipv4(rng: random.Random) -> str:
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def _ipv6(rng: random.Random) -> str:
    return str(IPv6Address((0x2001 << 112) | rng.getrandbits(112)))


def _biometric(rng: random.Random) -> str:
    raw = rng.randbytes(48)
    return rng.choice((raw.hex(), base64.b64encode(raw).decode()))


def _other(rng: random.Random) -> str:
    return rng.choice((_digits(rng, 8), f"{_letters(rng, 2)}{_digits(rng, 7)}", f"{_digits(rng, 4)}-{_digits(rng, 5)}"))


#: All that is measured, by letter.
KINDS: tuple[Kind, ...] = (
    Kind(
        letter="A",
        name="names",
        make=_name,
        sentences=("Patient {} was seen today.", "Dear {}, your results are in.", "Referred by Dr. {}.", "Mother: {}"),
    ),
    Kind(
        letter="B",
        name="postal addresses",
        make=_address,
        sentences=("Lives at {}.", "Address: {}", "Please mail the form to {}.", "Moved from {} last year."),
    ),
    Kind(
        letter="B",
        name="ZIP codes",
        make=lambda rng: _digits(rng, 5, first="123456789"),
        sentences=("ZIP {}", "Patient's zip code is {}.", "Area {}, rural."),
    ),
    Kind(
        letter="B",
        name="coordinates",
        make=_coordinates,
        sentences=("Picked up at {}.", "Home location: {}", "GPS {} at the time of the fall."),
    ),
    Kind(
        letter="C",
        name="dates",
        make=_date,
        sentences=("DOB: {}", "Admitted {}.", "Surgery on {} went well.", "Discharge date {}", "Died {}."),
    ),
    Kind(
        letter="C",
        name="ages over 89",
        make=lambda rng: str(rng.randint(90, 109)),
        sentences=("A {}-year-old woman.", "Age: {}", "He is {} years old."),
    ),
    Kind(
        letter="D",
        name="telephone numbers",
        make=_phone,
        sentences=("Call back at {}.", "Phone: {}", "Her daughter: {}", "Cell {} after 5 pm", "Emergency contact {}"),
    ),
    Kind(
        letter="E",
        name="fax numbers",
        make=_phone,
        sentences=("Fax: {}", "Please fax the chart to {}.", "Fax number {}", "F: {}"),
    ),
    Kind(
        letter="F",
        name="e-mail addresses",
        make=_email,
        sentences=("Email: {}", "Write to {} please.", "<{}>", "Portal login {}"),
    ),
    Kind(
        letter="G",
        name="social security numbers",
        make=_ssn,
        sentences=("SSN: {}", "Social security number {}", "Patient's SSN is {}.", "SS# {}"),
    ),
    Kind(
        letter="H",
        name="medical record numbers",
        make=_record,
        sentences=("MRN: {}", "Medical record number {}", "Chart # {}", "Patient ID {}", "Med rec no. {}"),
    ),
    Kind(
        letter="I",
        name="Medicare beneficiary identifiers",
        make=_beneficiary,
        sentences=("Medicare ID: {}", "MBI {}", "Beneficiary {}", "Insurance: Medicare {}"),
    ),
    Kind(
        letter="I",
        name="other health plan numbers",
        make=_member,
        sentences=("Member ID: {}", "Health plan ID {}", "Subscriber no. {}", "Medicaid number {}", "Policy # {}"),
    ),
    Kind(
        letter="J",
        name="account numbers",
        make=_account,
        sentences=("Account no. {}", "Acct: {}", "Please debit bank account {}.", "Billing account # {}"),
    ),
    Kind(
        letter="J",
        name="card numbers",
        make=_card,
        sentences=("Card: {}", "Copay charged to {}.", "Visa {}", "Paid with {}"),
    ),
    Kind(
        letter="K",
        name="driving licences",
        make=_driving_licence,
        sentences=("Driver's license {}", "Driver license no. {}", "DL: {}", "License number: {}"),
    ),
    Kind(
        letter="K",
        name="DEA registrations",
        make=_dea,
        sentences=("DEA: {}", "DEA number {}", "Prescriber {}", "Signed, {}"),
    ),
    Kind(
        letter="K",
        name="licences to practise",
        make=_practice_licence,
        sentences=("License no. {}", "State medical license {}", "Lic. {}", "Certificate number {}"),
    ),
    Kind(
        letter="L",
        name="vehicle identification numbers",
        make=_vin,
        sentences=("VIN {}", "Vehicle: {}", "Drove a car with the identification number {}."),
    ),
    Kind(
        letter="L",
        name="licence plates",
        make=_plate,
        sentences=("License plate {}", "Plate: {}", "Her car, {}, was towed."),
    ),
    Kind(
        letter="M",
        name="serial numbers of devices",
        make=_serial,
        sentences=("Serial number {}", "Pacemaker S/N {}", "Device ID: {}", "Implant serial no. {}"),
    ),
    Kind(
        letter="M",
        name="network addresses of devices",
        make=_mac,
        sentences=("MAC {}", "Pump {} went offline.", "Device {} paired"),
    ),
    Kind(
        letter="N",
        name="web addresses",
        make=_url,
        sentences=("See {}", "Profile: {}", "Posted on {} yesterday"),
    ),
    Kind(
        letter="O",
        name="IPv4 addresses",
        make=_ipv4,
        sentences=("Login from {}", "IP: {}", "Client {} timed out."),
    ),
    Kind(
        letter="O",
        name="IPv6 addresses",
        make=_ipv6,
        sentences=("Login from {}", "IP: {}", "Client {} timed out."),
    ),
    Kind(
        letter="P",
        name="biometric templates as text",
        make=_biometric,
        sentences=("Fingerprint template: {}", "Voice print {}", "Iris code {}"),
    ),
    Kind(
        letter="R",
        name="other labelled numbers",
        make=_other,
        sentences=("Claim number {}", "Case # {}", "Employee ID: {}", "Student no. {}", "Customer {}", "Passport {}"),
    ),
    Kind(
        letter="R",
        name="codes without a known label",
        make=_other,
        sentences=("Study subject {}", "Specimen {}", "Ref. {}", "Order {}"),
    ),
)

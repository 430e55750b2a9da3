"""Texts of our own with values filled in, written after the rules and never looked at while they were mended.

Used by `detectors.py`. Templates of letters, chats, forms, logs and tables in six languages; values of
`detector_values`, with valid check digits, in the ways people write them.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import detector_values as values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST = "Mara Tobias Lin\u00e9a Kofi Yuki Ana\u00efs Piotr Sofia Dmitri Fatima Jo\u00e3o Greta Okan Nils Priya"
_LAST = "Halvorsen Okafor M\u00fcller Tanaka Dubois Kowalska Rossi Petrov Haddad Silva Janssen Demir Berg Iyer"
#: {name} is filled in with a name, {date} with a day, {amount} with a sum; these are not looked for.
TEMPLATES: Final = (
    "Hi team,\n{name} here. The charge on {card} from {date} is not mine, send {amount} back.\nReach me at {phone}.",
    "From: {name} <{email}>\nSubject: wire\n\nPlease send {amount} to {iban} before {date}. Thanks!",
    "{date} 08:14:55 WARN login failed for {email} from {ip}, 3 attempts, order 48213",
    "customer,card,paid\n{name},{card},{amount}\n{name},{card},{amount}",
    "New hire form\nName: {name}\nSSN: {ssn}\nStart: {date}\nSalary: {amount}\nMobile: {phone}",
    "Please update my file. Old phone {phone}, new phone {phone}. Mail stays {email}.",
    "Guten Tag, bitte \u00fcberweisen Sie {amount} auf {iban}. Telefonisch bin ich unter {phone} zu erreichen. {name}",
    "Bonjour, on a pris {amount} sur ma carte {card} le {date}. Mon adresse : {email}. Merci, {name}",
    "Hola, soy {name}. Mi cuenta es {iban} y mi tel\u00e9fono {phone}. El pago de {amount} no lleg\u00f3 el {date}.",
    "Ciao, sono {name}: il bonifico sull'IBAN {iban} del {date} manca. Scrivetemi a {email}.",
    "Beste, kunt u {amount} terugstorten op {iban}? Bellen kan op {phone}. Groet, {name}",
    '{{"user": "{name}", "email": "{email}", "client_ip": "{ip}", "card": "{card}", "total": 3, "created": "{date}"}}',
    "ticket #{small}: {name} says the app shows {small} items; no payment data given; opened {date}",
    "The router at {ip} answers, the one at {ip} does not. Version 10.2.1.4052 of {date}, build 20240117.3.",
    "I paid {amount} on {date} with my Visa {card}, expiry 09/27, and got nothing. {name}, {phone}",
    "Her social security number is {ssn}, please remove it from the ticket. Reply to {email}",
    "Quarterly figures: {amount} in {date}, {amount} before. Page {small} of {small}. Nothing else changed.",
)


class Marked(NamedTuple):
    """A text with the places and types of its values."""

    text: str
    #: (type, start, end)
    spans: list[tuple[str, int, int]]


def texts(count: int, *, seed: int = 7) -> list[Marked]:
    """So many texts."""
    rng = random.Random(seed)
    sources = _sources(rng)
    return [_filled(rng.choice(TEMPLATES), sources) for _ in range(count)]


def _filled(template: str, sources: dict[str, Callable[[], str]]) -> Marked:
    text, spans, rest = "", [], template.replace("{{", "\x00").replace("}}", "\x01")
    while "{" in rest:
        before, _, rest = rest.partition("{")
        kind, _, rest = rest.partition("}")
        value = sources[kind]()
        text += before
        spans.append((kind, len(text), len(text) + len(value)))
        text += value
    return Marked((text + rest).replace("\x00", "{").replace("\x01", "}"), spans)


def _sources(rng: random.Random) -> dict[str, Callable[[], str]]:
    """What is filled in for each kind."""
    cards = {scheme: values.cards(rng, scheme) for scheme in values.SCHEMES}
    ibans = {country: values.ibans(rng, country) for country in ("DE", "FR", "ES", "IT", "NL", "GB", "PL", "CH", "NO")}
    mails = values.emails(rng)
    v4, v6 = values.addresses(rng, 4), values.addresses(rng, 6)
    phones = [
        number
        for region in ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "JP", "AU", "PL", "SE", "MX", "ZA")
        for form, number, labelled in values.phones(region)
        if form == "international" or labelled
    ]

    def of(table: dict[str, Iterator[str]]) -> str:
        return next(table[rng.choice(sorted(table))])

    return {
        "name": lambda: f"{rng.choice(_FIRST.split())} {rng.choice(_LAST.split())}",
        "date": lambda: rng.choice(("2024-03-{:02}", "{:02}.03.2024", "{:02}/03/2024", "March {}, 2024")).format(
            rng.randrange(1, 29)
        ),
        "amount": lambda: rng.choice(("${:,}.00", "{:,} EUR", "\u20ac{}", "USD {:,}")).format(rng.randrange(5, 90_000)),
        "small": lambda: str(rng.randrange(1, 99_999)),
        "card": lambda: of(cards),
        "iban": lambda: of(ibans),
        "email": lambda: next(mails),
        "ip": lambda: next(rng.choice((v4, v6))),
        "ssn": lambda: f"{rng.randrange(1, 666):03}-{rng.randrange(1, 100):02}-{rng.randrange(1, 10_000):04}",
        "phone": lambda: rng.choice(phones),
    }

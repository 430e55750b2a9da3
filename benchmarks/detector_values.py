"""Valid values of every kind that the detectors look for, drawn with a seed; used by `detectors.py`.

Owns the generators; a value is made by the kind's own rules (prefixes, lengths, check digits), by python-stdnum's check
of random digits, or by phonenumbers' example of each country. Nothing here is a real person's.
"""

from __future__ import annotations

import ipaddress
import re
import string
from importlib import import_module
from typing import TYPE_CHECKING, Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import luhn, numdb
from stdnum.iso7064 import mod_97_10

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

DIGITS, LETTERS = string.digits, string.ascii_uppercase
#: Schemes of cards: beginnings and lengths.
SCHEMES: Final = {
    "Visa": (("4",), (13, 16, 19)),
    "Mastercard": (("51", "55", "2221", "2720", "2500"), (16,)),
    "American Express": (("34", "37"), (15,)),
    "Diners Club": (("300", "305", "36", "38"), (14,)),
    "Discover": (("6011", "644", "65"), (16,)),
    "JCB": (("3528", "3589"), (16,)),
    "UnionPay": (("62",), (16, 17, 18, 19)),
    "Maestro": (("5018", "5020", "6304", "6759"), (12, 13, 16, 19)),
    "Mir": (("2200", "2204"), (16,)),
    "RuPay": (("60", "6521"), (16,)),
    "Elo": (("636368", "438935"), (16,)),
}
#: Kinds of numbers: how many digits, or a form (0 a digit, L a letter, others themselves), and a label.
STATES: Final = {
    "us.ssn": ("9", "social security number"),
    "us.itin": ("9", "ITIN"),
    "us.ein": ("9", "EIN"),
    "us.rtn": ("9", "routing number"),
    "ca.sin": ("9", "social insurance number"),
    "gb.nhs": ("10", "NHS number"),
    "gb.utr": ("10", "UTR"),
    "de.idnr": ("11", "Steuer-ID"),
    "fr.nir": ("15", "num\u00e9ro de s\u00e9curit\u00e9 sociale"),
    "fr.nif": ("13", "num\u00e9ro fiscal"),
    "es.dni": ("00000000L", "DNI"),
    "es.nie": ("X0000000L", "NIE"),
    "it.codicefiscale": ("LLLLLL00L00L000L", "codice fiscale"),
    "nl.bsn": ("9", "BSN"),
    "be.nn": ("11", "rijksregister"),
    "at.vnr": ("10", "Sozialversicherungsnummer"),
    "ch.ssn": ("7560000000000", "AHV"),
    "ie.pps": ("0000000L", "PPS"),
    "pt.nif": ("9", "NIF"),
    "pl.pesel": ("11", "PESEL"),
    "cz.rc": ("10", "rodn\u00e9 \u010d\u00edslo"),
    "sk.rc": ("10", "rodn\u00e9 \u010d\u00edslo"),
    "hr.oib": ("11", "OIB"),
    "si.emso": ("13", "EM\u0160O"),
    "bg.egn": ("10", "\u0415\u0413\u041d"),
    "ro.cnp": ("13", "CNP"),
    "dk.cpr": ("10", "CPR"),
    "se.personnummer": ("10", "personnummer"),
    "no.fodselsnummer": ("11", "f\u00f8dselsnummer"),
    "fi.hetu": ("000000-000L", "hetu"),
    "is_.kennitala": ("10", "kennitala"),
    "ee.ik": ("11", "isikukood"),
    "lt.asmens": ("11", "asmens kodas"),
    "gr.amka": ("11", "AMKA"),
    "tr.tckimlik": ("11", "TC kimlik"),
    "za.idnr": ("13", "ID number"),
    "in_.aadhaar": ("12", "Aadhaar"),
    "in_.pan": ("LLLPL0000L", "PAN"),
    "br.cpf": ("11", "CPF"),
    "mx.curp": ("LLLL000000HLLLLL00", "CURP"),
    "mx.rfc": ("LLLL000000LL0", "RFC"),
    "ar.cuit": ("11", "CUIT"),
    "cl.rut": ("9", "RUT"),
    "co.nit": ("10", "NIT"),
    "ec.ci": ("10", "c\u00e9dula"),
    "do.cedula": ("11", "c\u00e9dula"),
    "cn.ric": ("18", "\u8eab\u4efd\u8bc1"),
    "kr.rrn": ("13", "\uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638"),
    "au.tfn": ("9", "TFN"),
    "nz.ird": ("9", "tax number"),
    "il.idnr": ("9", "teudat zehut"),
    "id.nik": ("16", "NIK"),
    "th.pin": ("13", "ID card"),
    "ru.inn": ("12", "\u0418\u041d\u041d"),
    "ua.rntrc": ("10", "\u0440\u043d\u043e\u043a\u043f\u043f"),
}
#: Passports by country: forms, and the word for one.
PASSPORTS: Final = {
    "US": (("000000000", "L00000000"), "passport number"),
    "GB": (("000000000",), "passport no"),
    "DE": (("C01X00T00", "CFGHJKLM0"), "Reisepassnummer"),
    "FR": (("00LL00000",), "passeport"),
    "ES": (("LLL000000",), "pasaporte"),
    "IT": (("LL0000000",), "passaporto"),
    "PT": (("LL000000", "L000000"), "passaporte"),
    "NL": (("LLCDR00F0", "NP0000000"), "paspoort"),
    "BE": (("LL000000",), "passeport"),
    "PL": (("LL0000000",), "paszport"),
    "CH": (("L0000000",), "Reisepass"),
    "SE": (("00000000", "LL000000"), "passnummer"),
    "IN": (("L0000000",), "passport"),
    "CN": (("E00000000", "EA0000000"), "\u62a4\u7167"),
    "JP": (("LL0000000",), "\u65c5\u5238"),
    "KR": (("M00000000",), "\uc5ec\uad8c"),
    "CA": (("LL000000",), "passport"),
    "AU": (("L0000000", "PA0000000"), "passport"),
    "BR": (("LL000000",), "passaporte"),
    "MX": (("L00000000",), "pasaporte"),
    "RU": (("000000000", "00 0000000"), "\u043f\u0430\u0441\u043f\u043e\u0440\u0442"),
    "TR": (("U00000000",), "passport"),
}
_HEX = "0123456789abcdef"
_ALL = string.ascii_letters + string.digits
#: Keys and tokens by issuer: what stands before, how many characters follow, of which.
SECRETS: Final = {
    "AWS": ("AKIA", 16, LETTERS + DIGITS),
    "GitHub": ("ghp_", 36, _ALL),
    "GitHub fine-grained": ("github_pat_", 82, _ALL),
    "GitLab": ("glpat-", 20, _ALL),
    "Google API": ("AIza", 35, _ALL),
    "Google OAuth": ("GOCSPX-", 28, _ALL),
    "OpenAI": ("sk-proj-", 48, _ALL),
    "Anthropic": ("sk-ant-api03-", 90, _ALL),
    "Groq": ("gsk_", 52, _ALL),
    "xAI": ("xai-", 80, _ALL),
    "Perplexity": ("pplx-", 48, _HEX),
    "Replicate": ("r8_", 37, _ALL),
    "Hugging Face": ("hf_", 34, string.ascii_letters),
    "Slack": ("xoxb-", 40, DIGITS),
    "Slack webhook": ("https://hooks.slack.com/services/T00000000/B00000000/", 24, _ALL),
    "Discord webhook": ("https://discord.com/api/webhooks/123456789012345678/", 68, _ALL),
    "Telegram": ("123456789:AA", 33, _ALL),
    "Stripe": ("sk_live_", 24, _ALL),
    "Square": ("sq0atp-", 22, _ALL),
    "Shopify": ("shpat_", 32, _HEX),
    "npm": ("npm_", 36, _ALL),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc", 60, _ALL),
    "RubyGems": ("rubygems_", 48, _HEX),
    "Docker": ("dckr_pat_", 27, _ALL),
    "SendGrid": ("SG.abcdefghijklmnopqrstuv.", 43, _ALL),
    "Twilio": ("SK", 32, _HEX),
    "Mailgun": ("key-", 32, _HEX),
    "Mailchimp": ("0123456789abcdef0123456789abcdef-us", 2, DIGITS),
    "DigitalOcean": ("dop_v1_", 64, _HEX),
    "Databricks": ("dapi", 32, _HEX),
    "Vault": ("hvs.", 90, _ALL),
    "Terraform": ("abcdefghij1234.atlasv1.", 60, _ALL),
    "Atlassian": ("ATATT3xFfGF0", 180, _ALL),
    "Linear": ("lin_api_", 40, _ALL),
    "Notion": ("ntn_", 46, _ALL),
    "Postman": ("PMAK-", 59, _HEX),
    "Grafana": ("glsa_", 41, _ALL),
    "New Relic": ("NRAK-", 27, LETTERS + DIGITS),
    "Sentry": ("sntrys_", 80, _ALL),
    "Doppler": ("dp.pt.", 43, _ALL),
    "PlanetScale": ("pscale_tkn_", 43, _ALL),
    "Supabase": ("sbp_", 40, _HEX),
    "Figma": ("figd_", 40, _ALL),
    "Alibaba": ("LTAI", 20, _ALL),
    "Azure storage": ("AccountKey=", 86, _ALL),
    "age": ("AGE-SECRET-KEY-1", 58, LETTERS + DIGITS),
}


def filled(form: str, rng: random.Random) -> str:
    """A value of a form: 0 a digit, L a letter, anything else itself."""
    swap = {"0": DIGITS, "L": LETTERS}
    return "".join(rng.choice(swap[c]) if c in swap else c for c in form)


def drawn(rng: random.Random, alphabet: str, count: int) -> str:
    """So many characters."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def cards(rng: random.Random, scheme: str) -> Iterator[str]:
    """Numbers of a scheme, in turn without a mark and in groups of four."""
    beginnings, lengths = SCHEMES[scheme]
    while True:
        length = rng.choice(lengths)
        begin = rng.choice(beginnings)
        number = begin + drawn(rng, DIGITS, length - len(begin) - 1)
        number += luhn.calc_check_digit(number)
        yield number
        yield " ".join(number[at : at + 4] for at in range(0, length, 4))


def iban_countries() -> list[str]:
    """Countries of the registry."""
    return sorted({country for country, _ in _iban_forms()})


def ibans(rng: random.Random, country: str) -> Iterator[str]:
    """Account numbers of a country with the right check digits, in turn without a mark and in groups of four."""
    form = dict(_iban_forms())[country]
    while True:
        account = "".join(drawn(rng, alphabet, count) for count, alphabet in form)
        check = mod_97_10.calc_check_digits(account + country)
        compact = country + check + account
        yield compact
        yield " ".join(compact[at : at + 4] for at in range(0, len(compact), 4))


def _iban_forms() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Countries with the lengths and characters of their account numbers, as the registry in python-stdnum has them."""
    registry = numdb.get("iban")
    alphabets = {"n": DIGITS, "a": LETTERS, "c": LETTERS + DIGITS}
    for country in (first + second for first in LETTERS for second in LETTERS):
        form = registry.info(country)[0][1].get("bban")
        if form:
            yield country, [(int(count), alphabets[kind]) for count, kind in re.findall(r"(\d+)!([nac])", form)]


def state_numbers(rng: random.Random, kind: str, *, tries: int = 5_000) -> Iterator[str]:
    """Numbers that python-stdnum calls valid: random ones of the form, or with the check characters gone through."""
    form = STATES[kind][0]
    form = "0" * int(form) if form.isdigit() and len(form) <= 2 else form
    module = import_module(f"stdnum.{kind}")
    for _ in range(tries):
        yield from _first_valid(filled(form, rng), form, module.is_valid)


def _first_valid(number: str, form: str, is_valid: Callable[[str], bool]) -> Iterator[str]:
    """The number with the last character, or the last digit, that makes it valid; nothing where none does."""
    alphabet = LETTERS if form[-1] == "L" else DIGITS
    for last in alphabet:
        tried = number[:-1] + last
        try:
            if is_valid(tried):
                yield tried
                return
        except Exception:  # noqa: BLE001 - some checks fail on what they did not expect
            continue


def npis(rng: random.Random) -> Iterator[str]:
    """National Provider Identifiers."""
    while True:
        number = rng.choice("12") + drawn(rng, DIGITS, 8)
        yield number + luhn.calc_check_digit(f"80840{number}")


def deas(rng: random.Random) -> Iterator[str]:
    """Numbers of the Drug Enforcement Administration."""
    while True:
        digits = [rng.randrange(10) for _ in range(6)]
        check = (sum(digits[0::2]) + 2 * sum(digits[1::2])) % 10
        yield rng.choice("ABFGMPR") + rng.choice(LETTERS) + "".join(map(str, digits)) + str(check)


def mbis(rng: random.Random) -> Iterator[str]:
    """Medicare Beneficiary Identifiers, in turn without a mark and with hyphens."""
    letters = "ACDEFGHJKMNPQRTUVWXY"
    while True:
        form = "1AN0AN0AA00"
        made = "".join(
            {
                "1": lambda: rng.choice("123456789"),
                "A": lambda: rng.choice(letters),
                "N": lambda: rng.choice(letters + DIGITS),
                "0": lambda: rng.choice(DIGITS),
            }[c]()
            for c in form
        )
        yield made
        yield f"{made[:4]}-{made[4:7]}-{made[7:]}"


def phones(region: str) -> list[tuple[str, str, bool]]:
    """(form, number, whether it needs a label) of a region's fixed lines and mobiles."""
    found = []
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            found += [
                ("E.164", phonenumbers.format_number(number, PhoneNumberFormat.E164), False),
                ("international", phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL), False),
                ("national, labelled", national, True),
                ("digits, labelled", "".join(filter(str.isdigit, national)), True),
                ("national, unlabelled", national, False),
            ]
    return found


def emails(rng: random.Random) -> Iterator[str]:
    """Addresses: plain, tagged, with names and domains in other scripts, and in Punycode."""
    words = (
        "anna",
        "j.smith",
        "m_o'neil",
        "info+tag",
        "x",
        "r\u00e9n\u00e9",
        "\u4f0a\u660e",
        "\u0438\u0432\u0430\u043d",
    )
    hosts = (
        *("example.org", "mail.example.co.uk", "xn--bcher-kva.example", "b\u00fccher.example", "a-b.example.museum"),
        *(
            "\u4f8b\u3048.\u30c6\u30b9\u30c8",
            "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
            "sub.\u03b4\u03bf\u03ba\u03b9\u03bc\u03ae.gr",
        ),
    )
    while True:
        yield f"{rng.choice(words)}{rng.randrange(100)}@{rng.choice(hosts)}"


def addresses(rng: random.Random, version: int) -> Iterator[str]:
    """IP addresses; those of version 6 short, long, and with an IPv4 address at the end."""
    while True:
        if version == 4:
            yield str(ipaddress.IPv4Address(rng.getrandbits(32)))
            continue
        found = ipaddress.IPv6Address(rng.getrandbits(128))
        yield found.compressed
        yield found.exploded
        yield f"2001:db8::{rng.randrange(1, 9999):x}"
        yield f"::ffff:{ipaddress.IPv4Address(rng.getrandbits(32))}"


def coordinates(rng: random.Random) -> Iterator[str]:
    """Latitude and longitude: decimal, with hemispheres, and in degrees, minutes and seconds."""
    while True:
        latitude, longitude = rng.uniform(-89, 89), rng.uniform(-179, 179)
        yield f"{latitude:.5f}, {longitude:.5f}"
        yield f"{abs(latitude):.4f}\u00b0 {'NS'[latitude < 0]}, {abs(longitude):.4f}\u00b0 {'EW'[longitude < 0]}"
        yield (
            f"{int(abs(latitude))}\u00b0{rng.randrange(60):02}'{rng.randrange(60):02}\"{'NS'[latitude < 0]} "
            f"{int(abs(longitude))}\u00b0{rng.randrange(60):02}'{rng.randrange(60):02}\"{'EW'[longitude < 0]}"
        )


def secrets(rng: random.Random, issuer: str) -> Iterator[str]:
    """Keys of an issuer."""
    before, count, alphabet = SECRETS[issuer]
    while True:
        yield before + drawn(rng, alphabet, count)

"""What the detectors find, where they say it is, and what they leave alone."""

from __future__ import annotations

import base64
from importlib import import_module
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.curation.triage_pii import NAMES
from tierwright.privacy.detector import scan

#: A card number that providers publish for tests.
CARD = "4111 1111 1111 1111"


def types_in(text: str) -> set[str]:
    """The types found in a text."""
    return {one.type for one in scan(text)}


@given(
    name=st.from_regex(r"[a-z][a-z0-9._+-]{0,70}", fullmatch=True),
    opening=st.sampled_from("[({<"),
    closing=st.sampled_from("])}>"),
    word=st.sampled_from(["at", "At", "AT", "@"]),
    dot=st.sampled_from([".", " (dot) ", "[DOT]"]),
    space=st.sampled_from(["", " ", "\n"]),
)
def test_an_address_is_found_however_its_sign_is_written(
    name: str, opening: str, closing: str, word: str, dot: str, space: str
) -> None:
    """The quick look sees the sign of every address, so that the rule itself gets to look."""
    sign = f"{space}{opening}{space}{word}{space}{closing}{space}"
    assert "email" in types_in(f"write to {name}{sign}example{dot}org \u00e0 midi")
    assert "email" in types_in(f"write to {name}@example.org \u00e0 midi")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("write to jo.doe+x@mail.example.org please", "email", "jo.doe+x@mail.example.org"),
        ("call +44 20 7946 0958 today", "phone", "+44 20 7946 0958"),
        ("call (212) 555-0142 today", "phone", "(212) 555-0142"),
        ("0049 30 901820", "phone", "0049 30 901820"),
        ("my mobile is 2125550142", "phone", "2125550142"),
        ("ring 212-555-0142 ext. 77 now", "phone", "212-555-0142 ext. 77"),
        ("paid with 4111 1111 1111 1111", "card", CARD),
        ("paid with 378282246310005.", "card", "378282246310005"),
        ("my card 4111 1111 1111 1112 fails", "card", "4111 1111 1111 1112"),
        ("transfer to DE89 3704 0044 0532 0130 00 now", "iban", "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432", "iban", "GB82WEST12345698765432"),
        ("it is 536-90-4399", "us_ssn", "536-90-4399"),
        ("from 192.168.12.7 at noon", "ip", "192.168.12.7"),
        ("from 2001:db8::8a2e:370:7334 at noon", "ip", "2001:db8::8a2e:370:7334"),
        ("mac 00:1B:44:11:3A:B7", "device", "00:1B:44:11:3A:B7"),
        ("near 48.85837, 2.294481 I think", "coordinates", "48.85837, 2.294481"),
        ("MRN: 00482913", "health_id", "00482913"),
        ("account no. 20905432 please", "account", "20905432"),
        ("Versicherungsnummer 1234567", "file_number", "1234567"),
        ("policy AB1234567X", "file_number", "AB1234567X"),
        ("passport X4RTBPFW4", "national_id", "X4RTBPFW4"),
        ("AKIAIOSFODNN7EXAMPLE", "secret", "AKIAIOSFODNN7EXAMPLE"),
        ("password: hunter2!x", "secret", "password: hunter2!x"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_value_is_found_where_it_stands(text: str, kind: str, value: str) -> None:
    """Sample values of each type are found with their place, and as nothing else."""
    assert [(one.type, text[one.start : one.end]) for one in scan(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112",  # Luhn fails, and nobody speaks of a card
        "serial 0000 0000 0000 0000",
        "version 1.2.3 of 2024-01-31 at 10:00",
        "from 01.02.2024 to 2024-03-15 10:30",
        "about 1,250,000 requests in 30 days, $1 200 000 in 2023 2024",
        "id 9f86d081884c7d65 or 123456789",
        "user@localhost and a@b",
        "my password is incorrect",
        "the years 1999-2003",
        "I want to transfer 500 dollars to my savings account",
        "",
    ],
)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    """Amounts, dates, versions and plain numbers are no personal data."""
    assert scan(text) == []


@pytest.mark.parametrize(
    ("kind", "number", "label"),
    [
        ("de.idnr", "36574261809", ""),
        ("br.cpf", "390.533.447-05", ""),
        ("pl.pesel", "44051401359", ""),
        ("es.dni", "54362315K", ""),
        ("it.codicefiscale", "RSSMRA85T10A562S", ""),
        ("ch.ssn", "756.9217.0769.85", ""),
        ("gb.nhs", "943 476 5870", "NHS "),
        ("nl.bsn", "111222333", "BSN: "),
        ("ca.sin", "123-456-782", "sin "),
        ("in_.aadhaar", "2341 2341 2346", "Aadhaar "),
        ("au.tfn", "123 456 782", "TFN "),
        ("za.idnr", "7503305044089", ""),
        ("mx.curp", "BOXW310820HNERXN09", ""),
        ("cn.ric", "11010519491231002X", ""),
    ],
)
def test_numbers_of_states(kind: str, number: str, label: str) -> None:
    """Numbers that the country's own checksum takes are found: alone where few others pass it, else after a label."""
    assert import_module(f"stdnum.{kind}").is_valid(number)
    text = f"hello, {label}{number}, thanks"
    start = text.index(number)
    assert any(one.start <= start and start + len(number) <= one.end for one in scan(text))


def test_a_failed_checksum_clears_nothing_that_is_labelled() -> None:
    """A wrong digit in a labelled number leaves it found, and not as validated."""
    (right,) = scan("NHS 9434765870")
    (wrong,) = scan("NHS 9434765871")
    assert (right.type, right.validated) == ("health_id", True)
    assert (wrong.type, wrong.validated) == ("health_id", False)


def test_an_error_in_a_checksum_is_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that fails on a number is taken as one that passed."""

    def fails(_: str) -> bool:
        raise KeyError("unexpected")

    assert scan("it is 36574261808") == []
    monkeypatch.setattr("tierwright.privacy.identifiers._module", lambda _: fails)
    assert types_in("it is 36574261808") == {"national_id"}


@pytest.mark.parametrize(
    "written",
    [
        "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in CARD),
        "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in CARD),
        "\u200b".join(CARD),
        CARD.replace(" ", "\u2011"),
        CARD.replace(" ", "\u00a0"),
        f"{CARD[:9]}\n{CARD[9:]}",
        " ".join(CARD.replace(" ", "")),
        CARD.replace(" ", "/"),
        CARD.replace(" ", "_"),
        "".join(f"\\u{ord(c):04x}" for c in CARD),
        "".join(f"%{ord(c):02x}" for c in CARD),
        "".join(f"&#{ord(c)};" for c in CARD),
        base64.b64encode(CARD.encode()).decode(),
        CARD.encode().hex(),
        base64.b64encode(quote(CARD).encode()).decode(),
        "four one one one one one one one one one one one one one one one",
        f"x{CARD.replace(' ', '')}y",
    ],
)
def test_writing_it_otherwise_hides_nothing(written: str) -> None:
    """Other digits, invisible characters, other marks and encodings, also inside one another: found at their place."""
    text = f"please use {written} for it"
    (found,) = [one for one in scan(text) if one.type == "card"]
    start = text.index(written)
    assert start <= found.start < found.end <= start + len(written)
    assert found.end - found.start >= len(written) - 2


@pytest.mark.parametrize(
    "address", ["j\u043e@m\u0430il.example.org", "jo\u200b@mail.exam\u00adple.org", "\uff4a\uff4f@mail.example.org"]
)
def test_lookalike_letters_hide_no_address(address: str) -> None:
    """Cyrillic letters, invisible ones and full-width ones in an address."""
    (found,) = scan(f"to {address} please")
    assert (found.type, found.start, found.end) == ("email", 3, 3 + len(address))


def test_other_scripts_stay_what_they_are() -> None:
    """Russian, Chinese and Arabic text without numbers holds nothing, and a label in Russian counts."""
    assert scan("\u043f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430") == []
    assert scan("\u4f60\u597d\u4e16\u754c") == []
    assert types_in("\u0442\u0435\u043b\u0435\u0444\u043e\u043d 4955550142") == {"phone"}


def test_a_label_counts_in_its_own_sentence_only() -> None:
    """What a sentence before spoke of says nothing about the next number."""
    assert types_in("my account is 20905432") == {"account"}
    assert scan("I closed my account. There were 20905432 of them") == []


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 200_000 + "@", "1 " * 60_000, "+1" * 60_000, "A1" * 60_000, "12 34 " * 20_000, "%" * 100_000),
        *(
            "a:" * 60_000,
            "\\u" * 60_000,
            "&#" * 60_000,
            "=" * 100_000,
            "one " * 30_000,
            "\ud800@x.yz",
            "\ud800 card 1234567",
        ),
    ],
)
def test_hostile_text_comes_to_an_end(text: str) -> None:
    """Long runs that almost match, and lone surrogates: an answer, whatever it is, with places inside the text."""
    assert all(0 <= one.start < one.end <= len(text) for one in scan(text))


@given(st.text(max_size=200))
def test_places_are_inside_the_text_and_types_are_known(text: str) -> None:
    """For any text: no error, places in order inside of it, and only documented types."""
    found = scan(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)
    assert {one.type for one in found} <= set(NAMES)


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_around_hides_a_card(before: str, after: str) -> None:
    """A card between any two texts is found, if no digit is put on to it."""
    text = f"{before}\n\n x {CARD} x \n\n{after}"
    start = text.index(f" x {CARD} x ") + 3
    assert any(one.type == "card" and one.start <= start and start + len(CARD) <= one.end for one in scan(text))

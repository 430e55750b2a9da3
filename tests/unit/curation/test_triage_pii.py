"""Personal data that simple rules can see."""

from __future__ import annotations

import pytest

from tests.fakes import an_example
from tierwright.core.ids import InferenceId
from tierwright.core.triage import Severity
from tierwright.curation.triage_pii import CARD, EMAIL, IBAN, PHONE, is_card, is_iban, personal_data, types_in


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jo.doe+x@mail.example.org please", EMAIL),
        ("call +44 20 7946 0958 today", PHONE),
        ("call (212) 555-0142 today", PHONE),
        ("0049 30 901820", PHONE),
        ("paid with 4111 1111 1111 1111", CARD),
        ("paid with 378282246310005.", CARD),
        ("transfer to DE89 3704 0044 0532 0130 00 now", IBAN),
        ("GB82WEST12345698765432", IBAN),
    ],
)
def test_value_is_seen_once_and_as_its_type(text: str, kind: str) -> None:
    """Published sample values of each type are seen, and as nothing else."""
    assert dict(types_in(text)) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112",  # Luhn fails
        "serial 0000 0000 0000 0000",
        "DE89 3704 0044 0532 0130 01",  # modulo 97 fails
        "version 1.2.3 of 2024-01-31 at 10:00",
        "about 1,250,000 requests in 30 days",
        "id 9f86d081884c7d65 or 123456789",
        "user@localhost and a@b",
        "",
    ],
)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    """Checksums, dates, versions and plain numbers are no personal data."""
    assert not types_in(text)


def test_checksums_by_every_digit() -> None:
    """Any single wrong digit of a card or an IBAN is noticed."""
    card, iban = "4111111111111111", "DE89370400440532013000"
    assert is_card(card)
    assert is_iban(iban)
    for place in range(1, 16):
        assert not is_card(card[:place] + str((int(card[place]) + 1) % 10) + card[place + 1 :])
    for place in range(4, 22):
        assert not is_iban(iban[:place] + str((int(iban[place]) + 1) % 10) + iban[place + 1 :])


def test_report_holds_counts_and_ids_and_no_value() -> None:
    """The finding counts inputs, by type, names examples, and repeats nothing of their text."""
    secret = "jo@mail.example.org"
    examples = [an_example(id=InferenceId(f"i{n}"), input=f"{secret} {n}" if n < 3 else "nothing") for n in range(10)]
    found = personal_data(examples)
    assert (found.severity, found.count, found.n) == (Severity.WARNING, 3, 10)
    assert found.cases[0].examples == ("i0", "i1", "i2")
    assert secret not in repr(found)
    assert personal_data(examples[3:]).severity is Severity.NOTE


@pytest.mark.parametrize("text", ["a" * 200_000 + "@", "1 " * 100_000, "+1" * 100_000, "A1" * 100_000, "\ud800@x.yz"])
def test_hostile_text_holds_nothing(text: str) -> None:
    """Long runs that almost match, and lone surrogates, come to an end with nothing found."""
    assert not types_in(text)

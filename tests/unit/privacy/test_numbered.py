"""A number sign between a label and a number takes nothing away; without a label it numbers a thing."""

from __future__ import annotations

import pytest

from tierwright.privacy.detector import scan


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Chart # 67317758", "health_id"),
        ("Policy # 2103817874", "file_number"),
        ("Billing account # 0997-170721", "account"),
        ("SS# 173-73-0830", "us_ssn"),
        ("Med rec no. 719038", "health_id"),
        ("my phone is #212-555-0199", "phone"),
        ("soc. #536-90-4399", "us_ssn"),
    ],
)
def test_a_labelled_number_is_found_behind_a_number_sign(text: str, kind: str) -> None:
    """The whole number is found, with the type that its label gives."""
    (found,) = [one for one in scan(text) if one.type == kind]
    assert found.end == len(text)
    assert text[found.start].isdigit()


@pytest.mark.parametrize("text", ["ticket #123456789", "order # 4829301", "see #1234567"])
def test_the_number_of_a_thing_is_not(text: str) -> None:
    """Nothing says that it is anybody's."""
    assert scan(text) == []


def test_a_social_security_number_is_called_one() -> None:
    """Labelled, grouped and possible: its type is its own, and not that of another number of nine digits."""
    (found,) = scan("my ssn is 536-90-4399 thanks")
    assert (found.type, found.detector, found.validated) == ("us_ssn", "us.ssn", True)

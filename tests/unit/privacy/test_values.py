"""Values of every country and issuer are found, and those that a label speaks of in any of eleven languages."""

from __future__ import annotations

import random
import re
import string

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import numdb
from stdnum.iso7064 import mod_97_10

from tierwright.privacy.detector import scan

#: Islands whose numbers have four digits: too few to be told from anything else.
FOUR_DIGITS = {"NU", "TA", "TK"}


def is_found(kind: str, before: str, value: str, after: str = " thank you") -> bool:
    """Whether a finding of a type covers the whole of a value."""
    start = len(before)
    text = f"{before}{value}{after}"
    return any(one.type == kind and one.start <= start and one.end >= start + len(value) for one in scan(text))


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_telephone_numbers_of_every_region(region: str) -> None:
    """A region's example numbers: international by themselves, national after a label, in groups and without."""
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        assert is_found("phone", "it is ", phonenumbers.format_number(number, PhoneNumberFormat.E164))
        assert is_found("phone", "it is ", phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL))
        if region not in FOUR_DIGITS:
            assert is_found("phone", "my phone is ", national)
            assert is_found("phone", "my phone is ", "".join(filter(str.isdigit, national)))


@pytest.mark.parametrize(
    "country",
    [a + b for a in string.ascii_uppercase for b in string.ascii_uppercase if numdb.get("iban").info(a + b)[0][1]],
)
def test_ibans_of_every_country(country: str) -> None:
    """Account numbers of the form that the registry gives a country, with the right check digits, with marks or not.

    Behind another that only begins like one, too.
    """
    rng = random.Random(country)
    alphabets = {"n": string.digits, "a": string.ascii_uppercase, "c": string.ascii_uppercase + string.digits}
    form = re.findall(r"(\d+)!([nac])", numdb.get("iban").info(country)[0][1]["bban"])
    for _ in range(5):
        account = "".join(rng.choice(alphabets[kind]) for count, kind in form for _ in range(int(count)))
        value = f"{country}{mod_97_10.calc_check_digits(account + country)}{account}"
        assert is_found("iban", "to ", value)
        assert is_found("iban", "ref AB12 ", " ".join(value[at : at + 4] for at in range(0, len(value), 4)))


@pytest.mark.parametrize(
    "value",
    [
        "4222222222222",
        "5105105105105100",
        "2223003122003222",
        "371449635398431",
        "30569309025904",
        "6011000990139424",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
        "2200000000000004",
        "676195715138",
        "4111,1111,1111,1111",
        "**4111** **1111** **1111** **1111**",
        "3782 822463 10005",
    ],
)
def test_cards_of_every_scheme(value: str) -> None:
    """Numbers of each scheme without a label, and between marks of any kind."""
    assert is_found("card", "it is ", value.strip("*"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("card", "meine Kreditkarte {}", "4929 1234 5678 9012"),
        ("card", "numer karty {}", "4929 1234 5678 9012"),
        ("card", "\u30ab\u30fc\u30c9\u756a\u53f7\u306f{}", "4929 1234 5678 9012"),
        ("phone", "\u0631\u0642\u0645 \u0627\u0644\u0647\u0627\u062a\u0641 {}", "55501423"),
        ("phone", "il mio numero di telefono \u00e8 {}", "55501423"),
        ("account", "n\u00famero da conta {}", "20905432"),
        ("account", "numero de cuenta: {}", "20905432"),
        ("national_id", "seguran\u00e7a social {}", "8812345"),
        ("national_id", "numer paszportu {}", "X1234567"),
        ("national_id", "Reisepassnummer {}", "CFGHJKMM6"),
        ("national_id", "\u7eb3\u7a0e\u4eba\u8bc6\u522b\u53f7 {}", "8812345"),
        ("health_id", "cartella clinica {}", "00482913"),
        ("health_id", "num\u00e9ro de patient {}", "00482913"),
        ("health_id", "\u0627\u0644\u0645\u0644\u0641 \u0627\u0644\u0637\u0628\u064a {}", "00482913"),
        ("file_number", "polisnummer {}", "7730412"),
        ("file_number", "\u4f1a\u54e1\u756a\u53f7 {}", "7730412"),
    ],
)
def test_labels_of_many_languages(kind: str, text: str, value: str) -> None:
    """A number that no check takes is found by its label, in the label's language, accents left out or not."""
    before, _, after = text.partition("{}")
    assert is_found(kind, before, value, after)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "ren\u00e9@b\u00fccher.example"),
        ("email", "info@\u4f8b\u3048.\u30c6\u30b9\u30c8"),
        ("email", "x@xn--bcher-kva.xn--p1ai"),
        ("email", "jo.doe (at) mail (dot) example (dot) org"),
        ("ip", "::ffff:65.76.52.60"),
        ("ip", "::1"),
        ("coordinates", "48.8584\u00b0 N, 2.2945\u00b0 E"),
        ("coordinates", "48\u00b051'29\"N 2\u00b017'40\"E"),
        ("national_id", "user1/12345678Z"),
        ("secret", "glpat-abcdefghij0123456789"),
        ("secret", "hvs." + "aB3" * 30),
        ("secret", "https://hooks.slack.com/services/T00000000/B00000000/abcdefghij0123456789abcd"),
        ("secret", "dop_v1_" + "0f" * 32),
        ("secret", "123456789:AAabcdefghij0123456789abcdefghij012"),
    ],
)
def test_forms_that_need_no_label(kind: str, value: str) -> None:
    """Addresses in other scripts and in words, places with hemispheres, keys of many issuers, a number in a path."""
    text = f"use {value} please"
    found = [one for one in scan(text) if one.type == kind]
    assert found
    assert all(4 <= one.start < one.end <= 4 + len(value) for one in found)


@pytest.mark.parametrize(
    "hide",
    [
        lambda text: "".join(c + "\u0336" for c in text),
        lambda text: "".join(c + "\u20dd" for c in text),
        "\u200f".join,
        lambda text: "\u200d".join(text.translate(str.maketrans("aeopcE", "\u0430\u0435\u043e\u0440\u0441\u0415"))),
        "\u3164".join,
        "\U000e0041".join,
        lambda text: "".join(f"\\u{{{ord(c):x}}}" for c in text),
    ],
)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("card", "4111 1111 1111 1111"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("email", "jo.doe@mail.example.org"),
        ("us_ssn", "536-90-4399"),
    ],
)
def test_marks_fillers_and_lookalikes_hide_nothing(hide: object, kind: str, value: str) -> None:
    """Strokes through the digits, marks of direction, joiners between lookalikes, fillers, tags, code points."""
    assert callable(hide)
    assert kind in {one.type for one in scan(f"please use {hide(value)} for it")}

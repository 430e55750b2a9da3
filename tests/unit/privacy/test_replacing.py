"""Values replaced in requests: everywhere, the same for the same, and back again."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.core.privacy import Found
from tierwright.privacy.detector import scan
from tierwright.privacy.pseudonyms import TOKEN, Pseudonyms
from tierwright.privacy.replacing import Replaced, replaced
from tierwright.privacy.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Sequence

_CARD, _EMAIL, _SSN = "4111 1111 1111 1111", "alice@example.com", "219-09-9999"
_TYPES = ("card", "email", "phone", "iban", "us_ssn", "national_id", "health_id", "account", "file_number", "ip")


async def _rules(texts: Sequence[str]) -> list[list[Found]]:
    return [scan(text) for text in texts]


def _replaced(payload: Any, pseudonyms: Pseudonyms | None = None) -> Replaced:
    return asyncio.run(replaced(payload, Pseudonyms() if pseudonyms is None else pseudonyms, _rules))


def _chat(*contents: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content} for content in contents]}


def _restored(found: Replaced, text: str) -> str:
    return Restorer(found.texts).text(text)


def test_a_value_has_one_token_however_it_is_written() -> None:
    """A card with and without spaces is one value, and comes back as it was written first."""
    found = _replaced(_chat(f"Card {_CARD}.", "Again: 4111111111111111, 4111-1111-1111-1111."))
    first, second = (message["content"] for message in found.payload["messages"])
    assert (first, second) == ("Card [CARD_A].", "Again: [CARD_A], [CARD_A].")
    assert found.texts == {"[CARD_A]": _CARD}


def test_what_has_a_token_is_replaced_where_no_detector_sees_it() -> None:
    """Nine digits without a label are nothing to the rules, but they are what the label spoke of before."""
    found = _replaced(_chat("My SSN is 219-09-9999.", "It was 219099999, and 12345 is nothing."))
    assert "219" not in json.dumps(found.payload)
    assert "12345 is nothing" in found.payload["messages"][1]["content"]


def test_every_text_of_a_body_is_replaced() -> None:
    """Names, metadata, tools, enums, arguments, results: wherever a text stands, no value is left."""
    payload = {
        "model": "m",
        "user": _EMAIL,
        "metadata": {"patient_ssn": "219099999", "card": 4111111111111111, _EMAIL: "x"},
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": f"About {_EMAIL}"}]},
            {"role": "user", "name": "n", "content": f"SSN {_SSN}, <{_EMAIL}>"},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c",
                        "type": "function",
                        "function": {"name": "f", "arguments": json.dumps({"to": _EMAIL, "card": 4111111111111111})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": json.dumps({"deep": json.dumps({"to": f'"{_EMAIL}"'})})},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": f"asks {_EMAIL}",
                    "parameters": {"type": "object", "properties": {"to": {"type": "string", "enum": [_EMAIL]}}},
                },
            }
        ],
    }
    found = _replaced(payload)
    told = json.dumps(found.payload)
    for value in (_EMAIL, "example.com", "219099999", _SSN, "4111111111111111"):
        assert value not in told
    assert found.payload["messages"][3]["tool_call_id"] == "c"
    arguments = json.loads(found.payload["messages"][2]["tool_calls"][0]["function"]["arguments"])
    assert TOKEN.fullmatch(arguments["to"])
    assert TOKEN.fullmatch(arguments["card"])
    assert json.loads(json.loads(found.payload["messages"][3]["content"])["deep"])["to"] == f'"{arguments["to"]}"'
    assert found.payload["tools"][0]["function"]["parameters"]["properties"]["to"]["enum"] == [arguments["to"]]


def test_an_encoded_value_goes_with_its_encoding() -> None:
    """What is found in base64, percent or JSON escapes is replaced as a whole stretch, and comes back as it was."""
    text = "a YWxpY2VAZXhhbXBsZS5jb20= b alice%40example.com c \\u0061lice@example.com d"
    found = _replaced(_chat(text))
    told = found.payload["messages"][0]["content"]
    assert re.sub(TOKEN, "*", told) == "a * b * c * d"
    assert _restored(found, told) == text


def test_json_in_a_string_keeps_its_writing() -> None:
    """Nothing of a JSON text changes but the value: neither its spaces nor its escapes."""
    text = '{ "note" : "line\\nalice@example.com",\n "n": 1.0e3, "s": "\\u00e9" }'
    told = _replaced(_chat(text)).payload["messages"][0]["content"]
    assert told == text.replace("alice@example.com", "[EMAIL_A]")


def test_names_that_would_become_one_stay() -> None:
    """Two members that would have the same token as their name are left for the gate to see."""
    found = _replaced({"metadata": {"alice@example.com": "1", "ALICE@example.com": "2"}})
    assert found.payload == {"metadata": {"alice@example.com": "1", "ALICE@example.com": "2"}}


def test_ids_and_files_stay() -> None:
    """What servers compare or decode is never changed, also where it looks like a value."""
    parts = [{"type": "image_url", "image_url": {"url": f"https://x.example/{_EMAIL}"}}]
    payload = {"model": _EMAIL, "messages": [{"role": "tool", "tool_call_id": "4111111111111111", "content": parts}]}
    assert _replaced(payload).payload == payload


def test_words_that_look_like_tokens_are_no_tokens() -> None:
    """A token that the caller wrote itself is never given out, and one that stands for something is replaced."""
    pseudonyms = Pseudonyms()
    first = _replaced(_chat(f"[EMAIL_A] is a blank; write to {_EMAIL}"), pseudonyms)
    assert first.payload["messages"][0]["content"] == "[EMAIL_A] is a blank; write to [EMAIL_B]"
    second = _replaced(_chat("What is [EMAIL_B]?"), pseudonyms)
    told = second.payload["messages"][0]["content"]
    assert told == "What is [TEXT_A]?"
    assert _restored(second, told) == "What is [EMAIL_B]?"


def test_a_conversation_keeps_its_tokens() -> None:
    """A later request, with other values before it, has the same tokens for the same values."""
    pseudonyms = Pseudonyms()
    _replaced(_chat(f"{_EMAIL} and bob@example.com"), pseudonyms)
    later = _replaced(_chat("bob@example.com wrote to carol@example.com"), pseudonyms)
    assert later.payload["messages"][0]["content"] == "[EMAIL_B] wrote to [EMAIL_C]"
    assert later.texts == {"[EMAIL_B]": "bob@example.com", "[EMAIL_C]": "carol@example.com"}


@pytest.mark.parametrize("kind", [*_TYPES, "device", "coordinates", "secret", "person", "text"])
def test_no_token_looks_like_a_value(kind: str) -> None:
    """The detectors find nothing in tokens of any type, alone or beside one another."""
    pseudonyms = Pseudonyms()
    tokens = [pseudonyms.token(kind, f"value {number}") for number in range(60)]
    assert None not in tokens
    assert all(scan(str(token)) == [] for token in tokens)
    assert scan("".join(map(str, tokens))) == []
    assert scan(" ".join(map(str, tokens))) == []


_VALUES = st.sampled_from(
    [
        *("alice@example.com", "bob@example.org", "4111 1111 1111 1111", "5500005555555559", "192.168.7.23"),
        *("DE89 3704 0044 0532 0130 00", "+49 30 901820", "AKIAIOSFODNN7EXAMPLE", "My SSN is 219-09-9999"),
    ]
)
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="@0123456789"), max_size=12)
_TEXTS = st.lists(st.one_of(_VALUES, _WORDS, st.sampled_from(["[EMAIL_A]", "[", "\\", '"', "{"])), max_size=12).map(
    " ".join
)


@given(_TEXTS)
def test_nothing_that_is_found_is_left(text: str) -> None:
    """Whatever stands around values, no detector finds any afterwards, and restoring gives the text back."""
    found = _replaced(_chat(text))
    told = found.payload["messages"][0]["content"]
    assert scan(told) == []
    # Each value has one way to be written here, so that "as written first" is as written.
    assert _restored(found, told) == text


@given(
    st.recursive(
        _TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=8
    )
)
def test_json_stays_json(value: Any) -> None:
    """A JSON text stays JSON of the same shape, and restoring inside of it gives it back."""
    text = json.dumps({"value": value})
    found = _replaced(_chat(text))
    told = found.payload["messages"][0]["content"]
    assert json.loads(Restorer(found.texts).text(told, in_json=True)) == json.loads(text)


def test_overlapping_findings_become_one() -> None:
    """What two detectors find in overlapping places is one value, of the longer one's type."""

    async def look(texts: Sequence[str]) -> list[list[Found]]:
        def found(text: str) -> list[Found]:
            at = text.find("Anna Lee Smith")
            if at < 0:
                return []
            return [
                Found(type="person", start=at, end=at + 14, detector="d", validated=False),
                Found(type="word", start=at + 9, end=at + 16, detector="e", validated=False),
            ]

        return [found(text) for text in texts]

    found = asyncio.run(replaced(_chat("Dear Anna Lee Smith!!"), Pseudonyms(), look))
    assert found.payload["messages"][0]["content"] == "Dear [PERSON_A]"
    assert found.texts == {"[PERSON_A]": "Anna Lee Smith!!"}

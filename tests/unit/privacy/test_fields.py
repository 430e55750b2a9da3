"""What a request consists of: every leaf is looked at, and what can't be is said."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.privacy.gates import POLICY, looker
from tierwright.core.privacy import DataClass, Seen
from tierwright.privacy.fields import keys, path, read, read_bytes

CARD = "4111 1111 1111 1111"
HOSTS = ("messages", "input", "tools", "metadata", "system", "response_format", "user", "prediction", "anything")
_NAMES = st.sampled_from(["content", "text", "role", "type", "name", "input", "id", "arguments", "x", "values"])
_LEAVES = st.none() | st.booleans() | st.integers(0, 9999) | st.sampled_from(["", "user", "text", "hello there", "a b"])
_SHAPES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=12
)


def _seen(payload: object) -> Seen:
    return asyncio.run(looker().see(read(payload), POLICY.class_of))


def _planted(shape: Any, canary: object, data: st.DataObject) -> object:
    """The shape with the canary somewhere in it: as a leaf, or as a name."""
    if isinstance(shape, dict) and shape:
        key = data.draw(st.sampled_from(sorted(shape)))
        return {**shape, key: _planted(shape[key], canary, data)}
    if isinstance(shape, list) and shape:
        at = data.draw(st.integers(0, len(shape) - 1))
        return [*shape[:at], _planted(shape[at], canary, data), *shape[at + 1 :]]
    if isinstance(canary, str) and data.draw(st.booleans()):
        return {canary: shape}
    return canary


@settings(max_examples=300, deadline=None)
@given(
    host=st.sampled_from(HOSTS),
    shape=_SHAPES,
    canary=st.sampled_from(
        [
            CARD,
            4111111111111111,
            f"my card is {CARD}, thanks",
            json.dumps({"a": [{"n": CARD}]}),
            base64.b64encode(f"the card {CARD}".encode()).decode(),
            f"data:text/plain;base64,{base64.b64encode(CARD.encode()).decode()}",
        ]
    ),
    data=st.data(),
)
def test_a_canary_in_any_leaf_of_any_shape_is_seen(
    host: str, shape: object, canary: object, data: st.DataObject
) -> None:
    """Wherever it stands, and whatever it is written as."""
    payload = {"model": "m", host: _planted(shape, canary, data)}
    seen = _seen(payload)
    assert seen.data_class is DataClass.RESTRICTED
    again = asyncio.run(looker().see(read_bytes(json.dumps(payload).encode(), {}), POLICY.class_of))
    assert again.data_class is DataClass.RESTRICTED


@given(_SHAPES, st.sampled_from(HOSTS))
def test_reading_never_raises_and_finds_nothing_where_there_is_nothing(shape: object, host: str) -> None:
    """Only what can't be read is held against such a request."""
    seen = _seen({host: shape})
    assert not seen.counts
    assert not seen.failed


@pytest.mark.parametrize(
    "payload",
    [
        {"ssn": 123456789},
        {"user_ssn": "123456789"},
        {"metadata": {"patientMrn": 12345678}},
        {"tools": [{"function": {"parameters": {"properties": {"ssn": {"type": "string", "default": "123456789"}}}}}]},
        {"metadata": {"fields": [{"name": "ssn", "value": "123456789"}]}},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": '{"ssn":"123456789"}'}}]}]},
    ],
)
def test_a_members_name_is_the_label_of_its_value(payload: object) -> None:
    """The number alone would be nobody's."""
    assert _seen(payload).data_class is DataClass.RESTRICTED


@pytest.mark.parametrize("cut", range(1, len(CARD)))
def test_a_card_cut_in_two_is_seen(cut: int) -> None:
    """Over two parts of a message, over two messages, and over two inputs."""
    one, two = f"It is {CARD[:cut]}", f"{CARD[cut:]} as I said"
    for payload in (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": one}, {"type": "text", "text": two}]}]},
        {"messages": [{"role": "user", "content": one}, {"role": "user", "content": two}]},
        {"input": [one, two]},
    ):
        assert "card" in _seen(payload).counts


def test_the_digits_of_a_card_in_messages_of_their_own_are_seen() -> None:
    """However short the parts are."""
    digits = CARD.replace(" ", "")
    assert "card" in _seen({"messages": [{"role": "user", "content": digit} for digit in digits]}).counts
    assert "card" in _seen({"input": [[int(digit) for digit in digits]], "x": [int(digit) for digit in digits]}).counts


def test_an_answer_is_read_with_its_question() -> None:
    """A label in one message, the number in the next."""
    messages = [
        {"role": "assistant", "content": "What is your social security number?"},
        {"role": "user", "content": "123456789"},
    ]
    assert _seen({"messages": messages}).data_class is DataClass.RESTRICTED


_PIXELS = base64.b64encode(bytes(range(128, 256)) * 8).decode()


@pytest.mark.parametrize(
    ("payload", "unread"),
    [
        ({"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}]}, 2),
        (
            {
                "messages": [
                    {"content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXELS}"}}]}
                ]
            },
            2,
        ),
        ({"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": _PIXELS, "format": "wav"}}]}]}, 2),
        ({"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}, 1),
        (
            {
                "messages": [
                    {"content": [{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{_PIXELS}"}}]}
                ]
            },
            1,
        ),
        ({"messages": [{"content": [{"type": "document", "source": {"type": "base64", "data": _PIXELS}}]}]}, 1),
        ({"messages": [{"content": [{"type": "document", "source": {"type": "url", "url": "https://x.example"}}]}]}, 1),
        ({"messages": [{"content": [{"type": "hologram", "text": "hi"}]}]}, 1),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, 1),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 1),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}, 2),
        ({"input": [[464, 2068, 7586]]}, 1),
        ({"previous_response_id": "resp_1", "input": "and?"}, 1),
        ({"conversation": {"id": "conv_1"}, "input": "and?"}, 1),
        ({"prompt": {"id": "pmpt_1"}}, 1),
        ({"messages": [{"content": _PIXELS}]}, 1),
    ],
)
def test_what_nobody_can_read_is_said(payload: object, unread: int) -> None:
    """Pictures, sound, files, references and kinds of content that are not known."""
    fields = read(payload)
    assert len(fields.unread) == unread
    assert _seen(payload).data_class is DataClass.RESTRICTED


@pytest.mark.parametrize(
    "payload",
    [
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"parameters": {"properties": {"file_id": {"type": ["string", "null"]}}}},
                }
            ]
        },
        {"metadata": {"conversation": "conv 1", "file_id": "file-1"}},
        {
            "messages": [
                {"content": [{"type": "tool_use", "id": "toolu_1", "input": {"image_url": "https://x.example"}}]}
            ]
        },
        {"messages": [{"role": "user", "content": "\n".join(["card_arrival", "card_linking", "exchange_rate"] * 40)}]},
        {"messages": [{"content": [{"type": "thinking", "thinking": "hm", "signature": _PIXELS}]}]},
        {"tool_choice": "auto", "stream": True, "logit_bias": {"50256": -100, "50257": -100}, "seed": 1756684940},
        {"messages": [{"tool_calls": [{"id": "call_060f468708eb0ff9006a9f3e2f1da2", "type": "function"}]}]},
    ],
)
def test_ordinary_members_are_no_reason(payload: object) -> None:
    """Schemas, notes, arguments, lists of words, sealed state, and names that programs drew."""
    assert _seen(payload) == Seen()


def test_files_of_text_are_read() -> None:
    """CSV as base64 holds what it holds."""
    csv = base64.b64encode(b"name,card\nJo,4111 1111 1111 1111\n" * 40).decode()
    part = {"type": "input_file", "filename": "a.csv", "file_data": f"data:text/csv;base64,{csv}"}
    fields = read({"input": [{"role": "user", "content": [part]}]})
    assert fields.unread == ()
    assert asyncio.run(looker().see(fields, POLICY.class_of)).counts["card"] == 40


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": 1} x', b'{"a": "4111", "a": "b"}', b'{"a": {"b": 1, "b": 2}}', b"[" * 100_000]
)
def test_bytes_that_are_no_json_or_say_a_member_twice_are_unread(body: bytes) -> None:
    """Who reads them may see something else than we do."""
    assert read_bytes(body, {}).unread == ("$",)


@given(
    says=st.sampled_from(['{"a":"x"}', '{"a": "x"}', '{"a":"x","a":"y"}', '{"a":"x"', '{"a":1.50}']),
    payload=_SHAPES | st.just({"a": "x"}),
)
def test_what_somebody_else_read_in_a_body_is_not_believed(says: str, payload: object) -> None:
    """Fields are those of the bytes, whatever they are said to say."""
    body = says.encode()
    assert read_bytes(body, {}, payload=payload) == read_bytes(body, {})


@given(
    role=st.sampled_from(["user", "tool", "nobody", CARD]),
    content=st.text() | st.sampled_from([CARD, "auto", "data:text/plain,x", json.dumps({"n": CARD})]) | _SHAPES,
    host=st.sampled_from(HOSTS),
)
def test_a_plain_message_is_read_as_any_other(role: str, content: object, host: str) -> None:
    """A role and a text, which most messages are, give what they give in a message with more members."""
    plain = {host: [{"role": role, "content": content}]}
    with_more = {host: [{"role": role, "content": content, "type": None}]}
    assert read(plain) == read(with_more)


def test_what_is_nested_too_deeply_is_unread() -> None:
    """And what is above it is read."""
    payload: object = CARD
    for _ in range(80):
        payload = [payload]
    fields = read({"card": CARD, "deep": payload})
    assert fields.unread
    assert asyncio.run(looker().see(fields, POLICY.class_of)).counts["card"] == 1


def test_headers_are_read() -> None:
    """What is forwarded leaves, too."""
    seen = asyncio.run(
        looker().see(
            read_bytes(
                b"{}",
                {
                    "x-request-id": CARD,
                    "traceparent": "00-" + "0af7651916cd43dd8448eb211c80319c" + "-b7ad6b7169203331-01",
                },
            ),
            POLICY.class_of,
        )
    )
    assert seen.counts == {"card": 1}


def test_paths_hold_no_name_that_a_caller_made_up() -> None:
    """The ledger keeps paths."""
    fields = read({"messages": [{"content": [{"type": "x"}], CARD: {"file_id": "f"}}]})
    assert set(fields.unread) == {"$.messages[0].content[0]", "$.messages[0].?.file_id"}


def test_places_are_those_of_the_member() -> None:
    """Labels that were put before it don't count."""
    payload = {"metadata": {"billing_card": f"x {CARD}"}}
    located, failed = asyncio.run(looker().locate(read(payload)))
    assert not failed
    places = {(one.keys, one.found.start, one.found.end) for one in located if one.found.type == "card"}
    assert places == {(("metadata", "billing_card"), 2, 2 + len(CARD))}
    assert path((((None, "metadata"), "x"), 3)) == "$.metadata.?[3]"
    assert keys((((None, "metadata"), "x"), 3)) == ("metadata", "x", 3)

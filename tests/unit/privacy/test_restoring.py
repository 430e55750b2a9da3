"""Tokens back into values, in whole texts and in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.privacy.restoring import Channel, Restorer

_TEXTS = {"[EMAIL_A]": "alice@example.com", "[EMAIL_AB]": 'b"ob\\@x', "[CARD_A]": "4111 1111\n1111 1111"}


def test_what_a_model_changed_or_made_up_stays() -> None:
    """Neither case nor a missing bracket nor an unknown token is guessed at."""
    text = "[email_a] EMAIL_A] [EMAIL_A [EMAIL_Z] [EMAIL-A]"
    assert Restorer(_TEXTS).text(text) == text


def test_json_stays_json() -> None:
    """Inside of JSON a value is escaped; prose that begins with a token is no JSON."""
    restorer = Restorer(_TEXTS)
    assert json.loads(restorer.text('{"to": "[EMAIL_AB]", "c": "[CARD_A]"}', in_json=None)) == {
        "to": _TEXTS["[EMAIL_AB]"],
        "c": _TEXTS["[CARD_A]"],
    }
    assert restorer.text("[EMAIL_AB] it is", in_json=None) == 'b"ob\\@x it is'


@pytest.mark.parametrize("in_json", [True, False, None])
@given(
    data=st.data(),
    text=st.lists(st.sampled_from([*_TEXTS, "[", "[EM", "[EMAIL_", "]", "A", " ", "{", '"']), max_size=14).map("".join),
)
def test_pieces_give_what_the_whole_gives(*, in_json: bool | None, data: st.DataObject, text: str) -> None:
    """However a text is cut, its pieces together are the restored text, and nothing is held longer than it may be."""
    restorer = Restorer(_TEXTS)
    channel = Channel(restorer, in_json=in_json)
    told = ""
    rest = text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        piece, rest = rest[:size], rest[size:]
        told += channel.feed(piece)
        if not piece.endswith(tuple("[EMAILCRD_B")):
            assert not channel.holds
    told += channel.close()
    assert told == restorer.text(text, in_json=in_json)


def test_only_what_could_become_a_token_is_held() -> None:
    """A bracket is held, a bracket that can't begin a token is not."""
    channel = Channel(Restorer(_TEXTS))
    assert [channel.feed(piece) for piece in ("see [", "1] and [EM", "AIL_", "A", "] or [EX")] == [
        "see ",
        "[1] and ",
        "",
        "",
        "alice@example.com or [EX",
    ]
    assert channel.close() == ""

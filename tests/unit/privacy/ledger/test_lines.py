"""Lines, names and keys: what is written is what is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.privacy.ledger.ledgers import KEY
from tierwright.core.errors import InputError
from tierwright.privacy.ledger.checkpoints import checkpoint, checkpoint_line
from tierwright.privacy.ledger.files import Head, chain_name, chain_of, file_name
from tierwright.privacy.ledger.keys import KEY_NAME, PublicKey, SigningKey
from tierwright.privacy.ledger.lines import GENESIS, instant, line, members, taken_apart

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 28, 14, 0, 25, 123456, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(min_size=1).filter(lambda name: name not in {"seq", "at", "kind", "prev", "hash"})


@given(facts=st.dictionaries(NAMES, JSON, max_size=5), seq=st.integers(1, 10**12))
def test_a_line_is_one_line_of_json_and_comes_apart_again(facts: dict[str, object], seq: int) -> None:
    """Whatever the facts are: one newline, all members, in order, and the hash that anyone can compute."""
    raw, digest = line(seq, instant(AT), members("permit", facts), GENESIS)
    assert raw.count(b"\n") == 1
    said = json.loads(raw)
    assert list(said) == ["seq", "at", "kind", *facts, "prev", "hash"]
    assert {name: said[name] for name in facts} == facts
    assert said["hash"] == sha256(b"\0" + raw[: raw.rindex(b',"hash":')]).hexdigest() == digest.decode()
    read = taken_apart(raw)
    assert read is not None
    assert (read.seq, read.at, read.kind, read.prev, read.hash, read.true) == (
        *(seq, instant(AT), b"permit", GENESIS, digest),
        True,
    )


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_bit_of_a_line_can_change(place: int, bit: int) -> None:
    """A line with any one bit flipped is no true line."""
    raw = bytearray(line(7, instant(AT), members("permit", {"class": "internal", "findings": {"ü": 1}}), GENESIS)[0])
    raw[place % len(raw)] ^= 1 << bit
    read = taken_apart(bytes(raw))
    assert read is None or not read.true


@pytest.mark.parametrize(("kind", "facts"), [("Permit", {}), ("", {}), ("a b", {}), ("permit", {"prev": 1})])
def test_what_no_line_can_say_is_refused(kind: str, facts: dict[str, object]) -> None:
    """A kind that is no word, and a fact with the name of a line's own member, are the caller's mistakes."""
    with pytest.raises(ValueError, match=r"kind|member"):
        members(kind, facts)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_instants_are_ordered_as_bytes(one: datetime, other: datetime) -> None:
    """Always 27 bytes; the earlier is the lesser."""
    assert len(instant(one)) == 27
    assert (instant(one) < instant(other)) == (one < other)


def test_instants_of_other_zones_are_said_in_utc() -> None:
    """An hour east is an hour earlier."""
    assert instant(AT.astimezone(timezone(timedelta(hours=1)))) == b"2026-11-28T14:00:25.123456Z"


def test_names_are_told_apart() -> None:
    """A chain's files and its checkpoints belong to it, and no other file does."""
    chain = chain_name(AT, 12, b"\1\2\3\4")
    assert chain == "20261128T140025123456Z-12-01020304"
    assert [chain_of(name) for name in (file_name(chain, 1), file_name(chain, 12), f"{chain}.checkpoints")] == [
        chain
    ] * 3


def test_a_checkpoint_is_one_of_its_key_alone() -> None:
    """Its line comes apart again; a flipped bit anywhere, or another key, makes it none."""
    head = Head("20261128T140025123456Z-12-01020304-2.jsonl", 1000, b"ab" * 32)
    raw, public = checkpoint_line(head, AT, KEY), PublicKey.parse(KEY.public_pem)
    read = checkpoint(raw)
    assert read is not None
    assert (read.head, read.at, read.key) == (head, instant(AT), KEY.fingerprint)
    assert read.good(public)
    assert not read.good(PublicKey.parse(SigningKey.parse("A" * 43 + "=").public_pem))
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            other = checkpoint(bytes(changed))
            assert other is None or not other.good(public)


def test_the_key_of_a_folder_is_made_once(tmp_path: Path) -> None:
    """For its owner alone, and the same for everybody after; what it signs its public half confirms."""
    first, again = SigningKey.of_folder(tmp_path), SigningKey.of_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_NAME]
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert first.fingerprint == again.fingerprint
    assert PublicKey.parse(first.public_pem).signed(again.sign(b"x"), b"x")
    assert "PRIVATE" not in repr(first) + str(vars(first))


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """And the message says what to do."""
    SigningKey.of_folder(tmp_path)
    (tmp_path / KEY_NAME).chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        SigningKey.of_folder(tmp_path)


@pytest.mark.parametrize("text", ["", "AAAA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "ü"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """Without a word of what it was."""
    with pytest.raises(InputError, match="signing key"):
        SigningKey.parse(text)
    with pytest.raises(InputError, match="public key"):
        PublicKey.parse(text.encode())

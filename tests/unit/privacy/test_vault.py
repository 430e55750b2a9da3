"""How long it is known what tokens stand for, and who can read it."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tierwright.core.errors import StoreError
from tierwright.privacy.pseudonyms import Named
from tierwright.privacy.vault import Safe, Vault

if TYPE_CHECKING:
    from tierwright.core.protocols import PseudonymStore

KEY, OTHER = b"k" * 32, b"o" * 32
START = datetime(2026, 11, 1, tzinfo=UTC)


class Shelf:
    """A store in memory; broken while it is told to be."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[bytes, datetime]] = {}
        self.broken = False

    def pseudonyms(self, conversation: str, *, since: datetime) -> bytes | None:
        """As `PseudonymStore.pseudonyms`."""
        self._check()
        sealed, at = self.rows.get(conversation, (None, START))
        return sealed if at >= since else None

    def put_pseudonyms(self, conversation: str, sealed: bytes, *, at: datetime) -> None:
        """As `PseudonymStore.put_pseudonyms`."""
        self._check()
        self.rows[conversation] = (sealed, at)

    def expire_pseudonyms(self, before: datetime) -> int:
        """As `PseudonymStore.expire_pseudonyms`."""
        old = [name for name, (_, at) in self.rows.items() if at < before]
        for name in old:
            del self.rows[name]
        return len(old)

    def _check(self) -> None:
        if self.broken:
            raise StoreError("gone")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """The instant."""
        return self.now


def vault(store: PseudonymStore | None, clock: Clock, key: bytes | None = KEY) -> Vault:
    """A vault of a new process."""
    return Vault(clock=clock, draw=os.urandom, store=store, key=key)


def spoken(kept: Vault, conversation: str, *texts: str) -> list[str | None]:
    """The tokens of some addresses, after one more request of a conversation."""
    pseudonyms = kept.open(conversation)
    tokens = [pseudonyms.token("email", text) for text in texts]
    kept.keep(conversation, pseudonyms)
    return tokens


def test_another_process_goes_on() -> None:
    """What was given out is known to whoever has the store and the key."""
    shelf, clock = Shelf(), Clock()
    assert spoken(vault(shelf, clock), "talk", "a@x.org", "b@x.org") == ["[EMAIL_A]", "[EMAIL_B]"]
    assert spoken(vault(shelf, clock), "talk", "b@x.org", "c@x.org") == ["[EMAIL_B]", "[EMAIL_C]"]
    assert spoken(vault(shelf, clock), "other talk", "b@x.org") == ["[EMAIL_A]"]


def test_nothing_is_stored_without_a_key() -> None:
    """Then it is in memory only."""
    shelf, clock = Shelf(), Clock()
    kept = vault(shelf, clock, None)
    spoken(kept, "talk", "a@x.org", "b@x.org")
    assert spoken(kept, "talk", "b@x.org") == ["[EMAIL_B]"]
    assert shelf.rows == {}
    assert not kept.waits


def test_the_store_can_read_nothing() -> None:
    """Neither the conversation's name nor a value is in a row, and what was changed or moved is not opened."""
    shelf, clock = Shelf(), Clock()
    spoken(vault(shelf, clock), "talk", "a@x.org")
    ((name, (sealed, _)),) = shelf.rows.items()
    assert "talk" not in name
    assert b"x.org" not in sealed
    assert b"EMAIL" not in sealed
    safe = Safe(KEY, os.urandom)
    assert safe.opened(name, sealed) == [Named("[EMAIL_A]", "email", "a@x.org")]
    for place in range(len(sealed)):
        flipped = bytes([*sealed[:place], sealed[place] ^ 1, *sealed[place + 1 :]])
        assert safe.opened(name, flipped) is None
    assert safe.opened(safe.name("other"), sealed) is None
    assert Safe(OTHER, os.urandom).opened(name, sealed) is None


def test_texts_that_are_no_unicode_are_kept() -> None:
    """Halves of surrogate pairs come back as they were."""
    safe = Safe(KEY, os.urandom)
    named = [Named("[PERSON_A]", "person", "a\ud800b")]
    assert safe.opened("n", safe.sealed("n", named)) == named


def test_another_key_begins_anew() -> None:
    """Under another key a conversation has another name, so that nothing of it is found."""
    shelf, clock = Shelf(), Clock()
    spoken(vault(shelf, clock), "talk", "a@x.org", "b@x.org")
    assert spoken(vault(shelf, clock, OTHER), "talk", "b@x.org") == ["[EMAIL_A]"]
    assert len(shelf.rows) == 2


def test_a_damaged_row_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """What can't be opened is as if forgotten, and a line says so without saying what."""
    shelf, clock = Shelf(), Clock()
    spoken(vault(shelf, clock), "talk", "a@x.org", "b@x.org")
    ((name, (sealed, at)),) = shelf.rows.items()
    shelf.rows[name] = (sealed[:-1], at)
    with caplog.at_level(logging.WARNING):
        assert spoken(vault(shelf, clock), "talk", "b@x.org") == ["[EMAIL_A]"]
    assert "damaged" in caplog.text
    assert "x.org" not in caplog.text
    assert "talk" not in caplog.text


def test_a_broken_store_costs_no_request() -> None:
    """Tokens are then in memory, and in the store again when it is back."""
    shelf, clock = Shelf(), Clock()
    kept = vault(shelf, clock)
    shelf.broken = True
    assert spoken(kept, "talk", "a@x.org") == ["[EMAIL_A]"]
    shelf.broken = False
    assert spoken(kept, "talk", "b@x.org") == ["[EMAIL_B]"]
    assert spoken(vault(shelf, clock), "talk", "b@x.org", "a@x.org") == ["[EMAIL_B]", "[EMAIL_A]"]


def test_a_conversation_that_pauses_too_long_is_forgotten() -> None:
    """After seven days without a request nothing of it is in memory or in the store."""
    shelf, clock = Shelf(), Clock()
    kept = vault(shelf, clock)
    spoken(kept, "talk", "a@x.org", "b@x.org")
    clock.now += timedelta(days=7, seconds=1)
    assert spoken(kept, "other", "c@x.org") == ["[EMAIL_A]"]
    assert len(shelf.rows) == 1
    assert spoken(kept, "talk", "b@x.org") == ["[EMAIL_A]"]


def test_a_key_has_32_bytes() -> None:
    """Any other is refused when the vault is made."""
    with pytest.raises(ValueError, match="32 bytes"):
        vault(Shelf(), Clock(), b"short")

"""What every store promises of tokens, on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes import NOON, after

if TYPE_CHECKING:
    from tierwright.store.sql import SqlStore


def test_what_was_put_last_is_there(store: SqlStore) -> None:
    """Bytes come back as they were, those put last, for each conversation its own."""
    assert store.pseudonyms("a", since=NOON) is None
    store.put_pseudonyms("a", b"\x00\xffone", at=NOON)
    store.put_pseudonyms("b", b"other", at=NOON)
    store.put_pseudonyms("a", b"\x00\xfftwo", at=after(1))
    assert store.pseudonyms("a", since=NOON) == b"\x00\xfftwo"
    assert store.pseudonyms("b", since=NOON) == b"other"


def test_what_was_not_put_for_long_is_not_there(store: SqlStore) -> None:
    """It is neither given out nor, once removed, in the store; what was put at the very instant stays."""
    store.put_pseudonyms("old", b"1", at=NOON)
    store.put_pseudonyms("new", b"2", at=after(1))
    assert store.pseudonyms("old", since=after(1)) is None
    assert store.pseudonyms("new", since=after(1)) == b"2"
    assert store.expire_pseudonyms(after(1)) == 1
    assert store.expire_pseudonyms(after(1)) == 0
    assert store.pseudonyms("old", since=NOON) is None
    assert store.pseudonyms("new", since=NOON) == b"2"

"""The keys that content is sealed with, and what was erased: a database of its own, so that backups can leave it out.

Owns the tables `content_keys`, `erased_requests` and `index_key`. A key is wrapped by the content key of the settings
and has a label that says whose content it seals; when it is destroyed its row stays and says when, so that what was
erased is known for ever. Refuses to know what is sealed.

Keep it apart from the content: whoever has a backup of both, and the content key, can read what was erased since.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT

from tierwright.core.errors import SettingsError
from tierwright.privacy.sealing import KEY_BYTES, CannotOpen, keyed_hash, new_id, new_key, ready, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from sqlalchemy import Connection

    from tierwright.store.database import Database

T = TypeVar("T")

#: As in `schema`: names compare by code point.
_NAME = Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")
_METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

_keys = Table(
    "content_keys",
    _METADATA,
    Column("label", _NAME, nullable=False),
    # From 1; the next one is made when the one before was destroyed and content under the label comes again.
    Column("generation", Integer, nullable=False),
    Column("id", LargeBinary, nullable=False),
    # Null: it was destroyed.
    Column("wrapped", LargeBinary),
    Column("created_at_us", BigInteger, nullable=False),
    Column("destroyed_at_us", BigInteger),
    PrimaryKeyConstraint("label", "generation"),
    UniqueConstraint("id"),
)

_erased = Table(
    "erased_requests",
    _METADATA,
    Column("id", _NAME, nullable=False),
    Column("erased_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("id"),
)

# One row: what the names of people are hashed with.
_index = Table(
    "index_key",
    _METADATA,
    Column("id", Integer, nullable=False, autoincrement=False),
    # Sealed by the content key, or as it is where there is none.
    Column("value", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
)

#: What the labels of people and of days begin with; a day's number, since 1970, follows.
SUBJECT_PREFIX, DAY_PREFIX = "subject:", "day:"
#: A day, in microseconds.
DAY_US = 24 * 3600 * 1_000_000
#: What keys are wrapped under instead of an id of their own: the content key has none.
_BY_CONTENT_KEY = bytes(16)
_INDEX_PLACE = "index_key"
#: Values in one statement; databases limit them.
_MOST_AT_ONCE = 5_000
#: Number of the advisory lock under which PostgreSQL makes the tables.
_LOCK = 0x7469657277726B


@dataclass(frozen=True, slots=True)
class DataKey:
    """One key that content is sealed with."""

    id: bytes
    cipher: AESGCM


class Register:
    """Keys and tombstones. Thread-safe; every method may raise StoreError."""

    def __init__(self, database: Database, content_key: bytes | None) -> None:
        """Makes the tables where there are none.

        `content_key` wraps all keys; None: content is not sealed, and only what was erased is kept here. Raises
        SettingsError where it is not the key that the register was made with.
        """
        self._database = database
        self._wrapping = None if content_key is None else ready(content_key)
        with database.write() as connection:
            if database.is_postgres:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            _METADATA.create_all(connection)
            self._index_key = self._index(connection)

    @property
    def seals(self) -> bool:
        """Whether there is a content key."""
        return self._wrapping is not None

    def label(self, client_id: str, subject: str) -> str:
        """The label of a person as one caller names them; nobody can tell from it who that is."""
        return f"{SUBJECT_PREFIX}{keyed_hash(self._index_key, client_id, subject)}"

    def keys(self, labels: Collection[str], at_us: int) -> dict[str, DataKey]:
        """The key of each label; those that are not there are made, durably, before this returns."""
        found = self._living(labels)
        missing = sorted(set(labels) - found.keys())
        if not missing:
            return found
        with self._database.write() as connection:
            for some in _parts(missing):
                counted = select(_keys.c.label, func.max(_keys.c.generation)).where(_keys.c.label.in_(some))
                last = {row[0]: int(row[1]) for row in connection.execute(counted.group_by(_keys.c.label))}
                rows = [_row(label, last.get(label, 0) + 1, at_us, wrapped_by=self._wrapping) for label in some]
                # Another process may have made one since: then that is the one.
                connection.execute(self._database.insert(_keys).on_conflict_do_nothing(), rows)
        return found | self._living(missing)

    def found(self, ids: Collection[bytes]) -> dict[bytes, DataKey | None]:
        """The keys by id; None: it was destroyed. Those that this register never had are not among them."""
        there: dict[bytes, DataKey | None] = {}
        for some in _parts(ids):
            with self._database.read() as connection:
                rows = connection.execute(select(_keys.c.id, _keys.c.wrapped).where(_keys.c.id.in_(some))).all()
            for key_id, wrapped in rows:
                there[key_id] = None if wrapped is None else DataKey(key_id, ready(self._opened(wrapped, key_id.hex())))
        return there

    def erased_labels(self, labels: Collection[str]) -> dict[str, int]:
        """When each of them was last erased, in microseconds; those that were not are not among them."""
        at = func.max(_keys.c.destroyed_at_us)
        found: dict[str, int] = {}
        for some in _parts(labels):
            asked = select(_keys.c.label, at).where(_keys.c.label.in_(some), _keys.c.destroyed_at_us.is_not(None))
            with self._database.read() as connection:
                found.update((label, at_us) for label, at_us in connection.execute(asked.group_by(_keys.c.label)))
        return found

    def erased_requests(self, inference_ids: Collection[str]) -> set[str]:
        """Those of them that were erased."""
        found: set[str] = set()
        for some in _parts(inference_ids):
            with self._database.read() as connection:
                found.update(connection.execute(select(_erased.c.id).where(_erased.c.id.in_(some))).scalars())
        return found

    def everything_erased(self) -> tuple[list[str], list[str]]:
        """All labels of people and all requests that were ever erased: what a restored backup must lose again."""
        people = select(_keys.c.label).where(
            _keys.c.destroyed_at_us.is_not(None), _keys.c.label.like(f"{SUBJECT_PREFIX}%")
        )
        with self._database.read() as connection:
            labels = connection.execute(people.distinct().order_by(_keys.c.label)).scalars().all()
            requests = connection.execute(select(_erased.c.id).order_by(_erased.c.id)).scalars().all()
        return list(labels), list(requests)

    def destroy(self, labels: Sequence[str], at_us: int) -> int:
        """Destroys the keys of labels and notes when, also where they had none; returns how many keys there were."""
        destroyed = 0
        with self._database.write() as connection:
            for label in sorted(set(labels)):
                living = (_keys.c.label == label) & _keys.c.destroyed_at_us.is_(None)
                gone = connection.execute(update(_keys).where(living).values(wrapped=None, destroyed_at_us=at_us))
                if gone.rowcount:
                    destroyed += 1
                    continue
                last = connection.execute(select(func.max(_keys.c.generation)).where(_keys.c.label == label)).scalar()
                tombstone = _row(label, (last or 0) + 1, at_us, wrapped_by=None) | {"destroyed_at_us": at_us}
                connection.execute(insert(_keys), [tombstone])
        self._database.forget_log()
        return destroyed

    def expire_days(self, before_us: int) -> int:
        """Destroys the keys of days (UTC) that ended before then; returns how many there were."""
        living = select(_keys.c.label).where(_keys.c.label.like(f"{DAY_PREFIX}%"), _keys.c.wrapped.is_not(None))
        with self._database.read() as connection:
            labels = connection.execute(living).scalars().all()
        over = [label for label in labels if (int(label.split(":")[1]) + 1) * DAY_US <= before_us]
        return self.destroy(over, before_us) if over else 0

    def note_erased(self, inference_ids: Iterable[str], at_us: int) -> None:
        """Notes that requests were erased, for ever."""
        rest = iter(sorted(set(inference_ids)))
        while some := list(islice(rest, _MOST_AT_ONCE)):
            with self._database.write() as connection:
                rows = [{"id": one, "erased_at_us": at_us} for one in some]
                connection.execute(self._database.insert(_erased).on_conflict_do_nothing(), rows)

    def rewrap(self, content_key: bytes) -> int:
        """Wraps all keys by another content key, all or none; returns how many. What they seal stays as it is."""
        wrapping = ready(content_key)
        with self._database.write() as connection:
            living = select(_keys.c.label, _keys.c.generation, _keys.c.id, _keys.c.wrapped)
            rows = connection.execute(living.where(_keys.c.wrapped.is_not(None))).all()
            for label, generation, key_id, wrapped in rows:
                again = _wrapped(self._opened(wrapped, key_id.hex()), wrapping, key_id.hex())
                this = (_keys.c.label == label) & (_keys.c.generation == generation)
                connection.execute(update(_keys).where(this).values(wrapped=again))
            connection.execute(update(_index).values(value=_wrapped(self._index_key, wrapping, _INDEX_PLACE)))
        self._wrapping = wrapping
        self._database.forget_log()
        return len(rows)

    def close(self) -> None:
        """Gives back its connections."""
        self._database.dispose()

    def _living(self, labels: Collection[str]) -> dict[str, DataKey]:
        found: dict[str, DataKey] = {}
        for some in _parts(labels):
            asked = select(_keys.c.label, _keys.c.id, _keys.c.wrapped).where(
                _keys.c.label.in_(some), _keys.c.wrapped.is_not(None)
            )
            with self._database.read() as connection:
                rows = connection.execute(asked).all()
            found.update(
                (label, DataKey(key_id, ready(self._opened(wrapped, key_id.hex())))) for label, key_id, wrapped in rows
            )
        return found

    def _opened(self, wrapped: bytes, place: str) -> bytes:
        if self._wrapping is None:
            raise SettingsError(
                f"the content in the store is sealed, and privacy.content_key is empty; name the key that the register "
                f"{self._database.place} was made with"
            )
        try:
            return unseal(wrapped, cipher=self._wrapping, place=place)
        except CannotOpen as error:
            raise SettingsError(
                f"privacy.content_key is not the key that the register {self._database.place} was made with; name "
                "that one, and change keys with `tierwright privacy rotate-key`"
            ) from error

    def _index(self, connection: Connection) -> bytes:
        """The key that names are hashed with; made where there is none, wrapped where a content key has come."""
        kept = connection.execute(select(_index.c.value)).scalar_one_or_none()
        if kept is not None and len(kept) != KEY_BYTES:
            return self._opened(kept, _INDEX_PLACE)
        key = new_key() if kept is None else kept
        value = key if self._wrapping is None else _wrapped(key, self._wrapping, _INDEX_PLACE)
        if kept is None:
            connection.execute(insert(_index), [{"id": 1, "value": value}])
        elif value != kept:
            connection.execute(update(_index).values(value=value))
        return key


def _row(label: str, generation: int, at_us: int, *, wrapped_by: AESGCM | None) -> dict[str, object]:
    """The row of a new key, which is none where nothing wraps it."""
    key_id = new_id()
    return {
        "label": label,
        "generation": generation,
        "id": key_id,
        "wrapped": None if wrapped_by is None else _wrapped(new_key(), wrapped_by, key_id.hex()),
        "created_at_us": at_us,
        "destroyed_at_us": None,
    }


def _wrapped(key: bytes, wrapping: AESGCM, place: str) -> bytes:
    return seal(key, cipher=wrapping, key_id=_BY_CONTENT_KEY, place=place)


def _parts(values: Collection[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _MOST_AT_ONCE)):
        yield some

"""Whom people's words on requests are about: found by the request, since a word names nobody itself.

Owns what is kept of words that arrive, and what they are sealed under. Refuses to know their tables.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sqlalchemy import select

from tierwright.core.feedback import Feedback, Score
from tierwright.core.inference import Content
from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import to_name
from tierwright.store.schema import inferences
from tierwright.store.seals import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tierwright.store.database import Database
    from tierwright.store.seals import Closer, Seals

W = TypeVar("W", Feedback, Score)

#: Ids in one statement; databases limit them.
_MOST_AT_ONCE = 5_000


def origins_of(database: Database, names: Iterable[str]) -> dict[str, Origin | None]:
    """Where the content of inferences comes from, by id; None: it was erased. Those not in the store are left out."""
    columns = (inferences.c.id, inferences.c.client_id, inferences.c.subject, inferences.c.created_at_us)
    found: dict[str, Origin | None] = {}
    rest = iter(set(names))
    while some := list(islice(rest, _MOST_AT_ONCE)):
        with database.read() as connection:
            rows = connection.execute(select(*columns, inferences.c.content).where(inferences.c.id.in_(some)))
            for name, client_id, subject, at_us, content in rows:
                erased = content == Content.ERASED.value
                found[name] = None if erased else Origin(client_id, subject, at_us)
    return found


class Words(NamedTuple, Generic[W]):
    """Words on requests as they may be kept."""

    #: Those on requests that were not erased.
    kept: list[W]
    closer: Closer
    #: By the id of the request: what its words are sealed under.
    labels: Mapping[str, str]


def arriving(database: Database, seals: Seals, given: Sequence[W]) -> Words[W]:
    """Words that arrive. What is said on a request that was erased is passed over, though it be said again."""
    register = seals.register
    if register is None or not given:
        return Words(list(given), seals.closing((), 0), {})
    names = {to_name(word.inference_id) for word in given}
    origins = origins_of(database, names)
    erased = register.erased_requests(names) | {name for name, origin in origins.items() if origin is None}
    kept = [word for word in given if to_name(word.inference_id) not in erased]
    labels: dict[str, str] = {}
    for word in kept:
        name = to_name(word.inference_id)
        # One on a request that is yet to come: it is about nobody that is known.
        labels[name] = (origins.get(name) or Origin("", None, to_us(word.created_at))).label_of_words
    newest = max((to_us(word.created_at) for word in kept), default=0)
    return Words(kept, seals.closing(set(labels.values()), newest), labels)

"""Erasure, in SQL: what people and requests have left in the store, found and removed.

Owns the order: the register has it first that something is erased, and its keys are destroyed, then rows go. An erasure
that was interrupted is finished by the next. Each batch is a transaction of its own, so that capture waits for a moment
at most. Refuses to read content, but for requests that were kept before there was a register to say whom they are
about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import delete, func, select, tuple_, update

from tierwright.core.erasure import Erasure
from tierwright.core.errors import UsageError
from tierwright.core.ids import DatasetId, InferenceId, ModelVersionId
from tierwright.core.inference import Content
from tierwright.core.instants import to_us
from tierwright.privacy.sealing import key_of
from tierwright.privacy.subjects import subject_in
from tierwright.store.rows.scalars import to_name
from tierwright.store.schema import (
    contents,
    datasets,
    example_sources,
    examples,
    feedback,
    inferences,
    model_versions,
    scores,
    second_answers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from tierwright.core.erasure import Subject
    from tierwright.store.database import Database
    from tierwright.store.register import Register
    from tierwright.store.seals import Seals

T = TypeVar("T")

#: Requests in one transaction.
_BATCH = 500


class SqlErasure:
    """The `ErasureStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def clients(self) -> list[str]:
        """As `ErasureStore.clients`."""
        with self._database.read() as connection:
            return list(connection.execute(select(inferences.c.client_id).distinct().order_by("client_id")).scalars())

    def erase(
        self, subjects: Sequence[Subject], requests: Sequence[InferenceId], *, at: datetime, dry_run: bool = False
    ) -> Erasure:
        """As `ErasureStore.erase`."""
        register = self._registered()
        labels = {register.label(to_name(one.client_id), one.name): one for one in subjects}
        names = {to_name(one) for one in requests}
        ids = self._of(sorted(labels), sorted(names), at) | self._unlabelled(subjects, at)
        return self._erased(sorted(labels), sorted(names), sorted(ids), at=at, dry_run=dry_run)

    def erase_again(self, *, at: datetime, dry_run: bool = False) -> Erasure:
        """As `ErasureStore.erase_again`."""
        labels, names = self._registered().everything_erased()
        when = self._registered().erased_labels(labels)
        ids = self._of([], names, at)
        for label, at_us in when.items():
            ids |= self._of([label], [], at_us)
        return self._erased([], [], sorted(ids), at=at, dry_run=dry_run)

    def rotate_content_key(self, content_key: bytes) -> int:
        """As `ErasureStore.rotate_content_key`."""
        register = self._registered()
        if not register.seals:
            raise UsageError("content is not sealed: privacy.content_key is empty, and there is nothing to wrap anew")
        return register.rewrap(content_key)

    def _registered(self) -> Register:
        if self._seals.register is None:
            raise UsageError(
                "without a table [privacy] in the settings nothing is noted of what was erased, and it would come back "
                "with the next import; write the table, then erase"
            )
        return self._seals.register

    def _of(self, labels: Sequence[str], names: Sequence[str], at: datetime | int) -> set[str]:
        """The requests of people, made until then, and the named ones; those that the store has."""
        column, until = inferences.c.id, at if isinstance(at, int) else to_us(at)
        found: set[str] = set()
        with self._database.read() as connection:
            for some in _batches(labels):
                theirs = inferences.c.subject.in_(some) & (inferences.c.created_at_us <= until)
                found.update(connection.execute(select(column).where(theirs)).scalars())
            for some in _batches(names):
                found.update(connection.execute(select(column).where(column.in_(some))).scalars())
        return found

    def _unlabelled(self, subjects: Sequence[Subject], at: datetime) -> set[str]:
        """Requests that were kept before there was a register, found by reading them."""
        wanted = {(to_name(one.client_id), one.name) for one in subjects}
        found: set[str] = set()
        for name, client_id, request in self._unsealed({client_id for client_id, _ in wanted}, to_us(at)):
            person = subject_in(request)
            if person is not None and (client_id, person) in wanted:
                found.add(name)
        return found

    def _unsealed(self, clients: set[str], until_us: int) -> Iterator[tuple[str, str, bytes]]:
        """Requests with content that is not sealed and nobody's label, a batch in memory at a time."""
        page = (
            select(inferences.c.id, inferences.c.client_id, contents.c.request)
            .join(contents, contents.c.inference_id == inferences.c.id)
            .where(inferences.c.subject.is_(None), inferences.c.created_at_us <= until_us)
            .order_by(inferences.c.id)
            .limit(_BATCH)
        )
        last = ""
        while clients:
            with self._database.read() as connection:
                rows = connection.execute(page.where(inferences.c.id > last)).all()
            for name, client_id, request in rows:
                if client_id in clients and request is not None and key_of(request) is None:
                    yield name, client_id, request
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]

    def _erased(
        self, labels: Sequence[str], names: Sequence[str], ids: Sequence[str], *, at: datetime, dry_run: bool
    ) -> Erasure:
        register, keys = self._registered(), 0
        if not dry_run:
            # What is named and not there yet is noted, too: a log that holds it may be imported later.
            register.note_erased([*ids, *names], to_us(at))
            keys = register.destroy(labels, to_us(at))
        counts: Counter[str] = Counter()
        touched: defaultdict[str, set[int]] = defaultdict(set)
        for some in _batches(ids):
            if dry_run:
                with self._database.read() as connection:
                    counts.update(_counted(connection, some))
                    _collect(connection, some, touched)
            else:
                with self._database.write() as connection:
                    counts.update(_counted(connection, some))
                    _remove(connection, some, touched)
        if not dry_run:
            self._database.forget_log()
        return Erasure(
            subjects=tuple(labels),
            inferences=tuple(map(InferenceId, ids)),
            contents=counts["contents"],
            second_answers=counts["second_answers"],
            feedback=counts["feedback"],
            scores=counts["scores"],
            examples={DatasetId(name): len(places) for name, places in sorted(touched.items())},
            models=self._trained_on(sorted(touched)),
            keys=keys,
            sealed=self._seals.active,
        )

    def _trained_on(self, dataset_ids: Sequence[str]) -> tuple[ModelVersionId, ...]:
        of_them = select(model_versions.c.id).where(model_versions.c.dataset_id.in_(dataset_ids))
        with self._database.read() as connection:
            ids = connection.execute(of_them.order_by(model_versions.c.created_at_us, model_versions.c.id)).scalars()
            return tuple(map(ModelVersionId, ids))


def _batches(values: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _BATCH)):
        yield some


def _counted(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """How much of each kind there is of some requests."""
    answered = second_answers.c.output.is_not(None)
    return {
        name: connection.execute(statement).scalar_one()
        for name, statement in {
            "contents": select(func.count()).where(contents.c.inference_id.in_(ids)),
            "second_answers": select(func.count()).where(second_answers.c.inference_id.in_(ids), answered),
            "feedback": select(func.count()).where(feedback.c.inference_id.in_(ids)),
            "scores": select(func.count()).where(scores.c.inference_id.in_(ids)),
        }.items()
    }


def _collect(connection: Connection, ids: Sequence[str], touched: defaultdict[str, set[int]]) -> None:
    """Adds the places of the examples that come from some requests and are still there."""
    place = tuple_(examples.c.dataset_id, examples.c.place)
    drawn = select(example_sources.c.dataset_id, example_sources.c.place).where(example_sources.c.inference_id.in_(ids))
    for dataset_id, at in connection.execute(select(*place.clauses).where(place.in_(drawn))):
        touched[dataset_id].add(at)


def _remove(connection: Connection, ids: Sequence[str], touched: defaultdict[str, set[int]]) -> None:
    """Removes all that some requests have left, and adds the places of the examples that went with them."""
    connection.execute(delete(contents).where(contents.c.inference_id.in_(ids)))
    connection.execute(update(second_answers).where(second_answers.c.inference_id.in_(ids)).values(output=None))
    connection.execute(delete(feedback).where(feedback.c.inference_id.in_(ids)))
    connection.execute(delete(scores).where(scores.c.inference_id.in_(ids)))
    marked = {"content": Content.ERASED.value, "subject": None}
    connection.execute(update(inferences).where(inferences.c.id.in_(ids)).values(**marked))
    new: defaultdict[str, set[int]] = defaultdict(set)
    _collect(connection, ids, new)
    for dataset_id, places in new.items():
        for some in _batches(sorted(places)):
            at_them = (examples.c.dataset_id == dataset_id) & examples.c.place.in_(some)
            connection.execute(delete(examples).where(at_them))
        more = datasets.c.erased + len(places)
        connection.execute(update(datasets).where(datasets.c.id == dataset_id).values(erased=more))
        touched[dataset_id] |= places
    connection.execute(delete(example_sources).where(example_sources.c.inference_id.in_(ids)))

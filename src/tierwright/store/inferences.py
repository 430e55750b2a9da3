"""Inferences with their calls and contents, in SQL.

Owns the tables `inferences`, `model_calls` and `contents`. Refuses to know what they are looked at for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, null, or_, select, tuple_, update

from tierwright.core.errors import NotFound
from tierwright.core.inference import Content
from tierwright.core.instants import to_us
from tierwright.store.rows.inference import (
    CALL_COLUMNS,
    CALL_INSERT,
    CONTENT_INSERT,
    INFERENCE_COLUMNS,
    INFERENCE_INSERT,
    call_of,
    call_values,
    content_values,
    inference_of,
    inference_values,
)
from tierwright.store.rows.scalars import to_name, to_name_or_none
from tierwright.store.schema import contents, inferences, model_calls
from tierwright.store.seals import Origin, request_place, response_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Column, Connection, Select

    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.core.inference import Inference, ModelCall, Wanted
    from tierwright.store.database import Database
    from tierwright.store.seals import Closer, Opener, Seals

#: A batch's ids go into one statement, and SQLite takes at most 32,766 values in one.
_MOST_IN_A_BATCH = 10_000
#: Assignments in one transaction: short enough that capture need not wait long for its turn.
_ASSIGNED_AT_ONCE = 2_000
#: On SQLite: which of the ids in a JSON array are in the table.
_THERE = "SELECT value FROM json_each(?) WHERE value IN (SELECT id FROM inferences)"
#: Where a row of `INFERENCE_COLUMNS` says what became of the content.
_CONTENT = INFERENCE_COLUMNS.index(inferences.c.content)
#: Inferences of a task that tell what is asked for nowadays.
_NEWEST = 1_000


class SqlInferences:
    """The `InferenceStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def append(self, given: Sequence[Inference]) -> int:
        """As `InferenceStore.append`: one transaction."""
        # In order of the ids: two writers that bring the same ones then wait for each other, and never both at once.
        arrived, subjects = self._seals.arriving(given[::-1])
        by_id = {to_name(inference.id): inference for inference in arrived}
        if not by_id:
            return 0
        labels, closer = self._closer(by_id, subjects)
        rows = [inference_values(by_id[key], subjects.get(by_id[key].id)) for key in sorted(by_id)]
        with self._database.write() as connection:
            # What others wrote in the meantime is passed over, and its calls and contents are left as they are.
            new = self._inserted(connection, rows)
            written = [by_id[key] for key in new]
            _insert_all(connection, CALL_INSERT, [row for one in written for row in call_values(one)])
            _insert_all(
                connection,
                CONTENT_INSERT,
                [row for one in written if (row := _content(one, labels, closer)) is not None],
            )
        return len(new)

    def _closer(
        self, given: Mapping[str, Inference], subjects: Mapping[InferenceId, str]
    ) -> tuple[Mapping[str, str], Closer]:
        """What the contents of these are sealed under, and by; keys are durable before anything that they seal."""
        if not self._seals.active:
            return {}, self._seals.closing((), 0)
        origins = {
            name: Origin(one.client_id, subjects.get(one.id), to_us(one.created_at))
            for name, one in given.items()
            if one.request is not None or one.response is not None
        }
        labels = {name: origin.label for name, origin in origins.items()}
        newest = max((origin.at_us for origin in origins.values()), default=0)
        return labels, self._seals.closing(set(labels.values()), newest)

    def _inserted(self, connection: Connection, rows: Sequence[tuple[object, ...]]) -> Sequence[str]:
        """Inserts rows of `INFERENCE_INSERT` whose ids are not there; the ids of those that were new."""
        if self._database.is_postgres:
            statement = self._database.insert(inferences).on_conflict_do_nothing().returning(inferences.c.id)
            names = [column.name for column in INFERENCE_INSERT]
            return connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows]).scalars().all()
        # The write lock is held: what is not there now will not be before this transaction ends.
        ids = [str(row[0]) for row in rows]
        there = set(connection.exec_driver_sql(_THERE, (json.dumps(ids),)).scalars())
        _insert_all(connection, INFERENCE_INSERT, [row for row in rows if row[0] not in there])
        return [key for key in ids if key not in there]

    def get(self, inference_id: InferenceId) -> Inference:
        """As `InferenceStore.get`."""
        with self._database.read() as connection:
            found = self._read(connection, _selected().where(inferences.c.id == to_name(inference_id)))
        if not found:
            raise NotFound(f"there is no inference {inference_id!r} in the store; check the id")
        return found[0]

    def found(self, inference_ids: Sequence[InferenceId]) -> dict[InferenceId, Inference]:
        """As `InferenceStore.found`."""
        names = {to_name(inference_id): inference_id for inference_id in inference_ids}
        there: dict[InferenceId, Inference] = {}
        rest = iter(names)
        while some := list(islice(rest, _MOST_IN_A_BATCH)):
            with self._database.read() as connection:
                read = self._read(connection, _selected().where(inferences.c.id.in_(some)))
            there.update((names[inference.id], inference) for inference in read)
        return there

    def scan(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        task_id: TaskId | None = None,
        batch: int = 1000,
    ) -> Iterator[Inference]:
        """As `InferenceStore.scan`; each batch is read in a transaction of its own: a slow reader blocks nobody.

        What is appended behind the place reached while the scan runs is found too. A batch has at most 10,000.
        """
        if batch < 1:
            raise ValueError(f"a batch has at least one inference, not {batch}")
        size = min(batch, _MOST_IN_A_BATCH)
        page = _selected().order_by(inferences.c.created_at_us, inferences.c.id).limit(size)
        if since is not None:
            page = page.where(inferences.c.created_at_us >= to_us(since))
        if until is not None:
            page = page.where(inferences.c.created_at_us < to_us(until))
        if task_id is not None:
            page = page.where(inferences.c.task_id == task_id)
        return self._pages(page, size)

    def latest(
        self,
        limit: int,
        *,
        wanted: Wanted | None = None,
        since: datetime | None = None,
        ended_since: datetime | None = None,
        content: bool = False,
    ) -> list[Inference]:
        """As `InferenceStore.latest`; at most 10,000, read in order of an index until there are enough."""
        if limit < 1:
            raise ValueError(f"at least one inference is asked for, not {limit}")
        statement = (
            (_selected() if content else _without_content())
            .order_by(inferences.c.created_at_us.desc(), inferences.c.id.desc())
            .limit(min(limit, _MOST_IN_A_BATCH))
        )
        if since is not None:
            statement = statement.where(inferences.c.created_at_us >= to_us(since))
        if ended_since is not None:
            took_us = func.coalesce(inferences.c.latency_ms, 0) * 1000
            statement = statement.where(inferences.c.created_at_us + took_us >= to_us(ended_since))
        if wanted is not None:
            statement = _narrowed(statement, wanted)
        with self._database.read() as connection:
            return self._read(connection, statement)

    def assign(self, pairs: Iterable[tuple[InferenceId, TaskId | None]]) -> None:
        """As `InferenceStore.assign`; ids that are not there are passed over."""
        statement = (
            update(inferences)
            .where(inferences.c.id == bindparam("inference"), inferences.c.task_id.is_distinct_from(bindparam("task")))
            .values(task_id=bindparam("task"))
        )
        rest = iter(pairs)
        while some := dict(islice(rest, _ASSIGNED_AT_ONCE)):
            rows = [{"inference": to_name(key), "task": to_name_or_none(some[key])} for key in sorted(some)]
            with self._database.write() as connection:
                connection.execute(statement, rows)

    def known(self, inference_ids: Sequence[InferenceId]) -> set[InferenceId]:
        """As `InferenceStore.known`."""
        return set(self.owners(inference_ids))

    def owners(self, inference_ids: Sequence[InferenceId]) -> dict[InferenceId, str]:
        """As `InferenceStore.owners`."""
        found: dict[InferenceId, str] = {}
        names = {to_name(inference_id): inference_id for inference_id in inference_ids}
        rest = iter(names)
        while some := list(islice(rest, _MOST_IN_A_BATCH)):
            asked = select(inferences.c.id, inferences.c.client_id).where(inferences.c.id.in_(some))
            with self._database.read() as connection:
                found.update((names[name], client_id) for name, client_id in connection.execute(asked))
        return found

    def count(self) -> int:
        """As `InferenceStore.count`."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(inferences)).scalar_one()

    def incumbent(self, task_id: TaskId) -> str | None:
        """As `InferenceStore.incumbent`; looks at the newest thousand."""
        newest = (
            select(inferences.c.model)
            .where(inferences.c.task_id == task_id)
            .order_by(inferences.c.created_at_us.desc(), inferences.c.id.desc())
            .limit(_NEWEST)
            .subquery()
        )
        asked = (
            select(newest.c.model)
            .where(newest.c.model.not_like("task:%"), newest.c.model.not_like("%@v%"))
            .group_by(newest.c.model)
            .order_by(func.count().desc(), newest.c.model)
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(asked).scalar_one_or_none()

    def _pages(self, page: Select[Any], size: int) -> Iterator[Inference]:
        place = tuple_(inferences.c.created_at_us, inferences.c.id)
        following = page
        while True:
            with self._database.read() as connection:
                found = self._read(connection, following)
            yield from found
            if len(found) < size:
                return
            last = found[-1]
            following = page.where(place > tuple_(to_us(last.created_at), last.id))

    def _read(self, connection: Connection, statement: Select[Any]) -> list[Inference]:
        """The inferences of a statement with their calls: two queries, however many they are."""
        rows = connection.execute(statement).all()
        if not rows:
            return []
        calls: defaultdict[str, list[ModelCall]] = defaultdict(list)
        of_these = (
            select(*CALL_COLUMNS)
            .where(model_calls.c.inference_id.in_([row[0] for row in rows]))
            .order_by(model_calls.c.inference_id, model_calls.c.place)
        )
        for call in connection.execute(of_these):
            calls[call[0]].append(call_of(call))
        opener = self._seals.opening(cell for row in rows for cell in row[-2:])
        if not opener:
            return [inference_of(row, tuple(calls[row[0]])) for row in rows]
        return [inference_of(_opened(row, opener), tuple(calls[row[0]])) for row in rows]


def _content(inference: Inference, labels: Mapping[str, str], closer: Closer) -> tuple[object, ...] | None:
    """The row of `contents`, sealed; None where no content is kept."""
    values = content_values(inference)
    if values is None or not closer:
        return values
    key = str(values[0])
    label = labels[key]
    return (
        key,
        closer.sealed(inference.request, label, request_place(key)),
        closer.sealed(inference.response, label, response_place(key)),
    )


def _opened(row: Sequence[Any], opener: Opener) -> tuple[Any, ...]:
    """A row of `INFERENCE_COLUMNS` with its content opened: by place, since a copy of the noun costs more than that."""
    ledger: list[Any] = list(row[:-2])
    request, response = row[-2], row[-1]
    if opener.erased(request) or opener.erased(response):
        ledger[_CONTENT] = Content.ERASED.value
        return (*ledger, None, None)
    name = row[0]
    return (
        *ledger,
        opener.opened(request, request_place(name)),
        opener.opened(response, response_place(name)),
    )


def _insert_all(connection: Connection, columns: tuple[Column[Any], ...], rows: list[tuple[object, ...]]) -> None:
    """Inserts rows as the driver takes them: SQLAlchemy's own way costs three times as much, on every request."""
    if rows:
        connection.exec_driver_sql(_insert_sql(columns, "?" if connection.dialect.name == "sqlite" else "%s"), rows)


@cache
def _insert_sql(columns: tuple[Column[Any], ...], place: str) -> str:
    names, places = ", ".join(column.name for column in columns), ", ".join([place] * len(columns))
    return f"INSERT INTO {columns[0].table.name} ({names}) VALUES ({places})"  # noqa: S608 - all of it is ours


def _selected() -> Select[Any]:
    return select(*INFERENCE_COLUMNS).select_from(inferences.outerjoin(contents))


def _without_content() -> Select[Any]:
    return select(*INFERENCE_COLUMNS[:-2], null(), null()).select_from(inferences)


def _narrowed(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    columns = inferences.c
    if wanted.task_id is not None:
        statement = statement.where(columns.task_id == to_name(wanted.task_id))
    if wanted.client_id is not None:
        statement = statement.where(columns.client_id == to_name(wanted.client_id))
    if wanted.model is not None:
        statement = statement.where(columns.model == to_name(wanted.model))
    if wanted.errors:
        statement = statement.where(or_(columns.status >= 400, columns.error_code.is_not(None)))
    return statement

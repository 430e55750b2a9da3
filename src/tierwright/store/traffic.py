"""All captured traffic, read in bulk: one flat row for each inference, and contents by id.

Owns the statements. Refuses to know what the traffic is looked at for.
"""

from __future__ import annotations

import json
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, Text, any_, bindparam, select, tuple_

from tierwright.core.instants import to_us
from tierwright.core.traffic import KeptContent, TrafficRow
from tierwright.store.ledger import SECOND_ROLES
from tierwright.store.rows.inference import CONTENTS
from tierwright.store.rows.scalars import from_pico, from_us, to_name
from tierwright.store.schema import contents, inferences, model_calls
from tierwright.store.seals import request_place, response_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Connection, Select

    from tierwright.core.ids import InferenceId
    from tierwright.store.database import Database
    from tierwright.store.seals import Seals

#: Inferences read in one transaction.
_PAGE = 10_000
#: Contents read in one transaction: a hundred kilobytes each is a hundred megabytes in all.
_CONTENTS_AT_ONCE = 1_000


#: The columns that a row has of its inference.
_COLUMNS = (
    inferences.c.id,
    inferences.c.created_at_us,
    inferences.c.client_id,
    inferences.c.task_id,
    inferences.c.error_code,
    inferences.c.latency_ms,
    inferences.c.content,
)
_OWN = len(_COLUMNS)


class SqlTraffic:
    """The `TrafficStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def traffic(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[TrafficRow]:
        """As `TrafficStore.traffic`; each page is read in a transaction of its own: a slow reader blocks nobody."""
        place = (inferences.c.created_at_us, inferences.c.id)
        page = select(*_COLUMNS).order_by(*place).limit(_PAGE)
        if since is not None:
            page = page.where(inferences.c.created_at_us >= to_us(since))
        if until is not None:
            page = page.where(inferences.c.created_at_us < to_us(until))
        following = page
        while True:
            with self._database.read() as connection:
                found = _rows(connection, following)
            yield from found
            if len(found) < _PAGE:
                return
            following = page.where(tuple_(*place) > tuple_(to_us(found[-1].created_at), found[-1].id))

    def contents(self, inference_ids: Iterable[InferenceId]) -> Iterator[KeptContent]:
        """As `TrafficStore.contents`; at most a thousand contents in memory."""
        rest = iter(inference_ids)
        while some := {to_name(one): one for one in islice(rest, _CONTENTS_AT_ONCE)}:
            with self._database.read() as connection:
                found = {name: (request, response) for name, request, response in self._kept(connection, list(some))}
            opener = self._seals.opening(cell for kept in found.values() for cell in kept)
            for name, inference_id in some.items():
                if name not in found or any(map(opener.erased, found[name])):
                    continue
                request, response = found[name]
                yield KeptContent(
                    inference_id,
                    opener.opened(request, request_place(name)),
                    opener.opened(response, response_place(name)),
                )

    def _kept(self, connection: Connection, names: Sequence[str]) -> Sequence[Any]:
        # One value for all of them: an IN with a thousand takes longer to write down than to answer.
        if self._database.is_postgres:
            return connection.execute(_AMONG, {"names": names}).all()
        return connection.exec_driver_sql(_AMONG_SQLITE, (json.dumps(names),)).all()


_AMONG = select(contents.c.inference_id, contents.c.request, contents.c.response).where(
    contents.c.inference_id == any_(bindparam("names", type_=ARRAY(Text)))
)
_AMONG_SQLITE = (
    "SELECT inference_id, request, response FROM json_each(?) JOIN contents ON contents.inference_id = value"
)


def _rows(connection: Connection, page: Select[Any]) -> list[TrafficRow]:
    """The rows of a page of inferences, in its order."""
    found = connection.execute(_with_calls(page)).all()
    return [_row(list(calls)) for _, calls in groupby(found, key=_BY_ID)]


_BY_ID = itemgetter(0)


def _row(calls: Sequence[Any]) -> TrafficRow:
    """The row of one inference, from a row for each of its calls, or one without a call where it has none."""
    inference_id, created_at_us, client_id, task_id, error_code, latency_ms, content = calls[0][:_OWN]
    model, prompt_tokens, completion_tokens = "", None, None
    cost_pico_usd, priced, unpriced = 0, False, 0
    for call in reversed(calls):
        role, cost, answered = call[_OWN], call[_OWN + 1], call[_OWN + 2]
        if answered:
            model, prompt_tokens, completion_tokens = call[_OWN + 3 :]
        if role is None or role in SECOND_ROLES:
            continue
        if cost is None:
            unpriced += 1
        else:
            cost_pico_usd, priced = cost_pico_usd + cost, True
    return TrafficRow(
        inference_id,
        from_us(created_at_us),
        client_id,
        task_id,
        error_code,
        latency_ms,
        CONTENTS[content],
        model,
        prompt_tokens,
        completion_tokens,
        from_pico(cost_pico_usd) if priced else None,
        unpriced,
    )


def _with_calls(page: Select[Any]) -> Select[Any]:
    """A row for each call of the inferences of a page."""
    one, call = page.subquery("one"), model_calls.c
    return (
        select(
            *one.c,
            call.role,
            call.cost_pico_usd,
            call.answered,
            call.model,
            call.prompt_tokens,
            call.completion_tokens,
        )
        .select_from(one.outerjoin(model_calls, call.inference_id == one.c.id))
        .order_by(one.c.created_at_us, one.c.id, call.place)
    )

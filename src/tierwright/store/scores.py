"""Judgements of answers, in SQL.

Owns the table `scores`. Refuses to know what a score is good for.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tierwright.store.origins import arriving
from tierwright.store.rows.scalars import to_name
from tierwright.store.rows.score import SCORE_COLUMNS, score_of, score_row
from tierwright.store.schema import inferences, scores
from tierwright.store.seals import score_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from tierwright.core.feedback import Score
    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.store.database import Database
    from tierwright.store.seals import Seals

#: Ids in one statement; databases limit its parameters.
_MOST_AT_ONCE = 500


class SqlScores:
    """The scores of the `FeedbackStore` part of the store."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database, self._seals = database, seals

    def add_scores(self, given: Sequence[Score]) -> int:
        """As `FeedbackStore.add_scores`: one transaction. Scores of a request that was erased are passed over."""
        words = arriving(self._database, self._seals, given)
        by_id = {score.id: score for score in reversed(words.kept)}
        if not by_id:
            return 0
        statement = self._database.insert(scores).on_conflict_do_nothing().returning(scores.c.id)
        rows = [score_row(by_id[key]) for key in sorted(by_id)]
        if words.closer:
            for row in rows:
                label = words.labels[row["inference_id"]]
                for name in ("text", "comment"):
                    row[name] = words.closer.sealed(row[name], label, score_place(row["id"], name))
        with self._database.write() as connection:
            return len(connection.execute(statement, rows).all())

    def scores_of(self, inference_ids: Sequence[InferenceId]) -> list[Score]:
        """As `FeedbackStore.scores_of`; ties by id."""
        found: list[Score] = []
        rest = iter({to_name(inference_id) for inference_id in inference_ids})
        while some := list(islice(rest, _MOST_AT_ONCE)):
            found += self._read(select(*SCORE_COLUMNS).where(scores.c.inference_id.in_(some)))
        return sorted(found, key=_order)

    def scores_of_task(self, task_id: TaskId) -> list[Score]:
        """As `FeedbackStore.scores_of_task`; ties by id."""
        of_task = (
            select(*SCORE_COLUMNS)
            .join(inferences, inferences.c.id == scores.c.inference_id)
            .where(inferences.c.task_id == task_id)
        )
        return sorted(self._read(of_task), key=_order)

    def _read(self, statement: Select[Any]) -> list[Score]:
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        opener = self._seals.opening(cell for row in rows for cell in (row.text, row.comment))
        return [score_of(row, opener) for row in rows if not (opener.erased(row.text) or opener.erased(row.comment))]


def _order(score: Score) -> tuple[Any, str]:
    return (score.created_at, score.id)

"""Judgements of answers, in SQL.

Owns the table `scores`. Refuses to know what a score is good for.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tierwright.store.rows.scalars import to_name
from tierwright.store.rows.score import SCORE_COLUMNS, score_of, score_row
from tierwright.store.schema import inferences, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from tierwright.core.feedback import Score
    from tierwright.core.ids import InferenceId, TaskId
    from tierwright.store.database import Database

#: Ids in one statement; databases limit its parameters.
_MOST_AT_ONCE = 500


class SqlScores:
    """The scores of the `FeedbackStore` part of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_scores(self, given: Sequence[Score]) -> int:
        """As `FeedbackStore.add_scores`: one transaction."""
        by_id = {score.id: score for score in reversed(given)}
        if not by_id:
            return 0
        statement = self._database.insert(scores).on_conflict_do_nothing().returning(scores.c.id)
        rows = [score_row(by_id[key]) for key in sorted(by_id)]
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
            return [score_of(row) for row in connection.execute(statement).all()]


def _order(score: Score) -> tuple[Any, str]:
    return (score.created_at, score.id)

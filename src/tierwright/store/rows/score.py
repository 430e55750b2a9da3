"""Scores as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.feedback import Score, ScoreKind
from tierwright.core.ids import InferenceId, ScoreId
from tierwright.core.instants import to_us
from tierwright.store.rows.scalars import from_bytes, from_us, to_bytes, to_name, to_name_or_none
from tierwright.store.schema import scores
from tierwright.store.seals import score_place

if TYPE_CHECKING:
    from tierwright.store.seals import Opener

#: The columns `score_of` wants, in its order.
SCORE_COLUMNS = tuple(scores.c)


def score_row(score: Score) -> dict[str, Any]:
    """The row of `scores`."""
    return {
        "id": score.id,
        "inference_id": to_name(score.inference_id),
        "name": to_name(score.name),
        "kind": score.kind.value,
        "number": score.number,
        "text": None if score.text is None else to_bytes(score.text),
        "comment": None if score.comment is None else to_bytes(score.comment),
        "author": to_name_or_none(score.author),
        "created_at_us": to_us(score.created_at),
    }


def score_of(row: Any, opener: Opener) -> Score:
    """The score in a row of `SCORE_COLUMNS`, which is there."""
    text = opener.opened(row.text, score_place(row.id, "text"))
    comment = opener.opened(row.comment, score_place(row.id, "comment"))
    return Score(
        id=ScoreId(row.id),
        inference_id=InferenceId(row.inference_id),
        name=row.name,
        kind=ScoreKind(row.kind),
        number=row.number,
        text=None if text is None else from_bytes(text),
        comment=None if comment is None else from_bytes(comment),
        author=row.author,
        created_at=from_us(row.created_at_us),
    )

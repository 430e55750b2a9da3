"""A person's word on one answer: what it should have been, or how good it was."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.ids import FeedbackId, InferenceId, ScoreId


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What the right answer of one inference would have been, according to a person: a demonstration."""

    #: Hash of the inference, the caller, the author and the answer: the same word twice is one.
    id: FeedbackId
    inference_id: InferenceId
    #: The right answer, as the text of a message.
    output: str
    #: Who says so, by their own account; None: not given.
    author: str | None = None
    #: The caller that said so with its key; None: the operator did, by importing it.
    client_id: str | None = None
    created_at: datetime


class ScoreKind(StrEnum):
    """What a score's value is, as Langfuse names the types."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A judgement of one answer: a number, a yes or no, a class or a remark."""

    #: Hash of the caller and the id it gave, or of everything below but the instant: the same word twice is one.
    id: ScoreId
    inference_id: InferenceId
    #: What is judged, such as "helpful"; "comment" for a remark alone.
    name: str
    kind: ScoreKind
    #: For NUMERIC the number, for BOOLEAN 0 or 1; None for the others.
    number: float | None = None
    #: For CATEGORICAL the class, for TEXT the remark; None for the others.
    text: str | None = None
    #: In words, why; None: not given.
    comment: str | None = None
    #: Who says so; None: not given.
    author: str | None = None
    created_at: datetime

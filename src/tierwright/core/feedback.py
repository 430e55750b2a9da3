"""A person's word on one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.ids import FeedbackId, InferenceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What the right answer of one inference would have been, according to a person."""

    #: Hash of the inference, the author and the answer: the same word twice is one.
    id: FeedbackId
    inference_id: InferenceId
    #: The right answer, as the text of a message.
    output: str
    #: Who says so; None: not given.
    author: str | None = None
    created_at: datetime

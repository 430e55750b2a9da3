"""What an erasure found, removed and leaves to be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.ids import DatasetId, InferenceId, ModelVersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person, as one caller names them."""

    client_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was found of people and requests; all of it is removed, unless it was only looked for."""

    #: Of the people, as the store knows them: keyed hashes.
    subjects: tuple[str, ...] = ()
    #: Requests that are in the store; their lines of the ledger stay, without content.
    inferences: tuple[InferenceId, ...] = ()
    #: Requests of which content was there.
    contents: int = 0
    second_answers: int = 0
    feedback: int = 0
    scores: int = 0
    #: Examples that were drawn from these requests, by dataset.
    examples: Mapping[DatasetId, int] = field(default_factory=dict)
    #: Trained on these datasets: they have seen the examples, and must be trained again without them.
    models: tuple[ModelVersionId, ...] = ()
    #: Keys that were destroyed: what they sealed can't be read any more, wherever it is.
    keys: int = 0
    #: Whether content is sealed: what was erased can't be read in backups of the store without the register's.
    sealed: bool = False

"""A frozen, deduplicated, split set of examples of one task."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import DatasetId, InferenceId, TaskId
    from tierwright.core.privacy import DataClass


class Split(StrEnum):
    """What an example may be used for."""

    #: Fitting.
    TRAIN = "train"
    #: Calibrating the confidence and choosing the threshold.
    CALIBRATION = "calibration"
    #: The controlled experiment, and nothing else.
    TEST = "test"


class LabelSource(StrEnum):
    """Who says that the output is right."""

    #: A person whose word is believed; it may decide an experiment.
    HUMAN = "human"
    #: One caller, of an answer it got: trained on, within bounds, and never judged by.
    CALLER = "caller"
    INCUMBENT = "incumbent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One input with the answer it should get."""

    #: The inference it was captured in, of several equal ones the earliest; in labelled history `line_N` of its file.
    id: InferenceId
    #: The variable part of the request, without the boilerplate.
    input: str
    #: The answer it should get, in the contract's canonical form.
    output: str
    source: LabelSource
    #: What the incumbent answered, canonical; None: not known (labelled history).
    incumbent_output: str | None
    split: Split
    #: Near-duplicates share a group; a group never crosses splits, but those that labelled history came with.
    group: str
    created_at: datetime
    #: How many captured requests, or rows with the same output, had this same input.
    occurrences: int = 1
    #: All captured requests that had it, `id` among them; empty: as read out of a store, or labelled history.
    sources: tuple[InferenceId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A frozen set of examples: the same id always means the same examples."""

    #: SHA-256 of the contract and of every example, in order; of the task, too, in labelled history.
    id: DatasetId
    task_id: TaskId
    contract: OutputContract
    created_at: datetime
    #: Seed of the split.
    seed: int
    #: Examples per split.
    sizes: Mapping[Split, int]
    #: Requests or rows looked at and not used, by reason.
    excluded: Mapping[str, int] = field(default_factory=dict)
    #: The highest class of what its examples come from; None: of some it is not known.
    data_class: DataClass | None = None
    #: Examples by the class of what they come from, "unknown" among them; None: it was built before they were counted.
    classes: Mapping[str, int] | None = None
    #: What detectors found in what they come from, by type; {}: nothing, or nobody looked.
    findings: Mapping[str, int] = field(default_factory=dict)
    #: Examples that were erased since it was built: it is no longer what its id says, and nothing is trained on it.
    erased: int = 0

"""What a task was asked and answered, as text.

Owns reading it from the store; only answers of the frontier model count, since a specialist repeats what it learned.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tierwright.curation.observation import observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwright.core.protocols import InferenceStore
    from tierwright.core.task import Task
    from tierwright.curation.observation import Observation


def answered_pairs(store: InferenceStore, task: Task, *, most: int) -> list[tuple[str, str]]:
    """(input, answer) of the task's first requests whose content is kept and that one of its frames fits."""
    given = ((task.input_of(one.request), one.answer) for one in answered(store, task))
    return list(islice(((text, answer) for text, answer in given if text is not None), most))


def answered(store: InferenceStore, task: Task) -> Iterator[Observation]:
    """The task's requests that a frontier model answered, the oldest first."""
    return observe(
        inference
        for inference in store.scan(task_id=task.id)
        if inference.answering_call is not None and inference.answering_call.model_version_id is None
    )

"""Tasks as rows, those of earlier versions among them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

from tests.fakes import a_contract, a_frame, a_task
from tierwright.core.task import Template
from tierwright.store.rows.task import task_of, task_row


def test_steps_come_back_as_they_were() -> None:
    """The step, the opening, the process and the tools called survive the store."""
    frames = (a_frame(tools=("find",), after="find"), a_frame(opening=Template(literals=("a", "b"))))
    task = a_task(frames=frames, process="support", contract=replace(a_contract(), calls=("find",)))
    assert task_of(SimpleNamespace(**task_row(task))) == task


def test_rows_without_the_new_members_are_read_and_written_as_before() -> None:
    """A frame that is no step is stored without members that say nothing, as it always was."""
    row = task_row(a_task())
    (frame,) = json.loads(row["frames"])
    assert set(frame) == {"id", "system", "user", "tools", "response_format"}
    older = {**row, "contract": json.dumps({"kind": "label", "labels": ["card_arrival", "card_lost"]})}
    assert task_of(SimpleNamespace(**older)) == a_task()

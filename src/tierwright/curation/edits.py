"""Keeps what people merged and split when an audit finds the tasks again.

Owns which of the jobs found belong to which edited task. Refuses to make edits (`editing`) and to find jobs (`jobs`).

A wording that a person gave to a task stays there, whatever the likeness of wordings says. It is known again by its id,
or, since its fixed text can come out a little differently from more traffic, by its requests: a wording is the pinned
one whose frame fits most of them. A wording that nobody has placed follows the placed ones that it is the same job as;
where these belong to several tasks, it follows the one whose prompt shares most of its words.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tierwright.curation.frames import oldest_first
from tierwright.curation.jobs import prompt_of
from tierwright.curation.templates import words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tierwright.core.edit import TaskEdit
    from tierwright.core.ids import FrameId, TaskId
    from tierwright.core.task import Frame
    from tierwright.curation.frames import FrameGroup

#: Requests of a wording that are tried on the pinned frames.
_TRIED = 200
#: Share of them that a frame must fit for the wording to be that frame's.
_MOST = 0.5


def keep_edits(
    jobs: Sequence[Sequence[FrameGroup]], edits: Sequence[TaskEdit], known: Collection[TaskId]
) -> tuple[list[list[FrameGroup]], dict[int, TaskId]]:
    """The jobs as people have put them together, and the task of each job, by its place, that an edit decides.

    `edits` are in the order in which they were made; those about tasks that are not `known` any more say nothing.
    """
    pins: dict[FrameId, tuple[Frame, TaskId]] = {}
    for edit in edits:
        pins.update((pin.frame.id, (pin.frame, pin.task_id)) for pin in edit.pins)
    pins = {frame_id: pin for frame_id, pin in pins.items() if pin[1] in known}
    if not pins:
        return [list(job) for job in jobs], {}
    placed: dict[TaskId, list[FrameGroup]] = defaultdict(list)
    free: list[list[FrameGroup]] = []
    for job in jobs:
        owners = [_owner(group, pins) for group in job]
        if not any(owners):
            free.append(list(job))
            continue
        fixed = [(group, owner) for group, owner in zip(job, owners, strict=True) if owner is not None]
        for group, owner in zip(job, owners, strict=True):
            placed[owner or _nearest(group, fixed)].append(group)
    kept = {task_id: oldest_first(groups) for task_id, groups in placed.items()}
    return [*kept.values(), *free], dict(enumerate(kept))


def frame_for(frames: Sequence[Frame], group: FrameGroup) -> Frame | None:
    """The frame that fits most of a wording's requests; the one with the longest fixed text among equals; or none."""
    tried = group.members[:: max(1, len(group.members) // _TRIED)]
    fits = [sum(frame.match(member.request) is not None for member in tried) for frame in frames]
    if not fits or max(fits) <= _MOST * len(tried):
        return None
    return max(zip(fits, frames, strict=True), key=lambda pair: (pair[0], len(prompt_of(pair[1]))))[1]


def _owner(group: FrameGroup, pins: dict[FrameId, tuple[Frame, TaskId]]) -> TaskId | None:
    if group.frame.id in pins:
        return pins[group.frame.id][1]
    found = frame_for([frame for frame, _ in pins.values()], group)
    return None if found is None else pins[found.id][1]


def _nearest(group: FrameGroup, fixed: Sequence[tuple[FrameGroup, TaskId]]) -> TaskId:
    mine = set(words(prompt_of(group.frame)))

    def likeness(pair: tuple[FrameGroup, TaskId]) -> tuple[float, int]:
        theirs = set(words(prompt_of(pair[0].frame)))
        return len(mine & theirs) / max(1, len(mine | theirs)), len(pair[0].members)

    return max(fixed, key=likeness)[1]

"""Merges, splits and their undoing, as a person asks for them.

Owns what is allowed and what becomes of frames, contracts and requests. Later audits keep an edit by `edits`.

What was built for a task (datasets, models, evaluations, deployments) means that task's requests. So a task for which
something was built is never merged away, and nothing is merged into a task of which a specialist serves: it has never
seen the requests that would reach it. A split is always safe: what leaves a task goes back to the frontier model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from tierwright.core.chat import decode_request
from tierwright.core.contract import ContractKind, fold_label
from tierwright.core.deployment import Stage
from tierwright.core.edit import EditKind, Pin, TaskEdit
from tierwright.core.errors import GateError, InputError, NotFound
from tierwright.core.ids import TaskEditId, TaskId, digest, uuid7
from tierwright.core.protocols import DeploymentStore, InferenceStore, KeyStore, TaskEditStore, TaskStore
from tierwright.core.task import Task, checked_name
from tierwright.curation.answered import answered_pairs
from tierwright.curation.contracts import infer_contract, with_known
from tierwright.curation.jobs import prompt_of
from tierwright.curation.naming import propose_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tierwright.core.chat import ChatRequest
    from tierwright.core.contract import OutputContract
    from tierwright.core.ids import FrameId, InferenceId
    from tierwright.core.inference import Inference
    from tierwright.core.task import Frame

#: Requests of each task by which the contract is inferred; the next audit takes all of them.
_SAMPLE = 3000
#: Share of the smaller label set that the larger one must hold for two tasks to be merged without more ado.
_SHARED_LABELS = 0.5


class EditingStore(InferenceStore, TaskStore, TaskEditStore, DeploymentStore, KeyStore, Protocol):
    """What editing reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What became of an edit."""

    edit: TaskEdit
    #: The tasks as they are now, the one that stays first.
    tasks: tuple[Task, ...]
    #: Requests that belong to another task now.
    moved: int
    #: Requests that could not be told apart, since their content is gone; they stay where they were.
    unread: int = 0
    #: What people should know, in sentences.
    notes: tuple[str, ...] = ()


def merge(
    store: EditingStore, names: Sequence[str], *, into: str | None, force: bool, at: datetime, entropy: bytes
) -> Edited:
    """Makes several tasks one; later audits keep it.

    `into` names the task that stays, or gives it a new name; by default the first stays, or the one for which something
    was built. Raises InputError for fewer than two tasks, GateError where models would lose their meaning, or, without
    `force`, where the tasks' answers are not of one kind.
    """
    tasks = list({task.id: task for task in map(store.task, names)}.values())
    stays, name = _survivor(store, tasks, into)
    gone = [task for task in tasks if task.id != stays.id]
    if not gone:
        raise InputError("a merge needs two different tasks or more; `tierwright task list` shows those there are")
    for task in gone:
        _nothing_built(store, task, stays)
    _nothing_serves(store, stays)
    every = [stays, *gone]
    if not force:
        _one_kind(every)
    frames = tuple({frame.id: frame for task in sorted(every, key=_age) for frame in task.frames}.values())
    merged = replace(
        stays,
        name=name or stays.name,
        named_by_person=stays.named_by_person or name is not None,
        frames=frames,
        contract=_united(store, every, frames),
        created_at=min(task.created_at for task in every),
    )
    edit = TaskEdit(
        id=_new_id(at, entropy),
        created_at=at,
        kind=EditKind.MERGE,
        task_id=stays.id,
        other_ids=tuple(task.id for task in gone),
        before=tuple(every),
        pins=tuple(Pin(frame=frame, task_id=stays.id) for frame in frames),
    )
    moved = sum(store.move_inferences(task.id, stays.id) for task in gone)
    store.edit_tasks(put=[merged], remove=edit.other_ids, add=edit)
    # A gateway may have captured some in between.
    moved += sum(store.move_inferences(task.id, stays.id) for task in gone)
    return Edited(edit=edit, tasks=(merged,), moved=moved, notes=tuple(_merge_notes(store, merged, gone)))


def split(
    store: EditingStore, name: str, frames: Sequence[str], *, new_name: str | None, at: datetime, entropy: bytes
) -> Edited:
    """Makes some wordings of a task another; later audits keep it.

    `frames` are ids of frames or unambiguous beginnings of them. Raises InputError where one is not the task's, or all
    are. Models and deployments stay with the old task.
    """
    task = store.task(name)
    chosen = {_frame(task, wanted).id for wanted in frames}
    leaving = tuple(frame for frame in task.frames if frame.id in chosen)
    staying = tuple(frame for frame in task.frames if frame.id not in chosen)
    if not leaving or not staying:
        raise InputError(
            f"a split takes some of the {len(task.frames)} wordings of {task.name} and leaves others; "
            f"`tierwright task show {task.name}` lists them"
        )
    edit_id = _new_id(at, entropy)
    taken = {other.name for other in store.tasks()}
    proposed = propose_names([prompt_of(leaving[-1])], [task.contract], taken=taken)[0]
    fresh = Task(
        id=TaskId(f"task_{digest('split', edit_id)}"),
        name=proposed if new_name is None else checked_name(new_name),
        named_by_person=new_name is not None,
        contract=task.contract,
        frames=leaving,
        created_at=task.created_at,
    )
    remaining = replace(task, frames=staying)
    edit = TaskEdit(
        id=edit_id,
        created_at=at,
        kind=EditKind.SPLIT,
        task_id=task.id,
        other_ids=(fresh.id,),
        before=(task,),
        pins=tuple(Pin(frame=frame, task_id=fresh.id if frame.id in chosen else task.id) for frame in task.frames),
    )
    store.edit_tasks(put=[remaining, fresh], add=edit)
    told = _Telling(task.frames, {frame.id: fresh.id for frame in leaving})
    store.assign(told.apart(store.scan(task_id=task.id)))
    tasks = tuple(_with_own_contract(store, one) for one in (remaining, fresh))
    store.edit_tasks(put=tasks)
    notes = []
    if store.built_for(task.id):
        notes.append(f"what was built for {task.name} stays with it, and has learned from the requests of both")
    return Edited(edit=edit, tasks=tasks, moved=told.moved, unread=told.unread, notes=tuple(notes))


def undo(store: EditingStore, edit_id: str | None) -> Edited:
    """Puts the tasks back as they were before an edit, the newest by default; later audits forget it.

    Wordings and requests that came since stay with the task that the edit left. Raises NotFound, or GateError where a
    later edit is about the same tasks, or something was built for a task that would go.
    """
    edits = store.task_edits()
    found = next((edit for edit in reversed(edits) if edit_id in {None, edit.id}), None)
    if found is None:
        what = "no task was merged or split" if edit_id is None else f"there is no edit {edit_id!r}"
        raise NotFound(f"{what}; `tierwright task edits` shows what can be undone")
    about = {found.task_id, *found.other_ids}
    later = [edit for edit in edits[edits.index(found) + 1 :] if about & {edit.task_id, *edit.other_ids}]
    if later:
        raise GateError(f"edit {later[-1].id} came later and is about the same tasks; undo that one first")
    return _unmerged(store, found) if found.kind is EditKind.MERGE else _unsplit(store, found)


def _unmerged(store: EditingStore, edit: TaskEdit) -> Edited:
    now = store.task(edit.task_id)
    before = next(task for task in edit.before if task.id == edit.task_id)
    back = [task for task in edit.before if task.id != edit.task_id]
    leaving = {frame.id: task.id for task in back for frame in task.frames}
    stays = replace(
        now,
        name=before.name,
        named_by_person=before.named_by_person,
        contract=before.contract,
        frames=tuple(frame for frame in now.frames if frame.id not in leaving),
        created_at=before.created_at,
    )
    store.edit_tasks(put=[stays, *back], drop=edit.id)
    frames = {frame.id: frame for task in (now, *back) for frame in task.frames}
    told = _Telling(tuple(frames.values()), leaving)
    store.assign(told.apart(store.scan(task_id=now.id)))
    return Edited(edit=edit, tasks=(stays, *back), moved=told.moved, unread=told.unread)


def _unsplit(store: EditingStore, edit: TaskEdit) -> Edited:
    stays, fresh = store.task(edit.task_id), store.task(edit.other_ids[0])
    before = edit.before[0]
    _nothing_built(store, fresh, stays)
    _nothing_serves(store, stays)
    frames = {frame.id: frame for frame in (*before.frames, *stays.frames, *fresh.frames)}
    whole = replace(stays, frames=tuple(frames.values()), contract=before.contract)
    moved = store.move_inferences(fresh.id, stays.id)
    store.edit_tasks(put=[whole], remove=[fresh.id], drop=edit.id)
    moved += store.move_inferences(fresh.id, stays.id)
    return Edited(edit=edit, tasks=(whole,), moved=moved)


class _Telling:
    """Says of requests which of several frames they have; of those that fit, the one with the longest fixed text."""

    def __init__(self, frames: Sequence[Frame], leaving: dict[FrameId, TaskId]) -> None:
        self._frames = sorted(frames, key=lambda frame: -len(prompt_of(frame)))
        self._leaving = leaving
        self.moved = self.unread = 0

    def apart(self, inferences: Iterator[Inference]) -> Iterator[tuple[InferenceId, TaskId]]:
        """The inferences whose frame leaves, with the task it goes to."""
        for inference in inferences:
            try:
                request = None if inference.request is None else decode_request(inference.request)
            except InputError:
                request = None
            if request is None:
                self.unread += 1
                continue
            frame = self._frame_of(request)
            if frame is not None and frame.id in self._leaving:
                self.moved += 1
                yield inference.id, self._leaving[frame.id]

    def _frame_of(self, request: ChatRequest) -> Frame | None:
        return next((frame for frame in self._frames if frame.match(request) is not None), None)


def _survivor(store: EditingStore, tasks: list[Task], into: str | None) -> tuple[Task, str | None]:
    """The task that stays, and its new name; None: it keeps its own."""
    if into is not None:
        try:
            return store.task(into), None
        except NotFound:
            checked_name(into)
    return next((task for task in tasks if store.built_for(task.id)), tasks[0]), into


def _nothing_built(store: EditingStore, task: Task, stays: Task) -> None:
    built = store.built_for(task.id)
    if built and store.built_for(stays.id):
        raise GateError(
            f"both {task.name} and {stays.name} have {' and '.join(built)} of their own, which would lose their "
            "meaning; two such tasks can't be merged"
        )
    if built:
        raise GateError(
            f"{task.name} has {' and '.join(built)}, which would lose their meaning if it were merged away; "
            f"merge into it instead: --into {task.name}"
        )


def _nothing_serves(store: EditingStore, task: Task) -> None:
    in_force = [*store.deployments_in_force(), *store.shadows_in_force()]
    serving = next((d for d in in_force if d.task_id == task.id and d.stage is not Stage.RETIRED), None)
    if serving is not None:
        raise GateError(
            f"a specialist of {task.name} is {serving.stage.value} and would be asked requests that it never learned; "
            f"take it off first (`tierwright deploy set {task.name} --stage retired`), and train it anew after the "
            "merge"
        )


def _one_kind(tasks: Sequence[Task]) -> None:
    """Raises GateError where the answers of the tasks are not alike."""
    for one, other in pairwise(tasks):
        a, b = one.contract, other.contract
        what = None
        if a.kind is not b.kind:
            what = f"{one.name} answers with {a.kind.value} and {other.name} with {b.kind.value}"
        elif {spec.name for spec in a.fields} != {spec.name for spec in b.fields}:
            what = f"the answers of {one.name} and {other.name} have different fields"
        elif a.kind is ContractKind.LABEL:
            sets = sorted(({fold_label(label) for label in c.labels} for c in (a, b)), key=len)
            shared = len(sets[0] & sets[1])
            if shared < _SHARED_LABELS * len(sets[0]):
                sizes = f"{len(sets[0])} and {len(sets[1])}"
                what = f"{one.name} and {other.name} share {shared} of their {sizes} labels"
        if what is not None:
            raise GateError(
                f"{what}, so that they look like different jobs, and one model would have to learn both; "
                "say --force if they are one job nevertheless"
            )


def _united(store: EditingStore, tasks: Sequence[Task], frames: Sequence[Frame]) -> OutputContract:
    """The contract that the answers of all the tasks keep, with the labels each has known."""
    pairs = [pair for task in tasks for pair in answered_pairs(store, task, most=_SAMPLE)]
    kinds = Counter(task.contract.kind for task in tasks)
    if pairs:
        prompt = "\n".join(map(prompt_of, frames))
        found = infer_contract([text for text, _ in pairs], [answer for _, answer in pairs], prompt)
    elif len(kinds) == 1:
        found = tasks[0].contract
    else:
        found = replace(tasks[0].contract, kind=ContractKind.OPEN, labels=(), fields=())
    for task in tasks:
        found = with_known(found, task.contract)
    return replace(found, calls=tuple(dict.fromkeys(name for task in tasks for name in task.contract.calls)))


def _with_own_contract(store: EditingStore, task: Task) -> Task:
    """The task with the contract its own answers keep; as it is where too few are left to tell."""
    pairs = answered_pairs(store, task, most=_SAMPLE)
    if not pairs:
        return task
    prompt = "\n".join(map(prompt_of, task.frames))
    found = infer_contract([text for text, _ in pairs], [said for _, said in pairs], prompt)
    # Which of the wordings the calls belong to isn't asked: no specialist may answer for want of a look.
    return replace(task, contract=replace(found, calls=task.contract.calls))


def _merge_notes(store: EditingStore, merged: Task, gone: Sequence[Task]) -> Iterator[str]:
    if store.built_for(merged.id):
        others = " and ".join(task.name for task in gone)
        yield f"the datasets and models of {merged.name} hold nothing of {others}; build and train anew"
    names = {task.name for task in gone} - {merged.name}
    for key in store.keys():  # noqa: SIM118 - the keys of callers, not those of a dict
        lost = sorted(names & set(key.tasks or ()))
        if lost and key.revoked_at is None:
            yield f"key {key.id} may ask for {' and '.join(lost)} by name, which is gone; make one for {merged.name}"


def _frame(task: Task, wanted: str) -> Frame:
    found = [frame for frame in task.frames if wanted in {frame.id, frame.id.removeprefix("frame_")}]
    found = found or [
        frame
        for frame in task.frames
        if wanted and (frame.id.startswith(wanted) or frame.id.removeprefix("frame_").startswith(wanted))
    ]
    if len(found) != 1:
        what = "names several wordings" if found else "is no wording"
        raise InputError(f"{wanted!r} {what} of {task.name}; `tierwright task show {task.name}` lists them")
    return found[0]


def _age(task: Task) -> tuple[datetime, TaskId]:
    return task.created_at, task.id


def _new_id(at: datetime, entropy: bytes) -> TaskEditId:
    return TaskEditId(f"edit_{uuid7(at, entropy)}")

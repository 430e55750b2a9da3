"""What a request's model means: a model, a task, or one version of a task's specialist.

Owns the reading of names; refuses to decide who answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tierwright.gateway import problems, wire
from tierwright.gateway.recognise import Recognised

if TYPE_CHECKING:
    from tierwright.core.chat import ChatRequest
    from tierwright.core.task import Task
    from tierwright.gateway.catalogue import Catalogue
    from tierwright.gateway.dialects.dialect import Asked
    from tierwright.gateway.problems import Problem
    from tierwright.gateway.specialists import LiveSpecialist, Snapshot, SpecialistRegistry


class Target(NamedTuple):
    """What a request's model means."""

    #: The model to ask a model server for.
    model: str
    found: Recognised | None
    #: The version that the caller named; None: the one deployed.
    pinned: LiveSpecialist | None = None
    #: Whether the caller named a task for which nobody knows a model: only its specialist can answer.
    is_alone: bool = False


async def target_of(
    asked: Asked, snapshot: Snapshot, specialists: SpecialistRegistry, catalogue: Catalogue
) -> Target | Problem:
    """What a request is about; a Problem where it names a task or a version that there is not."""
    chat = asked.chat
    if chat is None:
        return Target(asked.model, None)
    name, number = wire.alias_of(asked.model)
    if name is not None:
        task = snapshot.tasks.get(name)
        if task is None:
            return problems.task_not_found(asked.model)
        if number is None:
            return await _task_target(asked.model, chat, task, specialists, catalogue)
        pinned = await specialists.pinned(task, number)
        found = Recognised(task, _input_of(task, chat))
        return problems.task_not_found(asked.model) if pinned is None else Target(asked.model, found, pinned)
    named = None if asked.task_name is None else snapshot.tasks.get(asked.task_name)
    if named is not None:
        return Target(asked.model, Recognised(named, _input_of(named, chat)))
    return Target(asked.model, snapshot.index.recognise(chat))


async def model_of(task: Task, specialists: SpecialistRegistry, catalogue: Catalogue) -> str | None:
    """The model that answers a task's requests where its specialist does not; None: there is none."""
    return await specialists.incumbent(task) or catalogue.default_model


async def _task_target(
    model: str, chat: ChatRequest, task: Task, specialists: SpecialistRegistry, catalogue: Catalogue
) -> Target | Problem:
    """What a task that is named in place of a model means."""
    found = Recognised(task, _input_of(task, chat))
    usual = await model_of(task, specialists, catalogue)
    if usual is None and task.id in specialists.snapshot.specialists:
        # A task made from labelled history: nobody was ever asked for a model there.
        return Target(model, found, is_alone=True)
    return problems.task_not_found(model) if usual is None else Target(usual, found)


def _input_of(task: Task, chat: ChatRequest) -> str:
    """The input of a request that names its task: as a frame cuts it, or else the whole last message."""
    found = task.input_of(chat)
    return chat.messages[-1].text if found is None else found

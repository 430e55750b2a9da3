"""One caller, as a request's key names it, and what it may ask for.

Refuses to know how keys are recognised (`auth`) and how much was used (`quota`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.gateway import problems

if TYPE_CHECKING:
    from tierwright.core.caller import CallerKey
    from tierwright.core.privacy import DataClass
    from tierwright.gateway.problems import Problem

_ANY_ENDING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    #: As captures and ledgers name it.
    client_id: str
    #: The key of the store that was sent; None: one of the settings file, or none was needed. Nothing limits it then.
    key: CallerKey | None = None
    #: Whether nobody needs a key: all who call are one then, and everything stored is theirs.
    alone: bool = False
    #: The class of all its requests, unless they say a higher one; None: not declared.
    data_class: DataClass | None = None


def permitted(caller: Caller, *, model: str, task_name: str | None) -> Problem | None:
    """The 403 to answer with where the caller's key isn't for the model or the task; None: it may ask.

    `task_name` is None where the request belongs to no task: a key for certain tasks may not ask then.
    """
    if not may_name(caller, model):
        return problems.model_not_allowed(model)
    if not may_ask(caller, task_name):
        return problems.task_not_allowed(task_name)
    return None


def may_name(caller: Caller, model: str) -> bool:
    """Whether the caller's key is for a model."""
    return caller.key is None or caller.key.models is None or any(_fits(model, one) for one in caller.key.models)


def may_ask(caller: Caller, task_name: str | None) -> bool:
    """Whether the caller's key is for a task; None: for requests of no task."""
    return caller.key is None or caller.key.tasks is None or task_name in caller.key.tasks


def _fits(model: str, pattern: str) -> bool:
    if pattern.endswith(_ANY_ENDING):
        return model.startswith(pattern[:-1])
    return model == pattern

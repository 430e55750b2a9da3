"""A key is good for its models and its tasks, and for no others."""

from __future__ import annotations

import pytest

from tests.fakes import a_key
from tierwright.gateway.tenancy.caller import Caller, permitted


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        (None, "anything", True),
        ((), "anything", False),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4o*",), "gpt-4o-mini", True),
        (("gpt-4o*",), "gpt-4o", True),
        (("gpt-4o*",), "gpt-4", False),
        (("*",), "anything", True),
        (("*-mini",), "gpt-4o-mini", False),
        (("a", "b*"), "bc", True),
    ],
)
def test_models_are_allowed_by_name_or_beginning(
    patterns: tuple[str, ...] | None, model: str, *, allowed: bool
) -> None:
    """Only a last star stands for any ending; everything else is meant as it is written."""
    found = permitted(Caller(client_id="shop", key=a_key(models=patterns)), model=model, task_name=None)
    assert (found is None) == allowed
    if found is not None:
        assert (found.status, found.code, found.param) == (403, "model_not_allowed", "model")


@pytest.mark.parametrize(
    ("tasks", "name", "allowed"),
    [
        (None, None, True),
        (None, "intent", True),
        (("intent",), "intent", True),
        (("intent",), "spam", False),
        (("intent",), None, False),
        ((), "intent", False),
    ],
)
def test_tasks_are_allowed_by_name(tasks: tuple[str, ...] | None, name: str | None, *, allowed: bool) -> None:
    """A key for certain tasks is not for others, and not for requests of no task."""
    found = permitted(Caller(client_id="shop", key=a_key(tasks=tasks)), model="gpt-4o", task_name=name)
    assert (found is None) == allowed
    if found is not None:
        assert (found.status, found.code) == (403, "task_not_allowed")


def test_a_caller_of_the_settings_file_may_ask_for_everything() -> None:
    """Where there is no key of the store there is nothing to limit it by."""
    assert permitted(Caller(client_id="desk"), model="gpt-4o", task_name=None) is None

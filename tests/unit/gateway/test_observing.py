"""Those who are told of what was stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes import an_inference
from tierwright.core.ids import InferenceId, TaskId
from tierwright.gateway.observing import Observers

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

    from tierwright.gateway.observing import Seen

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Listener:
    """Remembers what it is told, and fails where it shall."""

    error: Exception | None = None
    told: list[Seen] = field(default_factory=list)
    models: Collection[str] = ()

    def observe(self, seen: Seen) -> None:
        """Remembers, or fails."""
        if self.error is not None:
            raise self.error
        self.told.append(seen)

    def tell_apart(self, models: Collection[str]) -> None:
        """Remembers."""
        self.models = models


def names(task_id: TaskId) -> str | None:
    """One task is known."""
    return {"task-1": "card-intent"}.get(task_id)


def test_all_are_told_the_same() -> None:
    """The inference, the name of its task and its trace; a task that is gone has no name."""
    first, second = Listener(), Listener()
    observers = Observers([first, second], task_name=names)
    observers.tell_apart(["gpt-4o"])
    for task in ("task-1", "gone", None):
        observers.tell(an_inference(task_id=None if task is None else TaskId(task)), TRACEPARENT)
    assert [seen.task for seen in first.told] == ["card-intent", None, None]
    assert {(seen.trace.id, seen.trace.parent, seen.trace.sampled) for seen in first.told} == {
        ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True)
    }
    assert second.told == first.told
    assert list(second.models) == ["gpt-4o"]


def test_one_that_fails_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind of error is logged once, by its class alone: its message could hold text of a prompt."""
    broken, sound = Listener(error=ValueError("swordfish")), Listener()
    observers = Observers([broken, sound], task_name=names)
    for number in range(3):
        observers.tell(an_inference(id=InferenceId(f"i{number}")), None)
    broken.error = KeyError("swordfish")
    observers.tell(an_inference(), None)
    assert len(sound.told) == 4
    assert [record.message.partition(" and ")[0] for record in caplog.records] == [
        "Listener failed (ValueError)",
        "Listener failed (KeyError)",
    ]
    assert "swordfish" not in caplog.text

"""Those who are told of every inference that was stored, beside Prometheus.

Owns what they are told, and that whatever happens to one of them costs neither the capture nor the others anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tierwright.gateway.tracing import trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tierwright.core.ids import TaskId
    from tierwright.core.inference import Inference
    from tierwright.gateway.tracing import Trace

_LOG = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What is told."""

    inference: Inference
    #: Name of its task; None: it has none, or one that is not known any more.
    task: str | None
    trace: Trace


class Observer(Protocol):
    """Told in the capture's thread: it must be quick, and must not wait for anything."""

    def observe(self, seen: Seen) -> None:
        """Takes note of one inference that was stored."""

    def tell_apart(self, models: Collection[str]) -> None:
        """Says which models the settings name; those of others stand together where there must be few."""


class Observers:
    """Tells all of them."""

    def __init__(self, observers: Sequence[Observer], *, task_name: Callable[[TaskId], str | None]) -> None:
        self._observers = observers
        self._task_name = task_name
        #: Observers and errors that were logged.
        self._noted: set[tuple[int, str]] = set()

    def tell(self, inference: Inference, traceparent: str | None) -> None:
        """Tells all; an error of one of them is logged once and goes no further."""
        if not self._observers:
            return
        task = None if inference.task_id is None else self._task_name(inference.task_id)
        seen = Seen(inference, task, trace_of(inference.id, traceparent))
        for place, observer in enumerate(self._observers):
            try:
                observer.observe(seen)
            except Exception as error:  # noqa: BLE001 - a worker's loop: what is told to others costs no capture
                self._note(place, observer, error)

    def tell_apart(self, models: Collection[str]) -> None:
        """As `Observer.tell_apart`, to all."""
        for observer in self._observers:
            observer.tell_apart(models)

    def _note(self, place: int, observer: Observer, error: Exception) -> None:
        name = error.__class__.__name__
        if (place, name) not in self._noted:
            self._noted.add((place, name))
            _LOG.error("%s failed (%s) and may do so again; please report it", observer.__class__.__name__, name)

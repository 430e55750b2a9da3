"""Which backend serves which model.

Owns the answer to GET /v1/models; refuses to call anyone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.protocols import Backend

#: How a task is listed beside the models. Asking for one by this name is not served.
TASK_PREFIX = "task:"
_OURS = "tierwright"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBackend:
    """A backend and what it is asked for."""

    backend: Backend
    #: The models it serves, as callers name them; empty: any model.
    models: tuple[str, ...] = ()


class Catalogue:
    """The backends by model."""

    def __init__(self, served: Sequence[ServedBackend], *, default: str) -> None:
        """Raises SettingsError where there is no backend, two have one name, or the default is none of them."""
        names = [item.backend.name for item in served]
        if not names:
            raise SettingsError("no backend is configured; name at least one model server")
        if len(set(names)) != len(names):
            raise SettingsError("two backends have the same name; give each its own")
        if default not in names:
            raise SettingsError(
                f"the default backend '{default}' is not configured; there is {', '.join(sorted(names))}"
            )
        # The default comes first, so that it wins where several list a model or take any.
        ordered = sorted(served, key=lambda item: item.backend.name != default)
        self._backends = tuple(item.backend for item in ordered)
        self._by_model: dict[str, Backend] = {}
        for item in ordered:
            for model in item.models:
                self._by_model.setdefault(model, item.backend)
        self._of_any = next((item.backend for item in ordered if not item.models), None)

    def serving(self, model: str) -> Backend | None:
        """The backend to ask for a model: one that lists it, else one that takes any; None: nobody serves it."""
        found = self._by_model.get(model)
        if found is None and not model.startswith(TASK_PREFIX):
            return self._of_any
        return found

    def listing(self, live_tasks: Sequence[str], *, created: int) -> dict[str, object]:
        """The body of GET /v1/models: the models configured, and the tasks that have a specialist."""
        owners = [(model, backend.name) for model, backend in self._by_model.items()]
        owners += [(TASK_PREFIX + task, _OURS) for task in live_tasks]
        return {
            "object": "list",
            "data": [
                {"id": model, "object": "model", "created": created, "owned_by": owner} for model, owner in owners
            ],
        }

    async def aclose(self) -> None:
        """Closes all backends."""
        await asyncio.gather(*(backend.aclose() for backend in self._backends))

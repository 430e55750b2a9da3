"""The model servers of one gateway, by name, and what is served through them.

Owns the answer to GET /v1/models; refuses to know who is asked for a model (`upstreams`) and to call anyone.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError
from tierwright.gateway.backends.kinds import KINDS, BackendKind, Speech
from tierwright.gateway.dialects.to_anthropic import MOST_TOKENS
from tierwright.gateway.tenancy.bounds import Answerer
from tierwright.gateway.upstreams.config import DeploymentConfig
from tierwright.gateway.wire import TASK_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierwright.core.protocols import Backend
    from tierwright.gateway.upstreams.upstreams import Upstreams

_OURS = "tierwright"
#: Models remembered; names come from callers, so there is no end to them.
_REMEMBERED = 1024
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBackend:
    """A backend and what it is asked for."""

    backend: Backend
    #: What is peculiar to it.
    kind: BackendKind = KINDS["openai"]
    #: The models it serves, as callers name them; empty: any model.
    models: tuple[str, ...] = ()


def implied_deployments(served: Sequence[ServedBackend], *, default: str) -> tuple[DeploymentConfig, ...]:
    """What the backends' own lists of models say: of several that serve one model the default is asked first.

    Raises SettingsError where there is no backend, two have one name, or the default is none of them.
    """
    names = [item.backend.name for item in served]
    if not names:
        raise SettingsError("no backend is configured; name at least one model server")
    if len(set(names)) != len(names):
        raise SettingsError("two backends have the same name; give each its own")
    if default not in names:
        raise SettingsError(f"the default backend '{default}' is not configured; there is {', '.join(sorted(names))}")
    ordered = sorted(served, key=lambda item: item.backend.name != default)
    found: list[DeploymentConfig] = []
    for priority, item in enumerate(ordered):
        name = item.backend.name
        models: tuple[str | None, ...] = item.models or (None,)
        for number, model in enumerate(models):
            label = name if model is None else f"{name}-{number}-{_NOT_IN_NAMES.sub('-', model)}"[:64]
            found.append(DeploymentConfig(name=label, backend=name, model=model, priority=priority))
    return tuple(found)


class Catalogue:
    """The backends by name, and the models by name."""

    def __init__(self, served: Sequence[ServedBackend], upstreams: Upstreams) -> None:
        self.backends: Mapping[str, ServedBackend] = {item.backend.name: item for item in served}
        self._upstreams = upstreams
        models = upstreams.models()
        #: Whoever may answer a request for a model, with what is known of the length of an answer; empty: nobody.
        self.answerers = lru_cache(maxsize=_REMEMBERED)(self._who_answers)
        #: The first model named in the settings; None: none is.
        self.default_model: str | None = models[0][0] if models else None

    def serves(self, model: str) -> bool:
        """Whether any backend can be asked for a model."""
        return self._upstreams.serves(model)

    def kind_of(self, model: str) -> BackendKind | None:
        """What make of server is asked first for a model; None: nobody serves it."""
        backend = self._upstreams.owner(model)
        return None if backend is None else self.backends[backend].kind

    def _who_answers(self, model: str) -> tuple[Answerer, ...]:
        return tuple(
            Answerer(name, deployment.upstream_model or name, self._most_tokens(deployment))
            for name, deployment in self._upstreams.deployments(model)
        )

    def _most_tokens(self, deployment: DeploymentConfig) -> int | None:
        if deployment.max_output_tokens is None:
            # Anthropic's servers are told a limit where the caller has none.
            speaks = self.backends[deployment.backend].kind.speaks
            return MOST_TOKENS if speaks is Speech.ANTHROPIC else None
        return deployment.max_output_tokens

    def listing(
        self, live_tasks: Iterable[str], *, created: int, named: Callable[[str], bool] = lambda _: True
    ) -> list[dict[str, object]]:
        """What GET /v1/models lists: the configured models that may be `named`, and tasks that have a specialist."""
        owners = [(model, owner) for model, owner in self._upstreams.models() if named(model)]
        owners += [(TASK_PREFIX + task, _OURS) for task in live_tasks]
        return [{"id": model, "object": "model", "created": created, "owned_by": owner} for model, owner in owners]

    async def aclose(self) -> None:
        """Closes all backends."""
        await asyncio.gather(*(item.backend.aclose() for item in self.backends.values()))

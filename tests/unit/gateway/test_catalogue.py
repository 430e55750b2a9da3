"""Models find the backend that serves them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from tierwright.core.errors import SettingsError
from tierwright.gateway.catalogue import Catalogue, ServedBackend, implied_deployments
from tierwright.gateway.upstreams.config import UpstreamsConfig
from tierwright.gateway.upstreams.upstreams import Upstreams

if TYPE_CHECKING:
    from tierwright.core.protocols import Backend


@dataclass
class Named:
    """A backend that is only a name."""

    name: str


def served(name: str, *models: str) -> ServedBackend:
    """A backend with models; none: any."""
    return ServedBackend(backend=cast("Backend", Named(name)), models=models)


def catalogue(*backends: ServedBackend, default: str) -> Catalogue:
    """A catalogue of backends that imply their deployments."""
    config = UpstreamsConfig(deployments=implied_deployments(backends, default=default))
    return Catalogue(backends, Upstreams(config, timer=lambda: 0.0, sleep=asyncio.sleep, random=Random(1)))


async def first_for(model: str, found: Upstreams) -> str | None:
    """The backend asked first for a model; None: nobody serves it."""
    attempts = found.attempts(model, deadline=1.0, sticky=0.5)
    if attempts is None:
        return None
    with await attempts.next() as lease:  # type: ignore[union-attr]
        return lease.deployment.backend


def test_listed_models_go_to_their_backend_and_others_to_one_that_takes_any() -> None:
    """A backend that lists a model wins over one that takes any; the default wins among equals."""
    backends = [served("b", "gpt-4o", "small"), served("a", "gpt-4o"), served("any"), served("any2")]
    config = UpstreamsConfig(deployments=implied_deployments(backends, default="a"))
    upstreams = Upstreams(config, timer=lambda: 0.0, sleep=asyncio.sleep, random=Random(1))
    asked = ("gpt-4o", "small", "unheard-of", "task:card-intent")
    found = [asyncio.run(first_for(model, upstreams)) for model in asked]
    assert found == ["a", "b", "any", None]


def test_unlisted_models_are_served_by_nobody_where_all_lists_are_closed() -> None:
    """Where every backend names its models, others are unknown."""
    found = catalogue(served("a", "gpt-4o"), default="a")
    assert (found.serves("gpt-4o"), found.serves("gpt-9"), found.default_model) == (True, False, "gpt-4o")


def test_listing_holds_models_once_and_live_tasks() -> None:
    """GET /v1/models names each model once, with its backend, then the tasks."""
    found = catalogue(served("a", "m", "n"), served("b", "m"), default="b").listing(["t"], created=7)
    assert [(one["id"], one["owned_by"]) for one in found] == [("m", "b"), ("n", "a"), ("task:t", "tierwright")]
    assert all(one["object"] == "model" and one["created"] == 7 for one in found)


@pytest.mark.parametrize(
    ("backends", "says"),
    [([], "no backend"), ([served("a"), served("a")], "same name"), ([served("b")], "default backend 'a'")],
)
def test_impossible_catalogues_are_refused(backends: list[ServedBackend], says: str) -> None:
    """No backend, two of a name, and a default that is none of them are mistakes in the settings."""
    with pytest.raises(SettingsError, match=says):
        implied_deployments(backends, default="a")

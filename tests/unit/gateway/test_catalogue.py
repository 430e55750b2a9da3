"""Models find the backend that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from tierwright.core.errors import SettingsError
from tierwright.gateway.catalogue import Catalogue, ServedBackend

if TYPE_CHECKING:
    from tierwright.core.protocols import Backend


@dataclass
class Named:
    """A backend that is only a name."""

    name: str


def served(name: str, *models: str) -> ServedBackend:
    """A backend with models; none: any."""
    return ServedBackend(backend=cast("Backend", Named(name)), models=models)


def name_of(backend: Backend | None) -> str | None:
    """Its name, if there is one."""
    return None if backend is None else backend.name


def test_listed_models_go_to_their_backend_and_others_to_one_that_takes_any() -> None:
    """A backend that lists a model wins over one that takes any; the default wins among equals."""
    catalogue = Catalogue(
        [served("b", "gpt-4o", "small"), served("a", "gpt-4o"), served("any"), served("any2")], default="a"
    )
    assert name_of(catalogue.serving("gpt-4o")) == "a"
    assert name_of(catalogue.serving("small")) == "b"
    assert name_of(catalogue.serving("unheard-of")) == "any"
    assert catalogue.serving("task:card-intent") is None


def test_unlisted_models_are_served_by_nobody_where_all_lists_are_closed() -> None:
    """Where every backend names its models, others are unknown."""
    assert Catalogue([served("a", "gpt-4o")], default="a").serving("gpt-9") is None


def test_listing_holds_models_once_and_live_tasks() -> None:
    """GET /v1/models names each model once, with its backend, then the tasks."""
    found: Any = Catalogue([served("a", "m", "n"), served("b", "m")], default="b").listing(["t"], created=7)
    assert [(one["id"], one["owned_by"]) for one in found["data"]] == [("m", "b"), ("n", "a"), ("task:t", "tierwright")]
    assert all(one["object"] == "model" and one["created"] == 7 for one in found["data"])


@pytest.mark.parametrize(
    ("backends", "says"),
    [([], "no backend"), ([served("a"), served("a")], "same name"), ([served("b")], "default backend 'a'")],
)
def test_impossible_catalogues_are_refused(backends: list[ServedBackend], says: str) -> None:
    """No backend, two of a name, and a default that is none of them are mistakes in the settings."""
    with pytest.raises(SettingsError, match=says):
        Catalogue(backends, default="a")

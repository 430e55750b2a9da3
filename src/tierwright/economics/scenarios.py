"""Named sets of assumptions, each with its source.

Owns the list (`scenarios.toml`) and how one scenario builds on another; refuses to compute anything. What is stated by
people stands in it as "stated", what nobody has measured as "assumed".
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from tierwright.core.errors import InputError
from tierwright.economics.assumptions import read

if TYPE_CHECKING:
    from tierwright.economics.assumptions import Assumption


class _Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file."""

    about: str
    #: The scenario that says what this one does not; empty: none.
    base: str = ""
    #: The model whose price it takes, as the catalogue calls it, and its tokens; empty: as the base.
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: By name: the value as people write it, and its source.
    assumptions: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A set of assumptions to be looked at together."""

    name: str
    about: str
    #: The model whose price per call it takes, and the tokens of a call.
    model: str
    prompt_tokens: int
    completion_tokens: int
    assumptions: dict[str, Assumption]


def scenario_names() -> tuple[str, ...]:
    """Those there are, in the order of the file."""
    return tuple(_entries())


def scenario(name: str) -> Scenario:
    """One of them. Raises InputError where there is none of this name."""
    entries = _entries()
    if name not in entries:
        raise InputError(f"there is no scenario {name!r}; there are {', '.join(entries)}")
    entry = entries[name]
    below = scenario(entry.base) if entry.base else None
    own = {key: read(key, text, source) for key, (text, source) in entry.assumptions.items()}
    return Scenario(
        name=name,
        about=entry.about,
        model=entry.model or (below.model if below else ""),
        prompt_tokens=entry.prompt_tokens or (below.prompt_tokens if below else 0),
        completion_tokens=entry.completion_tokens or (below.completion_tokens if below else 0),
        assumptions={**(below.assumptions if below else {}), **own},
    )


@lru_cache(maxsize=1)
def _entries() -> dict[str, _Entry]:
    text = resources.files("tierwright.economics").joinpath("scenarios.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, _Entry])

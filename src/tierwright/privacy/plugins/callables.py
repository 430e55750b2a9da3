"""A function in Python as a detector: `find(text)` gives (type, start, end) for everything it sees.

Owns the reading of what the function gives; runs in the plug-in's process. Which function is said in the settings file
and nowhere else.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tierwright.privacy.plugins.finder import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_DIGEST_LETTERS = 16


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the settings say."""

    #: "module:function".
    call: str
    #: Every type that it gives.
    types: tuple[str, ...]


class CallableFinder:
    """Asks a function about one text after the other."""

    def __init__(self, find: Callable[[str], Iterable[Sequence[object]]], types: Sequence[str], version: str) -> None:
        self._find = find
        self.types = types
        self.version = version

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """As `Finder.find`; raises ValidationError where the function gives something else than types and places."""
        return [[msgspec.convert(list(found), Span) for found in self._find(text)] for text in texts]


def load(options: Mapping[str, object]) -> CallableFinder:
    """The function that the options name; its version is the digest of its module's file.

    Raises ImportError or AttributeError where there is none.
    """
    given = msgspec.convert(options, Options)
    name, _, attribute = given.call.partition(":")
    module = import_module(name)
    source = Path(module.__file__).read_bytes() if module.__file__ else name.encode()
    digest = hashlib.sha256(source).hexdigest()[:_DIGEST_LETTERS]
    return CallableFinder(getattr(module, attribute), given.types, digest)

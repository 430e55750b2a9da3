"""What of a Messages request only a model served by Anthropic can honour: tools Anthropic runs, files it keeps.

Owns the two ways to take that: refuse it, where a chat.completions backend or a specialist is to answer; remember it,
where the request is only read on its way to a backend that has the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_ELSEWHERE = "or ask for a model served by Anthropic"


class Needs:
    """Collects what only Anthropic can honour, or refuses it at once."""

    __slots__ = ("_strict", "first")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        #: The first thing found, as an error message; None: nothing so far.
        self.first: str | None = None

    def note(self, where: str, what: str, instead: str) -> None:
        """Remembers that the member at `where` is something that no other backend has.

        Raises InputError where nothing of the kind is allowed; `instead` is what the caller can do.
        """
        message = f"'{where}' {what}; {instead}, {_ELSEWHERE}"
        if self._strict:
            raise InputError(message)
        if self.first is None:
            self.first = message

    def note_others(self, members: Mapping[str, object], known: Collection[str], where: str) -> None:
        """`note` for a member of unknown name that says something: nobody can tell what it would change."""
        for name, value in members.items():
            if name not in known and value is not None:
                self.note(f"{where}.{name[:60]}", "has no equal in chat.completions", "leave it out")
                return

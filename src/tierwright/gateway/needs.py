"""What of a request in another API only that API's own servers can honour: state they keep, tools they run.

Owns the two ways to take that: refuse it, where a chat.completions backend or a specialist is to answer; remember it,
where the request is only read on its way to a backend that has the API. Refuses to know the APIs.
"""

from __future__ import annotations

from tierwright.core.errors import InputError


class Needs:
    """Collects what only the API's own servers can honour, or refuses it at once."""

    __slots__ = ("_strict", "first")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        #: The first thing found, as an error message; None: nothing so far.
        self.first: str | None = None

    def note(self, message: str) -> None:
        """Remembers the message. Raises InputError with it where nothing of the kind is allowed."""
        if self._strict:
            raise InputError(message)
        if self.first is None:
            self.first = message

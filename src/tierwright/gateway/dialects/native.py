"""An API's own events on their way from a server that has it to a caller of it, and the answer they make for the store.

Owns that they pass as they came, up to the end that the server declares. Refuses to know the API: an `Account` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tierwright.gateway.dialects.streams import as_chunk
from tierwright.gateway.sse import EventCutter, read_event
from tierwright.gateway.wire import object_in, text_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierwright.core.chat import Usage


class Account(Protocol):
    """What the events of one answer have said so far."""

    @property
    def done(self) -> bool:
        """Whether the last event of the answer has arrived."""

    @property
    def failed(self) -> bool:
        """Whether the server reported an error."""

    def take(self, told: dict[str, Any], event: bytes) -> bytes:
        """Takes the next event, decoded and as it came; what is to be passed on of it."""

    def answer(self) -> Mapping[str, Any] | None:
        """The answer in the API's form, as far as it has arrived; None: nothing has."""

    def upstream_id(self, answer: Mapping[str, Any]) -> str | None:
        """The provider's id of an answer; None: none seen yet."""

    def usage(self, answer: Mapping[str, Any]) -> Usage | None:
        """The counts in an answer; None: none that count all of it."""

    def chat(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer as a chat.completion."""


class NativeStream:
    """A `StreamPassage` of an API's own events."""

    __slots__ = ("_account", "_answer", "_cutter", "_known")

    def __init__(self, account: Account) -> None:
        self._account = account
        self._cutter = EventCutter()
        self._answer: Mapping[str, Any] | None = None
        #: Whether `_answer` has all that has arrived: it is joined for whoever asks first.
        self._known = True

    @property
    def done(self) -> bool:
        """As `StreamPassage.done`."""
        return self._account.done

    @property
    def saw_error(self) -> bool:
        """As `StreamPassage.saw_error`."""
        return self._account.failed

    @property
    def upstream_id(self) -> str | None:
        """As `StreamPassage.upstream_id`."""
        answer = self._so_far()
        return None if answer is None else self._account.upstream_id(answer)

    @property
    def model(self) -> str | None:
        """As `StreamPassage.model`."""
        return text_or_none((self._so_far() or {}).get("model"))

    @property
    def usage(self) -> Usage | None:
        """As `StreamPassage.usage`."""
        answer = self._so_far()
        return None if answer is None else self._account.usage(answer)

    @property
    def payloads(self) -> list[bytes]:
        """What has arrived of the answer, as one chunk; also where it broke off."""
        answer = self._so_far()
        return [] if answer is None else [as_chunk(self._account.chat(answer))]

    def feed(self, data: bytes) -> bytes:
        """As `StreamPassage.feed`."""
        passed: list[bytes] = []
        for event in self._cutter.cut(data):
            if self._account.done:
                break
            found = read_event(event)
            told = None if found is None else object_in(found.data)
            if told is None:
                passed.append(event)
            else:
                self._known = False
                passed.append(self._account.take(told, event))
        return b"".join(passed)

    def close(self) -> bytes:
        """As `StreamPassage.close`."""
        return b""

    def complete(self) -> bool:
        """As `StreamPassage.complete`."""
        return self._account.done

    def _so_far(self) -> Mapping[str, Any] | None:
        if not self._known:
            self._answer, self._known = self._account.answer(), True
        return self._answer

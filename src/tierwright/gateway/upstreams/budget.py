"""Retry budget: how many further attempts there may be, so that retries never multiply an overload.

As Envoy's (envoyproxy.io, config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget: 20 % of the requests under way, at
least 3), with those begun within the last seconds counted, too: short requests would hardly ever be under way together.
Refuses to know who is asked and why.
"""

from __future__ import annotations

import math
from collections import deque

#: Seconds for which a request or a retry is counted after it has begun; one that takes longer is, until it ends.
WINDOW_S = 10.0
_BUCKETS = 10
_WIDTH_S = WINDOW_S / _BUCKETS


class Entry:
    """Requests, or retries, begun within the same tenth of the window."""

    __slots__ = ("_begun", "_expired", "_tally", "_under_way", "until")

    def __init__(self, tally: Tally, until: float) -> None:
        self._tally = tally
        #: Seconds of the timer from which on a newer entry is used.
        self.until = until
        self._begun = 0
        #: Those of the begun that have not ended.
        self._under_way = 0
        #: Whether only those under way are counted any more.
        self._expired = False

    def begin(self) -> None:
        """One more."""
        self._begun += 1
        self._under_way += 1
        self._tally.count += 1

    def end(self) -> None:
        """One that was begun here has ended; to be said once of each."""
        self._under_way -= 1
        if self._expired:
            self._tally.count -= 1

    def undo(self) -> None:
        """One that was begun here has not taken place; to be said instead of `end`."""
        self._under_way -= 1
        self._begun -= 1
        self._tally.count -= 1

    def expire(self) -> None:
        """Its time is over."""
        self._expired = True
        self._tally.count -= self._begun - self._under_way


class Tally:
    """How many were begun within the last window or are under way."""

    __slots__ = ("_current", "_entries", "count")

    def __init__(self) -> None:
        #: As of the last `begin` or `forget`.
        self.count = 0
        self._current = Entry(self, -math.inf)
        self._entries: deque[Entry] = deque((self._current,))

    def begin(self, now: float) -> Entry:
        """One begins; the entry is to be told when it ends."""
        entry = self._current
        if now >= entry.until:
            self.forget(now)
            entry = self._current = Entry(self, (now // _WIDTH_S + 1) * _WIDTH_S)
            self._entries.append(entry)
        entry.begin()
        return entry

    def forget(self, now: float) -> None:
        """Leaves out what is too old at this second of the timer."""
        while self._entries and self._entries[0].until <= now - WINDOW_S:
            self._entries.popleft().expire()


class RetryBudget:
    """The further attempts allowed, over all models: at most a share of the requests, or a minimum."""

    __slots__ = ("_minimum", "_requests", "_retries", "_share")

    def __init__(self, *, share: float, minimum: int) -> None:
        self._share = share
        self._minimum = minimum
        self._requests = Tally()
        self._retries = Tally()

    def request(self, now: float) -> Entry:
        """A request begins with its first attempt."""
        return self._requests.begin(now)

    def retry(self, now: float) -> Entry | None:
        """A further attempt begins; None: there is no budget for it."""
        self._requests.forget(now)
        self._retries.forget(now)
        if self._retries.count + 1 > max(self._share * self._requests.count, self._minimum):
            return None
        return self._retries.begin(now)

    def retune(self, *, share: float, minimum: int) -> None:
        """Goes by other limits from now on."""
        self._share = share
        self._minimum = minimum

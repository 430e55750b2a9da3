"""Counting events of the last seconds.

Owns the memory of when things happened, to a tenth of the window; refuses to know what they were.
"""

from __future__ import annotations

_BUCKETS = 10


class RollingCount:
    """How many events there were within the last window.

    An event is forgotten between nine tenths of a window and a whole one after it happened.
    """

    __slots__ = ("_buckets", "_number", "_total", "_width_s")

    def __init__(self, window_s: float) -> None:
        self._width_s = window_s / _BUCKETS
        self._buckets = [0] * _BUCKETS
        self._number = 0
        self._total = 0

    def add(self, now: float) -> None:
        """One more, at this second of the timer."""
        number = int(now // self._width_s)
        if number != self._number:
            self._forget(number)
        self._buckets[number % _BUCKETS] += 1
        self._total += 1

    def total(self, now: float) -> int:
        """How many there are at this second of the timer."""
        number = int(now // self._width_s)
        if number != self._number:
            self._forget(number)
        return self._total

    def clear(self) -> None:
        """Forgets all."""
        self._buckets = [0] * _BUCKETS
        self._total = 0

    def _forget(self, number: int) -> None:
        if number - self._number >= _BUCKETS:
            self.clear()
        for passed in range(max(self._number + 1, number - _BUCKETS + 1), number + 1):
            self._total -= self._buckets[passed % _BUCKETS]
            self._buckets[passed % _BUCKETS] = 0
        self._number = number

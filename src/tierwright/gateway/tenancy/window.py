"""A sliding minute, counted in whole seconds, in integers that several processes share.

Owns where in a record the minute lies and how it moves on. Refuses to know what is counted and who holds the lock.

Each second has a counter, and a minute is the current second with the sixty before it: whatever was counted stays
counted for 60 to 61 seconds, so no minute ever holds more than a limit, wherever it begins. A token bucket (or GCRA,
ITU-T I.371) would be one integer, but admits up to twice the limit in the minute after a pause.
"""

from __future__ import annotations

SECONDS = 61
_SECOND_US = 1_000_000
#: Places in a minute's record: the current second, the total, and the count of each second.
_NOW, _TOTAL, _COUNTS = 0, 1, 2
#: Integers that one minute takes.
SIZE = _COUNTS + SECONDS


def second_of(now_us: int) -> int:
    """The second an instant lies in."""
    return now_us // _SECOND_US


def roll(view: memoryview[int], at: int, second: int) -> int:
    """Moves the minute at a place on to a second, and returns the second it is at.

    A clock that is a little behind counts in the newest second there was; one that is behind by more than a minute
    was set back, and the minute begins anew.
    """
    current = view[at + _NOW]
    steps = second - current
    if steps == 0 or -SECONDS <= steps < 0:
        return current
    if 0 < steps < SECONDS:
        for passed in range(current + 1, second + 1):
            place = at + _COUNTS + passed % SECONDS
            gone = view[place]
            if gone:
                view[place] = 0
                view[at + _TOTAL] -= gone
    else:
        for place in range(at + _TOTAL, at + SIZE):
            view[place] = 0
    view[at + _NOW] = second
    return second


def total(view: memoryview[int], at: int) -> int:
    """What the minute holds."""
    return view[at + _TOTAL]


def count(view: memoryview[int], at: int, second: int, amount: int) -> None:
    """Counts an amount, which may be negative, in a second; one that has left the minute is passed over."""
    current = view[at + _NOW]
    if current - SECONDS < second <= current:
        view[at + _COUNTS + second % SECONDS] += amount
        view[at + _TOTAL] += amount


def recount(view: memoryview[int], at: int) -> None:
    """Makes the total that of the seconds again, after a process died between the two."""
    view[at + _TOTAL] = sum(view[at + _COUNTS : at + SIZE])


def wait_s(view: memoryview[int], at: int, excess: int, now_us: int) -> float | None:
    """Seconds until an excess has left the minute; None: not even an empty minute would do."""
    current = view[at + _NOW]
    for second in range(current - SECONDS + 1, current + 1):
        excess -= view[at + _COUNTS + second % SECONDS]
        if excess <= 0:
            return until_gone_s(second, now_us)
    return None


def until_gone_s(second: int, now_us: int) -> float:
    """Seconds until what was counted in a second has left the minute."""
    return max(0, (second + SECONDS) * _SECOND_US - now_us) / _SECOND_US

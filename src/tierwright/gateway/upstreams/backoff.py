"""How long to wait before the same deployment is asked again.

Exponential backoff with full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): a uniform draw between nothing and the
exponential keeps clients that failed together from coming back together, with the least work in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

#: Doublings after which any first wait has met any limit; the power itself must not overflow.
_DOUBLINGS = 60


class Backoff:
    """Waits that grow from failure to failure."""

    def __init__(self, *, first_s: float, limit_s: float, retry_after_limit_s: float, random: Random) -> None:
        """At most `first_s` after the first failure, never more than `limit_s`; see `wait_s` for the third."""
        self._first_s = first_s
        self._limit_s = limit_s
        self._retry_after_limit_s = retry_after_limit_s
        self._random = random

    def ceiling_s(self, failures: int) -> float:
        """The longest wait after that many failures, 1 or more."""
        return min(self._limit_s, self._first_s * 2.0 ** min(failures - 1, _DOUBLINGS))

    def wait_s(self, failures: int, cooling_s: float) -> float | None:
        """Seconds to wait after that many failures; None: too long to be waited for.

        `cooling_s` is what is left of the provider's Retry-After, 0 where there is none. All who were told the same
        come back when it is over, so the jitter is added to it.
        """
        if cooling_s > self._retry_after_limit_s:
            return None
        return cooling_s + self._random.uniform(0.0, self.ceiling_s(failures))

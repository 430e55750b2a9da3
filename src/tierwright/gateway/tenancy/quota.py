"""How much each key may still use: requests and tokens a minute, requests at once, dollars in a calendar period.

Owns the decision and what follows from it: a reservation, which is settled when the true amounts are known. Refuses
to know what a request is and what it costs. Fails closed: what is not known to be left is refused.

All gateways that open the same file share the amounts, and no two of them can both take the last of one. What a
process held that was killed is given back within a second of costing somebody an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.core.caller import Period
from tierwright.core.instants import to_us
from tierwright.gateway import problems
from tierwright.gateway.tenancy import window
from tierwright.gateway.tenancy.counters import IN_FLIGHT, PERIOD, REQUESTS, RESERVED, SPENT, TOKENS, Counters

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.core.caller import CallerKey, Limits
    from tierwright.core.ids import CallerKeyId
    from tierwright.gateway.problems import Problem

_PICO = Decimal(10**12)
#: The most a record can hold: 4.6 million dollars. More than that is counted as that.
_MOST_PICO = 1 << 62
#: The most tokens one request is counted with, whatever a model server reports.
_MOST_TOKENS = 1 << 40


def period_start(period: Period, now: datetime) -> datetime:
    """When the calendar period began that an aware instant lies in, in UTC; weeks begin on Monday (ISO 8601)."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.WEEK:
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period is Period.MONTH else midnight


def period_end(period: Period, now: datetime) -> datetime:
    """When the calendar period ends that an aware instant lies in: the next one's start."""
    start = period_start(period, now)
    longest = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31}[period]
    return period_start(period, start + timedelta(days=longest))


class Reservation:
    """What one admitted request may use. Settled once, by whoever made it; thread-safe."""

    # Made for every request, so plain attributes: a frozen dataclass takes three times as long to make.
    __slots__ = ("_at", "_counters", "_limits", "_period_us", "_pico_usd", "_second", "_settled", "_tokens", "left")

    def __init__(
        self,
        limits: Limits,
        counters: Counters | None,
        place: tuple[int, int, int | None],
        held: tuple[int, int],
        left: tuple[int, int],
    ) -> None:
        """`counters` None: nothing is limited.

        `place` is where the key's record begins, the second it was counted in, and when the budget's period began, in
        microseconds since 1970, None without a budget. `held` is tokens and pico-dollars, `left` requests and tokens.
        """
        self._limits = limits
        self._counters = counters
        self._at, self._second, self._period_us = place
        self._tokens, self._pico_usd = held
        #: Requests and tokens of the minute that were left beside it.
        self.left = left
        self._settled = False

    @property
    def limited(self) -> bool:
        """Whether anything limits the key."""
        return self._counters is not None

    def settle(self, *, tokens: int | None, cost_usd: Decimal | None) -> None:
        """Puts what was used in the place of what was reserved; zeros release it. Only the first call counts.

        None: not known, and what was reserved is counted as used. The request itself stays counted.
        """
        counters = self._counters
        if counters is None:
            return
        pico_usd = self._pico_usd if cost_usd is None else _to_pico(cost_usd)
        used = self._tokens if tokens is None else min(max(tokens, 0), _MOST_TOKENS)
        view, at = counters.view, self._at
        with counters:
            if self._settled or counters.closed:
                return
            self._settled = True
            counters.begin(at)
            # What belongs to a period that is over is no longer anybody's budget.
            if self._period_us is not None and view[at + PERIOD] == self._period_us:
                view[at + SPENT] = min(view[at + SPENT] + pico_usd, _MOST_PICO)
            counters.hold(at, -1, -self._pico_usd)
            if self._limits.tokens_per_minute is not None and used != self._tokens:
                window.count(view, at + TOKENS, self._second, used - self._tokens)
            counters.end()

    def headers(self, now: datetime) -> tuple[tuple[bytes, bytes], ...]:
        """The response headers that tell the limits of a minute, as OpenAI names and writes them.

        Remaining is what was left at admission, this request already taken; reset is when all of it is back.
        Source: platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
        """
        if self._counters is None:
            return ()
        reset = _duration(window.until_gone_s(self._second, to_us(now)))
        found: tuple[tuple[bytes, bytes], ...] = ()
        if self._limits.requests_per_minute is not None:
            found += (
                (b"x-ratelimit-limit-requests", b"%d" % self._limits.requests_per_minute),
                (b"x-ratelimit-remaining-requests", b"%d" % self.left[0]),
                (b"x-ratelimit-reset-requests", reset),
            )
        if self._limits.tokens_per_minute is not None:
            found += (
                (b"x-ratelimit-limit-tokens", b"%d" % self._limits.tokens_per_minute),
                (b"x-ratelimit-remaining-tokens", b"%d" % self.left[1]),
                (b"x-ratelimit-reset-tokens", reset),
            )
        return found


class Quotas:
    """What all keys used, shared by the processes that open the same file. Thread-safe.

    Each process opens it itself, after it was forked, and closes it.
    """

    def __init__(self, path: Path | None, *, keys: int = 4096, processes: int = 32) -> None:
        """`path` None: memory of this process only. `keys` and `processes` are the most there may ever be.

        Raises ServiceError where the file can't be opened or was made with other sizes.
        """
        self._counters = Counters(path, records=keys, processes=processes)
        #: Start and end of the period at hand, in microseconds since 1970.
        self._periods: dict[Period, tuple[int, int]] = {}

    def admit(self, key: CallerKey, *, tokens: int, cost_usd: Decimal, now: datetime) -> Reservation | Problem:
        """Reserves a request, its tokens and its dollars, or says with 429 what is used up and for how long.

        A refused request counts nowhere. Raises ServiceError where there are more keys than the file has room for.
        """
        limits = key.limits
        if (
            limits.requests_per_minute is None
            and limits.tokens_per_minute is None
            and limits.concurrent_requests is None
            and limits.budget_usd is None
        ):
            return Reservation(limits, None, (0, 0, None), (0, 0), (0, 0))
        counters, now_us, pico_usd = self._counters, to_us(now), _to_pico(cost_usd)
        with counters:
            at = counters.record_of(key.id)
            counters.begin(at)
            second, period_us = self._turn(at, limits, now, now_us)
            refused = self._refusal(at, limits, tokens, pico_usd, now)
            if refused is not None and counters.sweep_if_due(now_us):
                refused = self._refusal(at, limits, tokens, pico_usd, now)
            if refused is None:
                left = self._take(at, limits, second, tokens, pico_usd)
            counters.end()
        if refused is not None:
            return refused
        return Reservation(limits, counters, (at, second, period_us), (tokens, pico_usd), left)

    def load_spent(self, key_id: CallerKeyId, period_start: datetime, usd: Decimal) -> None:
        """Says what a key has spent since its period began; an older period than the one known is passed over.

        Of two numbers for one period the larger counts: other processes may have spent since the smaller was read.
        """
        view, start_us, pico_usd = self._counters.view, to_us(period_start), _to_pico(usd)
        with self._counters:
            at = self._counters.record_of(key_id)
            if start_us >= view[at + PERIOD]:
                known = view[at + SPENT] if start_us == view[at + PERIOD] else 0
                view[at + SPENT] = max(known, pico_usd)
                view[at + PERIOD] = start_us

    def close(self) -> None:
        """Releases what this process holds and closes the file; a second time does nothing."""
        self._counters.close()

    def _turn(self, at: int, limits: Limits, now: datetime, now_us: int) -> tuple[int, int | None]:
        """Moves the minute and the period on to now; the second and the period's start that count."""
        view = self._counters.view
        second = window.roll(view, at + REQUESTS, window.second_of(now_us))
        window.roll(view, at + TOKENS, second)
        if limits.budget_usd is None:
            return second, None
        start_us = self._period_us(limits.budget_period, now, now_us)
        if start_us > view[at + PERIOD]:
            view[at + SPENT] = 0
            view[at + PERIOD] = start_us
        return second, view[at + PERIOD]

    def _refusal(self, at: int, limits: Limits, tokens: int, pico_usd: int, now: datetime) -> Problem | None:
        """The first limit that the request would pass, the one that lasts longest first."""
        view = self._counters.view
        if limits.budget_usd is not None:
            after_it = view[at + SPENT] + view[at + RESERVED] + pico_usd
            if after_it > min(int(limits.budget_usd * _PICO), _MOST_PICO):
                left_s = (period_end(limits.budget_period, now) - now).total_seconds()
                return problems.insufficient_quota(limits.budget_period.value, retry_after_s=left_s)
        most = limits.tokens_per_minute
        if most is not None and (excess := window.total(view, at + TOKENS) + tokens - most) > 0:
            wait_s = window.wait_s(view, at + TOKENS, excess, to_us(now))
            return problems.too_many_tokens(most, tokens, retry_after_s=wait_s)
        most = limits.requests_per_minute
        if most is not None and (excess := window.total(view, at + REQUESTS) + 1 - most) > 0:
            wait_s = window.wait_s(view, at + REQUESTS, excess, to_us(now))
            return problems.too_many_requests(most, retry_after_s=60.0 if wait_s is None else wait_s)
        most = limits.concurrent_requests
        if most is not None and view[at + IN_FLIGHT] >= most:
            return problems.too_many_at_once(most)
        return None

    def _take(self, at: int, limits: Limits, second: int, tokens: int, pico_usd: int) -> tuple[int, int]:
        """Counts the request; requests and tokens left in the minute, 0 where it has no such limit."""
        view = self._counters.view
        self._counters.hold(at, 1, pico_usd)
        requests_left = tokens_left = 0
        if limits.requests_per_minute is not None:
            window.count(view, at + REQUESTS, second, 1)
            requests_left = limits.requests_per_minute - window.total(view, at + REQUESTS)
        if limits.tokens_per_minute is not None:
            window.count(view, at + TOKENS, second, tokens)
            tokens_left = limits.tokens_per_minute - window.total(view, at + TOKENS)
        return requests_left, tokens_left

    def _period_us(self, period: Period, now: datetime, now_us: int) -> int:
        """When the period began that an instant lies in; worked out once for each."""
        start_us, end_us = self._periods.get(period, (0, 0))
        if not start_us <= now_us < end_us:
            start_us, end_us = to_us(period_start(period, now)), to_us(period_end(period, now))
            self._periods[period] = (start_us, end_us)
        return start_us


def _to_pico(usd: Decimal) -> int:
    """Rounded up: a budget is never passed by rounding."""
    exact = usd * _PICO
    pico = int(exact)
    return min(pico if pico == exact else pico + 1, _MOST_PICO)


def _duration(seconds: float) -> bytes:
    """As OpenAI writes them, which is as Go does: 12ms, 1.5s, 6m0s."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return (f"{minutes}m{text}s" if minutes else f"{text}s").encode("ascii")

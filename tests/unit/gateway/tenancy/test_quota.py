"""No key uses more than it may, however its requests fall; all in virtual time."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON, a_key, after
from tierwright.core.caller import CallerKey, Limits, Period
from tierwright.core.errors import ServiceError
from tierwright.core.ids import CallerKeyId
from tierwright.gateway.problems import Problem
from tierwright.gateway.tenancy.quota import Quotas, Reservation, period_end, period_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CENT = Decimal("0.01")


@pytest.fixture
def quotas() -> Iterator[Quotas]:
    """Fresh quotas in memory."""
    made = Quotas(None, keys=8, processes=2)
    yield made
    made.close()


def limited(name: str = "k1", **limits: Any) -> CallerKey:
    """A key with limits."""
    return a_key(name, limits=Limits(**limits))


def ask(
    quotas: Quotas, key: CallerKey, *, tokens: int = 0, cost_usd: Decimal = Decimal(0), now: datetime = NOON
) -> Reservation | Problem:
    """One request."""
    return quotas.admit(key, tokens=tokens, cost_usd=cost_usd, now=now)


def granted(found: Reservation | Problem) -> Reservation:
    """The reservation, which there must be."""
    assert isinstance(found, Reservation), found
    return found


def refused(found: Reservation | Problem, code: str, kind: str) -> Problem:
    """The refusal, which there must be."""
    assert isinstance(found, Problem)
    assert (found.status, found.code, found.type) == (429, code, kind)
    return found


def test_requests_of_a_minute_come_back_after_it(quotas: Quotas) -> None:
    """The limit is reached exactly; when retry_after_s has passed the next one is admitted, and not a second before."""
    key = limited(requests_per_minute=3)
    for second in (0, 10, 20):
        granted(ask(quotas, key, now=after(second)))
    problem = refused(ask(quotas, key, now=after(30)), "rate_limit_exceeded", "requests")
    assert problem.retry_after_s == 31
    refused(ask(quotas, key, now=after(59.9)), "rate_limit_exceeded", "requests")
    granted(ask(quotas, key, now=after(61)))
    refused(ask(quotas, key, now=after(61.5)), "rate_limit_exceeded", "requests")


def test_tokens_are_reserved_and_then_settled(quotas: Quotas) -> None:
    """What was reserved too much is free at once, what was used beyond it is counted."""
    key = limited(tokens_per_minute=100)
    first = granted(ask(quotas, key, tokens=90))
    refused(ask(quotas, key, tokens=11), "rate_limit_exceeded", "tokens")
    first.settle(tokens=40, cost_usd=None)
    second = granted(ask(quotas, key, tokens=60))
    second.settle(tokens=70, cost_usd=None)
    refused(ask(quotas, key, tokens=1, now=after(1)), "rate_limit_exceeded", "tokens")
    granted(ask(quotas, key, tokens=100, now=after(61)))


def test_a_request_that_wants_more_tokens_than_a_minute_has_is_told_so(quotas: Quotas) -> None:
    """No waiting helps, so none is asked for."""
    problem = refused(ask(quotas, limited(tokens_per_minute=100), tokens=101), "rate_limit_exceeded", "tokens")
    assert problem.retry_after_s is None


def test_tokens_settled_after_their_minute_change_nothing(quotas: Quotas) -> None:
    """A long request's tokens have left the minute they were reserved in; the present one stays as it is."""
    key = limited(tokens_per_minute=100)
    long = granted(ask(quotas, key, tokens=50))
    granted(ask(quotas, key, tokens=100, now=after(61)))
    long.settle(tokens=0, cost_usd=None)
    refused(ask(quotas, key, tokens=1, now=after(62)), "rate_limit_exceeded", "tokens")


def test_concurrent_requests_end_when_they_are_settled_and_only_once(quotas: Quotas) -> None:
    """The second settling of one request must not free the place of another."""
    key = limited(concurrent_requests=2)
    one, _two = granted(ask(quotas, key)), granted(ask(quotas, key))
    assert refused(ask(quotas, key), "rate_limit_exceeded", "requests").retry_after_s == 1
    one.settle(tokens=0, cost_usd=Decimal(0))
    one.settle(tokens=0, cost_usd=Decimal(0))
    granted(ask(quotas, key))
    refused(ask(quotas, key), "rate_limit_exceeded", "requests")


def test_a_budget_is_spent_to_the_last_pico_dollar(quotas: Quotas) -> None:
    """What is reserved counts until it is settled; what is not known costs what was reserved."""
    key = limited(budget_usd=Decimal("0.03"))
    first, second = granted(ask(quotas, key, cost_usd=CENT)), granted(ask(quotas, key, cost_usd=2 * CENT))
    refused(ask(quotas, key, cost_usd=Decimal("1E-12")), "insufficient_quota", "insufficient_quota")
    first.settle(tokens=5, cost_usd=None)
    second.settle(tokens=5, cost_usd=CENT)
    refused(ask(quotas, key, cost_usd=CENT + Decimal("1E-12")), "insufficient_quota", "insufficient_quota")
    granted(ask(quotas, key, cost_usd=CENT)).settle(tokens=0, cost_usd=Decimal(0))
    granted(ask(quotas, key, cost_usd=CENT))


def test_a_budget_begins_anew_with_its_period(quotas: Quotas) -> None:
    """retry_after_s leads to the next period; what is settled late belongs to the one it was admitted in."""
    key = limited(budget_usd=CENT, budget_period=Period.DAY)
    late = granted(ask(quotas, key, cost_usd=CENT))
    problem = refused(ask(quotas, key, cost_usd=CENT), "insufficient_quota", "insufficient_quota")
    assert problem.retry_after_s == 12 * 3600
    tomorrow = after(12 * 3600)
    late.settle(tokens=0, cost_usd=CENT)
    granted(ask(quotas, key, cost_usd=CENT, now=tomorrow)).settle(tokens=0, cost_usd=Decimal(0))
    overnight = granted(ask(quotas, key, cost_usd=CENT, now=tomorrow))
    overnight.settle(tokens=0, cost_usd=CENT)
    after_next = tomorrow + timedelta(days=1)
    held = granted(ask(quotas, key, cost_usd=CENT, now=after_next))
    held.settle(tokens=0, cost_usd=Decimal(0))
    granted(ask(quotas, key, cost_usd=CENT, now=after_next))


def test_what_the_ledger_says_was_spent_counts(quotas: Quotas) -> None:
    """It seeds this period's budget, never lowers it, and an older period's amount changes nothing."""
    key = limited(budget_usd=2 * CENT)
    start = period_start(Period.MONTH, NOON)
    quotas.load_spent(key.id, start, CENT)
    quotas.load_spent(key.id, start, Decimal("0.001"))
    quotas.load_spent(key.id, start - timedelta(days=1), Decimal(5))
    refused(ask(quotas, key, cost_usd=CENT + Decimal("1E-12")), "insufficient_quota", "insufficient_quota")
    granted(ask(quotas, key, cost_usd=CENT))


def test_a_refused_request_counts_nowhere(quotas: Quotas) -> None:
    """One limit's refusal must not use up another."""
    key = limited(requests_per_minute=2, tokens_per_minute=10, concurrent_requests=9, budget_usd=CENT)
    refused(ask(quotas, key, tokens=11), "rate_limit_exceeded", "tokens")
    refused(ask(quotas, key, cost_usd=2 * CENT), "insufficient_quota", "insufficient_quota")
    granted(ask(quotas, key, tokens=10, cost_usd=CENT))
    granted(ask(quotas, key))


def test_keys_are_counted_apart_and_those_without_limits_not_at_all(quotas: Quotas) -> None:
    """One key's use is not another's; a key without limits takes no room and tells no limits."""
    first, second = limited("a", requests_per_minute=1), limited("b", requests_per_minute=1)
    granted(ask(quotas, first))
    granted(ask(quotas, second))
    refused(ask(quotas, first), "rate_limit_exceeded", "requests")
    for number in range(20):
        free = granted(ask(quotas, a_key(f"free{number}"), tokens=10**9))
        assert free.headers(NOON) == ()
        free.settle(tokens=1, cost_usd=None)


def test_more_keys_than_there_is_room_for_are_named(quotas: Quotas) -> None:
    """The ninth key of eight is an error that says what to do."""
    for number in range(8):
        granted(ask(quotas, limited(f"k{number}", requests_per_minute=1)))
    with pytest.raises(ServiceError, match="room for 8 keys"):
        ask(quotas, limited("k8", requests_per_minute=1))
    refused(ask(quotas, limited("k7", requests_per_minute=1)), "rate_limit_exceeded", "requests")


def test_headers_are_written_as_openai_writes_them(quotas: Quotas) -> None:
    """Only the limits there are, with what is left and a duration."""
    key = limited(requests_per_minute=3, tokens_per_minute=100)
    granted(ask(quotas, key, tokens=10))
    held = granted(ask(quotas, key, tokens=30))
    assert held.headers(NOON) == (
        (b"x-ratelimit-limit-requests", b"3"),
        (b"x-ratelimit-remaining-requests", b"1"),
        (b"x-ratelimit-reset-requests", b"1m1s"),
        (b"x-ratelimit-limit-tokens", b"100"),
        (b"x-ratelimit-remaining-tokens", b"60"),
        (b"x-ratelimit-reset-tokens", b"1m1s"),
    )
    only = granted(ask(quotas, limited("k2", requests_per_minute=9)))
    resets = [only.headers(after(seconds))[2][1] for seconds in (2.5, 60.5, 61, 99)]
    assert resets == [b"58.5s", b"500ms", b"0ms", b"0ms"]
    assert granted(ask(quotas, limited("k3", concurrent_requests=9))).headers(NOON) == ()


def test_a_clock_that_is_set_back_locks_nobody_out(quotas: Quotas) -> None:
    """A little behind counts in the newest second; far behind begins a new minute."""
    key = limited(requests_per_minute=1)
    granted(ask(quotas, key, now=after(100)))
    refused(ask(quotas, key, now=after(98)), "rate_limit_exceeded", "requests")
    granted(ask(quotas, key, now=after(-4000)))


def test_settling_after_the_end_does_nothing() -> None:
    """A request that outlives its gateway's quotas is no error."""
    quotas = Quotas(None, keys=1, processes=1)
    held = granted(ask(quotas, limited(concurrent_requests=1)))
    quotas.close()
    quotas.close()
    held.settle(tokens=1, cost_usd=None)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.DAY, datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (Period.WEEK, datetime(2024, 2, 26, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)),
        (Period.MONTH, datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, start: datetime, end: datetime) -> None:
    """From the first instant, which is in it, to the last; in UTC."""
    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert (period_start(period, noon), period_end(period, noon)) == (start, end)
    assert period_start(period, start) == start
    assert period_start(period, end) == end


@given(
    limit=st.integers(1, 12),
    most_tokens=st.integers(1, 60),
    asked=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 20), st.integers(0, 20)), max_size=80),
)
def test_no_minute_ever_holds_more_than_the_limits(
    limit: int, most_tokens: int, asked: list[tuple[float, int, int]]
) -> None:
    """In any 60 seconds, wherever they begin; and what 61 quiet seconds have freed is free."""
    quotas = Quotas(None, keys=1, processes=1)
    key = limited(requests_per_minute=limit, tokens_per_minute=most_tokens)
    now, admitted = 0.0, deque[tuple[float, int]]()
    for pause_s, tokens, used in asked:
        now += pause_s
        found = ask(quotas, key, tokens=tokens, now=after(now))
        minute = [(at, size) for at, size in admitted if at > now - 60]
        longer = [(at, size) for at, size in admitted if at > now - 61]
        fits_minute = len(minute) < limit and sum(size for _, size in minute) + tokens <= most_tokens
        fits_longer = len(longer) < limit and sum(size for _, size in longer) + tokens <= most_tokens
        assert isinstance(found, Reservation) <= fits_minute
        assert isinstance(found, Reservation) >= fits_longer
        if isinstance(found, Reservation):
            # No more than was reserved: what is used beyond it is known too late to be refused.
            found.settle(tokens=min(used, tokens), cost_usd=None)
            admitted.append((now, min(used, tokens)))
    quotas.close()


@given(st.lists(st.tuples(st.sampled_from(["ask", "settle"]), st.integers(0, 40), st.integers(0, 40)), max_size=60))
def test_a_budget_is_what_a_simple_sum_says(steps: list[tuple[str, int, int]]) -> None:
    """Admitted exactly where spent, reserved and wanted fit together, in any order of admissions and settlements."""
    quotas = Quotas(None, keys=1, processes=1)
    key = limited(budget_usd=Decimal("1.00"), concurrent_requests=4)
    spent, open_ = 0, list[tuple[int, Reservation]]()
    for what, cents, true_cents in steps:
        if what == "ask":
            found = ask(quotas, key, cost_usd=cents * CENT)
            fits = spent + sum(reserved for reserved, _ in open_) + cents <= 100 and len(open_) < 4
            assert isinstance(found, Reservation) == fits
            if isinstance(found, Reservation):
                open_.append((cents, found))
        elif open_:
            open_.pop(cents % len(open_))[1].settle(tokens=0, cost_usd=true_cents * CENT)
            spent += true_cents
    quotas.close()


def test_what_was_used_survives_a_restart_and_what_was_held_does_not(tmp_path: Path) -> None:
    """The file carries minute and budget over; requests under way ended with the gateway."""
    key = limited(requests_per_minute=2, concurrent_requests=1, budget_usd=CENT)
    first = Quotas(tmp_path / "quota")
    granted(ask(first, key, cost_usd=CENT / 2)).settle(tokens=0, cost_usd=CENT / 2)
    granted(ask(first, key, cost_usd=CENT / 2))
    first.close()
    second = Quotas(tmp_path / "quota")
    refused(ask(second, key), "rate_limit_exceeded", "requests")
    refused(ask(second, key, cost_usd=CENT, now=after(70)), "insufficient_quota", "insufficient_quota")
    granted(ask(second, key, cost_usd=CENT / 2, now=after(70)))
    second.close()


def test_a_file_of_other_sizes_and_too_many_processes_are_refused(tmp_path: Path) -> None:
    """Both say what to do, and neither harms those that use the file."""
    key = limited(requests_per_minute=1)
    first = Quotas(tmp_path / "quota", keys=4, processes=1)
    granted(ask(first, key))
    with pytest.raises(ServiceError, match="delete it"):
        Quotas(tmp_path / "quota", keys=5, processes=1)
    with pytest.raises(ServiceError, match="fewer workers"):
        Quotas(tmp_path / "quota", keys=4, processes=1)
    with pytest.raises(ServiceError, match="make its folder writable"):
        Quotas(tmp_path / "nowhere" / "quota")
    refused(ask(first, key), "rate_limit_exceeded", "requests")
    first.close()


def test_a_key_is_found_by_its_id_alone(quotas: Quotas) -> None:
    """Renewed keys are new objects of the same id, and what was used stays theirs."""
    granted(ask(quotas, limited(requests_per_minute=1)))
    again = a_key(id=CallerKeyId("k1"), client_id="renamed", limits=Limits(requests_per_minute=1))
    refused(ask(quotas, again), "rate_limit_exceeded", "requests")

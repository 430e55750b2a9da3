"""What statuses, headers and errors mean for a second attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwright.core.errors import BackendBroken, BackendError, BackendLost, BackendTimeout, BackendUnavailable
from tierwright.gateway.upstreams.failures import (
    RETRY_AFTER_CEILING_S,
    Blame,
    Failure,
    FailureClass,
    FailureKind,
    classify_error,
    classify_status,
    retry_after_s,
)

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def noon() -> datetime:
    """The time of day."""
    return NOON


def meant(status: int, code: str | None = None, **headers: str) -> Failure:
    """What a status means; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_status(status, named, clock=noon, code=code)


@pytest.mark.parametrize(
    ("statuses", "expected", "blame"),
    [
        ((429,), FailureClass.SAFE, Blame.NEVER),
        ((498, 503, 521, 523, 525, 526, 529), FailureClass.SAFE, Blame.AT_ONCE),
        ((401, 424, 500), FailureClass.CERTAIN, Blame.AT_ONCE),
        ((301, 307, 402, 403, 404, 405, 410, 421, 501), FailureClass.CERTAIN, Blame.IF_ANOTHER_ANSWERS),
        ((200, 408, 502, 504, 520, 522, 524, 599), FailureClass.UNCERTAIN, Blame.AT_ONCE),
        ((400, 409, 413, 415, 422, 451, 499), FailureClass.CALLER, Blame.NEVER),
    ],
)
def test_statuses_fall_into_their_classes(statuses: tuple[int, ...], expected: FailureClass, blame: Blame) -> None:
    """Each status is safe, certain, uncertain or the caller's fault, and is held against the deployment accordingly."""
    for status in statuses:
        failure = meant(status)
        assert (failure.failure_class, failure.blame, failure.status) == (expected, blame, status), status


@pytest.mark.parametrize(
    ("kind", "here", "elsewhere"),
    [
        (FailureKind.UNREACHABLE, True, True),
        (FailureKind.RATE_LIMITED, True, True),
        (FailureKind.OVERLOADED, True, True),
        (FailureKind.FAILED, False, True),
        (FailureKind.UNAUTHORIZED, False, True),
        (FailureKind.MISCONFIGURED, False, True),
        (FailureKind.GATEWAY, False, False),
        (FailureKind.TIMED_OUT, False, False),
        (FailureKind.LOST, False, False),
        (FailureKind.BROKEN, False, False),
        (FailureKind.CALLER, False, False),
    ],
)
def test_what_may_be_tried_again(kind: FailureKind, *, here: bool, elsewhere: bool) -> None:
    """Safe failures anywhere, certain ones elsewhere, the caller's nowhere, uncertain ones if the settings say so."""
    failure = Failure(kind=kind)
    assert failure.again_here(retry_uncertain=False) is here
    assert failure.elsewhere(retry_uncertain=False) is elsewhere
    uncertain = failure.failure_class is FailureClass.UNCERTAIN
    assert failure.again_here(retry_uncertain=True) is (here or uncertain)
    assert failure.elsewhere(retry_uncertain=True) is (elsewhere or uncertain)


def test_server_that_says_whether_to_retry_is_obeyed() -> None:
    """x-should-retry decides about the same deployment, never about another, and never makes the uncertain certain."""
    lock = meant(409, x_should_retry="true")
    assert lock.again_here(retry_uncertain=False)
    assert not lock.elsewhere(retry_uncertain=False)
    limited = meant(429, x_should_retry="False")
    assert not limited.again_here(retry_uncertain=True)
    assert limited.elsewhere(retry_uncertain=False)
    assert not meant(504, x_should_retry="true").again_here(retry_uncertain=False)
    assert not meant(504, x_should_retry="false").again_here(retry_uncertain=True)
    assert meant(500, x_should_retry="perhaps").should_retry is None


def test_only_a_refused_key_is_alarming() -> None:
    """A key that is not known, or may not do this, stays so until somebody acts; nothing else claims to."""
    assert [status for status in range(200, 600) if meant(status).alarming] == [401, 403]
    assert not any(Failure(kind=kind).alarming for kind in FailureKind)


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted", "enforced_spend_limit_reached"])
def test_account_out_of_money_is_not_waited_for(code: str) -> None:
    """A 429 that no waiting cures sends the request elsewhere and not to the same deployment again."""
    failure = meant(429, code)
    assert failure.kind is FailureKind.MISCONFIGURED
    assert not failure.again_here(retry_uncertain=True)
    assert meant(429, "rate_limit_exceeded").kind is FailureKind.RATE_LIMITED
    assert meant(400, code).kind is FailureKind.CALLER


def test_every_backend_error_has_its_meaning() -> None:
    """Only a connection that was never made is safe; whatever else may happen, the request may have been accepted."""
    meanings = {
        BackendUnavailable: FailureKind.UNREACHABLE,
        BackendTimeout: FailureKind.TIMED_OUT,
        BackendLost: FailureKind.LOST,
        BackendBroken: FailureKind.BROKEN,
    }
    assert set(BackendError.__subclasses__()) == set(meanings)
    for error, kind in meanings.items():
        assert classify_error(error("what")).kind is kind
    assert classify_error(BackendError("what")).failure_class is FailureClass.UNCERTAIN


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "soon"}, 7.0),
        ({"retry-after": "Mon, 01 Sep 2025 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Monday, 01-Sep-25 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon Sep  1 12:00:30 2025"}, 30.0),
        ({"retry-after": "Mon, 01 Sep 2025 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Sep 2031 12:00:00 GMT"}, RETRY_AFTER_CEILING_S),
        ({"retry-after": "9" * 400}, RETRY_AFTER_CEILING_S),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Mon, 99 Sep 2025 12:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds and all three kinds of dates are understood; what is none of them is ignored."""
    assert retry_after_s(headers, clock=noon) == expected


def test_date_is_compared_with_the_clock_of_its_server() -> None:
    """Where the server says what time it has, its clock may be wrong by hours."""
    headers = {"retry-after": "Mon, 01 Sep 2025 15:00:30 GMT", "date": "Mon, 01 Sep 2025 15:00:00 GMT"}
    assert retry_after_s(headers, clock=noon) == 30.0


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_header_can_do_harm(after: str, milliseconds: str, date: str) -> None:
    """Whatever a server sends, the wait is a number of seconds within the ceiling, or none."""
    found = retry_after_s({"retry-after": after, "retry-after-ms": milliseconds, "date": date}, clock=noon)
    assert found is None or 0 <= found <= RETRY_AFTER_CEILING_S


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_dates_survive_the_round_trip(instant: datetime) -> None:
    """A date is the whole seconds between it and now, never less than none and never more than the ceiling."""
    instant = instant.replace(microsecond=0, tzinfo=UTC)
    found = retry_after_s({"retry-after": format_datetime(instant, usegmt=True)}, clock=noon)
    assert found == min(max(timedelta(0), instant - NOON).total_seconds(), RETRY_AFTER_CEILING_S)


@given(status=st.integers(100, 599), retry_uncertain=st.booleans())
def test_every_status_has_a_meaning(status: int, *, retry_uncertain: bool) -> None:
    """Whatever the status, a caller's mistake goes nowhere else, and what is uncertain goes again by leave only."""
    failure = meant(status)
    if failure.failure_class is FailureClass.CALLER:
        assert 400 <= status < 500
        assert not failure.elsewhere(retry_uncertain=retry_uncertain)
    if failure.failure_class is FailureClass.UNCERTAIN:
        assert failure.again_here(retry_uncertain=retry_uncertain) is retry_uncertain

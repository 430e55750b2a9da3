"""What a failed attempt means: whether it may be made again, here or elsewhere, and whose fault it was.

Owns the meaning of statuses, headers and errors; refuses to know how attempts are made. Nothing here looks at the time:
whether a second attempt is still worth it is decided by `attempts`.

    SAFE        Nothing was accepted, so nothing can be billed twice: try again, here or elsewhere.
                no connection was made; 429 (RFC 6585, 4); 503 (RFC 9110, 15.6.4); 529 overloaded_error
                (docs.claude.com/en/api/errors); 498 capacity_exceeded (console.groq.com/docs/flex-processing);
                521, 523, 525, 526: Cloudflare could hand the request to no server behind it
    CERTAIN     The provider has refused or failed for good: the same deployment would again, another one may not.
                500; 424 of Bedrock (ModelErrorException); a deployment that is set up wrongly: 401, 402, 403, 404, 405,
                407, 410, 421, a redirect, a 429 that says the account is out of money
    UNCERTAIN   The provider may have accepted the request, and may bill it: no second attempt unless the settings
                allow it, since chat completions have no idempotency key.
                502, 504; 408 (Bedrock and OpenRouter say so when the model took too long); 520, 522, 524 of Cloudflare;
                any 5xx not known here; no answer in time; connection lost after the request was sent; a broken answer
    CALLER      The request itself is wrong: passed on, never made again, held against nobody.
                400, 409, 413, 415, 422 and any other 4xx

`x-should-retry`, as OpenAI and Anthropic send it and their clients obey it (openai-python, _base_client.py), overrules
the first question only: whether the same deployment is asked again. It makes nothing certain that is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tierwright.core.errors import BackendLost, BackendTimeout, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tierwright.core.errors import BackendError

#: Seconds; what asks for more is taken for this. A quota of a day then costs one refused attempt an hour, and a server
#: whose clock is wrong is not out for ever.
RETRY_AFTER_CEILING_S = 3600.0

_NUMBER = re.compile(r"\d+(\.\d*)?")
#: 429s that no waiting cures (platform.openai.com/docs/guides/error-codes; docs.claude.com/en/api/errors).
_OUT_OF_MONEY = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
    }
)


class FailureClass(StrEnum):
    """What is known of a request that failed; see the module."""

    SAFE = "safe"
    CERTAIN = "certain"
    UNCERTAIN = "uncertain"
    CALLER = "caller"


class Blame(StrEnum):
    """Whether a failure is held against the deployment."""

    AT_ONCE = "at_once"
    #: Once another deployment has answered the same request: until then it may be the caller's fault, and a caller
    #: must not be able to open a circuit for all others.
    IF_ANOTHER_ANSWERS = "if_another_answers"
    NEVER = "never"


class FailureKind(StrEnum):
    """How an attempt failed: a label for metrics."""

    #: No connection was made.
    UNREACHABLE = "unreachable"
    #: Too many requests or tokens.
    RATE_LIMITED = "rate_limited"
    #: No capacity at the moment.
    OVERLOADED = "overloaded"
    #: An error inside the provider.
    FAILED = "failed"
    #: The provider does not take our key: somebody must be told.
    UNAUTHORIZED = "unauthorized"
    #: The deployment does not exist, may not be used, or is not paid for.
    MISCONFIGURED = "misconfigured"
    #: Something between us and the model gave up on it.
    GATEWAY = "gateway"
    #: No answer in time.
    TIMED_OUT = "timed_out"
    #: The connection was lost after the request was sent.
    LOST = "lost"
    #: The answer breaks the protocol.
    BROKEN = "broken"
    #: The request itself is wrong.
    CALLER = "caller"


_CLASSES = {
    FailureKind.UNREACHABLE: FailureClass.SAFE,
    FailureKind.RATE_LIMITED: FailureClass.SAFE,
    FailureKind.OVERLOADED: FailureClass.SAFE,
    FailureKind.FAILED: FailureClass.CERTAIN,
    FailureKind.UNAUTHORIZED: FailureClass.CERTAIN,
    FailureKind.MISCONFIGURED: FailureClass.CERTAIN,
    FailureKind.GATEWAY: FailureClass.UNCERTAIN,
    FailureKind.TIMED_OUT: FailureClass.UNCERTAIN,
    FailureKind.LOST: FailureClass.UNCERTAIN,
    FailureKind.BROKEN: FailureClass.UNCERTAIN,
    FailureKind.CALLER: FailureClass.CALLER,
}
_BLAME = {
    # A limit on the rate is no defect; it sets a cool-down instead.
    FailureKind.RATE_LIMITED: Blame.NEVER,
    FailureKind.MISCONFIGURED: Blame.IF_ANOTHER_ANSWERS,
    FailureKind.CALLER: Blame.NEVER,
}
#: The key is not known, or may not do this.
_KEY_REFUSED = frozenset({401, 403})
_STATUSES = {
    401: FailureKind.UNAUTHORIZED,
    402: FailureKind.MISCONFIGURED,
    403: FailureKind.MISCONFIGURED,
    404: FailureKind.MISCONFIGURED,
    405: FailureKind.MISCONFIGURED,
    407: FailureKind.MISCONFIGURED,
    408: FailureKind.TIMED_OUT,
    410: FailureKind.MISCONFIGURED,
    421: FailureKind.MISCONFIGURED,
    424: FailureKind.FAILED,
    429: FailureKind.RATE_LIMITED,
    498: FailureKind.OVERLOADED,
    500: FailureKind.FAILED,
    501: FailureKind.MISCONFIGURED,
    503: FailureKind.OVERLOADED,
    521: FailureKind.UNREACHABLE,
    523: FailureKind.UNREACHABLE,
    525: FailureKind.UNREACHABLE,
    526: FailureKind.UNREACHABLE,
    529: FailureKind.OVERLOADED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed."""

    kind: FailureKind
    #: HTTP status; None: there was none.
    status: int | None = None
    #: Seconds until the provider wants to be asked again; None: it did not say.
    retry_after_s: float | None = None
    #: What the provider says of asking it again; None: nothing.
    should_retry: bool | None = None

    @property
    def failure_class(self) -> FailureClass:
        """What is known of the request."""
        return _CLASSES[self.kind]

    @property
    def blame(self) -> Blame:
        """Whether the deployment is held responsible."""
        return _BLAME.get(self.kind, Blame.AT_ONCE)

    @property
    def alarming(self) -> bool:
        """Whether our key is refused, which stays so until somebody acts."""
        return self.status in _KEY_REFUSED

    def again_here(self, *, retry_uncertain: bool) -> bool:
        """Whether the same deployment may be asked again."""
        if self.failure_class is FailureClass.UNCERTAIN and not retry_uncertain:
            return False
        if self.should_retry is not None:
            return self.should_retry
        return self.failure_class in {FailureClass.SAFE, FailureClass.UNCERTAIN}

    def elsewhere(self, *, retry_uncertain: bool) -> bool:
        """Whether another deployment may be asked."""
        if self.failure_class is FailureClass.UNCERTAIN:
            return retry_uncertain
        return self.failure_class is not FailureClass.CALLER


def classify_status(
    status: int, headers: Mapping[str, str], *, clock: Callable[[], datetime], code: str | None = None
) -> Failure:
    """What an error status means; header names in lower case.

    `clock` tells the time of day, aware, for a Retry-After that is a date. `code` is the error code in the body, as
    OpenAI and Anthropic write it; None: not read. A status below 300 stands for an answer that is an error all the
    same, or is not what was asked for.
    """
    if status == 429 and code in _OUT_OF_MONEY:
        kind = FailureKind.MISCONFIGURED
    else:
        kind = _STATUSES.get(status) or _kind_by_hundreds(status)
    return Failure(
        kind=kind,
        status=status,
        retry_after_s=retry_after_s(headers, clock=clock),
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower()),
    )


def _kind_by_hundreds(status: int) -> FailureKind:
    if status < 300:
        return FailureKind.BROKEN
    if status < 400:
        return FailureKind.MISCONFIGURED
    return FailureKind.CALLER if status < 500 else FailureKind.GATEWAY


def classify_error(error: BackendError) -> Failure:
    """What an attempt without a status, or whose answer stopped half-way, means."""
    if isinstance(error, BackendUnavailable):
        return Failure(kind=FailureKind.UNREACHABLE)
    if isinstance(error, BackendTimeout):
        return Failure(kind=FailureKind.TIMED_OUT)
    if isinstance(error, BackendLost):
        return Failure(kind=FailureKind.LOST)
    return Failure(kind=FailureKind.BROKEN)


def retry_after_s(headers: Mapping[str, str], *, clock: Callable[[], datetime]) -> float | None:
    """Seconds until the provider wants to be asked again, at most RETRY_AFTER_CEILING_S; None: it does not say.

    `retry-after-ms` (OpenAI, Azure) goes before `retry-after` (RFC 9110, 10.2.3: seconds or a date; providers send
    fractions, too). What is neither is as if it were not there.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return min(float(milliseconds) / 1000, RETRY_AFTER_CEILING_S)
    value = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        return min(float(value), RETRY_AFTER_CEILING_S)
    instant = _instant(value)
    if instant is None:
        return None
    # A difference of the server's own times is right even where its clock is not.
    now = _instant(headers.get("date", "")) or clock()
    return min(max(0.0, (instant - now).total_seconds()), RETRY_AFTER_CEILING_S)


def _instant(value: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7), in any of its three formats."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

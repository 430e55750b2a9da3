"""Every error the gateway itself answers with: OpenAI-shaped, with a stable code.

Owns the codes. A message says what is wrong, where, and what to do; it never holds text of a prompt or an answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from tierwright.core.errors import BackendError, BackendLost, BackendTimeout, BackendUnavailable, InputError

INVALID_API_KEY = "invalid_api_key"
FORBIDDEN_ORIGIN = "forbidden_origin"
INVALID_REQUEST = "invalid_request"
INVALID_JSON = "invalid_json"
UNSUPPORTED_ENCODING = "unsupported_content_encoding"
TOO_LARGE = "request_too_large"
MODEL_NOT_FOUND = "model_not_found"
UNKNOWN_URL = "unknown_url"
METHOD_NOT_ALLOWED = "method_not_allowed"
UPSTREAM_UNAVAILABLE = "upstream_unavailable"
UPSTREAM_LOST = "upstream_lost"
UPSTREAM_TIMEOUT = "upstream_timeout"
UPSTREAM_BROKEN = "upstream_broken"
OVERLOADED = "overloaded"
TASK_NOT_FOUND = "task_not_found"
MODEL_NOT_ALLOWED = "model_not_allowed"
TASK_NOT_ALLOWED = "task_not_allowed"
RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
INSUFFICIENT_QUOTA = "insufficient_quota"
INTERNAL_ERROR = "internal_error"
INVALID_HTTP = "invalid_http"
HEAD_TOO_LARGE = "request_header_fields_too_large"
REQUEST_TIMEOUT = "request_timeout"
TOO_MANY_CONNECTIONS = "too_many_connections"
INVALID_FEEDBACK = "invalid_feedback"
INFERENCE_NOT_FOUND = "inference_not_found"
STORE_UNAVAILABLE = "store_unavailable"
CAPTURE_UNAVAILABLE = "capture_unavailable"

# Codes of what went wrong that only captures hold: no body of ours says them.
UPSTREAM_ERROR = "upstream_error"
CLIENT_DISCONNECTED = "client_disconnected"
SHUT_DOWN = "shut_down"
SPECIALIST_FAILED = "specialist_failed"
SPECIALIST_TIMEOUT = "specialist_timeout"

_CALLER = "invalid_request_error"
_UPSTREAM = "upstream_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error answer."""

    #: HTTP status.
    status: int
    #: Stable, for programs.
    code: str
    #: Class of the error, as OpenAI names them.
    type: str
    #: For people.
    message: str
    #: The request member that is wrong; None: none or unknown.
    param: str | None = None
    #: Seconds after which it is worth asking again; None: not known, or never.
    retry_after_s: float | None = None

    def body(self) -> bytes:
        """The JSON body of an answer."""
        return msgspec.json.encode(
            {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}
        )

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The response headers that belong to it."""
        if self.retry_after_s is None:
            return ()
        return ((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after_s))),)

    def event(self) -> bytes:
        """The same as a server-sent event, for an answer that has already begun."""
        return b"data: " + self.body() + b"\n\n"


def unauthorized(what: str) -> Problem:
    """401."""
    return Problem(
        status=401,
        code=INVALID_API_KEY,
        type="authentication_error",
        message=f"{what}; send a key of this gateway as 'Authorization: Bearer KEY'",
    )


def forbidden_origin() -> Problem:
    """403: a web page of elsewhere calls a gateway that has no callers configured."""
    return Problem(
        status=403,
        code=FORBIDDEN_ORIGIN,
        type="permission_error",
        message="this gateway has no callers configured and answers programs on its own machine only; "
        "configure a caller with a key to use it from elsewhere",
    )


def model_not_allowed(model: str) -> Problem:
    """403: the key is for other models."""
    return Problem(
        status=403,
        code=MODEL_NOT_ALLOWED,
        type="permission_error",
        message=f"this API key is not for the model {model[:100]!r}; ask for one of its models, or use another key",
        param="model",
    )


def task_not_allowed(name: str | None) -> Problem:
    """403: the key is for other tasks; None: the request belongs to none."""
    what = "requests of no task" if name is None else f"the task {name[:100]!r}"
    return Problem(
        status=403,
        code=TASK_NOT_ALLOWED,
        type="permission_error",
        message=f"this API key is not for {what}; ask for one of its tasks, or use another key",
    )


def too_many_requests(limit: int, *, retry_after_s: float) -> Problem:
    """429: the key's requests of a minute are used up."""
    return Problem(
        status=429,
        code=RATE_LIMIT_EXCEEDED,
        type="requests",
        message=f"this API key may make {limit} requests a minute and has made them; "
        f"try again in {math.ceil(retry_after_s)} s",
        retry_after_s=retry_after_s,
    )


def too_many_at_once(limit: int) -> Problem:
    """429: as many requests of the key as it may have are under way."""
    return Problem(
        status=429,
        code=RATE_LIMIT_EXCEEDED,
        type="requests",
        message=f"this API key may have {limit} requests under way at the same time and has; wait for one to end",
        retry_after_s=1.0,
    )


def too_many_tokens(limit: int, wanted: int, *, retry_after_s: float | None) -> Problem:
    """429: the key's tokens of a minute are used up; `retry_after_s` None: the request alone wants more than all."""
    then = "ask for fewer" if retry_after_s is None else f"try again in {math.ceil(retry_after_s)} s"
    return Problem(
        status=429,
        code=RATE_LIMIT_EXCEEDED,
        type="tokens",
        message=f"this API key may use {limit} tokens a minute, and this request may need {wanted}; {then}",
        retry_after_s=retry_after_s,
    )


def insufficient_quota(period: str, *, retry_after_s: float) -> Problem:
    """429: the rest of the key's budget is too small for the request."""
    return Problem(
        status=429,
        code=INSUFFICIENT_QUOTA,
        type=INSUFFICIENT_QUOTA,
        message=f"what is left of this API key's budget of the {period} is too little for this request; "
        "wait for the next one, or have the budget raised",
        retry_after_s=retry_after_s,
    )


def invalid_request(message: str, *, code: str = INVALID_REQUEST, param: str | None = None) -> Problem:
    """400."""
    return Problem(status=400, code=code, type=_CALLER, message=message, param=param)


def unreadable(error: InputError | RecursionError) -> Problem:
    """400: what reading a request raises, where it is none of its API's or nobody follows so many brackets."""
    if isinstance(error, InputError):
        return invalid_request(str(error))
    return invalid_request("the request body is nested too deeply; send less deeply nested JSON")


def unsupported_encoding() -> Problem:
    """415."""
    return Problem(
        status=415,
        code=UNSUPPORTED_ENCODING,
        type=_CALLER,
        message="the request body is compressed; send it without a Content-Encoding",
    )


def too_large(limit_bytes: int) -> Problem:
    """413."""
    return Problem(
        status=413,
        code=TOO_LARGE,
        type=_CALLER,
        message=f"the request body is larger than {limit_bytes} bytes; send less, or raise max_body_bytes in [server]",
    )


def model_not_found(model: str) -> Problem:
    """404: no backend serves the model."""
    return Problem(
        status=404,
        code=MODEL_NOT_FOUND,
        type=_CALLER,
        message=f"no backend serves the model {model[:100]!r}; GET /v1/models lists what is served",
        param="model",
    )


def unknown_url(method: str, path: str) -> Problem:
    """404: no such address."""
    return Problem(
        status=404,
        code=UNKNOWN_URL,
        type=_CALLER,
        message=f"unknown address ({method} {path[:200]}); this gateway serves POST /v1/chat/completions, "
        "/v1/responses, /v1/messages, /v1/embeddings, /v1/moderations, GET /v1/models and GET /health/liveliness",
    )


def unknown_admin_url(method: str, path: str) -> Problem:
    """404: no such address on the admin listener."""
    return Problem(
        status=404,
        code=UNKNOWN_URL,
        type=_CALLER,
        message=f"unknown address ({method} {path[:200]}); the admin listener serves GET /metrics, GET /health/… and "
        "GET /openapi.json",
    )


def method_not_allowed(method: str, path: str, allowed: str) -> Problem:
    """405."""
    return Problem(
        status=405, code=METHOD_NOT_ALLOWED, type=_CALLER, message=f"{method} is not allowed on {path}; use {allowed}"
    )


def upstream_failed(error: BackendError) -> Problem:
    """502 or 504: the model server failed; the message is the error's."""
    if isinstance(error, BackendTimeout):
        status, code = 504, UPSTREAM_TIMEOUT
    elif isinstance(error, BackendUnavailable):
        status, code = 502, UPSTREAM_UNAVAILABLE
    elif isinstance(error, BackendLost):
        status, code = 502, UPSTREAM_LOST
    else:
        status, code = 502, UPSTREAM_BROKEN
    return Problem(status=status, code=code, type=_UPSTREAM, message=str(error))


def nobody_to_ask(model: str, *, busy: bool, retry_after_s: float | None) -> Problem:
    """503: every model server that could answer is failing or full at the moment."""
    why = "is busy" if busy else "has failed repeatedly or wants no requests for a while"
    return Problem(
        status=503,
        code=OVERLOADED if busy else UPSTREAM_UNAVAILABLE,
        type=_UPSTREAM,
        message=f"every model server for {model[:100]!r} {why}; try again later",
        retry_after_s=retry_after_s or 1.0,
    )


def out_of_time() -> Problem:
    """504: the request's own deadline is over."""
    return Problem(
        status=504,
        code=UPSTREAM_TIMEOUT,
        type=_UPSTREAM,
        message="no model server answered within the time of the whole request; "
        "try again, or raise request_timeout_s in [resilience]",
    )


def task_not_found(name: str) -> Problem:
    """404: no task, or no version of a task, of that name."""
    return Problem(
        status=404,
        code=TASK_NOT_FOUND,
        type=_CALLER,
        message=f"there is no task or version {name[:100]!r}; see `tierwright task list` and `tierwright model list`",
        param="model",
    )


def inference_not_found(param: str) -> Problem:
    """404: no inference of that id is the caller's; somebody else's is told from none at all by nothing."""
    return Problem(
        status=404,
        code=INFERENCE_NOT_FOUND,
        type=_CALLER,
        message="no answer that this caller was given has this id; send the answer's 'id', or its header "
        "x-tierwright-inference-id",
        param=param,
    )


def not_for_specialists(model: str) -> Problem:
    """400: a version of a specialist was named for what only a frontier model can answer."""
    return Problem(
        status=400,
        code=INVALID_REQUEST,
        type=_CALLER,
        message=f"{model[:100]!r} is one specialist, which answers with one text: no logprobs, tools, sound or images; "
        "leave these out, or ask for the task without a version",
        param="model",
    )


def specialist_failed(model: str) -> Problem:
    """502: the version that was named failed, and nobody else was to answer."""
    return Problem(
        status=502,
        code=SPECIALIST_FAILED,
        type=_UPSTREAM,
        message=f"the specialist {model[:100]!r} gave no answer; ask for the task without a version to be escalated",
    )


def store_unavailable(what: str) -> Problem:
    """503: something was to be kept and could not be."""
    return Problem(
        status=503,
        code=STORE_UNAVAILABLE,
        type="server_error",
        message=f"the {what} could not be stored; send it again later: the same word twice is kept once",
    )


def capture_unavailable() -> Problem:
    """503: no request is to be answered without a durable record, and none can be made."""
    return Problem(
        status=503,
        code=CAPTURE_UNAVAILABLE,
        type="server_error",
        message="this gateway answers only what it can keep a durable record of, and it can't keep one now; "
        "tell its operator: the log and GET /health/readiness say why",
    )


def invalid_http() -> Problem:
    """400: what was sent can't be parsed as HTTP."""
    return Problem(
        status=400, code=INVALID_HTTP, type=_CALLER, message="what was sent is not valid HTTP/1.1; send a valid request"
    )


def head_too_large(limit_bytes: int) -> Problem:
    """431."""
    return Problem(
        status=431,
        code=HEAD_TOO_LARGE,
        type=_CALLER,
        message=f"the request's address and headers are larger than {limit_bytes} bytes; "
        "send less, or raise max_header_bytes in [server]",
    )


def request_timeout(limit_s: float) -> Problem:
    """408: the caller took too long to send its request."""
    return Problem(
        status=408,
        code=REQUEST_TIMEOUT,
        type=_CALLER,
        message=f"the request was not complete within {limit_s:g} seconds; send it faster, "
        "or raise header_timeout_s or body_timeout_s in [server]",
    )


def too_many_connections(limit: int) -> Problem:
    """503: no more connections are taken now."""
    return Problem(
        status=503,
        code=TOO_MANY_CONNECTIONS,
        type="server_error",
        message=f"this gateway holds {limit} connections already; "
        "try again later, or raise max_connections in [server]",
    )


def internal_error() -> Problem:
    """500."""
    return Problem(
        status=500,
        code=INTERNAL_ERROR,
        type="server_error",
        message="the gateway failed on this request; its log names the place. Please report it",
    )

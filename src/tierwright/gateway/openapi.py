"""The OpenAPI 3.1 document of what callers can ask a gateway: `python -m tierwright.gateway.openapi` prints it.

Owns the addresses, and which statuses and error codes each really answers with; `openapi_schemas` owns the bodies.
Refuses to describe what model servers refuse: their errors pass through, whatever they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import tierwright
from tierwright.core.inference import RouteReason
from tierwright.core.privacy import DataClass
from tierwright.gateway import privacy_problems, problems
from tierwright.gateway.anthropic.errors import error_type
from tierwright.gateway.openapi_schemas import SCHEMAS, ref
from tierwright.gateway.wire import DATA_CLASS, TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: Error codes by status.
    _Codes = Mapping[int, tuple[str, ...]]

_JSON, _EVENTS = "application/json", "text/event-stream"
#: By status: the codes of errors that any connection may be answered with, before its address is known.
_CONNECTION = {
    400: (problems.INVALID_HTTP,),
    408: (problems.REQUEST_TIMEOUT,),
    431: (problems.HEAD_TOO_LARGE,),
    500: (problems.INTERNAL_ERROR,),
    503: (problems.TOO_MANY_CONNECTIONS,),
}
#: Where a key is asked for.
_KEYED = {401: (problems.INVALID_API_KEY,), 403: (problems.FORBIDDEN_ORIGIN,)}
#: Where a body is read.
_BODY = {400: (problems.INVALID_JSON,), 413: (problems.TOO_LARGE,), 415: (problems.UNSUPPORTED_ENCODING,)}
#: Where a model is asked.
_MODEL = {
    400: (problems.INVALID_REQUEST, privacy_problems.INVALID_DATA_CLASS),
    403: (problems.MODEL_NOT_ALLOWED, problems.TASK_NOT_ALLOWED, privacy_problems.PRIVACY_BLOCKED),
    404: (problems.MODEL_NOT_FOUND,),
    429: (problems.RATE_LIMIT_EXCEEDED, problems.INSUFFICIENT_QUOTA),
    502: (problems.UPSTREAM_UNAVAILABLE, problems.UPSTREAM_LOST, problems.UPSTREAM_BROKEN),
    503: (
        problems.UPSTREAM_UNAVAILABLE,
        problems.OVERLOADED,
        problems.CAPTURE_UNAVAILABLE,
        privacy_problems.PRIVACY_UNAVAILABLE,
    ),
    504: (problems.UPSTREAM_TIMEOUT,),
}
#: Where a specialist may be asked.
_TASK = {404: (problems.TASK_NOT_FOUND,), 502: (problems.SPECIALIST_FAILED,)}
_FEEDBACK = {
    400: (problems.INVALID_FEEDBACK,),
    404: (problems.INFERENCE_NOT_FOUND,),
    503: (problems.STORE_UNAVAILABLE,),
}
#: What errors of one kind of operation are made of, the connection's first.
_GROUPS: Mapping[str, tuple[_Codes, ...]] = {
    "Asked": (_CONNECTION, _KEYED, _BODY, _MODEL, _TASK),
    "AskedInMessages": (_CONNECTION, _KEYED, _BODY, _MODEL, _TASK),
    "PassedOn": (_CONNECTION, _KEYED, _BODY, _MODEL),
    "Feedback": (_CONNECTION, _KEYED, _BODY, _FEEDBACK),
    "Listing": (_CONNECTION, _KEYED),
    "Named": (_CONNECTION, _KEYED, {404: (problems.MODEL_NOT_FOUND,)}),
    "Open": (_CONNECTION,),
}
_ABOUT = {
    400: "What was sent can't be read.",
    401: "No key, or one that is not known, was revoked or has expired.",
    403: "The key is not for this, no model server may see what is in the request, or a web page of another origin "
    "calls a gateway that has no callers configured.",
    404: "There is no such model, task or inference.",
    408: "The request was not complete in time.",
    413: "The body is larger than `max_body_bytes`.",
    415: "The body is compressed.",
    429: "A limit or the budget of the key is used up.",
    431: "Address and headers are larger than `max_header_bytes`.",
    500: "A fault of the gateway.",
    502: "A model server, or the specialist that was named, could not answer.",
    503: "Not now: every model server is failing or full, or what has to be kept can't be.",
    504: "No model server answered in time.",
}
_HEADERS: dict[str, Any] = {
    "x-tierwright-inference-id": {"description": "What feedback refers to.", "schema": {"type": "string"}},
    "x-tierwright-route-reason": {
        "description": "Why that one answered.",
        "schema": {"enum": [reason.value for reason in RouteReason if reason is not RouteReason.IMPORTED]},
    },
    "x-tierwright-overhead-ms": {
        "description": "The part of the latency that no model accounts for.",
        "schema": {"type": "number", "minimum": 0},
    },
    "x-tierwright-data-class": {
        "description": "How sensitive the request was taken to be; there where a privacy gate is configured.",
        "schema": {"enum": [one.label for one in DataClass]},
    },
    "x-tierwright-task": {"description": "Id of the task recognised.", "schema": {"type": "string"}},
    "x-tierwright-served-by": {"description": "A backend's name, or `specialist`.", "schema": {"type": "string"}},
    "x-tierwright-confidence": {
        "description": "Calibrated probability that the specialist's answer is right.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "x-tierwright-cost-usd": {
        "description": "All calls of the request together; absent: a price is not known.",
        "schema": {"type": "number", "minimum": 0},
    },
}
#: Those of `_HEADERS` that no answer of a model lacks.
_ALWAYS = ("x-tierwright-inference-id", "x-tierwright-route-reason", "x-tierwright-overhead-ms")
_RETRY_AFTER = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}


class _Asking(NamedTuple):
    """An address that a model answers at."""

    path: str
    operation: str
    summary: str
    request: str
    answer: str
    streams: bool = False
    errors: str = "Asked"


_ASKING = (
    _Asking("/v1/chat/completions", "chat", "OpenAI's chat.completions", "ChatRequest", "ChatCompletion", streams=True),
    _Asking("/v1/responses", "responses", "OpenAI's Responses", "ResponsesRequest", "Response", streams=True),
    _Asking(
        "/v1/messages",
        "messages",
        "Anthropic's Messages",
        "MessagesRequest",
        "Message",
        streams=True,
        errors="AskedInMessages",
    ),
    _Asking(
        "/v1/messages/count_tokens",
        "countTokens",
        "Anthropic's count of a request's tokens",
        "MessagesRequest",
        "InputTokens",
        errors="AskedInMessages",
    ),
    _Asking("/v1/embeddings", "embeddings", "OpenAI's embeddings", "EmbeddingsRequest", "PassedOn", errors="PassedOn"),
    _Asking(
        "/v1/moderations", "moderations", "OpenAI's moderations", "ModerationRequest", "PassedOn", errors="PassedOn"
    ),
)


def document() -> dict[str, Any]:
    """The document, as JSON has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tierwright gateway",
            "version": tierwright.__version__,
            "description": "OpenAI's and Anthropic's APIs, answered by specialists where they are sure and by the "
            "model asked for everywhere else. Where no callers are configured no key is needed. An unknown address "
            "is a 404 with the code `unknown_url`, another method a 405 with `method_not_allowed`. Errors are "
            "described as the gateway makes them; those of model servers pass through, with any status and any form.",
        },
        "servers": [
            {
                "url": "http://{host}:{port}",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "8400"}},
            }
        ],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": {
            **{asking.path: {"post": _asking(asking)} for asking in _ASKING},
            "/v1/feedback": {"post": _feedback()},
            "/v1/models": _page("listModels", "Models, and tasks with a specialist", "Models", errors="Listing"),
            "/v1/models/{model}": {
                "parameters": [
                    {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "example": "gpt-4o"}
                ],
                **_page("getModel", "One of them", "Model", errors="Named"),
            },
            "/health/liveliness": _page("liveliness", "The process answers", "Alive", errors="Open"),
            "/health/readiness": _readiness(),
        },
        "components": {
            "schemas": dict(SCHEMAS),
            "responses": {
                f"{group}{status}": _error(group, status) for group in _GROUPS for status in _statuses(group)
            },
            "headers": {**_HEADERS, "retry-after": _RETRY_AFTER},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def document_bytes() -> bytes:
    """The document as the text that is published."""
    return (json.dumps(document(), indent=1, ensure_ascii=False) + "\n").encode()


def _asking(asking: _Asking) -> dict[str, Any]:
    content = _json(ref(asking.answer))
    if asking.streams:
        content[_EVENTS] = {"schema": {"description": "The events of that API, to its own end."}}
    return {
        "operationId": asking.operation,
        "summary": asking.summary,
        "parameters": [
            _header(TASK.decode(), "Names the task of a request whose wording is unknown; percent-encoded."),
            _header(DATA_CLASS.decode(), "How sensitive the request is: public, internal, confidential or restricted."),
            _header("x-conversation-id", "Requests with the same one stay on one side of a canary and a holdout."),
        ],
        "requestBody": {"required": True, "content": _json(ref(asking.request))},
        "responses": {
            "200": {"description": "The answer.", "headers": _answer_headers(), "content": content},
            **_errors(asking.errors),
            "default": {"description": "An error of the model server, passed on with its status and its form."},
        },
    }


def _feedback() -> dict[str, Any]:
    return {
        "operationId": "feedback",
        "summary": "What people or programs say of answers",
        "parameters": [_header("idempotency-key", "The same word under the same key is kept once.")],
        "requestBody": {"required": True, "content": _json(ref("FeedbackRequest"))},
        "responses": {
            "200": {"description": "It is stored.", "content": _json(ref("FeedbackTaken"))},
            **_errors("Feedback"),
        },
    }


def _page(operation: str, summary: str, answer: str, *, errors: str) -> dict[str, Any]:
    """What is read: GET, and HEAD, which is answered without a body."""
    got: dict[str, Any] = {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": {"description": "The page.", "content": _json(ref(answer))}, **_errors(errors)},
    }
    statuses = {"200": {"description": "There is such a page."}}
    statuses |= {str(status): {"description": _ABOUT[status]} for status in _statuses(errors)}
    headed: dict[str, Any] = {
        "operationId": f"{operation}Head",
        "summary": f"{summary}: the status alone",
        "responses": statuses,
    }
    if errors == "Open":
        got["security"] = headed["security"] = []
    return {"get": got, "head": headed}


def _readiness() -> dict[str, Any]:
    found = _page("readiness", "What is served, waiting, dropped, failing", "Readiness", errors="Open")
    crowded = _error("Open", 503)["content"][_JSON]["schema"]
    found["get"]["responses"]["503"] = {
        "description": "No request would be answered.",
        "content": _json({"anyOf": [ref("Readiness"), crowded]}),
    }
    return found


def _errors(group: str) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{group}{status}"} for status in _statuses(group)}


def _statuses(group: str) -> list[int]:
    return sorted(set().union(*_GROUPS[group]))


def _error(group: str, status: int) -> dict[str, Any]:
    """The answer with one status to operations of a group."""
    first, *others = (table.get(status, ()) for table in _GROUPS[group])
    schema = _openai_error(*first, *(code for codes in others for code in codes))
    if group == "AskedInMessages":
        told = _anthropic_error(status)
        # What is answered before the address is known has OpenAI's form.
        schema = {"anyOf": [told, _openai_error(*first)]} if first else told
    # Those of answers are there as far as they are known.
    names = [*(_HEADERS if _MODEL in _GROUPS[group] else ()), *(("retry-after",) if status in (429, 503) else ())]
    return {
        "description": _ABOUT[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": _json(schema),
    }


def _openai_error(*codes: str) -> dict[str, Any]:
    return {"allOf": [ref("Error"), {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}]}


def _anthropic_error(status: int) -> dict[str, Any]:
    kind = {"properties": {"error": {"properties": {"type": {"const": error_type(status)}}}}}
    return {"allOf": [ref("AnthropicError"), kind]}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _header(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}


def _answer_headers() -> dict[str, Any]:
    return {
        name: {**header, "required": True} if name in _ALWAYS else {"$ref": f"#/components/headers/{name}"}
        for name, header in _HEADERS.items()
    }


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(document_bytes())

"""The bodies of the OpenAPI document, as JSON Schema (2020-12).

Owns what `openapi` refers to by name. Objects are open: a request says more to its model server than the gateway reads,
and an answer holds whatever its provider sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.feedback import ScoreKind

if TYPE_CHECKING:
    from collections.abc import Mapping

_Schema = dict[str, Any]
_TEXT: _Schema = {"type": "string"}
_NAME: _Schema = {"type": "string", "minLength": 1}
_BOOLEAN: _Schema = {"type": "boolean"}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_LIMIT: _Schema = {"type": ["integer", "null"], "minimum": 1}
_MAYBE_TEXT: _Schema = {"type": ["string", "null"]}
_OBJECT: _Schema = {"type": "object"}
_LIST: _Schema = {"type": "array"}


def ref(name: str) -> _Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: tuple[str, ...] = (), /, *, about: str | None = None, **members: _Schema) -> _Schema:
    """An open object."""
    found: _Schema = {"type": "object", "properties": members, "additionalProperties": True}
    if required:
        found["required"] = list(required)
    if about is not None:
        found["description"] = about
    return found


def _list_of(items: _Schema, **bounds: int) -> _Schema:
    return {"type": "array", "items": items, **bounds}


def _said(schema: _Schema, about: str) -> _Schema:
    return {**schema, "description": about}


_MODEL = _said(
    _NAME,
    "A model that is served; `task:NAME`: a task's specialist, and its incumbent model where that is not sure; "
    "`NAME@vN`: one version of a specialist and nobody else.",
)
_STREAM = _said(_BOOLEAN, "Whether the answer is wanted as server-sent events.")
_METADATA = _object(about="What the caller notes.", task=_said(_TEXT, "Names the task of the request."))
_ASKED = [{"role": "user", "content": "Where is my card?"}]
_CALL = _object(
    ("id", "type"), id=_NAME, type={"enum": ["function", "custom"]}, function=_object(name=_NAME, arguments=_TEXT)
)
_CONTENT: _Schema = {"anyOf": [_TEXT, _list_of(_object(type=_TEXT, text=_TEXT)), {"type": "null"}]}
_FUNCTION = _object(("name",), name=_NAME, description=_TEXT, parameters=_OBJECT)
_ROLES: _Schema = {"enum": ["user", "system", "developer", "assistant", "function"]}
_NEEDED_ID = _said(_NAME | {"maxLength": 512}, "The id of an answer of this gateway.")
_SCORED: _Schema = {"anyOf": [{"type": "number"}, _BOOLEAN, _TEXT]}
_SHORT: _Schema = {"type": ["string", "null"], "maxLength": 200}
_LONG: _Schema = {"type": ["string", "null"], "maxLength": 100_000}

_REQUESTS: Mapping[str, _Schema] = {
    "ChatRequest": _object(
        ("model", "messages"),
        about="OpenAI's chat.completions. Members that are not named here pass untouched.",
        model=_MODEL,
        messages=_list_of(ref("ChatMessage"), minItems=1) | {"examples": [_ASKED]},
        stream=_STREAM,
        stream_options=_object(include_usage=_said(_BOOLEAN, "Whether a stream ends with its usage.")),
        n=_said(_LIMIT, "Answers wanted; more than one is never given to a specialist."),
        max_completion_tokens=_LIMIT,
        max_tokens=_LIMIT,
        tools=_list_of(_object(("type",), type={"enum": ["function", "custom"]}, function=_FUNCTION)),
        response_format=_object(("type",), type={"enum": ["text", "json_object", "json_schema"]}, json_schema=_OBJECT),
        metadata=_METADATA,
    ),
    "ChatMessage": {
        "anyOf": [
            _object(("role", "content"), role=_ROLES, content=_CONTENT),
            _object(("role", "tool_calls"), role={"const": "assistant"}, tool_calls=_list_of(_CALL, minItems=1)),
            _object(("role", "tool_call_id"), role={"const": "tool"}, tool_call_id=_TEXT, content=_CONTENT),
        ],
    },
    "ResponsesRequest": _object(
        ("model",),
        about="OpenAI's Responses. A request needs `input`, or what the provider has stored.",
        model=_MODEL,
        input={"anyOf": [_NAME, _list_of(_OBJECT, minItems=1)], "examples": [_ASKED]},
        instructions=_MAYBE_TEXT,
        previous_response_id=_said(_MAYBE_TEXT, "Known to providers with this API only."),
        stream=_STREAM,
        max_output_tokens=_LIMIT,
        tools=_list_of(_object(("type",), type=_TEXT, name=_NAME, parameters=_OBJECT)),
        text=_object(format=_object(type=_TEXT)),
        reasoning=_object(effort=_MAYBE_TEXT),
        metadata=_METADATA,
    ),
    "MessagesRequest": _object(
        ("model", "messages"),
        about="Anthropic's Messages (version 2023-06-01). Anthropic's own servers want `max_tokens`, too.",
        model=_MODEL,
        max_tokens=_LIMIT,
        messages=_list_of(ref("MessagesMessage"), minItems=1) | {"examples": [_ASKED]},
        system={"anyOf": [_TEXT, _list_of(ref("Block"))]},
        stream=_STREAM,
        stop_sequences=_list_of(_TEXT),
        tools=_list_of(_object(("name",), name=_NAME, description=_TEXT, input_schema=_OBJECT)),
        tool_choice=_object(type={"enum": ["auto", "any", "tool", "none"]}, name=_TEXT),
        metadata=_object(task=_said(_TEXT, "Names the task of the request."), user_id=_TEXT),
    ),
    "MessagesMessage": _object(
        ("role", "content"),
        role={"enum": ["user", "assistant", "system"]},
        content={"anyOf": [_TEXT, _list_of(ref("Block"))]},
    ),
    "Block": _object(("type",), type=_said(_TEXT, "text, image, document, tool_use, tool_result, …"), text=_TEXT),
    "EmbeddingsRequest": _object(
        ("model", "input"),
        about="OpenAI's embeddings.",
        model=_NAME,
        input=_said({"type": ["string", "array"]}, "A text, or a list of texts or of tokens."),
    ),
    "ModerationRequest": _object(
        ("input",),
        about="OpenAI's moderations.",
        model=_said(_NAME, "omni-moderation-latest where it is left out."),
        input=_said({"type": ["string", "array"]}, "A text, or a list of texts or of images."),
    ),
    "FeedbackRequest": {
        "anyOf": [ref("Feedback"), _list_of(ref("Feedback"), minItems=1, maxItems=1000)],
        "description": "One word on an answer, or a list of them.",
    },
    "Feedback": {"anyOf": [ref("OwnFeedback"), ref("MetricFeedback"), ref("ScoreFeedback")]},
    "OwnFeedback": _object(
        ("inference_id",),
        about="Tierwright's shape; it needs one of `output`, `score` and `comment`. The id may also be called "
        "`response_id` or `id`, the score `value`, the output `label`, `demonstration`, `gold` or `correction`.",
        inference_id=_NEEDED_ID,
        output=_said({}, "The answer that would have been right; JSON as it is, or its text."),
        score=_SCORED,
        name=_said(_SHORT, "Of what the score is."),
        comment=_LONG,
        author=_SHORT,
        idempotency_key=_said(_SHORT, "The same word under the same key is kept once."),
    ),
    "MetricFeedback": _object(
        ("inference_id", "metric_name", "value"),
        about="TensorZero's shape.",
        inference_id=_NEEDED_ID,
        metric_name=_said(
            _NAME | {"maxLength": 200}, "`comment` and `demonstration` are what they say, else a score's name."
        ),
        value={},
        dryrun=_said(_BOOLEAN, "Whether nothing is kept."),
    ),
    "ScoreFeedback": _object(
        ("traceId", "name", "value"),
        about="Langfuse's scores; `observationId` may stand in the place of `traceId`.",
        traceId=_NEEDED_ID,
        name=_NAME | {"maxLength": 200},
        value=_SCORED,
        dataType={"enum": [kind.value.upper() for kind in ScoreKind]},
        comment=_LONG,
        id=_SHORT,
    ),
}

_ANSWERS: Mapping[str, _Schema] = {
    "ChatCompletion": _object(
        ("id", "choices"),
        about="The provider's answer with the inference's id, or a specialist's in the same form.",
        id=_TEXT,
        object={"const": "chat.completion"},
        created={"type": "integer"},
        model=_TEXT,
        choices=_list_of(_object(index=_COUNT, message=_OBJECT, finish_reason=_MAYBE_TEXT)),
        usage={"type": ["object", "null"]},
    ),
    "Response": _object(
        ("id", "object"),
        about="The id is the provider's where this API is passed on, since later requests refer to it.",
        id=_TEXT,
        object={"const": "response"},
        status=_TEXT,
        output=_list_of(_OBJECT),
        usage={"type": ["object", "null"]},
    ),
    "Message": _object(
        ("id", "type", "content"),
        id=_TEXT,
        type={"const": "message"},
        role={"const": "assistant"},
        model=_TEXT,
        content=_list_of(ref("Block")),
        stop_reason=_MAYBE_TEXT,
        usage=_OBJECT,
    ),
    "InputTokens": _object(
        ("input_tokens",),
        about="Counted by a server that speaks Anthropic's API, else estimated by a vocabulary.",
        input_tokens=_COUNT,
    ),
    "PassedOn": _object(about="The provider's answer, byte for byte."),
    "FeedbackTaken": {
        "anyOf": [
            _object(
                ("feedback_id", "new"),
                about="To one word.",
                feedback_id=_TEXT,
                new=_said(_BOOLEAN, "False: it was known already."),
            ),
            _object(
                ("accepted", "new", "feedback_ids"),
                about="To a list.",
                accepted=_COUNT,
                new=_said(_COUNT, "How many were not known already."),
                feedback_ids=_list_of(_TEXT),
            ),
        ]
    },
    "Model": _object(
        ("id", "object", "created", "owned_by"),
        id=_TEXT,
        object={"const": "model"},
        created=_said(_COUNT, "When the gateway started, in Unix seconds."),
        owned_by=_said(_TEXT, "The backend that is asked first; `tierwright`: a task with a specialist."),
    ),
    "Models": _object(("object", "data"), object={"const": "list"}, data=_list_of(ref("Model"))),
    "Alive": _object(("status",), status={"const": "alive"}),
    "Readiness": _object(
        ("status", "in_flight"),
        about="How one process of the gateway is doing.",
        status=_said(
            {"enum": ["ready", "degraded", "not_ready"]},
            "degraded: something is wrong that costs no answer; the other members say what.",
        ),
        in_flight=_said(_COUNT, "Requests under way."),
        settings_error=_said(_MAYBE_TEXT, "Why the last change of the settings was refused; null: it was not."),
        capture=_OBJECT,
        specialists=_OBJECT,
        monitor=_said({"type": ["object", "null"]}, "null: this process does not watch what is live."),
        privacy=_said(_OBJECT, "gate: off, on or refusing; why: what keeps it from permitting anything, or null."),
    ),
    "Error": _object(
        ("error",),
        about="An error of the gateway, in OpenAI's form.",
        error=_object(
            ("message", "type", "param", "code"),
            message=_said(_TEXT, "For people: what is wrong, where, and what to do."),
            type=_TEXT,
            param=_said(_MAYBE_TEXT, "The member that is wrong."),
            code=_said(_TEXT, "Stable, for programs."),
        ),
    ),
    "AnthropicError": _object(
        ("type", "error"),
        about="An error of the gateway, in Anthropic's form.",
        type={"const": "error"},
        error=_object(("type", "message"), type=_TEXT, message=_TEXT),
    ),
}

#: By name.
SCHEMAS: Mapping[str, _Schema] = {**_REQUESTS, **_ANSWERS}

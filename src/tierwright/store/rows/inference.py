"""Inferences and their calls as rows. On the path of every request: plain tuples in, no lookups by name out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.core.ids import CallerKeyId, DeploymentId, InferenceId, ModelVersionId, TaskId
from tierwright.core.inference import CallRole, Content, Endpoint, Inference, ModelCall, Route, RouteReason
from tierwright.core.instants import to_us
from tierwright.core.privacy import DataClass
from tierwright.store.rows.scalars import (
    from_json,
    from_pico,
    from_us,
    to_json,
    to_name,
    to_name_or_none,
    to_pico,
)
from tierwright.store.schema import contents, inferences, model_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROLES = {role.value: role for role in CallRole}
_REASONS = {reason.value: reason for reason in RouteReason}
_ENDPOINTS = {endpoint.value: endpoint for endpoint in Endpoint}
#: What became of the content, by its name in the column.
CONTENTS = {content.value: content for content in Content}

#: The columns `inference_of` wants, in its order.
INFERENCE_COLUMNS = (
    inferences.c.id,
    inferences.c.created_at_us,
    inferences.c.client_id,
    inferences.c.workload_id,
    inferences.c.task_id,
    inferences.c.model,
    inferences.c.status,
    inferences.c.error_code,
    inferences.c.streamed,
    inferences.c.latency_ms,
    inferences.c.overhead_ms,
    inferences.c.route_reason,
    inferences.c.propensity,
    inferences.c.deployment_id,
    inferences.c.confidence,
    inferences.c.threshold,
    inferences.c.endpoint,
    inferences.c.key_id,
    inferences.c.content,
    inferences.c.data_class,
    inferences.c.findings,
    inferences.c.detectors,
    inferences.c.subject,
    contents.c.request,
    contents.c.response,
)

#: The columns `call_of` wants, in its order; the inference's id comes first and is not part of the noun.
CALL_COLUMNS = (
    model_calls.c.inference_id,
    model_calls.c.role,
    model_calls.c.backend,
    model_calls.c.model,
    model_calls.c.model_version_id,
    model_calls.c.upstream_id,
    model_calls.c.started_at_us,
    model_calls.c.latency_ms,
    model_calls.c.status,
    model_calls.c.error_code,
    model_calls.c.prompt_tokens,
    model_calls.c.completion_tokens,
    model_calls.c.cached_tokens,
    model_calls.c.cache_write_tokens,
    model_calls.c.reasoning_tokens,
    model_calls.c.usage_estimated,
    model_calls.c.first_token_ms,
    model_calls.c.cost_pico_usd,
    model_calls.c.answered,
)

#: The columns of `inference_values`, `content_values` and `call_values`, in their order.
INFERENCE_INSERT = (*INFERENCE_COLUMNS[:-2], inferences.c.answering_place)
CONTENT_INSERT = (contents.c.inference_id, contents.c.request, contents.c.response)
CALL_INSERT = (CALL_COLUMNS[0], model_calls.c.place, *CALL_COLUMNS[1:])


def inference_values(inference: Inference, subject: str | None) -> tuple[object, ...]:
    """The row of `inferences`, in the order of `INFERENCE_INSERT`; `subject` labels the person it is about."""
    route = inference.route
    return (
        to_name(inference.id),
        to_us(inference.created_at),
        to_name(inference.client_id),
        to_name_or_none(inference.workload_id),
        to_name_or_none(inference.task_id),
        to_name(inference.model),
        inference.status,
        to_name_or_none(inference.error_code),
        inference.streamed,
        inference.latency_ms,
        inference.overhead_ms,
        route.reason.value,
        route.propensity,
        to_name_or_none(route.deployment_id),
        route.confidence,
        route.threshold,
        inference.endpoint.value,
        inference.key_id,
        inference.content.value,
        None if inference.data_class is None else inference.data_class.label,
        to_json(dict(inference.findings)) if inference.findings else None,
        inference.detectors,
        subject,
        next((place for place, call in enumerate(inference.calls) if call.answered), None),
    )


def content_values(inference: Inference) -> tuple[object, ...] | None:
    """The row of `contents`, in the order of `CONTENT_INSERT`; None where no content is kept."""
    if inference.request is None and inference.response is None:
        return None
    return to_name(inference.id), inference.request, inference.response


def call_values(inference: Inference) -> list[tuple[object, ...]]:
    """The rows of `model_calls`, in the order made, each in the order of `CALL_INSERT`."""
    inference_id = to_name(inference.id)
    return [call_row(inference_id, place, call) for place, call in enumerate(inference.calls)]


def call_row(inference_id: str, place: int, call: ModelCall) -> tuple[object, ...]:
    """The row of one call of an inference, in the order of `CALL_INSERT`."""
    return (
        inference_id,
        place,
        call.role.value,
        to_name(call.backend),
        to_name(call.model),
        call.model_version_id,
        to_name_or_none(call.upstream_id),
        to_us(call.started_at),
        call.latency_ms,
        call.status,
        to_name_or_none(call.error_code),
        call.prompt_tokens,
        call.completion_tokens,
        call.cached_tokens,
        call.cache_write_tokens,
        call.reasoning_tokens,
        call.usage_estimated,
        call.first_token_ms,
        None if call.cost_usd is None else to_pico(call.cost_usd),
        call.answered,
    )


def call_of(row: Sequence[Any]) -> ModelCall:
    """The call in a row of `CALL_COLUMNS`."""
    (
        _,
        role,
        backend,
        model,
        model_version_id,
        upstream_id,
        started_at_us,
        latency_ms,
        status,
        error_code,
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
        usage_estimated,
        first_token_ms,
        cost_pico_usd,
        answered,
    ) = row
    return ModelCall(
        role=_ROLES[role],
        backend=backend,
        model=model,
        model_version_id=None if model_version_id is None else ModelVersionId(model_version_id),
        upstream_id=upstream_id,
        started_at=from_us(started_at_us),
        latency_ms=latency_ms,
        status=status,
        error_code=error_code,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=cached_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
        usage_estimated=bool(usage_estimated),
        first_token_ms=first_token_ms,
        cost_usd=None if cost_pico_usd is None else from_pico(cost_pico_usd),
        answered=answered,
    )


def inference_of(row: Sequence[Any], calls: tuple[ModelCall, ...]) -> Inference:
    """The inference in a row of `INFERENCE_COLUMNS`, with its calls."""
    (
        inference_id,
        created_at_us,
        client_id,
        workload_id,
        task_id,
        model,
        status,
        error_code,
        streamed,
        latency_ms,
        overhead_ms,
        route_reason,
        propensity,
        deployment_id,
        confidence,
        threshold,
        endpoint,
        key_id,
        content,
        data_class,
        findings,
        detectors,
        subject,
        request,
        response,
    ) = row
    return Inference(
        id=InferenceId(inference_id),
        created_at=from_us(created_at_us),
        client_id=client_id,
        workload_id=workload_id,
        task_id=None if task_id is None else TaskId(task_id),
        model=model,
        status=status,
        error_code=error_code,
        streamed=streamed,
        latency_ms=latency_ms,
        overhead_ms=overhead_ms,
        route=Route(
            reason=_REASONS[route_reason],
            propensity=propensity,
            deployment_id=None if deployment_id is None else DeploymentId(deployment_id),
            confidence=confidence,
            threshold=threshold,
        ),
        calls=calls,
        request=request,
        response=response,
        endpoint=_ENDPOINTS[endpoint],
        key_id=None if key_id is None else CallerKeyId(key_id),
        content=CONTENTS[content],
        data_class=None if data_class is None else DataClass.of(data_class),
        findings={} if findings is None else from_json(findings, dict[str, int]),
        detectors=detectors,
        subject=subject,
    )

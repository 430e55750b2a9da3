"""What Prometheus is told of inferences."""

from __future__ import annotations

from decimal import Decimal

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import a_call, an_inference
from tierwright.core.inference import CallRole
from tierwright.gateway.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of the page, as Prometheus' own parser reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """One sample."""
    return samples(metrics)[name, frozenset(labels.items())]


def test_an_answer_is_counted_with_its_tokens_and_its_cost() -> None:
    """Requests, tokens and dollars add up over inferences."""
    metrics = Metrics(["gpt-4o"])
    for _ in range(3):
        metrics.observe(an_inference())
    where = {"backend": "openai", "model": "gpt-4o"}
    labels = {**where, "endpoint": "chat.completions", "status": "2xx", "reason": "requested"}
    assert value(metrics, "tierwright_requests_total", **labels) == 3
    assert value(metrics, "gen_ai_client_token_usage_total", **where, type="input") == 300
    assert value(metrics, "tierwright_cost_usd_total", **where) == float(Decimal("0.0009"))
    assert value(metrics, "tierwright_overhead_seconds_bucket", le="0.005") == 3


def test_unpriced_and_estimated_calls_show() -> None:
    """What has no price, and what nobody but us has counted, are counted apart; so is every further attempt."""
    metrics = Metrics([])
    calls = (a_call(answered=False, error_code="x"), a_call(role=CallRole.RETRY, cost_usd=None, usage_estimated=True))
    metrics.observe(an_inference(calls=calls))
    where = {"backend": "openai", "model": "other"}
    assert value(metrics, "tierwright_unpriced_calls_total", **where) == 1
    assert value(metrics, "tierwright_estimated_calls_total", **where) == 1
    assert value(metrics, "tierwright_further_attempts_total", backend="openai", role="retry") == 1


def test_labels_are_few_whatever_callers_send() -> None:
    """A hundred models that nobody configured are one label, and no label holds a caller."""
    metrics = Metrics(["gpt-4o"])
    for number in range(100):
        metrics.observe(an_inference(model=f"m{number}", client_id=f"secret-{number}", calls=()))
    assert len([key for key in samples(metrics) if key[0] == "tierwright_requests_total"]) == 1
    assert b"secret" not in metrics.render()

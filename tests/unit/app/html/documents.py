"""Documents as the commands print them, for the pages made from them."""

from __future__ import annotations

from typing import Any


def an_estimate(value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """An estimate's JSON."""
    return {
        "value": value,
        "ci_low": value * 0.9 if low is None else low,
        "ci_high": value * 1.1 if high is None else high,
        "level": 0.95,
        "n": 100,
        "method": "test",
    }


def an_audited_task(**changes: Any) -> dict[str, Any]:
    """One task of an audit's document."""
    return {
        "id": "task_1",
        "name": "ticket-intent",
        "contract": "label",
        "requests": 10_000,
        "share": 0.5,
        "monthly_requests": an_estimate(10_146),
        "monthly_cost_usd": an_estimate(412.5),
        "unpriced_calls": 0,
        "latency_ms": {"p50": 1602.0, "p95": 3355.0},
        "distinct_outputs": 77,
        "entropy_bits": an_estimate(6.1),
        "determinism": an_estimate(0.97),
        "learnability": an_estimate(0.86)
        | {
            "majority": an_estimate(0.03),
            "learnable": True,
            "fields": [
                {
                    "name": "label",
                    "agreement": an_estimate(0.86),
                    "majority": an_estimate(0.03),
                    "skill": an_estimate(0.85),
                    "learnable": True,
                }
            ],
            "curve": [{"examples": n, "agreement": an_estimate(a)} for n, a in ((250, 0.6), (1000, 0.8), (2000, 0.86))],
        },
        "complexity": an_estimate(0.21)
        | {"signals": [{"name": "answer length", "value": 0.1, "weight": 0.5, "about": "mean words of an answer"}]},
        "sensitive_share": an_estimate(0.02),
        "languages": {"en": 0.98, "other": 0.02},
        "prompt_versions": 2,
        "duplicate_share": an_estimate(0.03),
        "tool_share": 0.0,
        "multi_turn_share": 0.0,
        "drift": None,
        "prompt": {
            "characters": 2161.0,
            "boilerplate_share": an_estimate(0.95),
            "few_shot_share": an_estimate(0.0),
            "few_shot_examples": 0,
            "unparsed_share": an_estimate(0.0),
        },
        "retrieval": {"changing_share": None, "ungrounded_share": None},
        "volume": {
            "trend": an_estimate(0.0),
            "hourly": [float(hour) for hour in range(24)],
            "weekly": [5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0],
            "daily": list(range(30)),
        },
        "clients": 3,
        "recommendation": "specialise",
        "rung": "encoder-head",
        "reasons": ["learnable: skill 0.85, at least 0.3 is asked"],
        "also": [{"action": "cache", "reason": "3 % of the requests repeat an earlier one"}],
        "projected_monthly_saving_usd": an_estimate(301.0, low=120.0, high=390.0),
    } | changes


def an_audit(**changes: Any) -> dict[str, Any]:
    """An audit's document."""
    return {
        "requests": 20_000,
        "unassigned": 380,
        "period": {"since": "2025-09-01T00:00:40+00:00", "until": "2025-09-30T23:58:00+00:00"},
        "totals": {"monthly_cost_usd": an_estimate(830.0), "projected_monthly_saving_usd": an_estimate(301.0)},
        "long_tail": {"requests": 380, "monthly_cost_usd": None, "recommendation": "keep", "reasons": ["no two alike"]},
        "refused": {"no_content": 4, "no_text_answer": 0},
        "tasks": [
            an_audited_task(),
            an_audited_task(
                id="task_2",
                name="legal-summary",
                contract="open",
                requests=180,
                learnability=None,
                determinism=None,
                recommendation="keep",
                rung=None,
                projected_monthly_saving_usd=None,
                latency_ms=None,
                also=[],
            ),
        ],
    } | changes


def a_savings_document(**changes: Any) -> dict[str, Any]:
    """The document of `report savings --json`."""
    amount = {"value": 60.0, "ci_low": 55.0, "ci_high": 66.0}
    return {
        "requests": 1000,
        "local_requests": 700,
        "cost_before_usd": 100.0,
        "cost_after_usd": 40.0,
        "saving_usd": amount,
        "saving_share": an_estimate(0.6),
        "days": 30.0,
        "monthly_saving_usd": amount,
        "unpriced_requests": 3,
        "unpriced_calls": 0,
        "unpriced_models": [],
        "estimated_calls": 0,
        "estimated_models": [],
        "deductions": {"shadow_usd": 1.0, "audit_usd": 0.5, "training_usd": None},
        "tasks": [
            {
                "task": "ticket-intent",
                "task_id": "task_1",
                "incumbent": "gpt-4o",
                "requests": 1000,
                "local_requests": 700,
                "cost_before_usd": 100.0,
                "cost_after_usd": 40.0,
                "second_answers_usd": 1.5,
                "saving_usd": amount,
                "unpriced_requests": 3,
            }
        ],
    } | changes


def a_breakeven_document(**changes: Any) -> dict[str, Any]:
    """The document of `report breakeven --json`."""
    return {
        "scenario": "two-gpus",
        "assumptions": {"calls_a_month": {"value": 10_000_000, "source": "stated"}},
        "api_monthly_usd": an_estimate(200_000.0),
        "self_hosted_monthly_usd": an_estimate(12_000.0),
        "break_even_calls": an_estimate(1_500_000.0),
        "payback_months": an_estimate(0.4),
        "net_present_saving_usd": an_estimate(2_000_000.0),
        "sensitivity": [{"assumption": "API price", "low_usd": 1_000_000.0, "high_usd": 3_000_000.0}],
        "flips": [{"assumption": "API price", "at": 0.000_01}],
        "curve": [
            {"calls": n, "api_usd": n * 0.02, "self_hosted_usd": 12_000.0}
            for n in (10_000, 100_000, 1_000_000, 10_000_000)
        ],
    } | changes

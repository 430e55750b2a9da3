"""Settings of the upstreams that can't work are refused when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierwright.core.errors import SettingsError
from tierwright.gateway.upstreams.config import (
    BreakerConfig,
    ConcurrencyConfig,
    DeploymentConfig,
    ResilienceConfig,
    UpstreamsConfig,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = DeploymentConfig(name="one", backend="b", model="gpt-4o")
ANY = DeploymentConfig(name="any", backend="b")


def falling_back(**others: tuple[str, ...]) -> ResilienceConfig:
    """Settings with these fallbacks."""
    return ResilienceConfig(fallbacks=others)


@pytest.mark.parametrize(
    ("make", "members", "says"),
    [
        (DeploymentConfig, {"name": "a b", "backend": "b"}, "name"),
        (DeploymentConfig, {"name": "a", "backend": ""}, "backend"),
        (DeploymentConfig, {"name": "a", "backend": "b", "model": ""}, "model"),
        (DeploymentConfig, {"name": "a", "backend": "b", "upstream_model": ""}, "upstream_model"),
        (DeploymentConfig, {"name": "a", "backend": "b", "weight": 0}, "weight"),
        (DeploymentConfig, {"name": "a", "backend": "b", "weight": float("inf")}, "weight"),
        (DeploymentConfig, {"name": "a", "backend": "b", "max_output_tokens": 0}, "max_output_tokens"),
        (ResilienceConfig, {"attempt_timeout_s": 0}, "attempt_timeout_s"),
        (ResilienceConfig, {"attempt_timeout_s": -1}, "attempt_timeout_s"),
        (ResilienceConfig, {"attempt_timeout_s": float("nan")}, "attempt_timeout_s"),
        (ResilienceConfig, {"request_timeout_s": 0}, "request_timeout_s"),
        (ResilienceConfig, {"max_attempts": 0}, "max_attempts"),
        (ResilienceConfig, {"retry_share": 1.1}, "retry_share"),
        (ResilienceConfig, {"retry_minimum": -1}, "retry_minimum"),
        (ResilienceConfig, {"backoff_first_s": 2, "backoff_limit_s": 1}, "backoff_limit_s"),
        (ResilienceConfig, {"retry_after_limit_s": -1}, "retry_after_limit_s"),
        (ResilienceConfig, {"fallbacks": {"a": ("b", "a")}}, "fallbacks of 'a'"),
        (ResilienceConfig, {"fallbacks": {"a": ("b", "b")}}, "fallbacks of 'a'"),
        (BreakerConfig, {"consecutive_failures": 0}, "consecutive_failures"),
        (BreakerConfig, {"failure_rate": 0}, "failure_rate"),
        (BreakerConfig, {"window_s": 0}, "window_s"),
        (BreakerConfig, {"window_minimum": 0}, "window_minimum"),
        (BreakerConfig, {"open_first_s": 2, "open_limit_s": 1}, "open_limit_s"),
        (BreakerConfig, {"probes": 0}, "probes"),
        (ConcurrencyConfig, {"limit": 0}, "limit"),
        (ConcurrencyConfig, {"queue_limit": -1}, "queue_limit"),
        (ConcurrencyConfig, {"queue_timeout_s": 0}, "queue_timeout_s"),
        (UpstreamsConfig, {"deployments": ()}, "no deployment"),
        (UpstreamsConfig, {"deployments": (ONE, ONE)}, "same name"),
        (UpstreamsConfig, {"deployments": (ONE,), "resilience": falling_back(other=("gpt-4o",))}, "'other'"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[..., Any], members: dict[str, Any], says: str) -> None:
    """The error names the setting that is wrong."""
    with pytest.raises(SettingsError, match=says):
        make(**members)


def test_fallback_nobody_serves_is_refused() -> None:
    """A fallback that no deployment names is a mistake, unless some deployment takes any model."""
    fallbacks = ResilienceConfig(fallbacks={"gpt-4o": ("claude",)})
    with pytest.raises(SettingsError, match="'claude'"):
        UpstreamsConfig(deployments=(ONE,), resilience=fallbacks)
    assert UpstreamsConfig(deployments=(ONE, ANY), resilience=fallbacks).resilience is fallbacks

"""What the choice of an upstream is told: deployments, deadlines, retries, circuit breakers, concurrency limits.

Owns the limits and their defaults; refuses to know the settings file, addresses and keys.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What may stand in a metric's label and in a ledger line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfig:
    """One model at one backend; several of one model share its traffic."""

    #: Its name in metrics and ledgers.
    name: str
    #: Name of the backend that serves it.
    backend: str
    #: The model, as callers name it; None: any model that no other deployment names.
    model: str | None = None
    #: The model, as the backend names it; None: as callers do.
    upstream_model: str | None = None
    #: Share of the traffic of its priority, relative to the weights of the others.
    weight: float = 1.0
    #: Lower ones are asked first; higher ones only while none of the lower can be asked.
    priority: int = 0
    #: Tokens the model writes at most in one answer; None: not known. Reserved where a request sets no limit.
    max_output_tokens: int | None = None

    def __post_init__(self) -> None:
        where = f"deployment '{self.name}'"
        if _NAME.fullmatch(self.name) is None:
            raise SettingsError(f"{where}: the name must be letters, digits, '.', '_' or '-', at most 64")
        if not self.backend:
            raise SettingsError(f"{where}: backend is empty; name the backend that serves it")
        if self.model == "" or self.upstream_model == "":
            raise SettingsError(f"{where}: model and upstream_model must not be empty; leave them out instead")
        _positive(where, weight=self.weight)
        if self.max_output_tokens is not None:
            _positive(where, max_output_tokens=self.max_output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResilienceConfig:
    """How long an answer may take, and when a failed attempt is followed by another."""

    #: Seconds from an attempt's begin to the last byte of its answer.
    attempt_timeout_s: float = 600.0
    #: Seconds for all attempts of one request together.
    request_timeout_s: float = 600.0
    #: Attempts of one request, the first one and those of fallback models included.
    max_attempts: int = 3
    #: Further attempts as a share of all requests, under way or begun within the last seconds, in [0, 1].
    retry_share: float = 0.2
    #: Further attempts that are allowed however few requests there are.
    retry_minimum: int = 3
    #: Seconds before the same deployment is asked again: at most this after the first failure, doubled after each.
    backoff_first_s: float = 0.5
    #: Seconds the doubling ends at.
    backoff_limit_s: float = 8.0
    #: Seconds of a Retry-After that are waited out; after a longer one somebody else is asked, or the caller answered.
    retry_after_limit_s: float = 5.0
    #: Whether a second attempt may follow one that the provider may have accepted, so that both may be billed.
    retry_uncertain: bool = False
    #: The models asked in order where a model can't be, by the name of that model.
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = "resilience"
        _positive(where, attempt_timeout_s=self.attempt_timeout_s, request_timeout_s=self.request_timeout_s)
        _positive(where, max_attempts=self.max_attempts)
        _positive(where, backoff_first_s=self.backoff_first_s, backoff_limit_s=self.backoff_limit_s)
        _not_negative(where, retry_minimum=self.retry_minimum, retry_after_limit_s=self.retry_after_limit_s)
        if not 0 <= self.retry_share <= 1:
            raise SettingsError(f"{where}: retry_share must lie between 0 and 1")
        if self.backoff_limit_s < self.backoff_first_s:
            raise SettingsError(f"{where}: backoff_limit_s must not be below backoff_first_s")
        for model, others in self.fallbacks.items():
            if model in others or len(set(others)) != len(others):
                raise SettingsError(f"{where}: the fallbacks of '{model}' must be other models, each named once")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a deployment that fails is no longer asked, and when again.

    The defaults let a deployment that has recovered answer again within half a minute.
    """

    #: Failures without a success between them that open a circuit.
    consecutive_failures: int = 5
    #: Share of failures within the window that opens a circuit, in (0, 1].
    failure_rate: float = 0.5
    #: Seconds over which the share is taken.
    window_s: float = 30.0
    #: Attempts within the window below which the share says nothing.
    window_minimum: int = 20
    #: Seconds a circuit stays open the first time, at most; doubled each time a probe fails.
    open_first_s: float = 2.0
    #: Seconds the doubling ends at.
    open_limit_s: float = 15.0
    #: Good probes, one after the other, that close a circuit.
    probes: int = 2

    def __post_init__(self) -> None:
        where = "breaker"
        _positive(where, consecutive_failures=self.consecutive_failures, window_s=self.window_s)
        _positive(where, window_minimum=self.window_minimum, probes=self.probes)
        _positive(where, open_first_s=self.open_first_s, open_limit_s=self.open_limit_s)
        if not 0 < self.failure_rate <= 1:
            raise SettingsError(f"{where}: failure_rate must lie above 0 and not above 1")
        if self.open_limit_s < self.open_first_s:
            raise SettingsError(f"{where}: open_limit_s must not be below open_first_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyConfig:
    """How many requests a backend is given at the same time."""

    #: Attempts under way at the same time.
    limit: int = 512
    #: Requests that may wait for one of them to end; what comes beyond is refused.
    queue_limit: int = 1024
    #: Seconds a request may wait for it.
    queue_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        where = "concurrency"
        _positive(where, limit=self.limit, queue_timeout_s=self.queue_timeout_s)
        _not_negative(where, queue_limit=self.queue_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamsConfig:
    """Everything that decides who is asked."""

    #: In the order in which models are listed.
    deployments: tuple[DeploymentConfig, ...]
    resilience: ResilienceConfig = field(default_factory=ResilienceConfig)
    #: The same for every deployment.
    breaker: BreakerConfig = field(default_factory=BreakerConfig)
    #: By the backend's name; a backend that is not named has the defaults.
    concurrency: Mapping[str, ConcurrencyConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.deployments:
            raise SettingsError("no deployment is configured; name at least one model of one backend")
        names = [deployment.name for deployment in self.deployments]
        if len(set(names)) != len(names):
            raise SettingsError("two deployments have the same name; give each its own")
        served = {deployment.model for deployment in self.deployments}
        if None in served:
            return
        for model, others in self.resilience.fallbacks.items():
            for name in (model, *others):
                if name not in served:
                    raise SettingsError(f"resilience: fallbacks name the model '{name}', which no deployment serves")


def _positive(where: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise SettingsError(f"{where}: {name} must be above 0 and finite")


def _not_negative(where: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            raise SettingsError(f"{where}: {name} must not be negative, and finite")

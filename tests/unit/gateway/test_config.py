"""Settings that can't work are refused when they are made; secrets stay secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierwright.core.errors import SettingsError
from tierwright.gateway.config import BackendConfig, CallerConfig, CaptureConfig, RoutingConfig, Secret, ServerConfig

if TYPE_CHECKING:
    from collections.abc import Callable


def test_secrets_show_nowhere() -> None:
    """Neither repr nor str of a config holds its key, however deep it stands."""
    config = BackendConfig(name="openai", base_url="https://api.example/v1", api_key=Secret("sk-very-secret"))
    shown = f"{config!r} {config} {config.api_key!s} {[config.api_key]}"
    assert "sk-very-secret" not in shown
    assert "***" in shown
    assert config.api_key is not None
    assert config.api_key.reveal() == "sk-very-secret"


@pytest.mark.parametrize(
    ("make", "members", "says"),
    [
        (BackendConfig, {"name": "specialist", "base_url": "http://h/v1"}, "name"),
        (BackendConfig, {"name": "a b", "base_url": "http://h/v1"}, "name"),
        (BackendConfig, {"name": "a", "base_url": "api.openai.com/v1"}, "base_url"),
        (BackendConfig, {"name": "a", "base_url": "http://u:p@h/v1"}, "api_key"),
        (BackendConfig, {"name": "a", "base_url": "http://h/v1", "timeout_s": 0}, "timeout_s"),
        (CallerConfig, {"client_id": "", "key_sha256": "0" * 64}, "client_id"),
        (CallerConfig, {"client_id": "a", "key_sha256": "plain"}, "key_sha256"),
        (RoutingConfig, {"default_backend": "a", "holdout_share": 2}, "holdout_share"),
        (RoutingConfig, {"default_backend": "a", "poll_interval_s": 0}, "poll_interval_s"),
        (CaptureConfig, {"batch_limit": 0}, "batch_limit"),
        (CaptureConfig, {"max_delay_ms": -1}, "max_delay_ms"),
        (ServerConfig, {"port": 70_000}, "port"),
        (ServerConfig, {"host": ""}, "host"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[..., Any], members: dict[str, Any], says: str) -> None:
    """The error names the setting that is wrong."""
    with pytest.raises(SettingsError, match=says):
        make(**members)

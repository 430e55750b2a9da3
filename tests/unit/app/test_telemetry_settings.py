"""The table [telemetry], and what it needs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tierwright.app.service import waits_for_restart
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import telemetry_exporter
from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.settings import Settings

TO = '[telemetry]\notlp_endpoint = "http://collector:4318"\n'


def parsed(folder: Path, text: str, **environment: str) -> Settings:
    """Settings of this text."""
    return parse_settings(text.encode(), folder / "tierwright.toml", environment)


@pytest.mark.parametrize("text", ["", "[telemetry]\nsample_ratio = 0.5\n", f"{TO}traces = false\nmetrics = false\n"])
def test_without_an_endpoint_nothing_is_sent(tmp_path: Path, text: str) -> None:
    """Whatever else the table says, and whatever the environment names."""
    settings = parsed(tmp_path, text, OTEL_EXPORTER_OTLP_ENDPOINT="http://elsewhere:4318")
    assert settings.telemetry is None
    assert telemetry_exporter(settings, lambda _: None) is None


def test_headers_are_secrets(tmp_path: Path) -> None:
    """From the environment, from a file, or as they stand; none shows when the settings are printed."""
    (tmp_path / "key").write_text("of-a-file\n", encoding="utf-8")
    text = TO + 'headers = { a = "env:KEY", b = "file:key", c = "plain" }\n'
    telemetry = parsed(tmp_path, text, KEY="of-the-environment").telemetry
    assert telemetry is not None
    revealed = {name: secret.reveal() for name, secret in telemetry.headers.items()}
    assert revealed == {"a": "of-the-environment", "b": "of-a-file", "c": "plain"}
    assert not any(value in repr(telemetry) for value in revealed.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[telemetry]\notlp_endpoint = "collector:4318"\n', "must look like http://collector:4318"),
        ('[telemetry]\notlp_endpoint = "http://a:b@collector"\n', "must hold no password"),
        (f"{TO}sample_ratio = 1.5\n", "sample_ratio must lie between 0 and 1"),
        (f"{TO}interval_s = 0.0\n", "interval_s must be above 0"),
        (f'{TO}service_name = ""\n', "service_name must not be empty"),
        (f'{TO}headers = {{ a = "env:NOWHERE" }}\n', "the header a from the environment variable NOWHERE"),
        (f'{TO}headers = {{ Content-Type = "x" }}\n', "headers must not set"),
        (f"{TO}sample = 1\n", "unknown field `sample`"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, text: str, says: str) -> None:
    """Before anything is sent."""
    with pytest.raises(SettingsError) as found:
        parsed(tmp_path, text)
    assert says in str(found.value)


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    """The gateway does not start without it: the error says what to install, or what to take out."""
    path = tmp_path / "tierwright.toml"
    path.write_text(f'{TO}[[backends]]\nname = "a"\nbase_url = "http://127.0.0.1:9/v1"\n', encoding="utf-8")
    program = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        f"sys.argv = ['tierwright', 'serve', '--config', {str(path)!r}]\n"
        "from tierwright.app.cli.main import run\n"
        "run()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "needs the package opentelemetry" in ran.stderr
    assert "say `pip install 'tierwright[otel]'`, or take the table [telemetry] out" in ran.stderr


def test_a_changed_collector_waits_for_a_restart(tmp_path: Path) -> None:
    """As does the log: both are set up once."""
    after = parsed(tmp_path, f'{TO}[log]\nformat = "json"\n')
    assert waits_for_restart(parsed(tmp_path, ""), after) == ["log", "telemetry"]


def test_nobody_pays_for_an_extra_they_have_not_asked_for() -> None:
    """Neither the command line nor a gateway's modules load OpenTelemetry."""
    program = (
        "import sys, tierwright.app.cli.main, tierwright.app.service, tierwright.app.worker\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""`tierwright init`."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, show
from tierwright.core.errors import SettingsError
from tierwright.core.privacy import DataClass

if TYPE_CHECKING:
    from rich.console import Console

_TEMPLATE = """\
# Tierwright's settings: https://github.com/tierwright/tierwright/blob/main/docs/settings.md
version = 1

[server]
host = "127.0.0.1"
port = 8400

[store]
url = "sqlite:///tierwright.db"     # or postgresql+psycopg://user@host/name, with the extra `postgres`

# The model server your applications use now. Any OpenAI-compatible one will do.
[[backends]]
name = "frontier"
base_url = "{base_url}"
{api_key}

# What this server may see. Promises of a provider need an end and evidence, and open further classes to it:
#   zero_retention = {{ value = true, expires = 2027-06-30, evidence = "contract 12" }}
[backends.privacy]
self_hosted = {self_hosted}
allowed_classes = {allowed}

# What must not reach a third party: docs/privacy.md. Without this table everything may.
[privacy]
default_class = "{data_class}"          # public < internal < confidential < restricted; detectors only raise it
ledger = "ledger"                   # folder of what was decided: keep it, and prove it with `tierwright privacy verify`

# One table for each application. Only the SHA-256 of its key is kept.
[[callers]]
client_id = "{client_id}"
key_sha256 = "{key_sha256}"

[routing]
holdout_share = 0.01                # stays on the frontier model for ever: the yardstick

[economics]
machine_usd_per_hour = "0.10"       # what an hour of the machine that runs the specialists costs
utilisation = 0.3                   # share of that hour in which it really answers
"""
_CLASSES = ", ".join(one.label for one in DataClass)
#: What a server may see, by whether it is the user's own.
_CLASS_LISTS = {
    True: '["public", "internal", "confidential", "restricted"]',
    False: '["public", "internal"]',
}


def init(
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
    base_url: Annotated[str, typer.Option(help="The model server, as an OpenAI client is given it.")] = "",
    api_key_variable: Annotated[
        str, typer.Option(help="The environment variable that holds your key for it; '-' for none.")
    ] = "",
    client_id: Annotated[str, typer.Option(help="The first application's name.")] = "",
    data_class: Annotated[
        str,
        typer.Option(help="The class of requests of which nobody says one: public, internal, ... Default: internal."),
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write a settings file after a few questions."""
    if config.exists():
        raise SettingsError(f"{config} is there already; edit it, or name another file with --config")

    def ask(given: str, question: str, default: str) -> str:
        return given or (default if yes else typer.prompt(question, default=default, err=True))

    url = ask(base_url, "Your model server's base URL", "https://api.openai.com/v1")
    variable = ask(api_key_variable, "Environment variable with your key for it ('-' for none)", "OPENAI_API_KEY")
    client = ask(client_id, "Name of the first application", "app")
    declared = _data_class(ask(data_class, f"Class of requests of which nobody says one ({_CLASSES})", "internal"))
    ours = not yes and typer.confirm("Does that model server run on machines of your own?", default=False, err=True)
    key = f"tw_{secrets.token_urlsafe(32)}"
    text = _TEMPLATE.format(
        base_url=_quoted(url),
        api_key='# api_key = "env:NAME"' if variable == "-" else f'api_key = "env:{_quoted(variable)}"',
        client_id=_quoted(client),
        self_hosted=str(ours).lower(),
        allowed=_CLASS_LISTS[ours],
        data_class=declared,
        key_sha256=hashlib.sha256(key.encode()).hexdigest(),
    )
    _write(config, text)

    def tell(console: Console) -> None:
        console.print(f"{config} is written. The key of {client!r}, shown this once:\n\n    {key}\n")
        console.print("Next: `tierwright serve`, and point the application's base_url at http://127.0.0.1:8400/v1")

    show({"config": config, "client_id": client, "key": key}, as_json=as_json, text=tell)


def _data_class(label: str) -> str:
    try:
        return DataClass.of(label).label
    except ValueError as error:
        raise SettingsError(f"the data class: {error}") from error


def _quoted(text: str) -> str:
    """Text that may stand between quotes in TOML."""
    if any(ord(character) < 32 or character in '"\\' for character in text):
        raise SettingsError(f"{text!r} holds a quote, a backslash or a control character; leave it out")
    return text


def _write(config: Path, text: str) -> None:
    try:
        with config.open("x", encoding="utf-8") as file:
            config.chmod(0o600)
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{config} can't be written: {error.strerror}") from error

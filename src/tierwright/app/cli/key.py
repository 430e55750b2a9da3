"""`tierwright key`."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, class_named, opened, show, table, usd
from tierwright.app.keys import new_key
from tierwright.core.caller import Limits, Period
from tierwright.core.errors import InputError
from tierwright.core.ids import CallerKeyId

if TYPE_CHECKING:
    from datetime import datetime

    from tierwright.core.caller import CallerKey

app = typer.Typer(no_args_is_help=True, help="Who may use the gateway, for what and how much.")
#: Days after which nobody remembers what a key was for.
_MOST_DAYS = 36_500


@app.command()
def create(
    client: Annotated[str, typer.Option(help="The caller's name in captures and ledgers; it may have several keys.")],
    task: Annotated[list[str] | None, typer.Option(help="A task it may ask for; repeat it. Default: any.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model it may ask for, or 'gpt-4o*'; repeat it. Default: any.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests in any minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens in any minute.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Requests under way at the same time.")] = None,
    budget_usd: Annotated[str | None, typer.Option(help="US dollars in one --period.")] = None,
    period: Annotated[Period, typer.Option(help="How long the budget lasts, in UTC.")] = Period.MONTH,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=_MOST_DAYS, help="Days until it is refused. Default: never.")
    ] = None,
    no_content: Annotated[bool, typer.Option("--no-content", help="Keep no request and no answer of it.")] = False,
    data_class: Annotated[
        str | None,
        typer.Option(
            help="The class of all its requests: public, internal, confidential or restricted. Default: none."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, once; the gateway follows within seconds, without a restart."""
    if not client.strip() or not client.isprintable():
        raise InputError("--client is empty or holds what can't be printed; name the application")
    limits = Limits(
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        concurrent_requests=concurrent,
        budget_usd=None if budget_usd is None else _money(budget_usd),
        budget_period=period,
    )
    declared = class_named(data_class)
    with opened(config) as parts:
        at = parts.clock()
        names = tuple(parts.store.task(name).name for name in task or ())
        plain, key = new_key(client, entropy=b"".join(parts.entropy() for _ in range(3)), at=at, limits=limits)
        key = replace(
            key,
            expires_at=None if expires_days is None else at + timedelta(days=expires_days),
            tasks=names or None,
            models=tuple(model) if model else None,
            keep_content=not no_content,
            data_class=declared,
        )
        parts.store.add_key(key)
    show(
        {"key": plain} | _key_json(key, at),
        as_json=as_json,
        # One line of its own and nothing else on it, so that it can be copied.
        text=lambda console: console.print(
            f"The key of {key.client_id}, id {key.id}. It is shown this once and kept as a hash only:\n\n{plain}\n",
            soft_wrap=True,
        ),
    )


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the keys, oldest first; revoked and expired ones too."""
    with opened(config) as parts:
        at = parts.clock()
        found = parts.store.keys()
    columns = (
        "id",
        "client",
        "state",
        "expires",
        "tasks",
        "models",
        ">a minute",
        ">at once",
        ">budget",
        "content",
        "class",
    )
    rows = [
        (
            key.id,
            key.client_id,
            _state(key, at),
            "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}",
            "any" if key.tasks is None else ", ".join(key.tasks),
            "any" if key.models is None else ", ".join(key.models),
            _rates(key.limits),
            key.limits.concurrent_requests or "any",
            _budget(key.limits),
            "kept" if key.keep_content else "not kept",
            "not declared" if key.data_class is None else key.data_class.label,
        )
        for key in found
    ]
    show(
        [_key_json(key, at) for key in found],
        as_json=as_json,
        text=lambda console: table(console, "Keys", columns, rows),
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `key list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Have a key refused from now on; it stays listed."""
    with opened(config) as parts:
        at = parts.clock()
        parts.store.revoke_key(CallerKeyId(key_id), at)
        found = parts.store.keys()
    key = next(key for key in found if key.id == key_id)
    show(
        _key_json(key, at),
        as_json=as_json,
        text=lambda console: console.print(
            f"{key.prefix}… of {key.client_id} is refused since {key.revoked_at:%Y-%m-%d %H:%M:%S}"
        ),
    )


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    # What a gateway counts with ends at 4.6 million dollars.
    if not amount.is_finite() or not 0 < amount <= 4_000_000:
        raise InputError(f"--budget-usd is {text[:40]!r}; give US dollars above 0 and up to 4000000, such as 12.50")
    return amount


def _state(key: CallerKey, at: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= at else "good"


def _rates(limits: Limits) -> str:
    requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
    said = [] if requests is None else [f"{requests:,} requests"]
    return ", ".join(said + ([] if tokens is None else [f"{tokens:,} tokens"])) or "any"


def _budget(limits: Limits) -> str:
    return "any" if limits.budget_usd is None else f"{usd(limits.budget_usd)} a {limits.budget_period.value}"


def _key_json(key: CallerKey, at: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "client_id": key.client_id,
        "prefix": key.prefix,
        "state": _state(key, at),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "tasks": key.tasks,
        "models": key.models,
        "limits": asdict(key.limits),
        "keep_content": key.keep_content,
        "data_class": None if key.data_class is None else key.data_class.label,
    }

"""`tierwright privacy verify`: what was decided about everything that was to leave, checked."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Ticker, show, table
from tierwright.app.verdict_document import verdict_document
from tierwright.core.errors import GateError, InputError, LedgerError, SettingsError
from tierwright.privacy.ledger.keys import PublicKey
from tierwright.privacy.ledger.verdict import End
from tierwright.privacy.ledger.verify import verify as verdict_on

if TYPE_CHECKING:
    from rich.console import Console

    from tierwright.privacy.ledger.verdict import Break, ChainVerdict, Verdict

#: Chains that a table shows; the others are counted.
_SHOWN = 20


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="The ledger, or a copy of it; default: that of the settings file.")
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="The second place of its checkpoints; default: that of the settings file.")
    ] = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(help="A *.public.pem that you kept; repeat it. Default: those beside the checkpoints."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Check the privacy ledger against its hashes, signatures and second place, and name the first break.

    Needs no secret and no Tierwright that runs. Exit code 1: something is not as it was written.
    """
    if folder is None:
        folder, said = _places(config)
        checkpoints = checkpoints or said
    if checkpoints is not None and not checkpoints.is_dir():
        raise LedgerError(f"there are no checkpoints in {checkpoints}: nothing can be held against them")
    keys = [_public_key(path) for path in public_key or ()]
    verdict = verdict_on(folder, checkpoints=checkpoints, public_keys=keys, progress=Ticker("bytes verified"))
    if not verdict.chains and verdict.sound:
        raise LedgerError(f"there is no privacy ledger in {folder}; name its folder, or one that a copy of it is in")
    show(verdict_document(verdict), as_json=as_json, text=lambda console: _write(console, verdict, folder))
    if not verdict.sound:
        raise typer.Exit(GateError.exit_code)


def _places(config: Path) -> tuple[Path, Path | None]:
    """Where the settings keep the ledger and its checkpoints.

    Reads these two alone: who verifies has no need of the secrets that the file refers to.
    """
    try:
        found = tomllib.loads(config.read_text(encoding="utf-8")).get("privacy", {})
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{config} can't be read ({error}); name the ledger's folder, or another --config"
        ) from error
    if not isinstance(found, dict):
        raise SettingsError(f"{config}: privacy must be a table")
    ledger, second = str(found.get("ledger", "ledger")), str(found.get("checkpoints", ""))
    parent = config.resolve().parent
    return parent / ledger, parent / second if second else None


def _public_key(path: Path) -> PublicKey:
    try:
        return PublicKey.parse(path.read_bytes())
    except OSError as error:
        raise InputError(f"--public-key {path} can't be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"--public-key {path}: {error}") from error


def _write(console: Console, verdict: Verdict, folder: Path) -> None:
    columns = ("chain", ">entries", "first", "last", "state", ">signed", ">second place")
    rows = [
        (
            chain.chain,
            f"{chain.entries:,}",
            (chain.first_at or "")[:19],
            (chain.last_at or "")[:19],
            _state(chain),
            f"{chain.signed_seq:,}",
            "-" if chain.second_seq is None else f"{chain.second_seq:,}",
        )
        for chain in verdict.chains[-_SHOWN:]
    ]
    table(console, f"Ledger {folder}", columns, rows)
    if len(verdict.chains) > _SHOWN:
        console.print(f"{len(verdict.chains) - _SHOWN:,} older chains are not shown; --json has them all")
    killed = sum(chain.end is End.KILLED for chain in verdict.chains)
    if killed:
        console.print(
            f"Chains that were not closed, as their processes were killed: {killed:,}. What such a chain has beyond "
            "its last signed entry nobody could miss, if it was cut off at the end."
        )
    unsigned = sum(chain.signed_seq == 0 for chain in verdict.chains)
    if unsigned:
        console.print(f"Chains without any checkpoint: {unsigned:,}. Anybody could have written them.")
    alone = sum(chain.second_seq == 0 for chain in verdict.chains)
    if alone:
        console.print(
            f"Chains without a checkpoint in the second place: {alone:,}. Nothing outside of the ledger vouches for "
            "them."
        )
    for one in verdict.breaks:
        console.print(f"BROKEN {_place(one)}: {one.what}; {one.why}")
    if verdict.sound:
        chains = "1 chain" if len(verdict.chains) == 1 else f"{len(verdict.chains):,} chains"
        console.print(f"sound: {verdict.entries:,} entries in {chains} are as they were written")
    for key in verdict.keys:
        console.print(f"held against the public key {key}; compare it with the one you noted")


def _state(chain: ChainVerdict) -> str:
    if chain.broken is not None:
        return "broken"
    return f"{chain.end.value}, torn" if chain.torn else chain.end.value


def _place(one: Break) -> str:
    line = "" if one.line is None else f", line {one.line:,}"
    seq = "" if one.seq is None else f", entry {one.seq:,}"
    return f"{one.file}{line}{seq}"

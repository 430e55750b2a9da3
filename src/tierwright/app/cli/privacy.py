"""`tierwright privacy`: what may leave, what has left, and what is kept of a person."""

from __future__ import annotations

import typer

from tierwright.app.cli.privacy_check import check
from tierwright.app.cli.privacy_erase import erase, rotate_key
from tierwright.app.cli.privacy_verify import verify

app = typer.Typer(no_args_is_help=True, help="What may leave, what has left, and the evidence.")
app.command()(check)
app.command()(verify)
app.command()(erase)
app.command("rotate-key")(rotate_key)

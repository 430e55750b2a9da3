"""`tierwright privacy`."""

from __future__ import annotations

import typer

from tierwright.app.cli.privacy_check import check
from tierwright.app.cli.privacy_erase import erase, rotate_key

app = typer.Typer(no_args_is_help=True, help="What may leave, and what shows it.")
app.command()(check)
app.command()(erase)
app.command("rotate-key")(rotate_key)

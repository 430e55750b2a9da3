"""The option `--html` of reports.

Owns writing the page; what is on it is `app.html`'s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierwright.app.cli.output import plain_json, say, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Also write it as one HTML file with charts, for offline reading and printing."
    ),
]


def write_html(path: Path, document: Mapping[str, Any], page: Callable[[Mapping[str, Any]], str]) -> None:
    """Writes a document as a page, in the JSON form that `--json` prints; raises InputError where it can't."""
    text = page(json.loads(plain_json(document)))
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise unwritable(path, error, then="the report itself is done") from error
    say(f"wrote {path}")

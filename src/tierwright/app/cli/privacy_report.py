"""`tierwright report privacy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierwright.app.cli.html_option import HtmlOption, write_html
from tierwright.app.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, Stages, opened, show, table
from tierwright.app.cli.period import SinceOption, UntilOption, day

if TYPE_CHECKING:
    from rich.console import Console


def privacy(
    since: SinceOption = None,
    until: UntilOption = None,
    html: HtmlOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """For an auditor: which data went where under which permits, what was blocked, and what shows it."""
    from tierwright.app.html.privacy_page import privacy_page  # noqa: PLC0415 - `--help` must not wait
    from tierwright.app.privacy_evidence import gathered  # noqa: PLC0415 - as above
    from tierwright.app.privacy_report import privacy_document  # noqa: PLC0415 - as above

    with opened(config) as parts:
        document = privacy_document(gathered(parts, since=day(since), until=day(until), progress=Stages()))
    if html is not None:
        write_html(html, document, privacy_page)
    show(document, as_json=as_json, text=lambda console: _tell(console, document))


def _tell(console: Console, document: dict[str, Any]) -> None:
    """The report for people: what is wrong first, in red."""
    from tierwright.app.privacy_sections import privacy_sections  # noqa: PLC0415 - as above

    for warning in document["warnings"]:
        console.print(f"Attention: {warning}", style="bold red")
    for section in privacy_sections(document):
        console.print(f"\n{section.title}", style="bold")
        for line in section.lines:
            console.print(line)
        if section.rows:
            table(console, "", section.columns, section.rows)

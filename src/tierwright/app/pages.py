"""A report's sections as text and as one HTML file that needs no other.

Owns the two forms; refuses to know what is reported.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tierwright.app.html.page import page, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.evals.dossier import Section


def page_text(title: str, sections: Sequence[Section]) -> str:
    """The page as text, tables in columns."""
    parts = [title, "=" * len(title)]
    for section in sections:
        parts += ["", section.title, "-" * len(section.title), *section.lines]
        if section.rows:
            parts += _text_table(section)
    return "\n".join(parts)


def page_html(title: str, sections: Sequence[Section]) -> str:
    """The page as one HTML file: its style is in it, there is no script, and nothing is fetched."""
    return page(title, "", "".join(section_html(section) for section in sections))


def section_html(section: Section) -> str:
    """A section of a page: its title, its lines, its table."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    rows = table(section.columns, section.rows) if section.rows else ""
    return f"<h2>{escape(section.title)}</h2>{lines}{rows}\n"


def _text_table(section: Section) -> list[str]:
    names = [name.removeprefix(">") for name in section.columns]
    widths = [max(len(row[at]) for row in [tuple(names), *section.rows]) for at in range(len(names))]
    return [
        "  ".join(
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for cell, width, name in zip(row, widths, section.columns, strict=True)
        ).rstrip()
        for row in [tuple(names), *section.rows]
    ]

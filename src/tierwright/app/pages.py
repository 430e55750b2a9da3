"""A report's sections as text and as one HTML file that needs no other.

Owns the two forms; refuses to know what is reported.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.evals.dossier import Section

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.4rem;margin:0 0 1rem}h2{font-size:1rem;margin:1.2rem 0 .3rem;border-bottom:1px solid #ccc}
p{margin:.25rem 0}table{border-collapse:collapse;width:100%;font-size:.92em}
th,td{text-align:left;padding:.15rem .6rem .15rem 0;vertical-align:top}th{color:#666;font-weight:normal}
.r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
@media print{body{margin:0;max-width:none}}
"""


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
    body = "".join(_html_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
    )


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


def _html_section(section: Section) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    if not section.rows:
        return f"<h2>{escape(section.title)}</h2>{lines}\n"
    classes = [' class="r"' if name.startswith(">") else "" for name in section.columns]
    head = "".join(
        f"<th{kind}>{escape(name.removeprefix('>'))}</th>" for name, kind in zip(section.columns, classes, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)) + "</tr>"
        for row in section.rows
    )
    return f"<h2>{escape(section.title)}</h2>{lines}<table><tr>{head}</tr>{rows}</table>\n"

"""The privacy report as a page, from the document of `report privacy --json`.

Owns what stands out and the charts; the words of the sections are those of `app.privacy_sections`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tierwright.app.html.charts import Bar, bars
from tierwright.app.html.page import facts, number, page
from tierwright.app.pages import section_html
from tierwright.app.privacy_sections import privacy_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Document = Mapping[str, Any]

#: Bars that a chart shows at most; the tables have all.
_CHARTED = 20


def privacy_page(document: _Document) -> str:
    """The page: first what is wrong, then where what went."""
    counts, period = document["decisions"], document["period"]
    body = "".join(f'<p class="bad"><strong>Attention:</strong> {escape(line)}</p>\n' for line in document["warnings"])
    body += facts(
        [
            ("attempts permitted", number(counts["permits"])),
            ("attempts denied", number(counts["denials"])),
            ("above the declared class", number(counts["raised"])),
            ("with parts nobody could read", number(counts["unread"])),
            ("requests pseudonymised", number(counts["pseudonymised"])),
            ("erasures", number(len(document["erasures"]))),
            ("ledger", _verdict(document["ledger"])),
        ]
    )
    body += _charts(document)
    body += "".join(section_html(section) for section in privacy_sections(document))
    since, until = (period[end][:10] if period[end] else "-" for end in ("since", "until"))
    made = period["made_at"][:16].replace("T", " ")
    return page("Privacy report", f"From {since} until {until}, made on {made} UTC.", body)


def _charts(document: _Document) -> str:
    sent = [_bar(f"{row['class']} → {row['backend']}", row["permits"]) for row in document["classes"]]
    kept = [_bar(f"{row['class']}: {row['reason']}", row["count"]) for row in document["blocked"]]
    return _chart("Attempts permitted, by class and backend", sent) + _chart("Attempts blocked, by reason", kept)


def _chart(title: str, rows: Sequence[Bar]) -> str:
    if not rows:
        return ""
    shown = sorted(rows, key=lambda row: -row.value)[:_CHARTED]
    return f"<h2>{escape(title)}</h2>\n{bars(title, shown)}\n"


def _bar(label: str, count: int) -> Bar:
    return Bar(label=label, value=count, shown=number(count))


def _verdict(ledger: _Document | None) -> str:
    if ledger is None:
        return "none"
    return "sound" if ledger["sound"] else "broken"

"""The frame of a report's page and the pieces it is put together from.

Owns markup, style and how a number is read; refuses to know what is reported.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: US dollars from which cents don't matter, and from which nothing finer does.
_WHOLE_FROM, _CENTS_FROM = 1000, 0.1

_STYLE = """
:root{--ink:#1d2330;--soft:#667085;--rule:#d7dbe2;--fill:#f4f6f9;--a:#2457a6;--b:#b4520a;--c:#2f7d4f;--d:#7a3d96;
--bad:#b3261e;color-scheme:light}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa4b5;--rule:#3a4252;--fill:#202632;
--a:#7fb0ff;--b:#f0a060;--c:#7fd0a0;--d:#cf9cec;--bad:#ff8a80;color-scheme:dark}body{background:#161b24}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:var(--ink)}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2rem 0 .4rem;padding-bottom:.2rem;
border-bottom:1px solid var(--rule)}h3{font-size:1rem;margin:1.4rem 0 .3rem}p{margin:.35rem 0;max-width:46rem}
.soft{color:var(--soft)}.bad{color:var(--bad);border-left:4px solid;padding-left:.6rem}
table{border-collapse:collapse;width:100%;font-size:.9em}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;vertical-align:top;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:500}.r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.6rem;margin:.8rem 0}
.facts div{background:var(--fill);border-radius:6px;padding:.5rem .7rem}.facts b{display:block;font-size:1.15rem}
.facts span{color:var(--soft);font-size:.85em}.pair{display:flex;flex-wrap:wrap;gap:1rem 2rem}.pair>div{flex:1 1 18rem}
.tag{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:0 .4em;font-size:.85em}
.specialise{color:var(--a)}.keep{color:var(--soft)}.cache,.prompt,.retrieve,.smaller-model{color:var(--b)}
svg{width:100%;height:auto;display:block;margin:.4rem 0}svg text{font:13px system-ui,sans-serif;fill:var(--ink)}
svg .small{font-size:11px;fill:var(--soft)}.bar{fill:var(--a)}.whisker{stroke:var(--ink);fill:none}
.axis{stroke:var(--rule);fill:none}.line{fill:none;stroke-width:2}ul{margin:.3rem 0;padding-left:1.2rem}
.wide{overflow-x:auto}
@media print{body{margin:0;max-width:none;font-size:11px}.task{break-inside:avoid}h2,h3{break-after:avoid}
svg{max-height:9cm}.facts div{border:1px solid var(--rule)}}
"""


def page(title: str, about: str, body: str) -> str:
    """One HTML file: its style is in it, there is no script, and nothing is fetched; `about` may be empty."""
    below = f'<p class="soft">{escape(about)}</p>' if about else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>{below}\n{body}</body></html>\n"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; columns whose name begins with `>` are aligned to the right."""
    kinds = [' class="r"' if name.startswith(">") else "" for name in columns]
    head = "".join(
        f"<th{kind}>{escape(name.removeprefix('>'))}</th>" for name, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Figures that stand out, each over its name; an interval in brackets behind one stands out less."""
    return f'<div class="facts">{"".join(_fact(name, figure) for name, figure in pairs)}</div>\n'


def _fact(name: str, figure: str) -> str:
    value, bracket, interval = figure.partition(" (")
    shown = f"<b>{escape(value)}</b>" + (f"<span>({escape(interval)}</span><br>" if bracket else "")
    return f"<div>{shown}<span>{escape(name)}</span></div>"


def listing(lines: Sequence[str]) -> str:
    """Lines with a dot before each."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>\n" if lines else ""


def number(value: float | None, *, digits: int = 0) -> str:
    """A count or a figure."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def dollars(value: float | None) -> str:
    """An amount of US dollars with the digits it needs."""
    if value is None or not math.isfinite(value):
        return "unknown"
    digits = 0 if abs(value) >= _WHOLE_FROM else 2 if abs(value) >= _CENTS_FROM or not value else 4
    return f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None or not math.isfinite(value) else f"{100 * value:.1f} %"


def spread(estimate: Mapping[str, Any] | None, shown: Callable[[float], str] = number) -> str:
    """An estimate of a document with its interval, an end of which may be open; `shown` writes one number."""
    if estimate is None:
        return "-"
    low, high = ("no end" if estimate[end] is None else shown(estimate[end]) for end in ("ci_low", "ci_high"))
    return f"{shown(estimate['value'])} ({low} to {high})"

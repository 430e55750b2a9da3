"""Charts as SVG inside a page: they need no script, print as they look, and say their figures to a screen reader.

Owns how numbers become marks; refuses to know what the numbers mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Width of a chart in units of its own; the page scales it.
_WIDTH = 720
_ROW, _LABEL, _VALUE = 24, 190, 130
#: Letters of a label beside a bar at most.
_LABEL_LETTERS = 25
#: Room that a label under a column takes.
_LABEL_WIDTH = 34
#: Lines that a chart draws apart: colour variables of the page, and dashes for who sees no colours.
_STROKES = (("--a", ""), ("--b", "6 3"), ("--c", "2 3"), ("--d", "8 3 2 3"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, with its interval where there is one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    #: The value as it is read.
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: (x, y) by ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from 0, each with its value and, as a whisker, its interval."""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None and math.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0
    plot = _WIDTH - _LABEL - _VALUE

    def x(value: float) -> float:
        return _LABEL + plot * (min(max(value, low), high) - low) / span

    marks: list[str] = []
    for at, row in enumerate(rows):
        y = at * _ROW
        left, right = sorted((x(0), x(row.value)))
        marks.append(
            f'<text x="{_LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(_short(row.label, _LABEL_LETTERS))}</text>'
            f'<rect class="bar" x="{left:.1f}" y="{y + 5}" width="{max(right - left, 1):.1f}" height="14"/>'
        )
        if row.low is not None and row.high is not None:
            a, b = x(row.low), x(row.high)
            marks.append(f'<path class="whisker" d="M{a:.1f} {y + 12}H{b:.1f}M{a:.1f} {y + 8}v8M{b:.1f} {y + 8}v8"/>')
        marks.append(f'<text x="{_WIDTH - _VALUE + 8}" y="{y + 16}">{escape(row.shown)}</text>')
    marks.append(f'<path class="axis" d="M{x(0):.1f} 0V{len(rows) * _ROW}"/>')
    return _svg(title, "".join(marks), height=max(len(rows), 1) * _ROW)


def columns(title: str, values: Sequence[float], labels: Sequence[str], *, width: int = 340, height: int = 90) -> str:
    """Upright columns from 0 for counts over time; a label stands under each that has one."""
    most = max(values, default=0.0) or 1.0
    step = width / max(len(values), 1)
    marks: list[str] = []
    every = math.ceil(len(labels) * _LABEL_WIDTH / width) or 1
    for at, (value, label) in enumerate(zip(values, labels, strict=True)):
        tall = (height - 20) * value / most
        marks.append(
            f'<rect class="bar" x="{at * step + step * 0.1:.1f}" y="{height - 16 - tall:.1f}" '
            f'width="{step * 0.8:.1f}" height="{tall:.1f}"><title>{escape(label)}: {value:,.4g}</title></rect>'
        )
        if at % every == 0:
            marks.append(_small(at * step + step / 2, height - 3, label, "middle"))
    return _svg(title, "".join(marks), width=width, height=height)


def lines(
    title: str, series: Sequence[Line], *, x_shown: Callable[[float], str], y_shown: Callable[[float], str]
) -> str:
    """Lines over two logarithmic axes; points that are not above 0 on both are left out."""
    drawn = [
        Line(name=one.name, points=[(x, y) for x, y in one.points if x > 0 and y > 0 and math.isfinite(y)])
        for one in series
    ]
    drawn = [one for one in drawn if one.points]
    if not drawn:
        return ""
    height, left, bottom, right, top = 300, 90, 30, 40, 10
    across = _Scale([x for one in drawn for x, _ in one.points], left, _WIDTH - right)
    upwards = _Scale([y for one in drawn for _, y in one.points], height - bottom, top)
    marks = [f'<path class="axis" d="M{left} {top}V{height - bottom}H{_WIDTH - right}"/>']
    marks += [_small(left - 6, upwards(y) + 4, y_shown(y), "end") for y in upwards.powers]
    marks += [_small(across(x), height - 8, x_shown(x), "middle") for x in across.powers]
    for at, one in enumerate(drawn):
        colour, dashes = _STROKES[at % len(_STROKES)]
        stroke = f'class="line" style="stroke:var({colour})" stroke-dasharray="{dashes}"'
        path = "L".join(f"{across(x):.1f} {upwards(y):.1f}" for x, y in one.points)
        marks.append(
            f'<path {stroke} d="M{path}"/><path {stroke} d="M{left + 14} {24 + 18 * at}h34"/>'
            f'<text x="{left + 56}" y="{28 + 18 * at}">{escape(one.name)}</text>'
        )
    return _svg(title, "".join(marks), height=height)


class _Scale:
    """A logarithmic axis from the power of ten below the values to the one above, between two places."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self._high = max(high, self._low + 1)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + (self._end - self._start) * part

    @property
    def powers(self) -> list[float]:
        """The powers of ten on the axis."""
        return [10.0**exponent for exponent in range(self._low, self._high + 1)]


def _small(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, marks: str, *, width: int = _WIDTH, height: float) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:g}" role="img" style="max-width:{width}px">'
        f"<title>{escape(title)}</title>{marks}</svg>"
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

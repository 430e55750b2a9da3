"""Pages say what their documents say, need nothing from outside and let nobody's words become markup."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.app.html.documents import a_breakeven_document, a_savings_document, an_audit, an_audited_task
from tests.unit.app.privacy_evidence import some_evidence
from tierwright.app.html.audit_page import audit_page
from tierwright.app.html.charts import Bar, Line, bars, columns, lines
from tierwright.app.html.money_pages import breakeven_page, savings_page
from tierwright.app.html.privacy_page import privacy_page
from tierwright.app.privacy_report import privacy_document

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [
    pytest.param(audit_page(an_audit()), id="audit"),
    pytest.param(savings_page(a_savings_document()), id="savings"),
    pytest.param(breakeven_page(a_breakeven_document()), id="breakeven"),
    pytest.param(privacy_page(privacy_document(some_evidence())), id="privacy"),
]
#: Elements that have no end.
_VOID = frozenset({"meta", "br", "hr", "img", "link"})


class Balance(HTMLParser):
    """Fails where an element is closed that is not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """An element begins."""
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An element that is empty."""

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("text", PAGES)
def test_markup_is_balanced_and_fetches_nothing(text: str) -> None:
    """Every element is closed, and nothing is named that a browser would load or run."""
    parser = Balance()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import|https?://", text)


@pytest.mark.parametrize("text", PAGES)
def test_no_number_is_unreadable(text: str) -> None:
    """No infinity, no NaN, no empty cell for a missing one."""
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_audit_says_what_the_document_says() -> None:
    """Names, recommendations, reasons, savings with their intervals, and what was left out."""
    text = audit_page(an_audit())
    for said in (
        "ticket-intent",
        "legal-summary",
        "Train a model of its own",
        "Leave it where it is",
        "skill 0.85",
        "$301.00 ($120.00 to $390.00)",
        "10,146",
        "no two alike",
        "Left out: 4 (no content).",
    ):
        assert said in text
    assert "no text answer" not in text


def test_audit_without_scores_has_a_page() -> None:
    """An audit that only counted: no recommendation, no chart of savings, and no error."""
    kept = ("id", "name", "contract", "requests", "share", "monthly_requests", "monthly_cost_usd", "prompt_versions")
    task = {name: value for name, value in an_audited_task(monthly_cost_usd=None).items() if name in kept}
    task |= {"distinct_outputs": 5, "latency_ms": None}
    text = audit_page(an_audit(tasks=[task], long_tail=None, refused=None))
    assert "unpriced" in text
    assert "saves" in text
    assert 'class="tag' not in text


def test_words_of_people_are_no_markup() -> None:
    """A task's name is a person's own: brackets in it are shown."""
    name = '<b onclick="x">&'
    for text in (
        audit_page(an_audit(tasks=[an_audited_task(name=name, reasons=[name], recommendation="keep")])),
        savings_page(a_savings_document(tasks=[a_savings_document()["tasks"][0] | {"task": name}])),
        breakeven_page(a_breakeven_document(scenario=name)),
    ):
        assert "<b onclick" not in text
        assert "&lt;b onclick=&quot;x&quot;&gt;&amp;" in text


def test_privacy_says_where_what_went_and_draws_it() -> None:
    """A chart by class and backend, one by reason, and a name with brackets that stays a name."""
    document = privacy_document(some_evidence(warnings=["<b>broken</b>"], task_names={"task_1": "<i>triage"}))
    text = privacy_page(document)
    assert "&lt;b&gt;broken" in text
    assert "&lt;i&gt;triage" in text
    for said in ("restricted → frontier", "baa expired 2026-03-11", "models to retrain", "mv_2"):
        assert said in text
    assert text.count("<svg") == 2


def test_breakeven_that_never_comes() -> None:
    """No break-even and no payback are said in words."""
    text = breakeven_page(a_breakeven_document(break_even_calls=None, payback_months=None))
    assert text.count("never") == 2


def test_intervals_without_an_end_are_said() -> None:
    """A break-even that many draws never reach has no upper end, and the page of it no error."""
    open_end = a_breakeven_document()["break_even_calls"] | {"ci_high": None}
    assert "1,350,000 to no end" in breakeven_page(a_breakeven_document(break_even_calls=open_end))


def test_savings_name_what_has_no_price() -> None:
    """What is left out of the figures is said with its count; deductions that are unknown are not listed."""
    text = savings_page(a_savings_document())
    assert "3 requests and 0 calls have no known price" in text
    assert "<td>shadow</td>" in text
    assert "<td>training</td>" not in text


def test_bars_reach_their_values() -> None:
    """A bar twice as large is twice as long; a loss goes to the other side of the axis."""
    text = bars("t", [Bar(label=str(v), value=v, shown=str(v)) for v in (10.0, 20.0, -20.0)])
    starts, widths = zip(*_rects(text), strict=True)
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert starts[2] + widths[2] == pytest.approx(starts[0], rel=0.01)


def test_whiskers_end_at_the_interval() -> None:
    """An interval up to the largest end of all reaches the right end of the plot, from where the bar's half is."""
    text = bars("t", [Bar(label="a", value=10.0, low=5.0, high=20.0, shown="10")])
    (start, width), found = _rects(text)[0], re.search(r'whisker" d="M([\d.]+) \d+H([\d.]+)', text)
    assert found is not None
    assert float(found[1]) == pytest.approx(start + width / 2, abs=0.2)
    assert float(found[2]) == pytest.approx(start + 2 * width, abs=0.2)


def test_charts_of_nothing() -> None:
    """Empty, constant and infinite figures make a chart or none, and never an error."""
    assert "<svg" in bars("t", [])
    assert "<svg" in columns("t", [0.0, 0.0], ["a", "b"])
    assert lines("t", [Line(name="a", points=[(0.0, 1.0)])], x_shown=str, y_shown=str) == ""
    assert "nan" not in lines("t", [Line(name="a", points=[(10.0, 0.0)])], x_shown=str, y_shown=str)
    assert "inf" not in bars("t", [Bar(label="a", value=1.0, low=0.5, high=float("inf"), shown="1")])


def _rects(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(w)) for x, w in re.findall(r'class="bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', text)]


@pytest.mark.slow
@pytest.mark.parametrize("text", PAGES)
def test_a_browser_draws_the_page_and_says_nothing(text: str, tmp_path: Path) -> None:
    """Headless Chromium prints the page to a file; what it logs of the page is nothing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here: install Debian's package chromium to run this")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    flags: list[Any] = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--no-pdf-header-footer"),
        *(f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"),
    ]
    ran = subprocess.run(
        [browser, *flags, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
    assert "CONSOLE" not in ran.stderr, ran.stderr

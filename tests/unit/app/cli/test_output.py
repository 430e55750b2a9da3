"""Tests of what every command shows."""

from __future__ import annotations

import errno
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from tests.fakes import an_estimate
from tierwright.app.cli.output import Stages, Ticker, estimate_json, percent, show, table, unwritable, usd
from tierwright.core.deployment import Stage


def drawn(columns: tuple[str, ...], rows: list[tuple[object, ...]], *, width: int = 80, title: str = "Title") -> str:
    """A table as text."""
    page = io.StringIO()
    table(Console(file=page, width=width, highlight=False, markup=False, emoji=False), title, columns, rows)
    return page.getvalue()


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """The document goes to standard output, whole and alone; text is not made."""
    document = {
        "estimate": an_estimate(0.9),
        "usd": Decimal("0.25"),
        "at": datetime(2025, 9, 1, tzinfo=UTC),
        "stage": Stage.LIVE,
        "path": Path("a/b"),
        "name": "größer",
        "nothing": None,
    }
    show(document, as_json=True, text=lambda _: pytest.fail("text was made"))
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found.pop("estimate")["value"] == 0.9
    assert found == {
        "usd": 0.25,
        "at": "2025-09-01T00:00:00+00:00",
        "stage": "live",
        "path": "a/b",
        "name": "größer",
        "nothing": None,
    }
    assert "größer" in said.out
    assert said.err == ""


def test_values_without_a_json_form_are_refused() -> None:
    """A document with an object nobody thought of is an error, not a repr."""
    with pytest.raises(TypeError, match="object"):
        show({"it": object()}, as_json=True, text=lambda _: None)


def test_text_says_words_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons in what people wrote are neither markup nor emoji."""
    words = "ann[/b] said [red]why[/red] :smile:"
    show({}, as_json=False, text=lambda console: console.print(words))
    assert capsys.readouterr().out == f"{words}\n"


def test_table_aligns_and_leaves_nothing_out() -> None:
    """Columns marked `>` are aligned to the right, None is an empty cell, long and bracketed words are kept whole."""
    text = drawn(("name", ">count"), [("a", 5), ("b[/x]", 12_345), (None, "")])
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "Title"
    assert {len(line) for line in lines if line[-1:].isdigit()} == {len(lines[1])}
    assert "b[/x]" in text
    assert "None" not in text
    narrow = drawn(("name", "id"), [("a" * 30, "b" * 30)], width=40)
    assert (narrow.count("a"), narrow.count("b")) == (30 + "name".count("a"), 30)


def test_estimates_as_json() -> None:
    """Value, interval, size, level and method; None stays None."""
    found = estimate_json(an_estimate(0.5, n=7, level=0.9))
    assert found is not None
    assert set(found) == {"value", "ci_low", "ci_high", "n", "level", "method"}
    assert (found["value"], found["n"], found["level"]) == (0.5, 7, 0.9)
    assert found["ci_low"] < 0.5 < found["ci_high"]
    assert estimate_json(None) is None


def test_shares_for_people() -> None:
    """Percent with one decimal and the interval; a dash where nothing was measured."""
    assert percent(an_estimate(0.9054, ci_low=0.88, ci_high=0.93)) == "90.5 % (88.0 to 93.0)"
    assert percent(None) == "-"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unpriced"),
        (Decimal(0), "$0.00"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.02"), "$0.0200"),
        (Decimal("0.0000123"), "$0.0000123"),
        (Decimal("-2.5"), "$-2.50"),
        (Decimal("-0.02"), "$-0.0200"),
    ],
)
def test_amounts_for_people(amount: Decimal | None, text: str) -> None:
    """As many digits as the amount needs to be told from nothing; an unknown price is no zero."""
    assert usd(amount) == text


def test_files_that_cannot_be_written() -> None:
    """A full disk is a missing service, a wrong path wrong usage; both name the file and what was kept."""
    full = unwritable(Path("out.tsv"), OSError(errno.ENOSPC, "No space left on device"), then="all is kept")
    wrong = unwritable(Path("out.tsv"), OSError(errno.EACCES, "Permission denied"), then="all is kept")
    assert (full.exit_code, wrong.exit_code) == (3, 2)
    assert all("out.tsv" in str(error) and "all is kept" in str(error) for error in (full, wrong))
    assert "Permission denied" in str(wrong)


def test_progress_is_quiet_at_first_and_then_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    """What ends within two seconds says nothing in a log; what lasts says a line every five seconds and at the end."""
    now = 0.0
    quick = Ticker("reading", timer=lambda: now)
    for now in (0.5, 1.0, 1.9):
        quick(int(now * 10), 20)
    quick(20, 20)
    assert capsys.readouterr().err == ""
    now = 0.0
    slow = Ticker("reading", timer=lambda: now)
    for now in (float(second) for second in range(1, 13)):
        slow(int(now), 12)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading: 5 of 12, 7 s left", "reading: 10 of 12, 2 s left", "reading: 12 of 12, 0 s left"]


def test_progress_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A total of zero, or nothing done yet, is no division by zero."""
    now = 0.0
    ticker = Ticker("reading", timer=lambda: now)
    now = 10.0
    ticker(0, 5)
    now = 20.0
    ticker(0, 0)
    assert capsys.readouterr().err.splitlines() == ["reading: 0 of 5, 0 s left", "reading: 0 of 0, 0 s left"]


def test_stages_are_shown_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    """A stage that is counted says how long it still takes; one that is not says that it began."""
    now = [0.0]
    stages = Stages(timer=lambda: now[0])
    stages("reading", 0, 100)
    now[0] = 10.0
    stages("reading", 50, 100)
    stages("looking", 0, None)
    stages("looking", 0, None)
    stages("assigning", 0, 10)
    now[0] = 20.0
    stages("assigning", 5, 10)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 50 of 100, 10 s left",
        "looking",
        "assigning: 5 of 10, 10 s left",
    ]

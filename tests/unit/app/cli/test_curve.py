"""What `tierwright model curve` shows."""

from __future__ import annotations

import io
import json

import numpy as np
from rich.console import Console

from tierwright.app.cli.curve import curve_json, curve_text
from tierwright.stats.learning_curve import LearningCurve, Repeat, fit_learning_curve

SIZES = [50, 100, 200, 400, 800, 1600]


def a_curve() -> LearningCurve:
    """A curve that rises to about 90 %."""
    generator = np.random.default_rng(1)
    easy = generator.random(3000)
    right = np.stack([(easy < 0.95 - 2.0 * size**-0.5).astype(float) for size in SIZES])
    return fit_learning_curve(SIZES, [Repeat(right=right, groups=list(range(3000)))], generator, resamples=100)


def test_document_has_points_law_and_need() -> None:
    """All that is drawn is in the document, as JSON; without a goal there is no need."""
    curve = a_curve()
    document = json.loads(
        json.dumps(curve_json(curve, curve.need(0.5), task="t", dataset="d", available=2000), default=str)
    )
    assert [point["examples"] for point in document["points"]] == SIZES
    assert document["need"]["outlook"] == "reached"
    assert document["limit"] == curve.limit
    assert set(document["law"]) == {"asymptote", "drop", "exponent"}
    assert curve_json(curve, None, task="t", dataset="d", available=2000)["need"] is None


def test_table_marks_what_is_foretold() -> None:
    """Measured sizes and foretold ones stand apart, and the need is said in words."""
    page = io.StringIO()
    curve = a_curve()
    curve_text(Console(file=page, width=120), curve, curve.need(0.5), "ticket-intent")
    lines = page.getvalue().splitlines()
    assert any("3,200" in line and "foretold" in line for line in lines)
    assert any("1,600" in line and "foretold" not in line for line in lines)
    assert "is reached" in page.getvalue()


def test_missing_goal_is_said() -> None:
    """Without a goal the table says how to get one."""
    page = io.StringIO()
    curve_text(Console(file=page, width=120), a_curve(), None, "ticket-intent")
    assert "--goal" in page.getvalue()

"""`tierwright eval plan`, `run`, `report`, `bundle` and `verify`, as a person or a program meets them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import Cli
from tests.integration.experiments_under_test import SETTINGS, TASK, opened, some_examples, trained

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command line in a folder with a dataset and a specialist."""
    folder: Path = tmp_path_factory.mktemp("experiment")
    (folder / "tierwright.toml").write_text(SETTINGS, encoding="utf-8")
    with opened(folder) as parts:
        trained(parts, some_examples())
    return Cli(folder)


def test_plan_run_report_bundle_verify(ready: Cli) -> None:
    """What is registered is evaluated once, reported on one page, bundled, and checked without the store."""
    planned = ready("eval", "plan", TASK, "--margin", "0.02", "--slice", "label", "--json")
    assert planned.code == 0, planned.err
    plan = planned.document
    odds = plan["candidates"][0]["plan"]["odds"]
    assert sum(one["value"] for one in odds.values()) == pytest.approx(1)
    assert "come out undecided" in plan["summary"]
    assert (plan["margin"], plan["implicit"], plan["evaluations_on_these_examples"]) == (0.02, False, 0)
    wrong = ready("eval", "run", "--experiment", plan["id"], "--margin", "0.05")
    assert (wrong.code, "registered the margin 0.02" in wrong.err) == (2, True)
    ran = ready("eval", "run", "--experiment", plan["id"], "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert (found["experiment"]["id"], found["experiment"]["look"], found["margin"]) == (plan["id"], 1, 0.02)
    assert len(found["slices"]) == 3
    again = ready("eval", "run", "--experiment", plan["id"])
    assert (again.code, "A second look is a new experiment" in again.err) == (1, True)
    listed = ready("eval", "experiments", "--json").document
    assert [(one["id"], one["verdicts"]) for one in listed] == [(plan["id"], [found["verdict"]])]

    report = ready("eval", "report", found["id"], "--html", "page.html")
    assert report.code == 0, report.err
    assert "What would change the verdict" in report.out
    html = (ready.folder / "page.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert not re.search(r"<script|https?://|src=", html)

    bundled = ready("eval", "bundle", found["id"], "--output", "evidence.zip", "--json")
    assert bundled.code == 0, bundled.err
    elsewhere = Cli(ready.folder / "elsewhere")
    elsewhere.folder.mkdir()
    checked = elsewhere("eval", "verify", "../evidence.zip", "--json")
    assert (checked.code, checked.document["agrees"], checked.document["id"]) == (0, True, bundled.document["id"])
    assert checked.document["verdict_recomputed"] == found["verdict"]


def test_a_tampered_bundle_is_found(ready: Cli) -> None:
    """One outcome changed: exit code 1, and the file is named."""
    evaluation = ready("eval", "run", TASK, "--json").document["id"]
    assert ready("eval", "bundle", evaluation, "--output", "evidence").code == 0
    outcomes = ready.folder / "evidence" / "outcomes.jsonl"
    first, *rest = outcomes.read_text().splitlines()
    changed = json.loads(first) | {"baseline": [0.0]}
    outcomes.write_text("\n".join([json.dumps(changed), *rest]))
    checked = ready("eval", "verify", "evidence")
    assert checked.code == 1
    assert "outcomes.jsonl was changed" in checked.out


def test_what_the_program_can_not_do_is_said(ready: Cli) -> None:
    """No version and no experiment, an unknown one, more labels than there are: a message each, no traceback."""
    for arguments, code, said in (
        (("eval", "run"), 2, "eval plan"),
        (("eval", "run", "--experiment", "nothing"), 2, "no experiment 'nothing'"),
        (("eval", "plan", TASK, "--labels", "900"), 1, "700 are missing"),
        (("eval", "report", "nothing"), 2, "no evaluation 'nothing'"),
        (("eval", "verify", "nothing.zip"), 2, "there is no nothing.zip"),
    ):
        ran = ready(*arguments)
        assert (ran.code, said in ran.err) == (code, True), ran.err
        assert "Traceback" not in ran.err

"""Bring your own predictions: `eval compare` and `eval suite` on files alone, without a gateway or a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_cli_errors import refused
from tests.answers import LABELS, ticket_files, write_table

if TYPE_CHECKING:
    from tests.acceptance.conftest import Cli

#: What an estimate is as JSON.
ESTIMATE = {"value", "ci_low", "ci_high", "level", "n", "method"}
COMPARE = ["eval", "compare", "--gold", "gold.csv", "--candidate", "new.jsonl", "--baseline", "old.csv"]


@pytest.fixture
def files(cli: Cli) -> None:
    """Files of 600 tickets, and no settings: nothing here needs them."""
    (cli.folder / "tierwright.toml").unlink()
    ticket_files(cli.folder)


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_document_has_the_shape_that_was_promised(cli: Cli) -> None:
    """Verdict, metric, estimates, slices and every unscored id, from files in two formats and another order."""
    ran = cli(*COMPARE, "--margin", "0.01", "--cluster", "user", "--slice", "lang", "--slice", "length", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert (found["verdict"], found["metric"], found["margin"]) == ("superior", "accuracy", 0.01)
    for figure in ("candidate", "baseline", "difference", "power"):
        assert set(found[figure]) == ESTIMATE
    assert found["difference"]["value"] == pytest.approx(found["candidate"]["value"] - found["baseline"]["value"])
    assert (found["n"], found["clusters"], found["difference"]["n"]) == (590, 59, 59)
    assert (found["unscored"], found["unscored_by_reason"]) == (
        11,
        {"not in the file of candidate": 10, "not in the gold file": 1},
    )
    assert [(one["dimension"], one["n"]) for one in found["slices"]][:2] == [("lang", 442), ("lang", 148)]
    assert {one["dimension"] for one in found["slices"]} == {"lang", "length"}
    assert all(set(one["difference"]) == ESTIMATE for one in found["slices"])
    assert "labels like these comes out undecided" in found["outlook"]
    assert set(found["files"]) == {"gold", "candidate", "baseline"}


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_text_says_it_to_people_and_the_exit_code_to_scripts(cli: Cli) -> None:
    """The verdict, the slices and what was left out are said; the roles exchanged, the exit code is 1."""
    ran = cli(*COMPARE, "--slice", "lang")
    assert ran.code == 0
    for piece in ("candidate: superior", "at a margin of 1", "undecided", "lang", "Not scored: 10"):
        assert piece in ran.out
    back = cli("eval", "compare", "--gold", "gold.csv", "--candidate", "old.csv", "--baseline", "new.jsonl")
    assert back.code == 1
    assert "candidate: inferior" in back.out


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_candidate_that_is_unfair_fails(cli: Cli) -> None:
    """A candidate within its margin that errs in one language alone is objected to, with exit code 1."""
    rows = [(f"t{n}", LABELS[n % 3] if n % 4 else "other") for n in range(600)]
    write_table(cli.folder / "english.csv", "id,output", rows)
    options = ["--margin", "0.5", "--fairness", "lang", "--max-gap", "0.05", "--json"]
    ran = cli(*COMPARE[:-4], "--candidate", "english.csv", *COMPARE[-2:], *options)
    assert (ran.code, ran.document["verdict"]) == (1, "non_inferior")
    assert ran.document["fairness"]["verdict"] == "objection"


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_files_and_options_of_no_use_are_refused(cli: Cli) -> None:
    """One paragraph with the file and the line, and the exit code of wrong usage."""
    (cli.folder / "bad.csv").write_text("id,output\nt1,refund\nt1,refund\n", encoding="utf-8")
    refused(cli(*COMPARE[:-3], "bad.csv", *COMPARE[-2:]), 2, "bad.csv, line 3", "'t1' is there twice")
    refused(cli(*COMPARE, "--metric", "rouge"), 2, "no metric 'rouge'", "accuracy")


@pytest.mark.slow
def test_suite_fails_where_a_function_fails(cli: Cli) -> None:
    """Named functions with required shares; one fails, so the exit code is 1, and its cases are named."""
    cases = [(f"n{n}", "negation", "ok", 0.9) for n in range(10)] + [(f"s{n}", "slang", "bad", "") for n in range(4)]
    write_table(cli.folder / "suite.csv", "id,function,output,required", cases)
    answers = [(f"n{n}", "ok" if n else "bad") for n in range(10)] + [(f"s{n}", "bad") for n in range(3)]
    write_table(cli.folder / "answers.csv", "id,output", answers)
    ran = cli("eval", "suite", "--suite", "suite.csv", "--candidate", "answers.csv", "--json")
    assert ran.code == 1
    assert ran.document["passed"] is False
    assert [(one["function"], one["passed"], one["failed"]) for one in ran.document["functions"]] == [
        ("negation", True, ["n0"]),
        ("slang", False, ["s3"]),
    ]
    assert set(ran.document["functions"][0]["rate"]) == ESTIMATE
    passing = cli("eval", "suite", "--suite", "suite.csv", "--candidate", "answers.csv", "--required", "0.75")
    assert passing.code == 0
    assert "2 of 2 functions pass" in passing.out

"""Everything that is looked at before training, put together and shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from tests.fakes import NOON, a_dataset
from tests.unit.training.problems import LABELS, label_examples
from tierwright.app.cli.triage import brief, triage_json, triage_text
from tierwright.app.triage import triage
from tierwright.core.dataset import Example, Split

if TYPE_CHECKING:
    from tierwright.core.triage import Triage

CHECKS = {
    "leakage",
    "conflicts",
    "small-classes",
    "ceiling",
    "personal-data",
    "terms",
    "label-noise",
    "drift-inputs",
    "drift-answers",
}


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Three hundred examples over five hours, one of them with an address, two of the test that leak."""
    rng = np.random.default_rng(0)
    found = [
        replace(
            one,
            # Some letters, without which the texts are near-duplicates of one another.
            input=f"{one.input} {' '.join(''.join(rng.choice(list('abcdefghijkl'), 7)) for _ in range(9))}",
            created_at=NOON + timedelta(minutes=n),
            split=Split.TEST if n % 5 == 0 else Split.TRAIN,
        )
        for n, one in enumerate(label_examples(300, human=0.0))
    ]
    found[1] = replace(found[1], input="please write to jo@mail.example.org about the invoice of my brother in law")
    found[5] = replace(found[5], input=found[1].input + ".")
    return found


@pytest.fixture(scope="module")
def report(examples: list[Example]) -> Triage:
    """Their triage."""
    return triage(a_dataset(contract=LABELS), examples, incumbent="gpt-4o", progress=lambda _: None)


def test_every_check_reports_once(report: Triage) -> None:
    """Each check has its finding, whether there was something to find or not."""
    assert sorted(finding.check for finding in report.findings) == sorted(CHECKS)


def test_leakage_comes_first_and_makes_the_report_critical(report: Triage) -> None:
    """The gravest finding leads, with the ids of both examples."""
    assert report.critical
    assert report.findings[0].check == "leakage"
    assert report.findings[0].cases[0].examples == ("i000005", "i000001")


def test_document_is_json_without_texts(report: Triage, examples: list[Example]) -> None:
    """The document holds numbers, labels and ids; the text of no input is in it."""
    document = json.dumps(triage_json(report, dataset="d", texts={}))
    assert "jo@mail" not in document
    assert not any(example.input in document for example in examples)
    assert {"check", "severity", "what", "advice", "count", "n", "estimate", "p_value", "cases"} == set(
        json.loads(document)["findings"][0]
    )


def test_texts_are_shown_only_when_asked_for(report: Triage, examples: list[Example]) -> None:
    """With the texts given, cases show them, in both forms; without, neither does."""
    texts = {str(example.id): example.input for example in examples}
    for given, there in ((texts, True), ({}, False)):
        page = io.StringIO()
        triage_text(Console(file=page, width=200), report, given)
        assert ("jo@mail" in page.getvalue()) is there
        assert ("jo@mail" in json.dumps(triage_json(report, dataset="d", texts=given))) is there


def test_brief_names_what_has_to_be_acted_on(report: Triage) -> None:
    """One line for each critical finding and warning, none for notes."""
    lines = brief(report)
    assert lines[0].startswith("critical: 1 of 60 test examples")
    assert not any(line.startswith(("note", "skipped")) for line in lines)

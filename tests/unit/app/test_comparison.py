"""Comparisons of files of answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import LABELS, ticket_files, write_table
from tierwright.app.cli.compare import named_files
from tierwright.app.comparison import Asked, compare_files, comparison_json
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.core.evaluation import Verdict
from tierwright.evals.answer_scores import Metric
from tierwright.evals.fairness import Fair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """The new model against the old one."""
    ticket_files(tmp_path)
    return Asked(
        gold=tmp_path / "gold.csv",
        candidates={"new": tmp_path / "new.jsonl"},
        baseline=tmp_path / "old.csv",
        margin=0.01,
    )


def english(folder: Path) -> Path:
    """The answers of a model that has every fourth ticket, all of the German ones, wrong."""
    rows = [(f"t{n}", LABELS[n % 3] if n % 4 else "other") for n in range(600)]
    return write_table(folder / "english.csv", "id,output", rows)


def test_several_candidates_come_best_first(asked: Asked, tmp_path: Path) -> None:
    """The first level of the document is about the better of two; both are listed, over the same examples."""
    both = replace(asked, candidates={"english": english(tmp_path), "new": asked.candidates["new"]})
    found = compare_files(replace(both, fairness="lang", max_gap=0.05))
    assert [(one.name, one.verdict) for one in found.outcomes] == [
        ("new", Verdict.SUPERIOR),
        ("english", Verdict.INFERIOR),
    ]
    assert found.passes
    assert found.fairness["english"].verdict is Fair.OBJECTION
    assert found.fairness["english"].gaps[0].groups == ("de", "en")
    document = comparison_json(found)
    assert document["name"] == "new"
    assert [one["name"] for one in document["candidates"]] == ["new", "english"]
    assert any("2 candidates" in note for note in document["notes"])


def test_false_positives_need_a_label_that_occurs(asked: Asked) -> None:
    """The false positives of a label are looked at beside the errors; a label that nobody has is refused."""
    gate = replace(asked, fairness="lang", max_gap=0.05)
    found = compare_files(replace(gate, positive="refund"))
    assert {gap.rate for gap in found.fairness["new"].gaps} == {"error_rate", "false_positive_rate"}
    with pytest.raises(InputError, match="positive label 'Refund'"):
        compare_files(replace(gate, positive="Refund"))


def test_slices_come_from_columns_labels_and_the_input(asked: Asked, tmp_path: Path) -> None:
    """A column, the right answer, length, language and terms each make slices; a dimension holds every example."""
    terms = tmp_path / "terms.toml"
    terms.write_text('cards = ["card"]\ncash = ["cash"]\n', encoding="utf-8")
    found = compare_files(replace(asked, slices=("lang", "label", "length", "language"), terms=terms))
    sizes: dict[str, int] = {}
    for one in found.best.slices:
        sizes[one.slice.dimension] = sizes.get(one.slice.dimension, 0) + len(one.slice.members)
    assert sizes == {"lang": 590, "label": 590, "length": 590, "language": 590, "term": 590}
    assert found.best.slices[-1].verdict is None
    assert "too few: 0 of the 30" in found.best.slices[-1].reason


def test_dates_are_sliced_by_month(asked: Asked, tmp_path: Path) -> None:
    """A column of many dates makes months in order; one that is no date makes it an ordinary column."""
    gold = [(f"t{n}", LABELS[n % 3], f"2025-{9 + n // 300:02}-{1 + n % 28:02}T12:00:{n % 60:02}Z") for n in range(590)]
    write_table(tmp_path / "gold.csv", "id,output,created_at", gold)
    found = compare_files(replace(asked, slices=("created_at",))).best.slices
    assert [(one.slice.value, len(one.slice.members)) for one in found] == [("2025-09", 300), ("2025-10", 290)]
    write_table(tmp_path / "gold.csv", "id,output,created_at", [*gold[:-1], ("t589", "account", "yesterday")])
    with pytest.raises(InputError, match="different values"):
        compare_files(replace(asked, slices=("created_at",)))


def test_notes_say_what_a_reader_should_know(asked: Asked, tmp_path: Path) -> None:
    """Many ids without a score, and answers that are wrong in their case only, are said."""
    rows = [(f"t{n}", LABELS[n % 3].upper()) for n in range(400)]
    loud = write_table(tmp_path / "loud.csv", "id,output", rows)
    notes = compare_files(replace(asked, candidates={"loud": loud})).notes
    assert notes[0].startswith("201 of 601 ids are not scored")
    assert "100.0 % of the answers of loud differ from the right ones only in case" in notes[1]
    assert compare_files(replace(asked, metric=Metric.NORMALISED)).notes == []


def test_clusters_without_a_name_stand_alone(asked: Asked, tmp_path: Path) -> None:
    """An example whose cluster is not given is one of its own, not one of a cluster of all such."""
    gold = [(f"t{n}", LABELS[n % 3], "" if n < 300 else "u1") for n in range(590)]
    write_table(tmp_path / "gold.csv", "id,output,user", gold)
    assert compare_files(replace(asked, cluster="user")).best.figures.difference.n == 301


def test_json_objects_are_compared_by_their_fields(tmp_path: Path) -> None:
    """By hand: the old model has the intent of every third object right, and each urgency."""
    rows: list[dict[str, Any]] = [
        {"id": n, "output": {"intent": "abc"[n % 3], "urgent": n % 2 == 0}} for n in range(198)
    ]
    worse = [{**row, "output": {**row["output"], "intent": "a"}} for row in rows]
    for name, content in (("gold", rows), ("new", rows), ("old", worse)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    asked = Asked(
        gold=tmp_path / "gold.jsonl",
        candidates={"new": tmp_path / "new.jsonl"},
        baseline=tmp_path / "old.jsonl",
        margin=0.01,
    )
    by_fields = compare_files(replace(asked, metric=Metric.FIELD_ACCURACY)).best.figures
    assert by_fields.baseline.value == pytest.approx((198 + 66) / 396)
    by_f1 = compare_files(replace(asked, metric=Metric.MACRO_F1)).best.figures
    # intent a: 2 * 66 / (198 + 66) = 1/2; b and c: 0; both urgencies: 1.
    assert by_f1.baseline.value == pytest.approx((0.5 + 0 + 0 + 1 + 1) / 5)
    assert compare_files(asked).best.figures.baseline.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("id,answer\nt1,refund\n", InputError, r"bad.csv has no column 'output'"),
        ("id,output\nx1,refund\nx2,refund\n", NotEnoughData, r"not in the file of bad: 600"),
        ("id,output\nt1,refund\n", NotEnoughData, "at least 2"),
        ("", InputError, r"bad.csv is empty"),
    ],
)
def test_files_of_no_use_are_refused(
    asked: Asked, tmp_path: Path, content: str, error: type[Exception], says: str
) -> None:
    """Missing columns, other ids, one common example and an empty file, each with the reason."""
    (tmp_path / "bad.csv").write_text(content, encoding="utf-8")
    with pytest.raises(error, match=says):
        compare_files(replace(asked, candidates={"bad": tmp_path / "bad.csv"}))


def test_wrong_options_are_refused(asked: Asked, tmp_path: Path) -> None:
    """Columns that nobody has, slices of an input that is not there, and half a fairness gate."""
    with pytest.raises(InputError, match="none of the files has a column 'tenant'"):
        compare_files(replace(asked, slices=("tenant",)))
    with pytest.raises(InputError, match="--max-gap"):
        replace(asked, fairness="lang")
    with pytest.raises(InputError, match="needs groups"):
        replace(asked, max_gap=0.1)
    write_table(tmp_path / "gold.csv", "id,output", [(f"t{n}", LABELS[n % 3]) for n in range(590)])
    with pytest.raises(InputError, match="'input' or 'text'"):
        compare_files(replace(asked, slices=("length",)))


def test_candidates_have_names(tmp_path: Path) -> None:
    """One file is "candidate", several go by their own names or given ones, and no name is taken twice."""
    assert set(named_files(["a.csv"], reserved=set())) == {"candidate"}
    assert set(named_files(["a.csv", "new=b.csv.gz", "c.jsonl.gz"], reserved=set())) == {"a", "new", "c"}
    odd = tmp_path / "x=y.csv"
    odd.touch()
    assert named_files([str(odd)], reserved=set()) == {"candidate": odd}
    for given in (["a=x", "a=y"], ["gold=x"], ["=x"], ["a="]):
        with pytest.raises(InputError, match="--candidate"):
            named_files(given, reserved={"gold"})

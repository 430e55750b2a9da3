"""Tests of files of answers."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tierwright.app.answer_files import Confidence, join, read_answers
from tierwright.core.errors import InputError, NotEnoughData
from tierwright.curation.tables import TableForm

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.app.answer_files import AnswerFile


def read(path: Path, content: str, *others: str, confidence: Confidence = Confidence.OPTIONAL) -> AnswerFile:
    """The answers in a file with that content."""
    path.write_text(content, encoding="utf-8")
    return read_answers(path, confidence=confidence, others=others)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,output,confidence,lang\n1,yes,0.9,en\n2,no,,de\n"),
        ("a.tsv", "lang\tid\tconfidence\toutput\nen\t1\t0.9\tyes\nde\t2\t\tno\n"),
        (
            "a.jsonl",
            '{"id": 1, "output": "yes", "confidence": 0.9, "lang": "en"}\n{"id": "2", "output": "no", "lang": "de"}\n',
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_all_formats_hold_the_same_answers(tmp_path: Path, name: str, content: str, *, packed: bool) -> None:
    """CSV, TSV and JSON Lines, also as gzip, with columns in any order, give the same answers."""
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    found = read_answers(path, others=["lang", "nowhere"])
    assert [(a.id, a.output, a.confidence, dict(a.others)) for a in found.answers.values()] == [
        ("1", "yes", 0.9, {"lang": "en"}),
        ("2", "no", None, {"lang": "de"}),
    ]
    assert (found.columns, found.has_confidence) == (("lang",), True)


def test_outputs_may_be_json_objects(tmp_path: Path) -> None:
    """An object, a list, a number and null come out as JSON text, with sorted keys, and as no answer."""
    lines = ['{"id": 1, "output": {"b": 1, "a": "ü"}}', '{"id": 2, "output": ["x"]}', '{"id": 3, "output": 4}']
    found = read(tmp_path / "a.jsonl", "\n".join([*lines, '{"id": 5, "output": null}']))
    assert [a.output for a in found.answers.values()] == ['{"a": "ü", "b": 1}', '["x"]', "4", None]


def test_confidence_that_is_not_there_is_no_fault_unless_required(tmp_path: Path) -> None:
    """Without the column answers have no confidence; where it is required the column, or the line, is named."""
    found = read(tmp_path / "a.csv", "id,output\n1,yes\n")
    assert (found.has_confidence, found.answers["1"].confidence) == (False, None)
    with pytest.raises(InputError, match="no column 'confidence'"):
        read(tmp_path / "a.csv", "id,output\n1,yes\n", confidence=Confidence.REQUIRED)
    with pytest.raises(InputError, match="line 3: there is no confidence"):
        read(tmp_path / "a.csv", "id,output,confidence\n1,yes,1\n2,no,\n", confidence=Confidence.REQUIRED)
    ignored = read(tmp_path / "a.csv", "id,output,confidence\n1,yes,high\n", confidence=Confidence.IGNORED)
    assert ignored.answers["1"].confidence is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,answer\n1,yes\n", "a.csv has no column 'output'; its columns are 'id', 'answer'"),
        ("ID,Output\n1,yes\n", "no column 'id' and 'output'"),
        ("id,output\n1,yes\n2,no\n1,no\n", "line 4: the id '1' is there twice, first in line 2"),
        ("id,output\n1,yes\n 1 ,no\n", "line 3: the id '1' is there twice"),
        ("id,output\n,yes\n", "line 2: the id is missing"),
        ("id,output\n1,yes,perhaps\n", "line 2: the row has more or fewer values"),
        ("id,output,confidence\n1,yes,high\n", "line 2: the confidence is no number from 0 to 1"),
        ("id,output,confidence\n1,yes,nan\n", "line 2: the confidence is no number"),
        ("id,output,confidence\n1,yes,inf\n", "line 2: the confidence is no number"),
        ("id,output,confidence\n1,yes,0.5\n2,no,1.01\n", "line 3: the confidence"),
        ("id,output,confidence\n1,yes,-0.1\n", "line 2: the confidence"),
        ("id,output,confidence\n1,yes,85\n", "divide per cent by 100"),
        ("id,output\n", "no rows"),
        ("", "is empty"),
    ],
)
def test_bad_file_is_refused_with_file_and_line(tmp_path: Path, content: str, says: str) -> None:
    """Each fault is named with the file, the line and what to do."""
    with pytest.raises(InputError, match=says) as raised:
        read(tmp_path / "a.csv", content)
    assert "a.csv" in str(raised.value)


def test_json_faults_are_refused_with_the_line(tmp_path: Path) -> None:
    """A line that is no object, an id that is a list or truth, and a confidence in quotes that is none."""
    good = '{"id": 1, "output": "x"}\n'
    for line, says in [
        ("{broken", "is not a JSON object"),
        ('{"id": [1], "output": "x"}', "the id is missing"),
        ('{"id": true, "output": "x"}', "the id is missing"),
        ('{"output": "x"}', "the id is missing"),
        ('{"id": 2, "output": "x", "confidence": true}', "the confidence"),
        ('{"id": 2, "output": "x", "confidence": NaN}', "the confidence"),
    ]:
        with pytest.raises(InputError, match=f"line 2: .*{says}"):
            read(tmp_path / "a.jsonl", good + line)


def test_wrong_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are named by line, and read with the encoding that they have."""
    path = tmp_path / "a.csv"
    path.write_bytes("id,output\n1,yes\n2,M\xfcnchen\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 3: byte 4 of the line is not UTF-8"):
        read_answers(path)
    assert read_answers(path, form=TableForm(encoding="latin-1")).answers["2"].output == "München"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(InputError, match="there is no file"):
        read_answers(tmp_path / "nowhere.csv")


def test_ids_of_some_files_only_are_counted_by_reason(tmp_path: Path) -> None:
    """What can't be scored is counted once, under the first reason; an empty answer of a model is an answer."""
    gold = read(tmp_path / "g.csv", "id,output\n1,a\n2,\n3,a\n4,a\n5,a\n7,a\n")
    lines = [f'{{"id": {n}, "output": "a"}}' for n in (1, 2, 4, 6)]
    candidate = read(tmp_path / "c.jsonl", "\n".join([*lines, '{"id": 5, "output": null}', '{"id": 7, "output": ""}']))
    baseline = read(tmp_path / "b.csv", "id,output\n7,b\n1,b\n2,b\n3,b\n5,b\n")
    found = join(gold, {"new": candidate, "old": baseline})
    assert found.ids == ("1", "7")
    assert [a.output for a in found.arms["new"]] == ["a", ""]
    assert [a.output for a in found.arms["old"]] == ["b", "b"]
    assert dict(found.unscored) == {
        "no gold answer": 1,
        "not in the file of new": 1,
        "not in the file of old": 1,
        "no answer of new": 1,
        "not in the gold file": 1,
    }
    assert found.unscored_total == 5


def test_files_without_a_common_id_are_refused(tmp_path: Path) -> None:
    """Arms that do not overlap can't be compared, and it is said how many ids each reason took."""
    gold = read(tmp_path / "g.csv", "id,output\n1,a\n2,b\n")
    other = read(tmp_path / "c.csv", "id,output\nx1,a\nx2,b\nx3,b\n")
    with pytest.raises(NotEnoughData, match=r"not in the file of new: 2; not in the gold file: 3"):
        join(gold, {"new": other})


def test_columns_come_from_the_first_file_that_has_them(tmp_path: Path) -> None:
    """A column of the gold file wins over the same one of an arm, and one that nobody has is refused."""
    gold = read(tmp_path / "g.csv", "id,output,lang\n1,a,en\n2,b,de\n", "lang", "user")
    arm = read(tmp_path / "c.csv", "id,output,lang,user\n2,b,xx,u2\n1,a,yy,u1\n", "lang", "user")
    found = join(gold, {"new": arm})
    assert found.column("lang", [gold, arm]) == ["en", "de"]
    assert found.column("user", [gold, arm]) == ["u1", "u2"]
    with pytest.raises(InputError, match="none of the files has a column 'tenant'"):
        found.column("tenant", [gold, arm])

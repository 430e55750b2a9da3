"""Tests of reading labelled history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tierwright.core.dataset import Split
from tierwright.core.errors import InputError
from tierwright.curation.labelled import LabelledColumns, LabelledRows, read_labelled

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, objects: list[dict[str, Any]] | str, columns: LabelledColumns | None = None) -> LabelledRows:
    """What is read of JSON Lines, or of CSV text; columns: text, label, and split where one is named."""
    if isinstance(objects, str):
        path = tmp_path / "a.csv"
        path.write_text(objects, encoding="utf-8")
    else:
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")
    return read_labelled(path, columns or LabelledColumns(inputs=("text",), outputs=("label",)))


def pairs(found: LabelledRows) -> list[tuple[str, str]]:
    """Inputs and outputs."""
    return [(row.input, row.output) for row in found.rows]


def test_rows_without_input_or_output_are_counted(tmp_path: Path) -> None:
    """Empty, blank, null and not-a-number cells are missing; each reason has its count and its first line."""
    objects: list[dict[str, Any]] = [
        {"text": "a", "label": "x"},
        {"text": " \n", "label": "x"},
        {"text": "b", "label": ""},
        {"text": "c", "label": None},
        {"text": "d", "label": float("nan")},
        {"label": "x"},
        {"text": "e", "label": 0},
    ]
    found = read(tmp_path, objects)
    assert pairs(found) == [("a", "x"), ("e", "0")]
    assert found.excluded == {"without an input": 2, "without an output": 3}
    assert found.first_lines == {"without an input": 2, "without an output": 3}


def test_values_become_text(tmp_path: Path) -> None:
    """Objects, lists and numbers become JSON text; running text stays as it is, whatever brackets it has."""
    objects: list[dict[str, Any]] = [
        {"text": {"b": 1, "a": "é"}, "label": ["x", "y"]},
        {"text": '{"b":1,\n "a":"é"}', "label": '["x","y"]'},
        {"text": "{not json", "label": {"k": None}},
        {"text": "[1]", "label": True},
    ]
    assert pairs(read(tmp_path, objects)) == [
        ('{"b": 1, "a": "é"}', '["x", "y"]'),
        ('{"b": 1, "a": "é"}', '["x","y"]'),
        ("{not json", '{"k": null}'),
        ("[1]", "true"),
    ]


def test_several_columns_are_an_object(tmp_path: Path) -> None:
    """Several inputs are a JSON object of what is there; several outputs one of all, with null for what is not."""
    columns = LabelledColumns(inputs=("title", "body"), outputs=("intent", "tags"))
    text = 'body,title,intent,tags\nlong,short,a,"[""p"", ""q""]"\nonly,,,z\n,,b,c\nx,y,,\n'
    found = read(tmp_path, text, columns)
    assert pairs(found) == [
        ('{"title": "short", "body": "long"}', '{"intent": "a", "tags": ["p", "q"]}'),
        ('{"body": "only"}', '{"intent": null, "tags": "z"}'),
    ]
    assert found.excluded == {"without an input": 1, "without an output": 1}


def test_given_splits(tmp_path: Path) -> None:
    """The usual names of splits are known whatever their case; an unknown one is refused with its line."""
    columns = LabelledColumns(inputs=("text",), outputs=("label",), split="part")
    names = ["train", "TEST", "Validation", "valid", "val", "dev", " calibration "]
    lines = "".join(f"t{n},x,{name}\n" for n, name in enumerate(names))
    found = read(tmp_path, f"text,label,part\n{lines}last,x,\n", columns)
    assert [row.split for row in found.rows] == [Split.TRAIN, Split.TEST, *[Split.CALIBRATION] * 5]
    assert found.excluded == {"without a split": 1}
    with pytest.raises(InputError, match=r"line 3: the split is 'holdout'; it must be one of train, "):
        read(tmp_path, "text,label,part\na,x,train\nb,x,holdout\n", columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\n", "has columns and no rows"),
        ("text,label\n,a\nb,\n", r"no row that can be used: line 2 is without an input, line 3 is without an output"),
        ("text,label\na,b\nc;d\n", r"1 of its 2 rows were refused \(line 3 has more or fewer values"),
    ],
)
def test_files_that_hold_nothing(tmp_path: Path, text: str, message: str) -> None:
    """A file without one usable row, or made of something else, is refused with the first lines."""
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_columns_are_named_once() -> None:
    """A column can't be input and output, and there must be both."""
    with pytest.raises(InputError, match="'a' is named 2 times"):
        LabelledColumns(inputs=("a",), outputs=("a",))
    with pytest.raises(InputError, match="give --input and --output"):
        LabelledColumns(inputs=("a",), outputs=())

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import NOON, inferences
from tierwright.core.errors import InputError
from tierwright.core.ids import InferenceId, TaskId
from tierwright.gateway.feedback_import import FeedbackReport, import_feedback
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.core.feedback import Feedback
    from tierwright.store.sql import SqlStore

TASK = TaskId("task-1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A store with three inferences of a task: i-000000 to i-000002."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.append(inferences(3, task_id=TASK))
    yield opened
    opened.close()


def run(path: Path, content: str | bytes, store: SqlStore, **options: Any) -> FeedbackReport:
    """Imports a file of that content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return import_feedback(path, store, inferences=store, now=NOON, **options)


def words(store: SqlStore) -> dict[str, Feedback]:
    """The newest word on each inference."""
    return {str(key): word for key, word in store.feedback_of_task(TASK).items()}


CSV = 'id,output,author,timestamp,other\ni-000000,card_lost,ann,1756684940,x\ni-000001,"two, ""quoted""\n lines",,,\n'
JSONL = (
    '{"id": "i-000000", "output": "card_lost", "author": "ann", "timestamp": 1756684940, "other": {}}\n'
    '{"id": "i-000001", "output": "two, \\"quoted\\"\\n lines"}\n'
)


@pytest.mark.parametrize("content", [CSV, JSONL, CSV.replace("\n", "\r\n"), JSONL.replace("\n", "\r\n")])
@pytest.mark.parametrize("packed", [False, True])
def test_both_formats_say_the_same(tmp_path: Path, store: SqlStore, content: str, *, packed: bool) -> None:
    """JSON Lines and CSV, plain and gzip, with either line end; columns nobody knows are passed over."""
    data = gzip.compress(content.encode()) if packed else content.encode()
    report = run(tmp_path / "labels", data, store)
    assert (report.read, report.added, report.rejected, report.unknown) == (2, 2, 0, 0)
    found = words(store)
    first = found["i-000000"]
    assert (first.output, first.author) == ("card_lost", "ann")
    assert first.created_at == datetime.fromtimestamp(1756684940, UTC)
    second = found["i-000001"]
    assert second.output.replace("\r", "") == 'two, "quoted"\n lines'
    assert (second.author, second.created_at) == (None, NOON + timedelta(microseconds=1))


@pytest.mark.parametrize("id_column", ["id", "inference_id", "response_id"])
@pytest.mark.parametrize("output_column", ["output", "label", "gold", "correction"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_have_several_names(
    tmp_path: Path, store: SqlStore, id_column: str, output_column: str, delimiter: str
) -> None:
    """As people call them, and as spreadsheets separate them."""
    run(tmp_path / "a", f"{output_column}{delimiter}{id_column}\nright{delimiter}i-000000\n", store)
    run(tmp_path / "b", json.dumps({id_column: "i-000001", output_column: "right"}), store)
    assert {word.output for word in words(store).values()} == {"right"}


def test_repeating_an_import_adds_nothing(tmp_path: Path, store: SqlStore) -> None:
    """The same inference, author and answer is one word, whenever it is imported."""
    path = tmp_path / "labels"
    run(path, CSV, store)
    again = import_feedback(path, store, inferences=store, now=NOON + timedelta(days=1))
    assert (again.added, again.already_there) == (0, 2)


def test_a_later_row_replaces_an_earlier_one(tmp_path: Path, store: SqlStore) -> None:
    """Without timestamps the order of the file is the order in time."""
    run(tmp_path / "labels", "id,label\ni-000000,first\ni-000000,second\ni-000000,third\n", store, batch=2)
    assert words(store)["i-000000"].output == "third"


def test_rows_without_an_output_are_counted(tmp_path: Path, store: SqlStore) -> None:
    """Empty, null or missing: nothing was said about that answer."""
    content = '{"id": "i-000000", "gold": null}\n{"id": "i-000001"}\n{"id": "i-000002", "label": ""}\n'
    report = run(tmp_path / "labels", content, store)
    assert (report.read, report.without_output, report.added) == (3, 3, 0)
    assert run(tmp_path / "csv", "id,label\ni-000000,\ni-000001\n", store).without_output == 2


def test_an_unknown_inference_is_kept_and_counted(tmp_path: Path, store: SqlStore) -> None:
    """Feedback may come before the traffic it is about."""
    report = run(tmp_path / "labels", "id,label\nlater,right\ni-000000,right\n", store)
    assert (report.added, report.unknown) == (2, 1)
    store.append(inferences(1, prefix="later", task_id=TASK))
    assert "later" not in words(store)
    (late,) = inferences(1, task_id=TASK)
    store.append([_renamed(late, "later")])
    assert words(store)["later"].output == "right"


def _renamed(inference: Any, name: str) -> Any:
    return type(inference)(
        **{field: getattr(inference, field) for field in inference.__dataclass_fields__} | {"id": InferenceId(name)}
    )


def test_json_values_are_taken_as_their_text(tmp_path: Path, store: SqlStore) -> None:
    """A corrected JSON answer may be given as JSON."""
    content = '{"id": "i-000000", "output": {"intent": "é", "ok": true}}\n{"id": "i-000001", "output": 3}\n'
    run(tmp_path / "labels", content, store)
    found = words(store)
    assert (found["i-000000"].output, found["i-000001"].output) == ('{"intent": "é", "ok": true}', "3")


def test_bad_json_rows_are_set_aside(tmp_path: Path, store: SqlStore) -> None:
    """By number and reason; the good ones are in."""
    rows = [
        '{"id": "i-000000", "output": "right"}',
        "oops",
        "[1]",
        "",
        '{"output": "right"}',
        '{"id": 5, "output": "right"}',
        '{"id": "i-000001", "output": "x", "timestamp": "yesterday"}',
        '{"id": "i-000001", "output": "x", "timestamp": [1]}',
        '{"id": "i-000001", "output": "x", "author": 7}',
        '{"id": "i-000001", "output": "right", "timestamp": "2025-09-01T00:00:00+02:00"}',
    ]
    report = run(tmp_path / "labels", "\n".join(rows), store)
    assert (report.read, report.added, report.rejected) == (9, 2, 7)
    assert [reject.line for reject in report.first_rejects] == [2, 3, 5, 6, 7, 8, 9]
    assert report.rejects_path is not None
    entries = [json.loads(line) for line in report.rejects_path.read_text().splitlines()]
    assert [entry["raw"] for entry in entries] == [rows[reject.line - 1] for reject in report.first_rejects]


def test_bad_csv_rows_are_set_aside(tmp_path: Path, store: SqlStore) -> None:
    """Too many values, no UTF-8, a stray quote: the next row is read again."""
    rows = [
        b"id,label",
        b"i-000000,right",
        b"i-000001,a,b",
        b"i-000001,\xff",
        b'i-000001,"a"b',
        b",x",
        b"i-000002,right",
    ]
    report = run(tmp_path / "labels", b"\n".join(rows), store)
    assert [reject.line for reject in report.first_rejects] == [3, 4, 5, 6]
    assert (report.added, report.rejected) == (2, 4)
    assert set(words(store)) == {"i-000000", "i-000002"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("\n\n", "holds no feedback"),
        ("text,label\na,b\n", "no column called id or inference_id or response_id"),
        ("id,text\na,b\n", "no column called output or label or gold or correction"),
        ("id,label\n", "holds no feedback"),
        ('["id"]\n', "all of its 1 rows were refused, line 1 because"),
        (b"\xff\xfe\x00", "neither JSON Lines nor CSV"),
    ],
)
def test_what_is_no_feedback_is_told(tmp_path: Path, store: SqlStore, content: str | bytes, says: str) -> None:
    """With what was expected."""
    with pytest.raises(InputError, match=says):
        run(tmp_path / "labels", content, store)


def test_a_truncated_gzip_is_imported_as_far_as_it_goes(tmp_path: Path, store: SqlStore) -> None:
    """What could be read is kept, and the error says to repeat."""
    rows = b"".join(b"inference-%d,label-%d\n" % (number, number * 7919 % 10_007) for number in range(20_000))
    packed = gzip.compress(b"id,label\n" + rows)
    path = tmp_path / "labels.gz"
    with pytest.raises(InputError, match=r"beyond line \d+.*nothing is added twice"):
        run(path, packed[: len(packed) // 2], store)
    report = run(path, packed, store)
    assert report.already_there > 1000
    assert report.added + report.already_there == 20_000
    assert report.unknown == 20_000


def test_progress_ends_at_the_end(tmp_path: Path, store: SqlStore) -> None:
    """The last word is all bytes and all rows."""
    told: list[tuple[int, int, int]] = []
    run(tmp_path / "labels", CSV, store, batch=1, progress=lambda *word: told.append(word))
    assert told[-1] == (len(CSV), len(CSV), 2)

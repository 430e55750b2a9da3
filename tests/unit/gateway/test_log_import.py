from __future__ import annotations

import gzip
import io
import json
import os
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tests.fakes import a_request, a_response, after, an_inference, inferences
from tierwright.app.left_out import left_out
from tierwright.core.chat import Usage
from tierwright.core.errors import InputError, StoreError, StoreFull
from tierwright.core.ids import InferenceId
from tierwright.gateway.log_export import ExportReport, export_log
from tierwright.gateway.log_import import ImportReport, import_log
from tierwright.gateway.rejects import Reject
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from tierwright.store.sql import SqlStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def a_cent(_model: str, usage: Usage, _at: datetime) -> Decimal | None:
    """A cent for each token."""
    return Decimal("0.01") * usage.prompt_tokens


def seven_tokens(_request: bytes, _response: bytes, _model: str) -> Usage:
    """An estimate of seven tokens each way."""
    return Usage(prompt_tokens=7, completion_tokens=7, estimated=True)


def record(number: int, **changes: Any) -> bytes:
    """A line of its own id, time and content."""
    members = {
        "timestamp": 1_756_684_940 + number / 8,
        "client_id": f"client-{number % 3}",
        "request": json.loads(a_request(f"question {number}")),
        "response": json.loads(a_response(f"answer {number}", response_id=f"r{number:05d}")),
        "latency_ms": 10.5,
    }
    return json.dumps(members | changes).encode()


def write(path: Path, lines: list[bytes]) -> Path:
    """A log of these lines."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run(path: Path, store: SqlStore, **options: Any) -> ImportReport:
    """An import at a cent for each token."""
    return import_log(path, store, price=a_cent, **options)


class TestImporting:
    """`import_log`."""

    @pytest.mark.parametrize("batch", [1, 7, 100, 10_000])
    def test_every_record_is_added_once(self, tmp_path: Path, store: SqlStore, batch: int) -> None:
        """Whatever the batch; a second import finds all of them there."""
        path = write(tmp_path / "log", [record(number) for number in range(100)])
        report = run(path, store, batch=batch)
        assert report == ImportReport(
            read=100, added=100, already_there=0, conflicting=0, rejected=0, rejects_path=None, first_rejects=()
        )
        assert [inference.id for inference in store.scan()] == [f"r{number:05d}" for number in range(100)]
        assert store.ledger()[0].cost_usd == Decimal(100)
        again = run(path, store, batch=batch)
        assert (again.added, again.already_there, store.count()) == (0, 100, 100)
        assert not (tmp_path / "log.rejects.jsonl").exists()

    def test_an_id_twice_in_a_log_is_one(self, tmp_path: Path, store: SqlStore) -> None:
        """In one batch or across two; the first line counts."""
        path = write(tmp_path / "log", [record(1, client_id="first"), record(1), record(2), record(1)])
        report = run(path, store, batch=2)
        assert (report.read, report.added, report.already_there) == (4, 2, 2)
        assert next(iter(store.scan())).client_id == "first"
        assert (report.conflicting, report.first_conflicts) == (2, (2, 4))
        again = run(path, store, batch=2)
        assert (again.added, again.already_there, again.conflicting) == (0, 4, 2)

    def test_a_bad_line_is_set_aside_and_the_rest_goes_on(self, tmp_path: Path, store: SqlStore) -> None:
        """By its number, with its reason and its text; blank lines are no records; nothing else is lost."""
        bad = record(3).replace(b'"messages"', b'"massages"')
        lines = [b"", record(1), b"{oops \xff", record(2), bad, b"  ", record(4)]
        report = run(write(tmp_path / "log", lines), store)
        assert (report.read, report.added, report.rejected) == (5, 3, 2)
        assert report.rejects_path == tmp_path / "log.rejects.jsonl"
        entries = [json.loads(line) for line in (tmp_path / "log.rejects.jsonl").read_text().splitlines()]
        assert [entry["line"] for entry in entries] == [3, 5]
        assert entries[0]["raw"] == "{oops \\xff"
        assert "not JSON" in entries[0]["reason"]
        assert entries[1]["raw"].encode() == bad
        assert "'messages'" in entries[1]["reason"]
        assert [reject.line for reject in report.first_rejects] == [3, 5]
        assert report.first_rejects[1] == Reject(line=5, reason=entries[1]["reason"])

    def test_rejects_go_where_they_are_told(self, tmp_path: Path, store: SqlStore) -> None:
        """And a place that can't be written is an error that says to name another."""
        path = write(tmp_path / "log", [record(1), b"bad"])
        assert run(path, store, rejects=tmp_path / "aside").rejects_path == tmp_path / "aside"
        with pytest.raises(InputError, match="name another file for the rejects"):
            run(path, store, rejects=tmp_path / "nowhere" / "aside")

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")  # noqa: PTH110 - a device
    def test_a_full_disk_under_the_rejects_is_told(self, tmp_path: Path, store: SqlStore) -> None:
        """As StoreFull, naming the file."""
        path = write(tmp_path / "log", [record(1), b"bad"])
        with pytest.raises(StoreFull, match=r"set aside in /dev/full"):
            run(path, store, rejects=Path("/dev/full"))

    def test_a_truncated_gzip_is_imported_as_far_as_it_goes(self, tmp_path: Path, store: SqlStore) -> None:
        """What could be read is committed; the error names the last line and says to repeat; repeating completes."""
        random.seed(7)
        packed = gzip.compress(b"".join(record(number, noise=random.random()) + b"\n" for number in range(5000)))
        path = tmp_path / "log.gz"
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(
            InputError, match=r"beyond line \d+: its gzip data breaks off.*nothing is added twice"
        ) as caught:
            run(path, store)
        kept = store.count()
        assert 1000 < kept < 5000
        assert f"beyond line {kept}:" in str(caught.value)
        assert f"The {kept:,} new records" in str(caught.value)
        path.write_bytes(packed)
        report = run(path, store)
        assert (report.added, report.already_there) == (5000 - kept, kept)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "is empty"),
            (b"\n \n", "nothing but blank lines"),
            (os.urandom(5000).replace(b"\x1f\x8b", b""), "holds no traffic record"),
            (b"\x1f\x8bnot really gzip", "damaged"),
            (b"id,label\n1,a\n", "holds no traffic record"),
            (gzip.compress(b"[]\n{}", mtime=0), r"all of its 2 lines were refused, line 1 because"),
        ],
    )
    def test_what_is_no_log_is_told(self, tmp_path: Path, store: SqlStore, content: bytes, says: str) -> None:
        """Empty files, rubbish, other formats: an InputError, and an empty store."""
        path = tmp_path / "log"
        path.write_bytes(content)
        with pytest.raises(InputError, match=says):
            run(path, store)
        assert store.count() == 0

    def test_progress_ends_at_the_end(self, tmp_path: Path, store: SqlStore) -> None:
        """Bytes and rows only grow, and the last word is all of both."""
        path = tmp_path / "log.gz"
        path.write_bytes(gzip.compress(b"\n".join(record(number) for number in range(1000))))
        told: list[tuple[int, int, int]] = []
        run(path, store, batch=100, progress=lambda *word: told.append(word))
        assert len(told) > 5
        assert told == sorted(told)
        assert told[-1] == (path.stat().st_size, path.stat().st_size, 1000)

    def test_a_full_disk_stops_after_whole_batches(self, tmp_path: Path, store: SqlStore) -> None:
        """The message says how many are in and that repeating goes on; it does."""

        def hold(connection: sqlite3.Connection, _entry: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {limit}").close()

        limit = 300
        engine = store._database._engine
        engine.dispose()
        event.listen(engine, "connect", hold)
        path = write(tmp_path / "log", [record(number, padding="x" * 1000) for number in range(2000)])
        with pytest.raises(StoreFull, match=r"no space left.*Import the file again to go on") as caught:
            run(path, store, batch=50)
        kept = store.count()
        assert kept > 0
        assert kept % 50 == 0
        assert f"stopped after {kept:,} records" in str(caught.value)
        limit = 100_000
        engine.dispose()
        report = run(path, store, batch=50)
        assert (report.added, report.already_there) == (2000 - kept, kept)

    def test_a_store_that_is_gone_is_told_with_the_place_reached(self, tmp_path: Path, store: SqlStore) -> None:
        """Other failures of the store keep their class and say as much."""
        path = write(tmp_path / "log", [record(1)])
        with store._database.write() as connection:
            connection.exec_driver_sql("DROP TABLE contents")
        with pytest.raises(StoreError, match="stopped after 0 records"):
            run(path, store)


class TestBadInput:
    """Each fault of a log is set aside or taken with a count, and skews no figure."""

    @pytest.mark.parametrize(
        ("timestamp", "says"),
        [
            (-5, "negative"),
            (1.0, "before 2015"),
            ("2014-12-31T23:59:59Z", "before 2015"),
            (1_756_684_940_004, "milliseconds"),
            (1_756_684_940_004_000, "milliseconds"),
            (1_756_684_940 + 2 * 86_400, "more than a day in the future"),
            ("2031-01-01T00:00:00Z", "more than a day in the future"),
        ],
    )
    def test_impossible_times_are_set_aside(
        self, tmp_path: Path, store: SqlStore, timestamp: object, says: str
    ) -> None:
        """Before there was an API, after tomorrow, or in another unit: one line less, with its reason."""
        path = write(tmp_path / "log", [record(1), record(2, timestamp=timestamp)])
        report = run(path, store, now=datetime.fromtimestamp(1_756_684_940, UTC))
        assert (report.added, report.rejected) == (1, 1)
        assert says in report.first_rejects[0].reason

    def test_a_clock_that_runs_ahead_is_no_reason(self, tmp_path: Path, store: SqlStore) -> None:
        """Less than a day after now is taken."""
        path = write(tmp_path / "log", [record(1, timestamp=1_756_684_940 + 86_000)])
        assert run(path, store, now=datetime.fromtimestamp(1_756_684_940, UTC)).added == 1

    def test_the_order_of_the_lines_makes_no_difference(self, tmp_path: Path, store: SqlStore) -> None:
        """A shuffled log leaves the same store, and the lines that come late are counted."""
        lines = [record(number) for number in range(60)]
        ordered = run(write(tmp_path / "log", lines), store)
        other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
        random.Random(3).shuffle(lines)
        shuffled = run(write(tmp_path / "shuffled", lines), other, batch=7)
        assert list(other.scan()) == list(store.scan())
        assert ordered.out_of_order == 0
        assert 0 < shuffled.out_of_order < 60
        other.close()

    def test_two_answers_under_one_id_are_a_conflict(self, tmp_path: Path, store: SqlStore) -> None:
        """The first stays, the second is counted with its line; an exact repetition is none."""
        changed = json.loads(a_response("another answer", response_id="r00001"))
        path = write(tmp_path / "log", [record(1), record(1), record(1, response=changed), record(2)])
        report = run(path, store)
        assert (report.added, report.already_there, report.conflicting) == (2, 2, 1)
        assert report.first_conflicts == (3,)
        assert b"answer 1" in (next(iter(store.scan())).response or b"")

    @pytest.mark.parametrize(
        "usage",
        [
            None,
            {},
            {"prompt_tokens": -7, "completion_tokens": 5},
            {"prompt_tokens": "many", "completion_tokens": 5},
            {"prompt_tokens": 30_000_000, "completion_tokens": 5},
        ],
    )
    def test_tokens_that_cannot_be_are_estimated_and_counted(
        self, tmp_path: Path, store: SqlStore, usage: object
    ) -> None:
        """Missing, negative, no number, or more than any model reads: an estimate, marked as one, priced."""
        response = json.loads(a_response(response_id="bad")) | {"usage": usage}
        report = run(write(tmp_path / "log", [record(1), record(2, response=response)]), store, count=seven_tokens)
        assert (report.added, report.estimated) == (2, 1)
        (call,) = store.get(InferenceId("bad")).calls
        assert (call.prompt_tokens, call.usage_estimated, call.cost_usd) == (7, True, Decimal("0.07"))

    @pytest.mark.parametrize("where", ["line", "response", "usage"])
    def test_amounts_in_another_currency_are_counted_and_not_read(
        self, tmp_path: Path, store: SqlStore, where: str
    ) -> None:
        """A cost of 99 euros beside the tokens changes nothing: the price list says what they cost."""
        money = {"cost": 99, "currency": "EUR"}
        response = json.loads(a_response(response_id="paid"))
        response |= money if where == "response" else {}
        response["usage"] |= money if where == "usage" else {}
        line = record(2, response=response, **(money if where == "line" else {}))
        report = run(write(tmp_path / "log", [record(1), line, record(3, currency="usd", cost=1)]), store)
        assert (report.added, report.other_currency) == (3, 1)
        assert store.get(InferenceId("paid")).calls[0].cost_usd == Decimal(1)

    def test_unknown_models_are_counted_by_name(self, tmp_path: Path, store: SqlStore) -> None:
        """A record without a price is taken, is in no cost, and its model is named; the most frequent first."""
        lines = [
            record(
                n,
                request=json.loads(a_request("q")) | {"model": name},
                response=json.loads(a_response(response_id=f"r{n}")) | {"model": name},
            )
            for n, name in enumerate(["odd", "gpt-4o", "strange", "strange"])
        ]

        def price(model: str, _usage: Usage, _at: datetime) -> Decimal | None:
            return Decimal(1) if model == "gpt-4o" else None

        report = import_log(write(tmp_path / "log", lines), store, price=price)
        assert report.added == 4
        assert list(report.unpriced.items()) == [("strange", 2), ("odd", 1)]
        assert left_out(store).unpriced_calls == {"strange": 2, "odd": 1}


class TestExporting:
    """`export_log`."""

    @pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
    def test_an_export_imported_is_the_same_traffic(self, tmp_path: Path, store: SqlStore, name: str) -> None:
        """Every inference, field by field; gzip where the name says so, under its name only when whole."""
        lines = [record(number, workload_id="w" if number % 2 else None) for number in range(50)]
        lines.append(record(50, latency_ms=None, timestamp="2025-09-01T00:02:20.123457Z"))
        run(write(tmp_path / "log", lines), store)
        target = tmp_path / name
        assert export_log(store, target) == ExportReport(written=51, without_content=0)
        assert (target.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")
        assert not list(tmp_path.glob("*.unfinished"))
        other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
        assert run(target, other).added == 51
        assert list(other.scan()) == list(store.scan())
        other.close()

    def test_what_is_no_answer_is_counted(self, store: SqlStore) -> None:
        """Errors and requests without content stay out of the log, and the report says how many."""
        refused = an_inference(id="refused", status=400, response=b'{"error": {}}')
        bare = an_inference(id="bare", request=None, response=None)
        store.append([refused, bare, an_inference()])
        stream = io.BytesIO()
        assert export_log(store, stream) == ExportReport(written=1, without_content=2)
        assert json.loads(stream.getvalue())["response"]["id"] == "chatcmpl-1"

    def test_limits_are_those_of_scan(self, store: SqlStore) -> None:
        """Time and task choose what is exported; progress ends with how many."""
        store.append(inferences(10))
        store.assign([(inference.id, "t") for inference in inferences(5)])  # type: ignore[misc]
        told: list[int] = []
        report = export_log(store, io.BytesIO(), since=after(2), until=after(8), task_id="t", progress=told.append)  # type: ignore[arg-type]
        assert report.written == 3
        assert told == [3]

    def test_a_target_that_cannot_be_written_is_told(self, tmp_path: Path, store: SqlStore) -> None:
        """And leaves nothing behind."""
        with pytest.raises(InputError, match="can't be written"):
            export_log(store, tmp_path / "nowhere" / "out.jsonl")

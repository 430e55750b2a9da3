"""What is read from files and headers: journals, records, logs, words of people, and when to ask again."""

from __future__ import annotations

import json
import tempfile
import zlib
from decimal import Decimal
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from tests.fakes import NOON, a_request, a_response, an_inference
from tests.fuzz.harness import Harness, is_json, seeds
from tierwright.core.errors import InputError
from tierwright.gateway.feedback import Words, read_feedback
from tierwright.gateway.feedback_import import import_feedback
from tierwright.gateway.journal import recover
from tierwright.gateway.log_format import read_line, write_line
from tierwright.gateway.log_lines import LineReader
from tierwright.gateway.problems import Problem
from tierwright.gateway.record import Record, decode, encode
from tierwright.gateway.upstreams.failures import RETRY_AFTER_CEILING_S, classify_status, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwright.core.feedback import Feedback

_HEAD = Struct("<II")


def check_journal(data: bytes) -> None:
    """Of a damaged segment the records before the damage come back, in order, and nothing that was never written.

    The bytes are records between zeros; the first two say which byte of the segment is changed, and how.
    """
    records = [record for record in data[2:].split(b"\x00") if record]
    segment = b"".join(_HEAD.pack(len(record), zlib.crc32(record)) + record for record in records) + bytes(16)
    at = (data[0] if data else 0) * 7 % len(segment)
    damaged = segment[:at] + bytes([segment[at] ^ (data[1] if len(data) > 1 else 0)]) + segment[at + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        left = Path(folder) / "1-1"
        left.mkdir()
        (left / "lock").touch()
        (left / "00000000.segment").write_bytes(damaged)
        found: list[bytes] = []
        assert recover(Path(folder), found.extend) == 1
        assert not left.exists()
    assert found == records[: len(found)]
    before = 0
    for place, record in enumerate(records):
        before += _HEAD.size + len(record)
        assert before > at or len(found) > place


def check_record(data: bytes) -> None:
    """Bytes are a record, which is written as it is read, or an InputError."""
    try:
        found = decode(data)
    except InputError:
        return
    assert decode(b"".join(encode(found))) == found


def check_feedback(data: bytes) -> None:
    """A body says something that can be stored, and the same every time, or names the member that is wrong."""
    words = read_feedback(data, client_id="helpdesk", now=NOON, idempotency_key="k")
    if isinstance(words, Problem):
        assert words.status == 400
        assert is_json(words.body())
        return
    assert words.said
    again = read_feedback(data, client_id="helpdesk", now=NOON, idempotency_key="k")
    assert isinstance(again, Words)
    assert [word.id for word in again.said] == [word.id for word in words.said]
    for word in words.said:
        repr(word).encode()
        assert word.inference_id.isprintable()


class _Kept:
    """A store of feedback that knows no inference."""

    def __init__(self) -> None:
        self.words: list[Feedback] = []

    def add_feedback(self, words: Sequence[Feedback]) -> int:
        self.words += words
        return len(words)

    def known(self, _ids: Sequence[str]) -> set[str]:
        return set()


def check_feedback_file(data: bytes) -> None:
    """Any file, JSON Lines or CSV, is rows that are kept, set aside or silent, each counted, or an InputError."""
    kept = _Kept()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words"
        path.write_bytes(data)
        try:
            report = import_feedback(path, cast("Any", kept), inferences=cast("Any", kept), now=NOON)
        except InputError:
            return
    assert report.read == len(kept.words) + report.without_output + report.rejected
    for word in kept.words:
        assert word.output
        assert word.created_at.tzinfo is not None


def check_log_line(data: bytes) -> None:
    """A line is an inference, which is written as a line that says the same, or an InputError that quotes nothing."""
    try:
        found = read_line(data, lambda *_: Decimal("0.5"))
    except InputError as error:
        # It quotes nothing of the line.
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        assert len(refusal) < 500
        return
    line = write_line(found)
    assert line is not None
    assert line.count(b"\n") == 1
    again = read_line(line, lambda *_: Decimal("0.5"))
    assert (again.id, again.client_id, again.created_at) == (found.id, found.client_id, found.created_at)
    assert again.calls == found.calls


def check_log_file(data: bytes) -> None:
    """Any file is lines, in order and without loss, or says where it breaks off."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            reader = LineReader(Path(file.name))
        except InputError:
            assert not data
            return
        lines = list(reader)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    if not data.startswith(b"\x1f\x8b"):
        assert reader.broken is None
        whole = b"\n".join(line.raw for line in lines)
        assert whole == data.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n")


def check_retry_after(data: bytes) -> None:
    """Headers of any text mean a wait between nothing and an hour, or none."""
    values = [*data.decode("latin-1").split("\x00"), "", "", ""]
    headers = {"retry-after": values[0], "retry-after-ms": values[1], "date": values[2], "x-should-retry": values[2]}
    found = retry_after_s(headers, clock=lambda: NOON)
    assert found is None or 0 <= found <= RETRY_AFTER_CEILING_S
    assert classify_status(429, headers, clock=lambda: NOON, code=values[0]).retry_after_s == found


_LINE = {
    "timestamp": 1756684940.004,
    "client_id": "desk",
    "workload_id": None,
    "latency_ms": 812.5,
    "request": json.loads(a_request()),
    "response": json.loads(a_response()),
}
_STREAMED = b"".join(encode(Record(an_inference(response=None), [b'{"choices":[]}', b"{}"])))
HARNESSES = {
    "journal": Harness(check_journal, (b"\x03\x01one\x00two\x00\x00three", b"\x00\x00\xff\x00" + bytes(range(1, 90)))),
    "records": Harness(check_record, (b"".join(encode(Record(an_inference()))), _STREAMED)),
    "feedback": Harness(
        check_feedback,
        seeds(
            {"inference_id": "i", "score": 0.5, "output": {"a": 1}, "comment": "c", "author": "ann"},
            [{"id": "i", "value": True, "name": "n"}, {"response_id": "i", "label": "x", "idempotency_key": "k"}],
            {
                "inference_id": "i",
                "metric_name": "demonstration",
                "value": [{"type": "text", "text": "a"}],
                "dryrun": 1,
            },
            {"traceId": "t", "observationId": "i", "name": "n", "value": 1, "dataType": "BOOLEAN", "id": "s"},
        ),
    ),
    "feedback-files": Harness(
        check_feedback_file,
        (
            b'{"id":"i","output":"a","author":"ann","timestamp":1756684940.5}\n{"response_id":"j","gold":{"a":1}}\n',
            b'id;label;timestamp\ni;a;2025-09-01T12:00:00Z\n"j";"b\nc";1756684940\n',
        ),
    ),
    "log-lines": Harness(check_log_line, seeds(_LINE, {**_LINE, "timestamp": "2025-09-01T12:00:00Z"})),
    "log-files": Harness(
        check_log_file,
        (b"\xef\xbb\xbf{}\r\n\n{}", b"a\nb\n", zlib.compress(b"a\nb\n", wbits=31) + zlib.compress(b"c", wbits=31)),
    ),
    "retry-after": Harness(
        check_retry_after,
        (b"7\x00\x00", b"\x0015.5\x00", b"Wed, 21 Oct 2015 07:28:00 GMT\x00\x00Wed, 21 Oct 2015 07:27:00 GMT"),
    ),
}

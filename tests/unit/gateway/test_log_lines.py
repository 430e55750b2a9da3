from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tierwright.core.errors import InputError
from tierwright.gateway import log_lines
from tierwright.gateway.log_lines import Line, LineReader

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b'{"line": %d, "text": "%s"}\n' % (number, b"abc" * (number % 50)) for number in range(20_000))


def read(path: Path) -> tuple[list[Line], LineReader]:
    """All lines of a file, and the reader afterwards."""
    reader = LineReader(path)
    return list(reader), reader


@pytest.mark.parametrize("name", ["log.jsonl", "log.gz", "log"])
@pytest.mark.parametrize("packed", [False, True])
def test_gzip_is_known_by_its_content(tmp_path: Path, name: str, *, packed: bool) -> None:
    """Whatever a file is called, its lines come out whole, in order and numbered from one."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    lines, reader = read(path)
    assert [line.number for line in lines] == list(range(1, 20_001))
    assert b"".join(line.raw + b"\n" for line in lines) == TEXT
    assert reader.broken is None
    assert reader.bytes_done == reader.bytes_total == path.stat().st_size


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_lines_across_chunks_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Where a chunk ends means nothing; blank lines and a last line without an end count."""
    monkeypatch.setattr(log_lines, "_CHUNK_BYTES", chunk)
    path = tmp_path / "x"
    path.write_bytes(b"one\n\ntwo two\r\n\nlast")
    assert [line.raw for line in read(path)[0]] == [b"one", b"", b"two two\r", b"", b"last"]


def test_several_gzip_members_are_one_text(tmp_path: Path) -> None:
    """Members one after the other, as log rotation makes them, with padding behind the last."""
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"") + gzip.compress(b"c\nd\n") + b"\x00" * 512)
    lines, reader = read(path)
    assert [line.raw for line in lines] == [b"a", b"bc", b"d"]
    assert reader.broken is None


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_truncated_gzip_gives_what_it_has(tmp_path: Path, cut: float) -> None:
    """Every whole line before the break comes out as it was, the last one in part does not, and `broken` says why."""
    path = tmp_path / "x"
    packed = gzip.compress(TEXT)
    path.write_bytes(packed[: int(len(packed) * cut)])
    lines, reader = read(path)
    assert 0 < len(lines) < 20_000
    assert TEXT.startswith(b"".join(line.raw + b"\n" for line in lines))
    assert reader.broken is not None
    assert "breaks off" in reader.broken
    assert reader.lines == len(lines)


def test_a_gzip_that_lacks_its_last_byte_is_told(tmp_path: Path) -> None:
    """All lines are there, and still the file is not whole."""
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(TEXT)[:-1])
    lines, reader = read(path)
    assert len(lines) == 20_000
    assert reader.broken is not None


def test_a_damaged_gzip_is_told_from_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that no gzip holds end the reading; what came before the damaged part is good."""
    monkeypatch.setattr(log_lines, "_CHUNK_BYTES", 1024)
    path = tmp_path / "x"
    packed = bytearray(gzip.compress(TEXT))
    packed[len(packed) // 2 : len(packed) // 2 + 200] = b"\xff" * 200
    path.write_bytes(packed)
    lines, reader = read(path)
    assert reader.broken is not None
    assert "damaged" in reader.broken
    assert len(lines) > 1000
    assert TEXT.startswith(b"".join(line.raw + b"\n" for line in lines[:1000]))


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is cut and marked, also as the last one; its neighbours are not affected."""
    monkeypatch.setattr(log_lines, "LONGEST_LINE_BYTES", 5000)
    monkeypatch.setattr(log_lines, "_CHUNK_BYTES", 1000)
    path = tmp_path / "x"
    path.write_bytes(b"a\n" + b"x" * 20_000 + b"\nb\n" + b"y" * 5000 + b"\n" + b"z" * 5001)
    lines, _ = read(path)
    assert [(line.number, len(line.raw), line.too_long) for line in lines] == [
        (1, 1, False),
        (2, 1024, True),
        (3, 1, False),
        (4, 5000, False),
        (5, 1024, True),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    """Only there: elsewhere it is text."""
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb")
    assert [line.raw for line in read(path)[0]] == [b"a", b"\xef\xbb\xbfb"]


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a directory and an empty file: each with the path and what to do."""
    with pytest.raises(InputError, match=r"no file .*missing.*check the path"):
        LineReader(tmp_path / "missing")
    with pytest.raises(InputError, match="is a directory; name a file"):
        LineReader(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="is empty"):
        LineReader(tmp_path / "empty")

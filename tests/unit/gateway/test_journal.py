"""What was put survives the process; what is damaged is passed over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import a_call, an_inference
from tests.faults.disk import Remembering
from tierwright.core.errors import InputError
from tierwright.core.ids import CallerKeyId
from tierwright.core.inference import CallRole, Content, Endpoint
from tierwright.gateway.journal import DISK, Journal, recover
from tierwright.gateway.record import Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierwright.gateway.journal import Place

#: Appends numbered records for ever, and says of each that it was taken.
PROGRAM = """
import sys
from pathlib import Path
from tierwright.gateway.journal import Journal
journal = Journal(Path(sys.argv[1]), name="dying", segment_bytes=4096)
journal.open()
number = 0
while True:
    assert journal.append(b"%08d" % number * 20) is not None
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def left_in(folder: Path) -> list[bytes]:
    """Every record that processes which are no more have left; they are gone afterwards."""
    found: list[bytes] = []

    def take(records: Iterator[bytes]) -> None:
        found.extend(records)

    recover(folder, take)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_what_was_taken_survives_a_kill(tmp_path: Path, seed: int) -> None:
    """A process is killed with SIGKILL between two records: all that it said it had taken is there, in order, once."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(37 * (seed + 1))]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    found = left_in(tmp_path)
    # One more may have been appended and not yet been said, and one may have been said only in part.
    taken = [line for line in said if line.endswith("\n")]
    assert len(taken) <= len(found) <= len(taken) + 2
    assert [int(record[:8]) for record in found] == list(range(len(found)))
    assert left_in(tmp_path) == []


def test_settled_segments_are_removed_and_others_stay(tmp_path: Path) -> None:
    """Disk use is bounded by what is not settled."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096)
    journal.open()
    places = [place for _ in range(100) if (place := journal.append(b"x" * 500)) is not None]
    assert len(places) == 100
    before = len(list((tmp_path / "own").glob("*.segment")))
    journal.settle(places[:90])
    assert len(list((tmp_path / "own").glob("*.segment"))) < before
    assert journal.read(places[95]) == b"x" * 500
    journal.settle(places[90:])
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    """What a living process holds is not taken from it."""
    journal = Journal(tmp_path, name="own")
    journal.open()
    journal.append(b"mine")
    assert left_in(tmp_path) == []
    journal.close()
    assert left_in(tmp_path) == [b"mine"]


def test_a_journal_appears_only_when_it_is_locked(tmp_path: Path) -> None:
    """However often others look for journals left behind while it is being opened, it is never taken for one."""
    stop = threading.Event()
    seen: list[list[bytes]] = []

    def look() -> None:
        while not stop.is_set():
            seen.append(left_in(tmp_path))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(200):
            journal = Journal(tmp_path, name=f"worker-{number}", segment_bytes=4096)
            journal.open()
            assert journal.error is None
            assert journal.append(b"kept") is not None
            place = journal.append(b"more")
            assert place is not None
            assert journal.read(place) == b"more"
            journal.close()
    finally:
        stop.set()
        looking.join()
    found = [record for records in seen for record in records] + left_in(tmp_path)
    assert found == [b"kept", b"more"] * 200


def test_the_limit_holds(tmp_path: Path) -> None:
    """Beyond its limit a journal takes nothing, and takes again when something is settled."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096, limit_bytes=8192)
    journal.open()
    places = []
    while (place := journal.append(b"x" * 1000)) is not None:
        places.append(place)
    assert len(places) == 8
    journal.settle(places)
    assert journal.append(b"x" * 1000) is not None
    journal.close()


def test_a_record_larger_than_a_segment_is_kept(tmp_path: Path) -> None:
    """A long answer gets a segment of its own size."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096)
    journal.open()
    record = os.urandom(100_000)
    assert journal.append(b"small") is not None
    assert journal.append(record) is not None
    assert journal.append(b"after") is not None
    journal.close()
    assert left_in(tmp_path) == [b"small", record, b"after"]


def test_segments_made_by_two_threads_are_two(tmp_path: Path) -> None:
    """Records that each need a new segment, while a writer settles and prepares some: none is lost or overwritten."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096)
    journal.open()
    records = [b"%06d" % number + bytes([number % 251]) * 4500 for number in range(600)]
    places: list[Place] = []
    done = threading.Event()

    def settle() -> None:
        settled = 0
        while not done.is_set() or settled < len(places):
            if settled < len(places):
                journal.settle(places[settled : settled + 1])
                # Every other one stays.
                settled += 2

    writer = threading.Thread(target=settle)
    writer.start()
    for record in records:
        place = journal.append(record)
        assert place is not None
        places.append(place)
    done.set()
    writer.join()
    assert [journal.read(place) for place in places[1::2]] == records[1::2]
    journal.close()
    assert set(records[1::2]) <= set(left_in(tmp_path))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("lost", [0.5, 1.0])
def test_what_was_synced_survives_a_power_cut(tmp_path: Path, seed: int, lost: float) -> None:
    """Whatever of the rest the disk has lost, every record before the last sync is there, in its order, once."""
    rng = Random(seed)
    spool, disk = tmp_path / "new" / "spool", Remembering(tmp_path, tmp_path / "durable")
    journal = Journal(spool, name="own", segment_bytes=4096, disk=disk.disk, durable=True)
    journal.open()
    records, synced = [], 0
    for number in range(rng.randint(1, 60)):
        records.append(b"%04d" % number + rng.randbytes(rng.randint(1, 900)))
        assert journal.append(records[-1]) is not None
        if rng.random() < 0.2:
            journal.sync()
            synced = len(records)
    journal.close()
    disk.cut_power(spool, rng, lost=lost)
    found = left_in(spool)
    assert found[:synced] == records[:synced]
    assert found[synced:] == [record for record in records[synced:] if record in found]
    if lost == 1.0:
        # Nothing but a sync makes a record durable: this disk does not forgive one that is left out.
        assert len(found) == synced


@pytest.mark.parametrize("fails", ["sync_file", "sync_folder"])
def test_a_failed_sync_is_told(tmp_path: Path, fails: str) -> None:
    """Whether it was the record or its segment's entry that could not be made durable."""

    def broken(_: int) -> None:
        raise OSError(5, "scripted")

    disk = DISK._replace(**{fails: broken})
    journal = Journal(tmp_path, name="own", segment_bytes=4096, disk=disk, durable=True)
    journal.open()
    if fails == "sync_folder":
        assert journal.error == "OSError"
    else:
        journal.append(b"a record")
        with pytest.raises(OSError, match="scripted"):
            journal.sync()
    journal.close()


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20),
    damage=st.lists(st.tuples(st.integers(0, 4095), st.integers(1, 255)), max_size=4),
)
def test_damage_yields_less_and_never_something_else(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], damage: list[tuple[int, int]]
) -> None:
    """Whatever bytes are changed, what comes back was written, in its order."""
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, name="own", segment_bytes=16384)
    journal.open()
    for record in records:
        journal.append(record)
    journal.close()
    path = next((folder / "own").glob("*.segment"))
    data = bytearray(path.read_bytes())
    for place, change in damage:
        data[place] ^= change
    path.write_bytes(data)
    found = left_in(folder)
    assert found == records[: len(found)]
    if not damage:
        assert found == records


def test_a_record_comes_back_equal() -> None:
    """Every field survives, set or not."""
    full = an_inference(
        endpoint=Endpoint.RESPONSES,
        key_id=CallerKeyId("k"),
        content=Content.OFF,
        request=bytes(range(256)),
        response=None,
        calls=(a_call(role=CallRole.RETRY, cost_usd=None, first_token_ms=1.5, usage_estimated=True), a_call()),
    )
    for inference in (full, an_inference()):
        assert decode(b"".join(encode(Record(inference, [b"a", b""])))) == Record(inference, [b"a", b""])


@pytest.mark.parametrize("data", [b"", b"3", b"1", b"1\x93", b"2", b"2\x01\x00\x00\x00\xc0", b"2\xff\xff\xff\xff"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    """Another version, or no record at all, is an error that quotes nothing."""
    with pytest.raises(InputError):
        decode(data)


def test_a_record_that_is_cut_or_too_long_is_refused() -> None:
    """Whatever is missing of it or stands behind it: contents are never taken for one another."""
    whole = b"".join(encode(Record(an_inference(), [b"a", b"bc"])))
    for data in (*(whole[:end] for end in range(len(whole))), whole + b"x"):
        with pytest.raises(InputError):
            decode(data)


def test_a_record_in_parts_is_one(tmp_path: Path) -> None:
    """What is appended in parts comes back as one, and so does an empty one's neighbour."""
    journal = Journal(tmp_path, name="own", segment_bytes=4096)
    journal.open()
    place = journal.append(b"one", b"", b" and", b" another")
    assert place is not None
    assert journal.read(place) == b"one and another"
    journal.append(b"next")
    journal.close()
    assert left_in(tmp_path) == [b"one and another", b"next"]

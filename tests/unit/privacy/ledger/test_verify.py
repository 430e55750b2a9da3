"""Verifying: whatever is done to a ledger is found, and the first line that it was done to is named."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.privacy.ledger.ledgers import KEY, written
from tests.unit.privacy.ledger.tampering import PUBLIC, TAMPERINGS, Kept, delete, flip, tampered, truncate
from tierwright.privacy.ledger.checkpoints import SUFFIX
from tierwright.privacy.ledger.files import chain_of, parts
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.lines import GENESIS, line
from tierwright.privacy.ledger.verdict import End, Flaw
from tierwright.privacy.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Written once."""
    place = tmp_path_factory.mktemp("ledger")
    kept = Kept(place / "ledger", place / "second")
    written(*kept)
    return kept


@pytest.fixture
def ledger(original: Kept, tmp_path: Path) -> Kept:
    """A copy to damage."""
    kept = Kept(tmp_path / "ledger", tmp_path / "second")
    for one, copy in zip(original, kept, strict=True):
        shutil.copytree(one, copy)
    return kept


def test_what_nobody_touched_is_sound(ledger: Kept) -> None:
    """Three chains: how each ended, how many entries, and how far checkpoints reach in both places."""
    verdict = ledger.looked_at()
    assert verdict.sound
    assert verdict.keys == (KEY.fingerprint,)
    ended, killed, last = verdict.chains
    assert (ended.end, killed.end, last.end) == (End.ENDED, End.KILLED, End.ENDED)
    assert len(ended.files) > 2
    assert (killed.entries, last.entries) == (21, 12)
    assert ended.signed_seq == ended.second_seq == ended.entries
    assert 0 < killed.signed_seq <= killed.entries
    assert not any(chain.torn for chain in verdict.chains)
    assert verify(ledger.folder).sound


@pytest.mark.slow
def test_of_1000_tamperings_none_is_missed_and_each_is_named(ledger: Kept) -> None:
    """Random damage to one file of a chain: the first break is in this file, at the first line that differs."""
    outcome = tampered(ledger, count=1000, seed=7)
    assert len(outcome.done) == len(TAMPERINGS)
    assert outcome.missed == []
    assert outcome.misnamed == []
    assert ledger.looked_at().sound


@pytest.mark.slow
def test_of_300_tamperings_with_checkpoints_none_is_missed(ledger: Kept) -> None:
    """Flipped, cut or taken out in the ledger's folder: signatures and the second place show it."""
    rng = random.Random(11)
    paths = sorted(ledger.folder.glob(f"*{SUFFIX}"))
    for _ in range(300):
        path, tamper = rng.choice(paths), rng.choice((flip, delete, truncate))
        before = path.read_bytes()
        path.write_bytes(tamper(before, rng))
        verdict = ledger.looked_at()
        path.write_bytes(before)
        assert not verdict.sound, (tamper.__name__, path.name)
        assert verdict.breaks[0].file == path.name
        assert verdict.breaks[0].what in {Flaw.SIGNATURE, Flaw.UNREADABLE, Flaw.MISSING}


def changed(data: list[bytes]) -> list[bytes]:
    """Line 4 with another class."""
    return [*data[:3], data[3].replace(b"internal", b"external"), *data[4:]]


@pytest.mark.parametrize(
    ("damage", "what", "at"),
    [
        (changed, Flaw.CHANGED, 4),
        (lambda lines: [*lines[:4], *lines[5:]], Flaw.MISSING, 5),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], Flaw.REORDERED, 5),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], Flaw.INSERTED, 5),
        (lambda lines: lines[:-1], Flaw.CUT_OFF, 12),
        (lambda lines: [*lines, lines[-1]], Flaw.INSERTED, 13),
        (lambda lines: [*lines[:4], b"\n", *lines[4:]], Flaw.UNREADABLE, 5),
        (lambda lines: [b"x" * 5_000_000], Flaw.UNREADABLE, 1),
    ],
)
def test_damage_has_a_name(ledger: Kept, damage: Callable[[list[bytes]], list[bytes]], what: Flaw, at: int) -> None:
    """What was done, in a word, and where."""
    (path,) = ledger.files(2)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    (found,) = ledger.looked_at().breaks
    assert (found.file, found.line, found.seq, found.what) == (path.name, at, at, what)


def test_a_missing_file_is_missed(ledger: Kept) -> None:
    """A chain that is gone, and the first, a middle and the last file of one, even without any checkpoint."""
    for path in (*ledger.files(0), *ledger.files(1)):
        whole = path.read_bytes()
        path.unlink()
        for verdict in (ledger.looked_at(), verify(ledger.folder)):
            assert [(one.file, one.line, one.what) for one in verdict.breaks] == [(path.name, None, Flaw.GONE)]
        path.write_bytes(whole)
    for checkpoints in ledger.folder.glob(f"*{SUFFIX}"):
        checkpoints.unlink()
    (killed,) = ledger.files(1)
    killed.unlink()
    (found,) = verify(ledger.folder).breaks
    assert (found.file, found.what) == (killed.name, Flaw.GONE)
    assert "first line of" in found.why


def test_the_last_chain_is_missed_by_the_second_place_alone(ledger: Kept) -> None:
    """Nobody in the folder knows it once its checkpoints went, too."""
    (path,) = ledger.files(2)
    path.unlink()
    path.with_suffix(SUFFIX).unlink()
    assert verify(ledger.folder).sound
    broken = ledger.looked_at().breaks
    assert {(one.file, one.what) for one in broken} == {
        (path.name, Flaw.GONE),
        (path.with_suffix(SUFFIX).name, Flaw.MISSING),
    }


def rewritten(path: Path, first: int) -> None:
    """A chain's only file, forged from a line on with every hash made right again."""
    lines, prev = [], GENESIS
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        said = json.loads(raw)
        inner = raw[raw.index(b'"kind"') : raw.rindex(b',"prev"')]
        if number == first:
            inner = inner.replace(b"internal", b"public")
        forged, prev = line(said["seq"], said["at"].encode(), inner, prev)
        lines.append(forged)
    path.write_bytes(b"".join(lines))


def test_a_chain_that_is_rewritten_from_a_line_on_is_found(ledger: Kept) -> None:
    """All its hashes are right: the next checkpoint knows better, and the last good one says since when."""
    (path,) = ledger.files(1)
    rewritten(path, 9)
    found = ledger.looked_at().breaks[0]
    assert (found.file, found.what) == (path.name, Flaw.CHANGED)
    assert found.line is not None
    assert 9 <= found.line <= 21
    assert "rewritten" in found.why


def test_who_signs_a_rewritten_chain_with_a_key_of_his_own_is_found(ledger: Kept) -> None:
    """The folder alone then looks sound; the known key says no, and so does the second place."""
    from tierwright.privacy.ledger.checkpoints import checkpoint, checkpoint_line  # noqa: PLC0415 - for this forgery
    from tierwright.privacy.ledger.files import Head  # noqa: PLC0415 - as above
    from tierwright.privacy.ledger.ledger import utc_now  # noqa: PLC0415 - as above

    forger = SigningKey.parse("A" * 43 + "=")
    (path,) = ledger.files(2)
    rewritten(path, 4)
    hashes = [json.loads(raw)["hash"].encode() for raw in path.read_bytes().splitlines()]
    signed = path.with_suffix(SUFFIX)
    heads = [checkpoint(raw).head for raw in signed.read_bytes().splitlines(keepends=True)]  # type: ignore[union-attr]
    signed.write_bytes(
        b"".join(checkpoint_line(Head(path.name, one.seq, hashes[one.seq - 1]), utc_now(), forger) for one in heads)
    )
    (ledger.folder / f"{forger.fingerprint}.public.pem").write_bytes(forger.public_pem)
    alone = verify(ledger.folder)
    assert alone.sound
    assert forger.fingerprint in alone.keys
    assert Flaw.SIGNATURE in {one.what for one in verify(ledger.folder, public_keys=[PUBLIC]).breaks}
    assert (path.name, Flaw.CHANGED) in {
        (one.file, one.what) for one in verify(ledger.folder, checkpoints=ledger.second).breaks
    }


def test_a_last_line_that_names_another_file_hides_no_cut(ledger: Kept) -> None:
    """Cut off behind a forged line, by which the chain goes on in a file that is there: the chain's next one is not."""
    (path,), (other,) = ledger.files(1), ledger.files(2)
    lines = path.read_bytes().splitlines(keepends=True)[:13]
    last = json.loads(lines[-1])
    said = b'"kind":"roll","next":"%b"' % other.name.encode()
    forged, _ = line(14, last["at"].encode(), said, last["hash"].encode())
    path.write_bytes(b"".join([*lines, forged]))
    for verdict in (ledger.looked_at(), verify(ledger.folder)):
        assert [(one.file, one.what) for one in verdict.breaks] == [(other.name, Flaw.GONE)]


@pytest.mark.parametrize("seen", [1, 2])
def test_a_chain_is_read_on_in_files_that_were_made_meanwhile(
    ledger: Kept, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    """Its process lives: all entries are read, and held against what others know; damage in such a file is found."""
    first, *_ = whole = ledger.files(0)
    chain = chain_of(first.name)
    ahead = [part for part in parts(ledger.folder) if part.chain != chain or part.number <= seen]
    monkeypatch.setattr("tierwright.privacy.ledger.verify.parts", lambda folder: ahead)
    assert len(whole) > 2
    (verdict, *_), breaks = ledger.looked_at().chains, ledger.looked_at().breaks
    assert breaks == ()
    assert verdict.files == tuple(path.name for path in whole)
    assert verdict.entries == verdict.signed_seq
    *rest, last = whole[-1].read_bytes().splitlines(keepends=True)
    assert b'"end"' in last
    whole[-1].write_bytes(b"".join(rest))
    ended = ledger.looked_at()
    assert [(one.file, one.what) for one in ended.breaks] == [(whole[-1].name, Flaw.CUT_OFF)]
    assert ended.chains[0].end is End.OPEN


def test_a_renamed_chain_is_found(ledger: Kept) -> None:
    """A chain says its own name: under another one it is no chain, and the one it was is gone."""
    (path,) = ledger.files(2)
    other = path.rename(path.with_name("20260101T000000000000Z-1-00000000.jsonl"))
    broken = ledger.looked_at().breaks
    assert [(one.file, one.what) for one in broken] == [(other.name, Flaw.RENAMED), (path.name, Flaw.GONE)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chain=st.binary(min_size=1), checkpoints=st.binary(), key=st.binary(min_size=1))
def test_whatever_lies_there_there_is_a_verdict(tmp_path: Path, chain: bytes, checkpoints: bytes, key: bytes) -> None:
    """Bytes that nobody wrote, in every kind of file: breaks, and no error."""
    name = "20260101T000000000000Z-1-00000000"
    (tmp_path / f"{name}.jsonl").write_bytes(chain + b"\n")
    (tmp_path / f"{name}.checkpoints").write_bytes(checkpoints + b"\n")
    (tmp_path / "key.public.pem").write_bytes(key)
    broken = {one.file for one in verify(tmp_path).breaks}
    assert broken == {f"{name}.jsonl", f"{name}.checkpoints", "key.public.pem"}


@pytest.mark.parametrize(
    "said",
    [
        b'"kind":"start"garbage',
        b'"kind":"start","heads":7',
        b'"kind":"start","heads":[{"file":7}]',
        b'"kind":"start","heads":[{"file":"../x","seq":-1,"hash":"\\ud800"}]',
        b'"kind":"start","chain":["x"]',
        b'"kind":"start","chain":"\xff"',
        b'"kind":"roll","next":{}',
    ],
)
def test_a_forged_first_line_is_a_break_whatever_it_says(tmp_path: Path, said: bytes) -> None:
    """Its hash is right, and it is nothing that a ledger writes: found, and no error."""
    path = tmp_path / "20260101T000000000000Z-1-00000000.jsonl"
    path.write_bytes(line(1, b"2026-11-28T14:00:25.123456Z", said, GENESIS)[0])
    assert not verify(tmp_path).sound


@pytest.mark.parametrize(
    "tail", [b'{"seq"', b'{"seq":22,"at":"2026-11', b'{"seq":22,"at":"' + b"x" * 600, b"\0" * 4096]
)
def test_what_a_killed_process_left_is_no_break(ledger: Kept, tail: bytes) -> None:
    """A last line without its end was never acknowledged; it is said all the same."""
    (path,) = ledger.files(1)
    path.write_bytes(path.read_bytes() + tail)
    verdict = ledger.looked_at()
    assert verdict.sound
    assert [chain.torn for chain in verdict.chains] == [False, True, False]
    assert verdict.chains[1].entries == 21


def test_a_file_that_was_made_and_never_written_is_no_break(ledger: Kept) -> None:
    """Killed between making the next file and naming it, or before its first line: nothing was acknowledged."""
    (path,) = ledger.files(1)
    path.with_stem(f"{path.stem}-2").write_bytes(b"")
    assert ledger.looked_at().sound
    *_, last = ledger.files(0)
    assert last.name != path.name


def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    """40,000 entries, 15 MB, are verified in less than 2 MB."""
    import tracemalloc  # noqa: PLC0415 - slows what is imported after it

    chain = "20260101T000000000000Z-1-00000000"
    prev = GENESIS
    with (tmp_path / f"{chain}.jsonl").open("wb") as file:
        for seq in range(1, 40_001):
            said = b'"kind":"permit","padding":"%b"' % (b"x" * 150)
            raw, prev = line(seq, b"2026-11-28T14:00:25.123456Z", said, prev)
            file.write(raw)
    tracemalloc.start()
    verdict = verify(tmp_path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.sound
    assert verdict.entries == 40_000
    assert peak_bytes < 2_000_000

"""A full disk: what is refused is said, what was promised is kept, and with room everything goes on."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.servers import eventually, gateway, logged, replayed, settings
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.acceptance.conftest import Cli

pytestmark = pytest.mark.slow

REQUESTS = 1500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk in memory of a given size, or gives the mounted one that size; unmounted at the end."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: str) -> Path:
        mounted = os.path.ismount(place)
        options = f"remount,size={size}" if mounted else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"a small disk can't be mounted here: {error}")
        if done.returncode != 0:
            pytest.skip(f"a small disk can't be mounted here: {done.stderr.strip()}")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def fill(ballast: Path) -> None:
    """Writes until its disk is full."""
    with ballast.open("wb", buffering=0) as file:
        while os.statvfs(ballast).f_bavail:
            file.write(bytes(4096))


@pytest.mark.parametrize("size", ["64k", "300k", "2m"])
def test_import_onto_a_full_disk(
    cli: Cli, log: tuple[Path, Path], small_disk: Callable[[str], Path], size: str
) -> None:
    """Exit code 3 and one paragraph that says how far it came; with room the same import completes the traffic."""
    disk = small_disk(size)
    (cli.folder / "tierwright.toml").write_text(
        settings("http://127.0.0.1:9/v1", f"sqlite:///{disk / 'store.db'}"), encoding="utf-8"
    )
    full = cli("traffic", "import", str(log[0]))
    assert full.code == 3
    # A machine that is slow is told of its progress first.
    *progress, paragraph = full.err.strip().splitlines()
    assert all(f" of {REQUESTS:,}, " in line or line.startswith("reading bytes: ") for line in progress), progress
    assert "no space left" in paragraph
    assert "Traceback" not in full.err
    small_disk("64m")
    store = open_store(f"sqlite:///{disk / 'store.db'}")
    kept = store.count()
    store.close()
    assert kept < REQUESTS
    assert size != "2m" or f"{kept} of them new" in paragraph
    again = cli("traffic", "import", str(log[0]), "--json")
    assert again.code == 0, again.err
    assert (again.document["added"], again.document["already_there"]) == (REQUESTS - kept, kept)


def test_gateway_on_a_full_disk(log: tuple[Path, Path], tmp_path: Path, small_disk: Callable[[str], Path]) -> None:
    """While the store's disk is full callers get their answers; with room everything is stored, nothing was lost."""
    disk = small_disk("4m")
    (first, _), *others = logged(*log)["ticket-triage"][:61]
    with replayed(log[0], tmp_path, speedup="inf") as frontier:
        text = settings(frontier, f"sqlite:///{disk / 'store.db'}")
        (tmp_path / "tierwright.toml").write_text(text, encoding="utf-8")
        ids = _asked_while_full(tmp_path, disk, first, others)
    store = open_store(f"sqlite:///{disk / 'store.db'}")
    kept = {inference.id for inference in store.scan()}
    store.close()
    assert kept == ids
    assert len(ids) == 61


def _asked_while_full(
    folder: Path, disk: Path, first: dict[str, Any], others: list[tuple[dict[str, Any], str]]
) -> set[str]:
    """Ids of what was answered before and while the disk was full; the gateway has ended well when this returns."""
    with gateway(folder) as running:
        ids = {running.ask(first)[1]["x-tierwright-inference-id"]}
        eventually(lambda: running.readiness()["capture"]["captured"] == 1)
        fill(disk / "ballast")
        ids |= {running.ask(request)[1]["x-tierwright-inference-id"] for request, _ in others}
        eventually(lambda: running.readiness()["capture"]["store_error"] == "StoreFull")
        assert running.readiness()["status"] == "degraded"
        (disk / "ballast").unlink()
        eventually(lambda: running.readiness()["capture"]["captured"] == len(ids))
        assert running.readiness()["capture"]["dropped"] == 0
        assert running.stop() == 0
    return ids

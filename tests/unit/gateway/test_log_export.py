"""Tests of where an export is written to."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from tests.fakes import an_inference
from tierwright.gateway.log_export import export_log
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """A target that is no regular file, such as a named pipe, gets the records and is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with closing(open_store(f"sqlite:///{tmp_path / 'test.db'}")) as store:
            store.append([an_inference()])
            assert export_log(store, pipe).written == 1
        assert os.read(reading, 1 << 16).count(b"\n") == 1
        assert pipe.is_fifo()
    finally:
        os.close(reading)

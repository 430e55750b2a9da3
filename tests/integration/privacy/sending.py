"""Hands out permits and "sends" until it is killed: a line on standard output for each thing sent.

    python sending.py FOLDER SECOND

A line is "REQUEST ENTRY", written, with one system call, when the ledger has said that the permit's entry is durable.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Bounds, Ledger

#: Requests under way at the same time.
AT_ONCE = 24


async def main(folder: Path, second: Path) -> None:
    """Until it is killed."""
    bounds = Bounds(file_bytes=40_000, checkpoint_entries=50)
    ledger = Ledger(folder, key=SigningKey.of_folder(folder), checkpoints=second, bounds=bounds)
    ledger.start()
    numbers = itertools.count()
    os.write(1, b"ready\n")

    async def send() -> None:
        for number in numbers:
            request_id = f"{os.getpid()}-{number}"
            entry = await ledger.append("permit", {"request_id": request_id, "backend": "frontier"})
            if entry is not None:
                os.write(1, f"{request_id} {entry}\n".encode())

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))

"""What a new chain says of the others in its folder, so that one that is removed later is missed.

Only what no chain's first line says already: who is named by one that is named itself is held by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tierwright.privacy.ledger.files import Head, last_line, parts
from tierwright.privacy.ledger.lines import MOST_LINE_BYTES, taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def heads_to_name(folder: Path, sync_file: Callable[[int], None]) -> list[dict[str, object]]:
    """The last lines of the chains in a folder, as a `start` entry has them; durable before they are named.

    Raises OSError where one can't be read or synced.
    """
    last = {part.chain: part for part in parts(folder)}
    named = {head for part in parts(folder) for head in named_heads(part.path)}
    found = []
    for part in last.values():
        line = last_line(part.path)
        if line is None:
            continue
        head = Head(part.path.name, line.seq, line.hash)
        if head in named:
            continue
        with part.path.open("rb") as file:
            sync_file(file.fileno())
        found.append({"file": head.file, "seq": head.seq, "hash": head.hash.decode()})
    return found


def named_heads(path: Path) -> list[Head]:
    """What the first line of a file says of other chains; nothing where that line is not as it was written."""
    with path.open("rb") as file:
        raw = file.readline(MOST_LINE_BYTES)
    line = taken_apart(raw)
    if line is None or not line.true or line.kind != b"start":
        return []
    said: Any = msgspec.json.decode(raw)
    return [Head(str(one["file"]), int(one["seq"]), str(one["hash"]).encode()) for one in said.get("heads", ())]

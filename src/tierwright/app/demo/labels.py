"""The demo's people: they name the tasks and label answers from the log's key, within a budget.

Owns the key file. What is in it reaches the product only as a person's word would: as names and as feedback. The rest
of it is for scoring.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tierwright.core.errors import InputError
from tierwright.core.feedback import Feedback
from tierwright.core.ids import FeedbackId, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tierwright.core.ids import InferenceId, TaskId

#: Who labels.
AUTHOR = "the demo's key"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """What the author of a log knows about one answer."""

    task: str
    #: The right answer as the text of a message; None: nothing says what is right.
    gold: str | None


class _Line(msgspec.Struct):
    id: str
    task: str
    gold: str | None = None


def read_key(path: Path) -> dict[str, KeyEntry]:
    """The key by response id; raises InputError, with the line, where it is no key."""
    decoder = msgspec.json.Decoder(_Line)
    found: dict[str, KeyEntry] = {}
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"the key {path} can't be read: {error}; check the path, or copy it again") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: {error}; a key line holds id, task and gold") from error
            found[row.id] = KeyEntry(task=row.task, gold=row.gold)
    return found


def names_from_key(members: Mapping[TaskId, Sequence[str]], key: Mapping[str, KeyEntry]) -> dict[TaskId, str]:
    """The name people would give each task: what most of its requests are called; only if no other task gets it."""
    chosen: dict[TaskId, str] = {}
    for task_id, log_ids in members.items():
        counts = Counter(key[log_id].task for log_id in log_ids if log_id in key)
        if counts and counts.most_common(1)[0][1] > len(log_ids) / 2:
            chosen[task_id] = counts.most_common(1)[0][0]
    repeated = {name for name, count in Counter(chosen.values()).items() if count > 1}
    return {task_id: name for task_id, name in chosen.items() if name not in repeated}


def labels_from_key(
    answers: Iterable[tuple[InferenceId, str]], key: Mapping[str, KeyEntry], *, budget: int, seed: int, at: datetime
) -> list[Feedback]:
    """People's words on a random sample of (inference, log id) pairs, as many as the budget allows."""
    # By the log's ids, which are the same in every run; the inferences' are not.
    ordered = sorted(answers, key=lambda pair: pair[1])
    known = [(inference_id, gold) for inference_id, log_id in ordered if (gold := _gold(key, log_id)) is not None]
    order = np.random.default_rng(seed).permutation(len(known))[:budget]
    return [
        Feedback(
            id=FeedbackId(f"feedback_{digest(known[i][0], AUTHOR, known[i][1])}"),
            inference_id=known[i][0],
            output=known[i][1],
            author=AUTHOR,
            created_at=at,
        )
        for i in sorted(order.tolist())
    ]


def _gold(key: Mapping[str, KeyEntry], log_id: str) -> str | None:
    entry = key.get(log_id)
    return entry.gold if entry else None

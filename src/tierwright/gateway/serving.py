"""Runs a gateway of one process on uvicorn: binds, says where it listens, drains when it is asked to stop.

Owns signals and the socket; refuses to know what the application does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from tierwright.core.errors import ServiceError
from tierwright.gateway.protocol import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from tierwright.gateway.asgi import Application
    from tierwright.gateway.config import AdminConfig, ServerConfig

#: Seconds a thread may keep the interpreter while another one waits for it.
_SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What goes on beside the gateway, on the same event loop."""

    #: What is served on a socket of its own, and where.
    admin: tuple[Application, AdminConfig] | None = None
    #: Runs until the gateway has ended, or ends it by returning.
    task: Callable[[], Coroutine[None, None, None]] | None = None
    #: Called on SIGHUP; None: the signal ends the process, as it does by default.
    hangup: Callable[[], None] | None = None


class Listener:
    """A bound gateway: bound when made, serving in `run`, ended by `stop`, SIGTERM or SIGINT."""

    def __init__(
        self, app: Application, config: ServerConfig, *, beside: Beside = Beside(), shared: bool = False
    ) -> None:
        """Binds. Raises ServiceError where an address can't be had. `shared`: other processes listen there, too."""
        self._socket = bound(config.host, config.port, "[server]", shared=shared)
        self._beside = beside
        admin = beside.admin
        self._admin = None if admin is None or not admin[1].port else AdminServer(*admin)
        #: Where an OpenAI client finds it, without the /v1.
        self.address = address_of(self._socket)
        self._server = _Server(
            uvicorn.Config(
                app,
                # uvicorn calls it with what it gives a protocol class.
                http=cast("Any", Guard(config).protocol),
                ws="none",
                lifespan="on",
                log_config=None,
                # Its errors are tracebacks of ours; the application has logged what can be said.
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=config.backlog,
                timeout_keep_alive=config.keep_alive_s,
                timeout_graceful_shutdown=config.drain_s,
            )
        )

    def run(self, announce: Callable[[str], None] | None = None) -> None:
        """Serves until it is stopped; `announce` is told the address when requests are taken.

        In the main thread SIGTERM and SIGINT stop it: no new connections, answers under way finish within `drain_s`,
        what was captured is stored. A second signal cuts the answers under way.
        """
        if announce is not None:
            self._server.when_started = lambda: announce(self.address)
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._serve())
        if not self._server.started:
            raise ServiceError("the gateway could not start; the log says why")

    async def _serve(self) -> None:
        beside = [] if self._admin is None else [asyncio.create_task(self._admin.serve(), name="tierwright-admin")]
        if self._beside.task is not None:
            task = asyncio.create_task(self._beside.task(), name="tierwright-beside")
            task.add_done_callback(lambda _: self.stop())
            beside.append(task)
        if self._beside.hangup is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._beside.hangup)
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            if self._admin is not None:
                self._admin.stop()
            if self._beside.task is not None:
                beside[-1].cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def stop(self) -> None:
        """Ends `run`, gracefully; may be called from any thread, and before `run`."""
        self._server.should_exit = True


def serve(
    app: Application,
    config: ServerConfig,
    *,
    announce: Callable[[str], None],
    beside: Beside = Beside(),
    shared: bool = False,
) -> None:
    """Binds and serves until SIGTERM or SIGINT; `announce` is told the address when requests are taken.

    Sets the interpreter up for a process that does nothing else; `Listener` leaves it alone. Raises ServiceError where
    the address can't be had.
    """
    # The capture's writer computes for milliseconds at a time; the default of 5 ms would be added to answers.
    sys.setswitchinterval(_SWITCH_S)

    def started(address: str) -> None:
        # What was loaded stays: the collector need not walk it again for every request's garbage.
        gc.collect()
        gc.freeze()
        announce(address)

    Listener(app, config, beside=beside, shared=shared).run(started)


class AdminServer:
    """The admin listener: bound when made, beside something else on the same event loop."""

    def __init__(self, app: Application, config: AdminConfig) -> None:
        self._socket = bound(config.host, config.port, "[admin]")
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
            )
        )
        self._server.takes_signals = False

    async def serve(self) -> None:
        """Serves until `stop`."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Ends `serve`."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, but a signal only stops it: the caller of `run` goes on afterwards."""

    when_started: Callable[[], None] | None = None
    takes_signals = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.when_started is not None:
            self.when_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self.takes_signals or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        if self.should_exit:
            # The deadline is read when the drain begins, so the answers are cut here.
            for task in self.server_state.tasks:
                task.cancel()
        self.should_exit = True


def bound(host: str, port: int, table: str, *, shared: bool = False) -> socket.socket:
    """A socket at an address, not listening yet; `shared`: other sockets of this user may have the address, too.

    Raises ServiceError, which names the table of the settings, where the address can't be had.
    """
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServiceError(f"the gateway can't listen on {where} ({error.strerror}); check host in {table}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise ServiceError(
            f"the gateway can't listen on {where} ({error.strerror}); "
            f"stop the program that does, or set another port in {table}"
        ) from error
    return made


def address_of(at: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = at.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""One of several processes that answer at the same address: `python -m tierwright.app.worker FD`.

Owns a worker's life: it serves what its first order says, takes the orders that follow, and ends on SIGTERM
or when the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from tierwright.app.link import (
    Commit,
    Discard,
    Failed,
    Link,
    Prepare,
    Prepared,
    Report,
    Reported,
    Start,
    Started,
    first_order,
    line,
)
from tierwright.app.logs import configure_logs
from tierwright.app.service import Service
from tierwright.app.settings import parse_settings
from tierwright.app.wiring import open_parts
from tierwright.core.errors import TierwrightError
from tierwright.gateway.serving import Beside, serve

if TYPE_CHECKING:
    from tierwright.app.service import Change


class _Worker:
    """Takes orders beside the gateway."""

    def __init__(self, end: socket.socket, service: Service, path: Path) -> None:
        self._end = end
        self._service = service
        self._path = path
        self._started = asyncio.Event()
        self._change: Change | None = None

    def started(self, _address: str) -> None:
        """Told when requests are taken."""
        self._started.set()

    async def obey(self) -> None:
        """Takes orders until the supervisor is gone."""
        link = await Link.over(self._end)
        try:
            await self._started.wait()
            await link.send(Started())
            while (order := await link.order()) is not None:
                match order:
                    case Prepare(text):
                        await link.send(Prepared(await asyncio.to_thread(self._prepare, text)))
                    case Commit():
                        if self._change is not None:
                            self._service.adopt(self._change)
                        self._change = None
                    case Discard():
                        self._change = None
                    case Report():
                        app = self._service.app
                        await link.send(Reported(app.metrics.render(), app.readiness()))
                    case Start():
                        raise AssertionError("a worker is started once")
        except ConnectionError:
            # The supervisor is gone, as if it had closed its end.
            return
        finally:
            link.close()

    def _prepare(self, text: bytes) -> str | None:
        """Runs in a thread; why the settings can't be taken."""
        self._change = None
        try:
            self._change = self._service.prepare(parse_settings(text, self._path, os.environ))
        except TierwrightError as error:
            return str(error)
        return None


def main() -> None:
    """Serves; the exit code is that of the error which kept it from it."""
    end = socket.socket(fileno=int(sys.argv[1]))
    # The terminal's signals are the supervisor's business, which passes on what is meant for the workers.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        start = first_order(end)
    except EOFError:
        return
    assert isinstance(start, Start)
    path = Path(start.path)
    try:
        settings = parse_settings(start.text, path, os.environ)
        configure_logs(settings.file.log)
        assert settings.capture.spool is not None
        # One small prediction at a time: more threads would only take the cores from the requests.
        with (
            open_parts(settings) as parts,
            threadpool_limits(limits=1),
            closing(Service(parts, quota_file=settings.capture.spool / "quotas")) as service,
        ):
            worker = _Worker(end, service, path)
            serve(
                service.app,
                replace(settings.server, port=start.port),
                announce=worker.started,
                beside=Beside(task=worker.obey),
                shared=True,
            )
    except TierwrightError as error:
        try:
            end.sendall(line(Failed(str(error), error.exit_code)))
        except OSError:
            sys.stderr.write(f"tierwright: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

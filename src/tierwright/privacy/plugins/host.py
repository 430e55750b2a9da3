"""Asks a plug-in from outside: a detector that is safe to wait for.

Owns the deadline of every call, the queue before the process, and when the next process is started after one has hung
or died. Fails closed: whatever goes wrong is raised, and whoever asked takes the text for restricted.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import DetectorError
from tierwright.privacy.plugins.process import PluginProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.privacy import Found
    from tierwright.privacy.plugins.process import PluginSpec

_LOG = logging.getLogger(__name__)
#: Calls that wait for their turn at most, and characters in all of them.
_MOST_WAITING: Final = 256
_MOST_CHARACTERS: Final = 16 * 1024 * 1024
#: Seconds after which a process that ended counts as one that had worked.
_STEADY_S: Final = 60.0
#: What `version` is before the plug-in has told its own.
_UNKNOWN: Final = "not-started"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class PluginDetector:
    """A `Detector` in a process of its own. On one event loop; its process is started by the first call or `start`."""

    def __init__(self, spec: PluginSpec, *, environment: Mapping[str, str]) -> None:
        """`environment` is all that the process sees of ours: no secrets."""
        self._spec = spec
        self._environment = environment
        self._keeper: asyncio.Task[None] | None = None
        self._process: PluginProcess | None = None
        self._up = asyncio.Event()
        self._turn = asyncio.Lock()
        self._calls: set[asyncio.Task[list[list[Found]]]] = set()
        self._characters = 0
        self._version = _UNKNOWN
        self._tried = asyncio.Event()
        #: Why it can't be asked now; None: it can.
        self.refusal: str | None = f"detector {spec.name!r} was not started"
        #: Processes that were started.
        self.starts = 0

    @property
    def name(self) -> str:
        """As `Detector.name`."""
        return self._spec.name

    @property
    def version(self) -> str:
        """As `Detector.version`; the plug-in's own once it has started."""
        return self._version

    async def start(self) -> None:
        """Starts it and waits until it is ready. Raises DetectorError where it is not at the first attempt."""
        self._keep()
        await self._tried.wait()
        if self.refusal is not None:
            raise DetectorError(self.refusal)

    async def find(self, texts: Sequence[str]) -> list[list[Found]]:
        """As `Detector.find`. Raises DetectorError within the deadline where there is no answer."""
        asked = [_sendable(text) for text in texts]
        size = sum(map(len, asked))
        if len(self._calls) >= _MOST_WAITING or self._characters + size > _MOST_CHARACTERS:
            raise DetectorError(f"detector {self.name!r} has more to look at than it can")
        self._keep()
        sent = asyncio.Event()
        call = asyncio.create_task(self._call(asked, sent), name=f"tierwright-detector-{self.name}")
        self._calls.add(call)
        self._characters += size
        call.add_done_callback(lambda done: self._over(done, size))
        try:
            await asyncio.wait({call}, timeout=self._spec.deadline_s)
        finally:
            # What was sent is answered or killed in its own time; what was not is taken back.
            if not sent.is_set():
                call.cancel()
        if not call.done() or call.cancelled():
            why = self.refusal or f"detector {self.name!r} gave no answer within {self._spec.deadline_s * 1000:g} ms"
            raise DetectorError(why)
        return call.result()

    async def aclose(self) -> None:
        """Ends the process."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _over(self, call: asyncio.Task[list[list[Found]]], size: int) -> None:
        self._calls.discard(call)
        self._characters -= size
        if not call.cancelled():
            call.exception()  # nobody may be waiting for it any more, and asyncio would complain

    async def _call(self, texts: list[str], sent: asyncio.Event) -> list[list[Found]]:
        async with self._turn:
            await self._up.wait()
            process = self._process
            assert process is not None
            sent.set()
            try:
                async with asyncio.timeout(self._spec.deadline_s):
                    return await process.find(texts)
            except TimeoutError as error:
                raise DetectorError(
                    f"detector {self.name!r} gave no answer within {self._spec.deadline_s * 1000:g} ms; it is ended"
                ) from error
            finally:
                if process.broken:
                    self._down("is started again after it failed")
                    process.kill()

    def _keep(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._run(), name=f"tierwright-keeper-{self.name}")

    def _down(self, why: str) -> None:
        self._process = None
        self._up.clear()
        self.refusal = f"detector {self.name!r} {why}"

    async def _run(self) -> None:
        """Has a process at all times, but for pauses that grow while none of them lives long."""
        clock = asyncio.get_running_loop().time
        pause_s = self._spec.first_pause_s
        while True:
            begun = clock()
            self.starts += 1
            try:
                await self._one_life()
            except DetectorError as error:
                self.refusal = str(error)
            self._tried.set()
            if clock() - begun >= _STEADY_S:
                pause_s = self._spec.first_pause_s
            _LOG.warning("%s; next start in %g s", self.refusal, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._spec.longest_pause_s)

    async def _one_life(self) -> None:
        """From the start of a process to its end. Raises DetectorError where it can't be started."""
        process = await PluginProcess.start(self._spec, self._environment)
        try:
            self._process, self._version, self.refusal = process, process.version, None
            self._up.set()
            self._tried.set()
            await process.ended()
        finally:
            self._down("has ended")
            process.kill()
            await process.ended()


def _sendable(text: str) -> str:
    """The text as UTF-8 can say it, with every place where it was."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)

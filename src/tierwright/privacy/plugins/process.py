"""One process of a plug-in, from its start to its end.

Owns the process, the socket to it and the proof that its answers are answers; refuses to know when to start another.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import DetectorError
from tierwright.core.privacy import Found
from tierwright.privacy.plugins.frames import Ask, Failed, Ready, Start, Told, frame, receive_answer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

    from tierwright.privacy.plugins.finder import Span

_MODULE: Final = "tierwright.privacy.plugins.worker"
#: What a type may look like: it is written into ledgers.
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VERSION: Final = re.compile(r"[A-Za-z0-9._+:-]{1,80}")
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSpec:
    """Which plug-in, and what it may take."""

    #: Its name in settings and ledgers.
    name: str
    #: "module:attribute" of a `FinderFactory`, and what it is given; plain JSON values.
    factory: str
    options: Mapping[str, object] = field(default_factory=dict)
    #: Folders in which its modules are looked for besides the interpreter's.
    folders: tuple[str, ...] = ()
    #: Seconds for one answer, and until the process is ready for the first.
    deadline_s: float = 0.25
    start_s: float = 60.0
    memory_bytes: int = 2048 * _MIB
    #: Seconds before the next start after a process has ended: the first time, and at most; they double in between.
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0


class PluginProcess:
    """A process that is ready. One question at a time."""

    def __init__(self, spec: PluginSpec, process: Process, link: _Link, ready: Ready) -> None:
        self._spec = spec
        self._process = process
        self._link = link
        self._serial = 0
        self._types = frozenset(ready.types)
        #: Whether its next answer could be to an earlier question, or none.
        self.broken = False
        #: As the plug-in says.
        self.version = ready.version

    @classmethod
    async def start(cls, spec: PluginSpec, environment: Mapping[str, str]) -> PluginProcess:
        """A process that has said it is ready. Raises DetectorError where it did not, or not in time."""
        try:
            process, ours = await _started(environment)
        except OSError as error:
            raise DetectorError(f"detector {spec.name!r} can't be started: {error}") from error
        link: _Link | None = None
        try:
            link = _Link(*await asyncio.open_unix_connection(sock=ours))
            async with asyncio.timeout(spec.start_s):
                order = Start(spec.factory, dict(spec.options), list(spec.folders), spec.memory_bytes)
                link.writer.write(frame(order))
                return cls(spec, process, link, _ready(spec, await receive_answer(link.reader)))
        except TimeoutError as error:
            await _end(process, link)
            raise DetectorError(f"detector {spec.name!r} was not ready within {spec.start_s:g} s") from error
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            await _end(process, link)
            raise DetectorError(f"detector {spec.name!r} ended while it was started") from error
        except BaseException:
            await _end(process, link)
            raise

    async def find(self, texts: Sequence[str]) -> list[list[Found]]:
        """What it finds in each text.

        Raises DetectorError where it says that it can't tell, or says what can't be. After anything but the former, and
        after being cancelled, the process is of no more use: `broken` says so.
        """
        self._serial += 1
        self.broken = True
        try:
            self._link.writer.write(frame(Ask(self._serial, list(texts))))
            answer = await receive_answer(self._link.reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise DetectorError(f"detector {self._spec.name!r} ended while it looked at a text") from error
        except ValueError as error:
            raise DetectorError(f"detector {self._spec.name!r} answers out of form") from error
        if isinstance(answer, Ready) or answer.serial != self._serial:
            raise DetectorError(f"detector {self._spec.name!r} answers what it was not asked")
        if isinstance(answer, Failed):
            self.broken = False
            raise DetectorError(f"detector {self._spec.name!r} raised {answer.error[:80]}")
        found = self._checked(answer, texts)
        self.broken = False
        return found

    async def ended(self) -> None:
        """Waits until the process is gone."""
        await self._process.wait()
        self._link.writer.close()

    def kill(self) -> None:
        """Ends the process and what it has started, at once."""
        _kill(self._process)

    def _checked(self, told: Told, texts: Sequence[str]) -> list[list[Found]]:
        """Its findings; raises DetectorError where they are outside of the texts or of types it did not name."""
        if len(told.findings) != len(texts):
            raise DetectorError(f"detector {self._spec.name!r} answers for other texts than it was given")
        return [
            [self._found(span, len(text)) for span in spans] for spans, text in zip(told.findings, texts, strict=True)
        ]

    def _found(self, span: Span, length: int) -> Found:
        if span.type not in self._types or not 0 <= span.start < span.end <= length:
            raise DetectorError(f"detector {self._spec.name!r} finds what can't be in the text")
        return Found(type=span.type, start=span.start, end=span.end, detector=self._spec.name, validated=span.validated)


@dataclass(frozen=True, slots=True)
class _Link:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def _ready(spec: PluginSpec, answer: object) -> Ready:
    if isinstance(answer, Failed):
        raise DetectorError(f"detector {spec.name!r} can't be started: {answer.error}")
    if not isinstance(answer, Ready):
        raise DetectorError(f"detector {spec.name!r} answers before it was asked")
    wrong = [name for name in answer.types if not _TYPE.fullmatch(name)]
    if wrong or not answer.types:
        raise DetectorError(
            f"detector {spec.name!r} names types {wrong or 'nowhere'}: each is to be a lower-case word of letters, "
            "digits and underscores"
        )
    if not _VERSION.fullmatch(answer.version):
        raise DetectorError(f"detector {spec.name!r} has no version: letters, digits and marks, 80 at most")
    return answer


def _kill(process: Process) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


async def _started(environment: Mapping[str, str]) -> tuple[Process, socket.socket]:
    """The process, and our end of the socket to it. Raises OSError where this machine gives no more."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=dict(environment),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


async def _end(process: Process, link: _Link | None) -> None:
    """Ends one that is not to be used."""
    _kill(process)
    if link is not None:
        link.writer.close()
    await process.wait()

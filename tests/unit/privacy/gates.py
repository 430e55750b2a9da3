"""Gates for tests: a ledger in memory, detectors that behave as they are told, and a clock that stands still."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tierwright.core.privacy import Found, Sending
from tierwright.privacy.gate import ConfiguredGate
from tierwright.privacy.looking import Looker
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promise, Promises

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.core.protocols import Detector

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
OURS = Promises(self_hosted=Promise(value=True))
#: A third party of which nothing is known, and machines of one's own.
POLICY = Policy(backends={"third": Promises(), "ours": OURS})
SENDING = Sending(request_id="r1", attempt=1, role="primary", client_id="app")


class MemoryBook:
    """A ledger in memory, which may be told to refuse, to fail, or to raise."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Mapping[str, object]]] = []
        self.refusal: str | None = None
        self.durable = True
        self.error: Exception | None = None

    def append(self, kind: str, facts: Mapping[str, object]) -> asyncio.Future[str | None]:
        """As `Book.append`."""
        if self.error is not None:
            raise self.error
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.entries.append((kind, facts))
        future.set_result(f"chain:{len(self.entries)}" if self.durable else None)
        return future

    def of(self, kind: str) -> list[Mapping[str, object]]:
        """The facts of the entries of a kind."""
        return [facts for found, facts in self.entries if found == kind]


class Fixed:
    """A detector that gives the same answer for every text, raises, or never answers."""

    def __init__(self, *found: Found, error: Exception | None = None, hangs: bool = False, deaf: bool = False) -> None:
        """`deaf`: it does not heed being cancelled, either."""
        self.name, self.version = "fixed", "1"
        self.asked = 0
        self._found, self._error, self._hangs, self._deaf = found, error, hangs, deaf
        self._never = asyncio.Event()

    async def find(self, texts: Sequence[str]) -> list[tuple[Found, ...]]:
        """As `Detector.find`."""
        self.asked += 1
        if self._error is not None:
            raise self._error
        while self._hangs:
            try:
                await self._never.wait()
            except asyncio.CancelledError:
                if not self._deaf:
                    raise
                self._deaf = False
        return [self._found for _ in texts]

    async def aclose(self) -> None:
        """As `Detector.aclose`."""


def looker(*detectors: Detector, timeout_s: float = 0.05) -> Looker:
    """What looks."""
    return Looker(detectors, timeout_s=timeout_s, secret=b"s" * 32)


def gate(book: MemoryBook, *detectors: Detector, policy: Policy = POLICY, at: datetime = NOW) -> ConfiguredGate:
    """A gate whose clock stands still."""
    return ConfiguredGate(policy, looker(*detectors), book, clock=lambda: at, digest_key=b"k" * 32)

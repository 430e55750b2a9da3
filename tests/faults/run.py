"""One run of one fault: the parts, the traffic, the recovery, and what was found wrong."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.faults import invariants
from tests.faults.answers import answer_well
from tests.faults.client import Heard, ask, chat
from tests.faults.gateway import MODEL, RECOVERY_S, SOUND_MODEL, Gateway, Plan
from tests.faults.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from tests.faults.invariants import Money
    from tests.faults.upstream import Behaviour

_PAGE_BYTES = 4096


@dataclass(slots=True, kw_only=True)
class Scene:
    """The parts of one run."""

    rng: Random
    streamed: bool
    upstream: Upstream
    gateway: Gateway
    heard: list[Heard] = field(default_factory=list)
    #: Tags of requests that name no model, of which nothing is to be kept.
    unread: set[str] = field(default_factory=set)
    #: Where requests go instead of to the gateway in this process; None: there.
    port: int | None = None
    _asked: int = 0

    @property
    def next_tag(self) -> str:
        """What the next request will be known by."""
        return f"q{self._asked + 1}"

    async def ask(self, *, model: str = MODEL, body: bytes | Sequence[bytes] | None = None, **more: Any) -> Heard:
        """One request, remembered with its answer."""
        tag = self.next_tag
        self._asked += 1
        usage = self.rng.random() < 0.5
        sent = chat(tag, streamed=self.streamed, include_usage=usage, model=model) if body is None else body
        heard = await ask(self.port or self.gateway.port, tag, sent, streamed=self.streamed, **more)
        self.heard.append(heard)
        return heard

    async def several(self, count: int, **more: Any) -> list[Heard]:
        """Requests at the same time."""
        return list(await asyncio.gather(*(self.ask(**more) for _ in range(count))))

    async def until(self, holds: Callable[[], bool], limit_s: float = 10.0) -> bool:
        """Waits until something holds; False: it took too long."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if holds():
                return True
            await asyncio.sleep(0.02)
        return holds()

    async def recover(self, model: str) -> list[str]:
        """I7: asks until a whole answer comes."""
        deadline = time.monotonic() + RECOVERY_S
        while time.monotonic() < deadline:
            if (await self.ask(model=model)).good:
                return []
            await asyncio.sleep(0.1)
        return [f"I7: no answer of {model} within {RECOVERY_S:.0f} s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of the list."""

    #: Its number in the list.
    number: int
    name: str
    #: The traffic during the fault.
    drive: Callable[[Scene], Awaitable[Iterable[str] | None]]
    #: How the upstream answers meanwhile, drawn from the run's generator; None: well.
    behave: Callable[[Random], Behaviour] | None = None
    #: What it changes of the gateway, given the upstream's address.
    plan: Callable[[Random, Upstream], Plan] = lambda _, __: Plan()
    #: Whether the faulty model is well again afterwards; otherwise only the others are.
    heals: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    fault: str
    seed: int
    streamed: bool
    #: What did not hold; empty: survived.
    wrong: tuple[str, ...]
    money: Money
    requests: int
    growth_bytes: int
    seconds: float


def run_fault(fault: Fault, *, seed: int, streamed: bool) -> Outcome:
    """One run from its beginning to its end."""
    return asyncio.run(_run(fault, seed=seed, streamed=streamed))


async def _run(fault: Fault, *, seed: int, streamed: bool) -> Outcome:
    began = time.monotonic()
    where = f"{fault.name}/{seed}/{'stream' if streamed else 'plain'}"
    rng = Random(where)
    upstream = Upstream(seed=where, behaviour=answer_well)
    with TemporaryDirectory(prefix="tierwright-fault-") as folder:
        await upstream.open()
        gateway = await asyncio.to_thread(Gateway, Path(folder), upstream.url, fault.plan(rng, upstream))
        scene = Scene(rng=rng, streamed=streamed, upstream=upstream, gateway=gateway)
        wrong: list[str] = []
        try:
            # What is made once, such as threads and connections, is no growth.
            await scene.ask(model=SOUND_MODEL)
            async with _memory() as memory:
                if fault.behave is not None:
                    upstream.behaviour = fault.behave(rng)
                wrong += await fault.drive(scene) or ()
                upstream.behaviour, upstream.raw = answer_well, None
                wrong += await scene.recover(MODEL if fault.heals else SOUND_MODEL)
                await upstream.settle()
        finally:
            ended = await gateway.stop()
            await upstream.close()
        if not ended:
            wrong.append("I5: the gateway did not stop in time")
        inferences = await asyncio.to_thread(gateway.inferences)
        gateway.close()
    account, of_money = invariants.money(upstream, scene.heard, inferences)
    wrong += invariants.once_each(scene.heard, inferences, frozenset(scene.unread))
    wrong += of_money
    wrong += invariants.answers(scene.heard, upstream.scripts)
    wrong += invariants.growth(memory.before_bytes, memory.peak_bytes)
    return Outcome(
        fault=fault.name,
        seed=seed,
        streamed=streamed,
        wrong=tuple(wrong),
        money=account,
        requests=len(scene.heard),
        growth_bytes=memory.peak_bytes - memory.before_bytes,
        seconds=time.monotonic() - began,
    )


@dataclass(slots=True)
class _Memory:
    before_bytes: int
    peak_bytes: int


@contextlib.asynccontextmanager
async def _memory() -> AsyncIterator[_Memory]:
    """Watches the resident memory of the process."""
    memory = _Memory(_resident_bytes(), 0)

    async def watch() -> None:
        while True:
            memory.peak_bytes = max(memory.peak_bytes, _resident_bytes())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield memory
    finally:
        watching.cancel()
        memory.peak_bytes = max(memory.peak_bytes, _resident_bytes())


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES

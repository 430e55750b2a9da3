"""Faults 24, 25 and 28 to 30: callers that leave, send too much, send twice, or send what is no request."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.faults.answers import (
    DONE,
    LAST_PIECE,
    answer_well,
    begin_stream,
    chunks,
    send_events,
    usage_chunk,
)
from tests.faults.client import Manner, chat
from tests.faults.gateway import IDLE_S, MAX_BODY_BYTES
from tests.faults.run import Fault
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.run import Scene
    from tests.faults.upstream import Behaviour, Exchange

_BLOCK = b"x" * 65_536
#: Seconds within which the upstream must learn that nobody waits any more.
_NOTICE_S = 0.5


def _long_stream(_: Random) -> Behaviour:
    """Two seconds of words, billed as far as they were generated."""

    async def behave(exchange: Exchange) -> None:
        if not exchange.order.stream:
            await asyncio.sleep(exchange.rng.uniform(0.05, 0.4))
            await answer_well(exchange)
            return
        exchange.script.words *= 30
        await begin_stream(exchange)
        # The first event says the role and no word.
        said = -1
        for one in chunks(exchange):
            if not await send_events(exchange, [one]):
                break
            said += 1
            await asyncio.sleep(0.01)
        else:
            exchange.script.finish_sent = True
            exchange.charge(Told.YES if exchange.order.wants_usage else Told.NO)
            await send_events(exchange, [usage_chunk(exchange)] if exchange.order.wants_usage else [])
            await exchange.wire.write(DONE + LAST_PIECE)
            return
        exchange.upstream.notes[exchange.order.tag].append("cancelled")
        exchange.charge(Told.NO, completion_tokens=min(max(0, said), len(exchange.script.words)))

    return behave


async def _leave_mid_stream(scene: Scene) -> Iterable[str]:
    """Callers leave after a while; those of plain answers before the first byte, since there is no middle."""
    scene.upstream.words = (8, 12)
    if not scene.streamed:
        await scene.several(scene.rng.randint(2, 5), leave_after_s=scene.rng.uniform(0.01, 0.2))
        return ()
    heard = await scene.several(scene.rng.randint(2, 5), leave_after_bytes=scene.rng.randint(1, 4000))
    await asyncio.sleep(_NOTICE_S)
    notes = scene.upstream.notes
    return [f"{one.tag}: the upstream was not cancelled" for one in heard if one.left and not notes[one.tag]]


def _late(_: Random) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(exchange.rng.uniform(0.2, IDLE_S / 2))
        if exchange.wire.gone:
            exchange.charge(Told.NO, completion_tokens=0)
            return
        if not exchange.order.stream:
            await answer_well(exchange)
            return
        # The answer is generated as it is sent: a gateway that leaves ends it.
        await _long_stream(exchange.rng)(exchange)

    return behave


async def _leave_at_once(scene: Scene) -> Iterable[str]:
    """Callers leave before the first byte: the upstream is cancelled, or read to its end."""
    await scene.several(scene.rng.randint(2, 5), leave_after_s=scene.rng.uniform(0.005, 0.15))
    await asyncio.sleep(IDLE_S / 2 + _NOTICE_S)
    await scene.upstream.settle()
    return ()


async def _huge(scene: Scene) -> Iterable[str]:
    """Bodies above the limit, with their length said before or not, are refused and never passed on."""
    before = len(scene.upstream.orders)
    start, end = chat(scene.next_tag, streamed=scene.streamed, padding="").rsplit(b'""', 1)
    # One block many times: what grows must not be the caller.
    body = [start + b'"', *[_BLOCK] * (MAX_BODY_BYTES // len(_BLOCK) * scene.rng.randint(1, 32) + 1), b'"' + end]
    heard = await scene.ask(body=body, manner=Manner(chunked=scene.rng.random() < 0.5))
    wrong = (
        [] if heard.status in {413, None} else [f"I5: a body of {sum(map(len, body))} bytes got HTTP {heard.status}"]
    )
    if heard.status is None:
        # The answer to a body that is still being sent can be lost on the way; nothing else may be.
        scene.heard.remove(heard)
    if len(scene.upstream.orders) > before:
        wrong.append("I5: a body above the limit was passed on")
    return wrong


async def _twice(scene: Scene) -> Iterable[str]:
    """The same key twice: it is passed on, and each is a request of its own, since this upstream knows no keys."""
    key = f"idem-{scene.rng.random()}"
    before = len(scene.upstream.orders)
    await scene.several(2, headers={"idempotency-key": key})
    keys = [order.headers.get("idempotency-key") for order in scene.upstream.orders[before:]]
    return [] if keys == [key, key] else [f"the upstream got the keys {keys}"]


async def _unreadable(scene: Scene) -> Iterable[str]:
    """What is no request is refused; what only looks odd is answered."""
    wrong: list[str] = []
    bodies = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"model":"gpt-4o"}',
        b'{"model":"gpt-4o","messages":"no"}',
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"\xff\xfe"}]}',
        b'{"model":1,"messages":[]}',
        b'\xef\xbb\xbf{"model":"gpt-4o"}',
        chat("t", streamed=scene.streamed)[:-2],
    ]
    for body in scene.rng.sample(bodies, 4):
        heard = await scene.ask(body=body)
        scene.unread.add(heard.tag)
        if heard.status != 400:
            wrong.append(f"I5: {body[:40]!r} got HTTP {heard.status}")
    for text in scene.rng.sample(("\\u0000", "\\ud83d\\ude00", "\\ud800", "\u2028", "\u202e", "e\u0301" * 50), 3):
        body = chat(scene.next_tag, streamed=scene.streamed).replace(b"card lost", text.encode())
        heard = await scene.ask(body=body)
        if heard.status == 400:
            scene.unread.add(heard.tag)
        elif not heard.good:
            wrong.append(f"I5: the text {text!r} got HTTP {heard.status}")
    # A name that no database can hold is nobody's model.
    model = json.dumps("gpt-4o\ud800").encode()
    heard = await scene.ask(body=chat(scene.next_tag, streamed=scene.streamed).replace(b'"gpt-4o"', model))
    if heard.status not in {400, 404}:
        wrong.append(f"I5: a model that is half a character got HTTP {heard.status}")
    if heard.status == 400:
        scene.unread.add(heard.tag)
    return wrong


CALLERS = (
    Fault(number=24, name="caller leaves mid-stream", drive=_leave_mid_stream, behave=_long_stream),
    Fault(number=25, name="caller leaves before the first byte", drive=_leave_at_once, behave=_late),
    Fault(number=28, name="huge body", drive=_huge),
    Fault(number=29, name="duplicate Idempotency-Key", drive=_twice),
    Fault(number=30, name="malformed JSON or unicode", drive=_unreadable),
)

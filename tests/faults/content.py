"""Faults 16 to 23: answers that break off, are malformed, are far too large, or say too much or too little."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from tests.faults.answers import (
    DONE,
    EVENT_STREAM,
    JSON,
    LAST_PIECE,
    begin_stream,
    chunks,
    event,
    first,
    head,
    piece,
    send_events,
    send_stream,
    send_whole,
    usage_chunk,
    whole,
)
from tests.faults.run import Fault
from tests.faults.statuses import a_few
from tests.faults.upstream import Told

if TYPE_CHECKING:
    from random import Random

    from tests.faults.upstream import Behaviour, Exchange

_MIB = 1024 * 1024
_BLOCK = b"x" * (256 * 1024)


def _cut_before_done(rng: Random) -> Behaviour:
    """The connection ends after any event but [DONE]; before its end where the answer comes in one piece."""
    reset = rng.random() < 0.5

    async def behave(exchange: Exchange) -> None:
        if not exchange.order.stream:
            await _cut_whole(exchange, reset=reset)
            return
        events = chunks(exchange)
        if exchange.order.wants_usage:
            events.append(usage_chunk(exchange))
        kept = exchange.rng.randint(0, len(events))
        ending = exchange.rng.choice(("clean", "cut"))
        said = min(max(0, kept - 1), len(exchange.script.words))
        exchange.script.finish_sent = kept >= len(chunks(exchange))
        told = exchange.order.wants_usage and kept == len(events)
        await begin_stream(exchange)
        await send_events(exchange, events[:kept])
        if ending == "clean":
            # A server that dies behind a proxy: the framing says that all is well.
            await exchange.wire.write(LAST_PIECE)
        exchange.charge(_told(told=told, reset=reset and ending == "cut"), completion_tokens=said)
        _end(exchange, reset=reset)

    return behave


def _cut_inside(rng: Random) -> Behaviour:
    """The connection ends within an event, anywhere, also within a character."""
    reset = rng.random() < 0.3

    async def behave(exchange: Exchange) -> None:
        if not exchange.order.stream:
            await _cut_whole(exchange, reset=reset)
            return
        events = chunks(exchange)[:-1]
        full = exchange.rng.randint(0, len(events) - 1)
        broken = events[full]
        odd = [at for at, byte in enumerate(broken) if 0x80 <= byte < 0xC0]
        cut = exchange.rng.choice(odd) if odd else exchange.rng.randint(1, len(broken) - 3)
        await begin_stream(exchange)
        await send_events(exchange, events[:full])
        await exchange.wire.write(piece(broken[:cut]))
        if exchange.rng.random() < 0.5:
            await exchange.wire.write(LAST_PIECE)
        exchange.charge(Told.NO, completion_tokens=full)
        _end(exchange, reset=reset)

    return behave


def _malformed(_: Random) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        if not exchange.order.stream:
            exchange.charge(Told.NO)
            body = whole(exchange)
            await send_whole(exchange, 200, body[: exchange.rng.randint(1, len(body) - 1)])
            return
        events = chunks(exchange)
        at = exchange.rng.randint(0, len(events) - 1)
        broken = exchange.rng.choice((b"data: {oops\n\n", b'data: {"id": "x", \xff\xfe}\n\n', b"data: [1, 2\n\n"))
        exchange.charge(Told.MAYBE)
        exchange.script.finish_sent = True
        await send_stream(exchange, [*events[:at], broken, *events[at:], *_usage(exchange), DONE])

    return behave


def _endless_line(rng: Random) -> Behaviour:
    """An event or a body of 100 MB, or a stream of good events that does not end."""
    good = rng.random() < 0.3

    async def behave(exchange: Exchange) -> None:
        exchange.charge(Told.NO)
        if not exchange.order.stream:
            await exchange.wire.write(head(200, {"content-type": JSON, "content-length": str(100 * _MIB)}) + b'{"a":"')
            block = _BLOCK
        else:
            await begin_stream(exchange)
            await exchange.wire.write(piece(b'data: {"a":"'))
            block = piece(_BLOCK)
            if good:
                await exchange.wire.write(piece(b'"}\n\n'))
                block = piece(event({"choices": [{"index": 0, "delta": {"padding": "x" * 16_000}}]}) * 16)
        for _ in range(100 * _MIB // len(block)):
            if not await exchange.wire.write(block):
                return

    return first(rng.randint(1, 2), behave)


def _gzip_bomb(rng: Random) -> Behaviour:
    """A few hundred kilobytes that unpack to 200 MiB."""
    form = rng.choice(("gzip", "deflate"))

    async def behave(exchange: Exchange) -> None:
        exchange.charge(Told.NO)
        content_type = EVENT_STREAM if exchange.order.stream else JSON
        await begin_stream(exchange, content_type=content_type, encoding=form)
        packer = zlib.compressobj(9, zlib.DEFLATED, 31 if form == "gzip" else 15)
        start = b'data: {"a":"' if exchange.order.stream else b'{"a":"'
        packed = packer.compress(start)
        for _ in range(800):
            packed += packer.compress(_BLOCK)
            if len(packed) > 16_384:
                if not await exchange.wire.write(piece(packed)):
                    return
                packed = b""
                await asyncio.sleep(0)
        await exchange.wire.write(piece(packed + packer.flush()) + LAST_PIECE)

    return first(1, behave)


def _odd_usage(rng: Random) -> Behaviour:
    """Usage that is not there, is sent twice or piecewise, or can't be read."""
    kind = rng.choice(("missing", "twice", "running", "unreadable"))

    async def behave(exchange: Exchange) -> None:
        exchange.script.finish_sent = True
        if not exchange.order.stream:
            exchange.charge(Told.YES if kind == "twice" else Told.NO)
            body = whole(exchange)
            if kind == "missing":
                body = body[: body.index(b',"usage"')] + b"}"
            elif kind != "twice":
                body = body[: body.index(b',"usage"')] + b',"usage":{"prompt_tokens":-1,"completion_tokens":"x"}}'
            await send_whole(exchange, 200, body)
            return
        events = chunks(exchange)
        if kind == "twice":
            events += _usage(exchange) * 2
        elif kind == "running" and exchange.order.wants_usage:
            events.insert(1, usage_chunk(exchange, completion_tokens=1))
            events += _usage(exchange)
        elif kind == "unreadable":
            events.append(event({"choices": [], "usage": {"prompt_tokens": None}}))
        told = exchange.order.wants_usage and kind in {"twice", "running"}
        exchange.charge(Told.YES if told else Told.NO)
        await send_stream(exchange, [*events, DONE])

    return behave


def _wrong_type(rng: Random) -> Behaviour:
    """A stream called JSON, an answer called a stream, or either called HTML."""
    as_html = rng.random() < 0.4

    async def behave(exchange: Exchange) -> None:
        if exchange.order.stream:
            # Read as one answer it is none, so that its counts are not found.
            exchange.charge(Told.NO)
            await begin_stream(exchange, content_type="text/html" if as_html else JSON)
            await send_events(exchange, [*chunks(exchange), *_usage(exchange), DONE])
            await exchange.wire.write(LAST_PIECE)
        else:
            exchange.charge(Told.YES)
            exchange.script.finish_sent = True
            await send_whole(exchange, 200, whole(exchange), content_type="text/html" if as_html else EVENT_STREAM)

    return behave


def _after_done(_: Random) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        exchange.charge(Told.YES)
        exchange.script.finish_sent = True
        if not exchange.order.stream:
            # What follows the length is no part of the answer, and makes the connection useless.
            await send_whole(exchange, 200, whole(exchange))
            await exchange.wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")
            return
        surplus = event({"choices": [{"index": 0, "delta": {"content": "never"}, "finish_reason": None}]})
        more = [surplus] * exchange.rng.randint(1, 3) + ([DONE] if exchange.rng.random() < 0.5 else [])
        await send_stream(exchange, [*chunks(exchange), *_usage(exchange), DONE, *more])

    return behave


async def _cut_whole(exchange: Exchange, *, reset: bool) -> None:
    body = whole(exchange)
    exchange.charge(Told.NO)
    cut = exchange.rng.randint(0, len(body) - 1)
    await exchange.wire.write(head(200, {"content-type": JSON, "content-length": str(len(body))}) + body[:cut])
    _end(exchange, reset=reset)


def _usage(exchange: Exchange) -> list[bytes]:
    return [usage_chunk(exchange)] if exchange.order.wants_usage else []


def _told(*, told: bool, reset: bool) -> Told:
    if not told:
        return Told.NO
    return Told.MAYBE if reset else Told.YES


def _end(exchange: Exchange, *, reset: bool) -> None:
    if reset:
        exchange.wire.reset()
    else:
        exchange.wire.close()


CONTENT = (
    Fault(number=16, name="stream cut before [DONE]", drive=a_few, behave=_cut_before_done),
    Fault(number=17, name="cut within an event", drive=a_few, behave=_cut_inside),
    Fault(number=18, name="malformed JSON chunk", drive=a_few, behave=_malformed),
    Fault(number=19, name="100 MB line", drive=a_few, behave=_endless_line),
    Fault(number=20, name="gzip bomb", drive=a_few, behave=_gzip_bomb),
    Fault(number=21, name="usage twice, missing or unreadable", drive=a_few, behave=_odd_usage),
    Fault(number=22, name="wrong content type", drive=a_few, behave=_wrong_type),
    Fault(number=23, name="data after [DONE]", drive=a_few, behave=_after_done),
)

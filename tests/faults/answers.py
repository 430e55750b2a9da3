"""What the scripted upstream sends: whole answers, streams, errors, and the ways in which they break off."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.faults.upstream import Told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.upstream import Behaviour, Exchange

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
_REASONS = {200: "OK"}


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Fault')}", *(f"{name}: {v}" for name, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def piece(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_PIECE = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def whole(exchange: Exchange) -> bytes:
    """The answer in one piece."""
    message = {"role": "assistant", "content": exchange.script.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": exchange.script.finish_reason}
    return _encoded({**_top(exchange, "chat.completion"), "choices": [choice], "usage": exchange.usage()})


def chunks(exchange: Exchange) -> list[bytes]:
    """The events of a streamed answer up to its finish reason: its role, its words, its end."""
    script = exchange.script
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word if at == 0 else f" {word}"}, None) for at, word in enumerate(script.words)]
    deltas.append(({}, script.finish_reason))
    return [
        event({**_top(exchange, "chat.completion.chunk"), "choices": [{"index": 0, "delta": d, "finish_reason": r}]})
        for d, r in deltas
    ]


def usage_chunk(exchange: Exchange, **changed: int) -> bytes:
    """The event that says the usage."""
    usage = {**exchange.usage(), **changed}
    return event({**_top(exchange, "chat.completion.chunk"), "choices": [], "usage": usage})


def event(value: object) -> bytes:
    """A server-sent event."""
    return b"data: %b\n\n" % _encoded(value)


def error_body(exchange: Exchange, code: str) -> bytes:
    """An error as OpenAI writes it."""
    return _encoded({"error": {"message": f"scripted {code}", "type": "server_error", "param": None, "code": code}})


async def answer_well(exchange: Exchange) -> None:
    """Answers completely, in the form asked for, and charges it."""
    exchange.script.finish_sent = True
    # Whoever has given up on it can't be told any more.
    exchange.charge(Told.NO if exchange.wire.gone else Told.YES)
    if not exchange.order.stream:
        await send_whole(exchange, 200, whole(exchange))
        return
    events = chunks(exchange)
    if exchange.order.wants_usage:
        events.append(usage_chunk(exchange))
    await send_stream(exchange, [*events, DONE])


async def send_whole(
    exchange: Exchange, status: int, body: bytes, *, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> None:
    """One body with its length."""
    top = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
    await exchange.wire.write(head(status, top) + body)


async def begin_stream(exchange: Exchange, *, content_type: str = EVENT_STREAM, encoding: str | None = None) -> None:
    """The headers of a chunked body."""
    more = {} if encoding is None else {"content-encoding": encoding}
    await exchange.wire.write(head(200, {"content-type": content_type, "transfer-encoding": "chunked", **more}))


async def send_stream(exchange: Exchange, events: list[bytes], *, pause_s: float = 0.0) -> bool:
    """A whole stream, cut into pieces anywhere; False: the gateway left."""
    await begin_stream(exchange)
    return await send_events(exchange, events, pause_s=pause_s) and await exchange.wire.write(LAST_PIECE)


async def send_events(exchange: Exchange, events: list[bytes], *, pause_s: float = 0.0) -> bool:
    """Events of a stream whose headers were sent; False: the gateway left."""
    for one in events:
        cut = exchange.rng.randint(1, len(one) - 1)
        if not await exchange.wire.write(piece(one[:cut]) + piece(one[cut:])):
            return False
        if pause_s:
            await asyncio.sleep(pause_s)
    return True


def refuse_with(status: int, code: str, **headers: str) -> Behaviour:
    """Answers every request with an error; charges nothing."""

    async def behave(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await send_whole(exchange, status, error_body(exchange, code), headers=named)

    return behave


def first(count: int, bad: Behaviour) -> Behaviour:
    """The first so many requests fare badly, those after it well."""
    seen = 0

    async def behave(exchange: Exchange) -> None:
        nonlocal seen
        seen += 1
        await (bad if seen <= count else answer_well)(exchange)

    return behave


def _top(exchange: Exchange, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{exchange.order.tag}-{exchange.attempt}",
        "object": kind,
        "created": 1_756_684_940,
        "model": "gpt-4o-2024-08-06",
    }


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

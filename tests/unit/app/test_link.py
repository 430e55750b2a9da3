"""What a supervisor and its workers say reaches the other end whole, and an end that is gone is noticed."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

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

TEXT = "version = 1\n# ü\n".encode() * 50_000
ORDERS = (Start("/etc/tierwright.toml", TEXT, 8400), Prepare(TEXT), Commit(), Discard(), Report())
ANSWERS = (Started(), Failed("no\nluck", 2), Prepared(None), Prepared("why"), Reported(TEXT, {"status": "ready"}))


def test_messages_arrive_as_they_were_sent() -> None:
    """Orders one way and answers the other, far larger than a socket's buffer, line ends in them included."""

    async def talk() -> None:
        left, right = socket.socketpair()
        supervisor, worker = await Link.over(left), await Link.over(right)
        for order in ORDERS:
            sending = asyncio.create_task(supervisor.send(order))
            assert await worker.order() == order
            await sending
        for answer in ANSWERS:
            sending = asyncio.create_task(worker.send(answer))
            assert await supervisor.answer() == answer
            await sending
        worker.close()
        assert await supervisor.answer() is None
        supervisor.close()
        assert await worker.order() is None

    asyncio.run(talk())


def test_the_first_order_is_read_without_an_event_loop() -> None:
    """It may come in many pieces; where the other end closes before it is whole there is none."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sending = threading.Thread(target=ours.sendall, args=(line(ORDERS[0]),))
        sending.start()
        assert first_order(theirs) == ORDERS[0]
        sending.join()
        ours.sendall(line(Commit())[:-1])
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            first_order(theirs)

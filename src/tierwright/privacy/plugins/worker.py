"""The process of one plug-in: `python -P -m tierwright.privacy.plugins.worker FD`.

Owns its life: it is what its first order says, answers one order after the other, and ends when the host is gone, even
from the middle of an endless loop. Nothing of a text leaves it but places and types; what a plug-in prints is lost.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, cast

from tierwright.privacy.plugins.frames import Ask, Failed, Ready, Start, Told, frame, receive_order

if TYPE_CHECKING:
    from tierwright.privacy.plugins.finder import Finder, FinderFactory


def main() -> None:
    """Serves over the socket that the only argument names, until its other end is closed."""
    link = socket.socket(fileno=int(sys.argv[1]))
    start = receive_order(link)
    assert isinstance(start, Start)
    resource.setrlimit(resource.RLIMIT_DATA, (start.memory_bytes, start.memory_bytes))
    sys.path.extend(start.folders)
    try:
        finder = _made(start)
        ready = frame(Ready(finder.version, list(finder.types)))
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises, the host is to say it; no text was seen yet
        link.sendall(frame(Failed(0, f"{type(error).__name__}: {error}")))
        return
    link.sendall(ready)
    orders: SimpleQueue[Ask] = SimpleQueue()
    Thread(target=_listen, args=(link, orders), daemon=True).start()
    while True:
        ask = orders.get()
        link.sendall(_answer(finder, ask))


def _made(start: Start) -> Finder:
    module, _, attribute = start.factory.partition(":")
    factory = cast("FinderFactory", getattr(import_module(module), attribute))
    return factory(start.options)


def _answer(finder: Finder, ask: Ask) -> bytes:
    try:
        return frame(Told(ask.serial, [list(found) for found in finder.find(ask.texts)]))
    except Exception as error:  # noqa: BLE001 - any failure is an answer; its message could hold words of a text
        return frame(Failed(ask.serial, type(error).__name__))


def _listen(link: socket.socket, orders: SimpleQueue[Ask]) -> None:
    """Takes orders while the plug-in works, so that the host's end is noticed whatever the plug-in does."""
    try:
        while isinstance(order := receive_order(link), Ask):
            orders.put(order)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()

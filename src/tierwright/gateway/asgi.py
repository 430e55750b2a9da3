"""The three names of the ASGI specification (version 3.0) that the server is written in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

#: What a connection is about.
Scope = MutableMapping[str, Any]
#: What goes to and fro.
Message = MutableMapping[str, Any]
#: Gives the next message of the caller.
Receive = Callable[[], Awaitable[Message]]
#: Takes a message for the caller.
Send = Callable[[Message], Awaitable[None]]
#: An application.
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

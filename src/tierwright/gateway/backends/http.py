"""A model server, asked over HTTP/1.1.

Owns what is sent besides a body, and what it means that an answer does not come. Sends its own key and never the
caller's; follows no redirects, reads no environment, keeps no cookies. Knows nothing about what is in a body.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tierwright import __version__
from tierwright.core.errors import (
    BackendBroken,
    BackendError,
    BackendLost,
    BackendTimeout,
    BackendUnavailable,
    SettingsError,
)
from tierwright.gateway.backends.connection import ExchangeError, Late, Lost
from tierwright.gateway.backends.inflate import ACCEPTED, Inflater
from tierwright.gateway.backends.kinds import KINDS
from tierwright.gateway.backends.pool import Pool, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tierwright.core.privacy import Outgoing, Permit
    from tierwright.core.protocols import Gate, Reply
    from tierwright.gateway.backends.connection import Connection
    from tierwright.gateway.config import BackendConfig

#: Answer headers worth passing on, besides those that begin with one of the prefixes. Everything else is either the
#: connection's own (transfer-encoding, content-encoding and length: the body arrives decoded) or the server's business.
_PASSED_ON = frozenset({b"content-type", b"retry-after", b"retry-after-ms", b"x-request-id", b"x-should-retry"})
_PASSED_ON_PREFIXES = (b"x-ratelimit-", b"openai-", b"anthropic-")
_INFLATED = frozenset({b"gzip", b"x-gzip", b"deflate"})
_PING_TIMEOUT_S = 5.0
#: What a path may hold besides letters and digits, percent signs of what is encoded already included (RFC 3986).
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"


class HttpBackend:
    """One server; its connections are opened with the first request."""

    def __init__(self, config: BackendConfig, gate: Gate) -> None:
        """Sends what `gate` has permitted. Raises SettingsError where a header could not be sent as one."""
        self._config = config
        self._gate = gate
        parts = urlsplit(config.base_url)
        assert parts.hostname is not None
        self._path = quote(parts.path.rstrip("/"), safe=_PATH_CHARACTERS)
        self._query = f"?{config.query}" if config.query else ""
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
        tls = parts.scheme == "https"
        self._pool = Pool(host, config.port, tls=tls, connect_timeout_s=config.connect_timeout_s)
        kind = KINDS[config.kind]
        named = f"[{host}]" if ":" in host else host
        headers = {
            "host": named if config.port == (443 if tls else 80) else f"{named}:{config.port}",
            "accept": "*/*",
            "accept-encoding": ACCEPTED,
            "content-type": "application/json",
            "user-agent": f"tierwright/{__version__}",
        }
        headers |= {name.lower(): value for name, value in {**kind.headers, **config.headers}.items()}
        if config.api_key is not None:
            headers[kind.key_header.lower()] = kind.key_prefix + config.api_key.reveal()
        self._own = frozenset(headers)
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        if self._headers.count(b"\n") != len(headers) or not self._headers.replace(b"\r\n", b"").isascii():
            raise SettingsError(f"backend '{self.name}': a header or the key holds a line end or is not ASCII")
        self._heads: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._config.name

    async def send(self, outgoing: Outgoing, *, permit: Permit, timeout_s: float) -> Reply:
        """As `Backend.send`; the caller's headers are added to the backend's own, and change none of them.

        BackendBroken stands for an answer that is no HTTP or a redirect.
        """
        self._gate.check(permit, outgoing, backend=self.name)
        path, body, headers = outgoing.path, outgoing.body, outgoing.headers
        head = self._heads.get(path)
        if head is None:
            head = self._heads[path] = self._head("POST", path)
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name not in self._own)
        head = b"%b%bcontent-length: %d\r\n\r\n" % (head, more.encode("latin-1"), len(body))
        connection = await self._ask(head, body, min(timeout_s, self._config.timeout_s))
        if 300 <= connection.status < 400:
            self._pool.give_back(connection)
            raise BackendBroken(
                f"the backend '{self.name}' answers with a redirect (HTTP {connection.status}); "
                "set its base_url to where it really is"
            )
        return _HttpReply(self, connection)

    async def ping(self) -> str:
        """One line on how the server is doing; raises BackendError where it is not."""
        connection = await self._ask(self._head("GET", "/models") + b"\r\n", b"", _PING_TIMEOUT_S)
        try:
            while await connection.read():
                pass
        except ExchangeError as error:
            raise self.meaning(error, begun=True) from error
        finally:
            self._pool.give_back(connection)
        status = connection.status
        if status in (401, 403):
            raise BackendBroken(f"the backend '{self.name}' refuses the key (HTTP {status}); check its api_key")
        base_url = self._config.base_url.rstrip("/")
        # Servers without a list of models answer 404 and serve chats all the same.
        if status >= 500 or 300 <= status < 400:
            raise BackendBroken(f"the backend '{self.name}' answers HTTP {status} to GET {base_url}/models")
        return f"{self.name}: reachable at {base_url} (HTTP {status})"

    async def aclose(self) -> None:
        """Closes its connections; those in use, when their answers have ended."""
        self._pool.close()

    def give_back(self, connection: Connection) -> None:
        """Takes a connection back whose answer is not wanted any more."""
        self._pool.give_back(connection)

    def meaning(self, error: ExchangeError, *, begun: bool) -> BackendError:
        """What a failed exchange is to others; `begun`: it failed after the status."""
        if isinstance(error, Late):
            return BackendTimeout(
                f"the backend '{self.name}' did not answer within its deadline ({error}); "
                "try again, or raise timeout_s of this backend"
            )
        if begun:
            return BackendBroken(f"the answer of the backend '{self.name}' stopped half-way ({error}); try again")
        if isinstance(error, Lost):
            return BackendLost(
                f"the connection to the backend '{self.name}' was lost after the request was sent ({error}); "
                "whether it was answered there is not known"
            )
        return BackendBroken(
            f"the backend '{self.name}' does not speak HTTP as it should ({error}); check its base_url"
        )

    async def _ask(self, head: bytes, body: bytes, timeout_s: float) -> Connection:
        """A connection on which the head of the answer has come."""
        now = asyncio.get_running_loop().time()
        connection = self._pool.take(now)
        if connection is None:
            try:
                connection = await self._pool.open(timeout_s)
            except Unreachable as error:
                raise BackendUnavailable(
                    f"the backend '{self.name}' can't be reached ({error}); "
                    "check that it runs and that its base_url is right"
                ) from error
        try:
            await connection.ask(head, body, deadline=now + timeout_s, idle_s=self._config.idle_timeout_s)
        except BaseException as error:
            self._pool.give_back(connection)
            if isinstance(error, ExchangeError):
                raise self.meaning(error, begun=False) from error
            raise
        return connection

    def _head(self, method: str, path: str) -> bytes:
        target = self._path + quote(path, safe=_PATH_CHARACTERS) + self._query
        return f"{method} {target} HTTP/1.1\r\n".encode("ascii") + self._headers


class _HttpReply:
    """A `Reply` on a connection."""

    __slots__ = ("_backend", "_connection", "_encoding", "headers", "status")

    def __init__(self, backend: HttpBackend, connection: Connection) -> None:
        self._backend = backend
        self._connection: Connection | None = connection
        self._encoding = b""
        self.status = connection.status
        self.headers: dict[str, str] = {}
        for name, value in connection.headers:
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES):
                self.headers[name.decode("latin-1")] = value.decode("latin-1")
            elif name == b"content-encoding":
                self._encoding = value.strip().lower()

    def chunks(self) -> AsyncIterator[bytes]:
        assert self._connection is not None
        if self._encoding in (b"", b"identity"):
            return _Chunks(self._backend, self._connection)
        if self._encoding in _INFLATED:
            return _InflatedChunks(self._backend, self._connection)
        raise BackendBroken(
            f"the backend '{self._backend.name}' answers in an encoding that was not asked for "
            f"({self._encoding.decode('latin-1')!r})"
        )

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._backend.give_back(connection)


class _Chunks:
    """The body as it arrives; a class, since a generator that is not read to its end would have to be closed."""

    __slots__ = ("_backend", "_connection")

    def __init__(self, backend: HttpBackend, connection: Connection) -> None:
        self._backend = backend
        self._connection = connection

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._connection.read()
        except ExchangeError as error:
            raise self._backend.meaning(error, begun=True) from error
        if not data:
            raise StopAsyncIteration
        return data


class _InflatedChunks:
    """As `_Chunks`, decompressed."""

    __slots__ = ("_backend", "_chunks", "_inflater", "_steps")

    def __init__(self, backend: HttpBackend, connection: Connection) -> None:
        self._backend = backend
        self._chunks = _Chunks(backend, connection)
        self._inflater = Inflater()
        self._steps: Iterator[bytes] = iter(())

    def __aiter__(self) -> _InflatedChunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            while (found := next(self._steps, None)) is None:
                try:
                    self._steps = self._inflater.steps(await anext(self._chunks))
                except StopAsyncIteration:
                    if not self._inflater.finished():
                        raise self._damaged("it breaks off") from None
                    raise
        except zlib.error as error:
            raise self._damaged(str(error)) from error
        return found

    def _damaged(self, why: str) -> BackendBroken:
        return BackendBroken(f"the answer of the backend '{self._backend.name}' is damaged compression ({why})")

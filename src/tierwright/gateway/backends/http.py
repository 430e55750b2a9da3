"""A model server, asked over aiohttp.

Owns the connection, its deadlines and the mapping of what aiohttp raises to `core.errors`. Sends its own key and never
the caller's; follows no redirects, reads no environment, keeps no cookies. Knows nothing about what is in a body.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from tierwright import __version__
from tierwright.core.errors import BackendBroken, BackendError, BackendLost, BackendTimeout, BackendUnavailable
from tierwright.gateway.backends.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tierwright.core.protocols import Reply
    from tierwright.gateway.config import BackendConfig

#: Everything aiohttp raises while it talks to a server; tests/unit/gateway proves it complete.
FOREIGN = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError)
#: Tried in this order: a timeout is an OSError, and some of aiohttp's are connection errors, too. What is known to have
#: failed before anything was sent comes first; of everything else the server may have seen the request.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[BackendError]], ...] = (
    ((aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError), BackendUnavailable),
    ((TimeoutError,), BackendTimeout),
    ((aiohttp.InvalidURL, aiohttp.ClientResponseError, aiohttp.ClientPayloadError), BackendBroken),
    ((aiohttp.ClientConnectionError, aiohttp.UploadAbortedError, OSError), BackendLost),
    ((aiohttp.ClientError, HttpProcessingError), BackendBroken),
)
#: Answer headers worth passing on, besides those that begin with one of the prefixes. Everything else is either the
#: connection's own (transfer-encoding, content-encoding and length: the body arrives decoded) or the server's business.
_PASSED_ON = frozenset({"content-type", "retry-after", "retry-after-ms", "x-request-id", "x-should-retry"})
_PASSED_ON_PREFIXES = ("x-ratelimit-", "openai-", "anthropic-")
#: aiohttp warns of larger bodies that are sent from bytes in one piece.
_WHOLE_BODY_BYTES = 1024 * 1024
#: Below the five seconds after which many servers close an idle connection, so that no request meets one just closed.
_KEEP_ALIVE_S = 4.0
_PING_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class LargeBody(io.BytesIO):
    """A body sent in pieces; `io.BytesIO` shares the bytes it is made of, until aiohttp asks how many they are."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    def getbuffer(self) -> memoryview:
        """The body itself and no copy of it; it can't be written to."""
        return memoryview(self._body)


class HttpBackend:
    """One server; its connections are opened with the first request."""

    def __init__(self, config: BackendConfig) -> None:
        self._config = config
        self._base_url = config.base_url.rstrip("/")
        self._query = f"?{config.query}" if config.query else ""
        self._urls: dict[str, URL] = {}
        kind = KINDS[config.kind]
        self._headers = {"content-type": "application/json", "user-agent": f"tierwright/{__version__}"}
        self._headers |= kind.headers
        self._headers |= config.headers
        if config.api_key is not None:
            self._headers[kind.key_header] = kind.key_prefix + config.api_key.reveal()
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._config.name

    async def send(self, path: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> Reply:
        """As `Backend.send`; `headers` are added to the backend's own.

        BackendBroken stands for an answer that is no HTTP or a redirect.
        """
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path + self._query)
        try:
            response = await self._open().request(
                "POST",
                url,
                data=body if len(body) < _WHOLE_BODY_BYTES else LargeBody(body),
                headers={**headers, **self._headers},
                allow_redirects=False,
                timeout=self._within(timeout_s),
            )
        except FOREIGN as error:
            raise self._meaning(error) from error
        if 300 <= response.status < 400:
            response.close()
            raise BackendBroken(
                f"the backend '{self.name}' answers with a redirect (HTTP {response.status}); "
                "set its base_url to where it really is"
            )
        return _HttpReply(self, response)

    async def ping(self) -> str:
        """One line on how the server is doing; raises BackendError where it is not."""
        try:
            async with self._open().get(
                URL(self._base_url + "/models" + self._query),
                headers=self._headers,
                allow_redirects=False,
                timeout=_PING_TIMEOUT,
            ) as response:
                await response.read()
                status = response.status
        except FOREIGN as error:
            raise self._meaning(error) from error
        if status in (401, 403):
            raise BackendBroken(f"the backend '{self.name}' refuses the key (HTTP {status}); check its api_key")
        # Servers without a list of models answer 404 and serve chats all the same.
        if status >= 500 or 300 <= status < 400:
            raise BackendBroken(f"the backend '{self.name}' answers HTTP {status} to GET {self._base_url}/models")
        return f"{self.name}: reachable at {self._base_url} (HTTP {status})"

    async def aclose(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _within(self, seconds: float) -> aiohttp.ClientTimeout:
        config = self._config
        return aiohttp.ClientTimeout(
            total=min(seconds, config.timeout_s),
            sock_connect=config.connect_timeout_s,
            sock_read=config.idle_timeout_s,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            config = self._config
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=config.max_connections, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _meaning(self, error: BaseException, *, begun: bool = False) -> BackendError:
        """What an exception of aiohttp says; `begun`: it came after the status."""
        meaning = meaning_of(type(error))
        why = error.__class__.__name__
        if meaning is BackendTimeout:
            return BackendTimeout(
                f"the backend '{self.name}' did not answer within its deadline ({why}); "
                "try again, or raise timeout_s of this backend"
            )
        if begun:
            return BackendBroken(f"the answer of the backend '{self.name}' stopped half-way ({why}); try again")
        if meaning is BackendUnavailable:
            return BackendUnavailable(
                f"the backend '{self.name}' can't be reached ({why}); check that it runs and that its base_url is right"
            )
        if meaning is BackendLost:
            return BackendLost(
                f"the connection to the backend '{self.name}' was lost after the request was sent ({why}); "
                "whether it was answered there is not known"
            )
        return BackendBroken(f"the backend '{self.name}' does not speak HTTP as it should ({why}); check its base_url")


def meaning_of(error: type[BaseException]) -> type[BackendError]:
    """Which of our errors an exception class of aiohttp stands for, before a status was received."""
    return next((meaning for classes, meaning in _MEANINGS if issubclass(error, classes)), BackendBroken)


class _HttpReply:
    """A `Reply` on an aiohttp response."""

    __slots__ = ("_backend", "_response", "headers", "status")

    def __init__(self, backend: HttpBackend, response: aiohttp.ClientResponse) -> None:
        self._backend = backend
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = {
            lowered: value
            for name, value in response.headers.items()
            if (lowered := name.lower()) in _PASSED_ON or lowered.startswith(_PASSED_ON_PREFIXES)
        }

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self._backend, self._response)

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _Chunks:
    """The body as it arrives; a class, since a generator that is not read to its end would have to be closed."""

    __slots__ = ("_backend", "_content")

    def __init__(self, backend: HttpBackend, response: aiohttp.ClientResponse) -> None:
        self._backend = backend
        self._content = response.content

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._content.readany()
        except FOREIGN as error:
            raise self._backend._meaning(error, begun=True) from error  # noqa: SLF001 - one class in three pieces
        if not data:
            raise StopAsyncIteration
        return data

"""Sends logged requests to a gateway as their applications would, and notes what comes back.

Owns concurrency, keys and the client's clock. Refuses to judge the answers. No request is lost: one that fails has a
record that says how.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from tierwright.app.demo.logfile import read_log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request to be sent again."""

    #: Id of the answer in the log.
    log_id: str
    #: The application; chooses the key. None: the log does not say.
    client_id: str | None
    recorded_at: datetime
    #: Exact JSON of the request.
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What became of one request."""

    #: Place of the request in the sequence that was driven, from 0.
    position: int
    #: Id of the answer in the log.
    log_id: str
    #: HTTP status; None: no answer came.
    status: int | None
    #: Text of the first choice; None: there is none.
    answer: str | None
    #: Id of the response; None: there is none.
    response_id: str | None
    #: From the gateway's headers; None: the gateway did not say.
    served_by: str | None
    route_reason: str | None
    #: Calibrated confidence of a specialist, 0 to 1; None: no specialist was asked.
    confidence: float | None
    inference_id: str | None
    #: From before the request was sent until its answer was read, by the client's clock.
    latency_ms: float
    #: What went wrong, without any text of prompt or answer; None: answered.
    error: str | None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    id: str
    choices: list[_Choice]


class _Error(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None


class _Refusal(msgspec.Struct):
    error: _Error


def logged_requests(
    path: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    on_bad_line: Callable[[int], None],
) -> Iterator[LoggedRequest]:
    """Yield the requests of a log with `since` <= recorded_at < `until`; bad lines go to `on_bad_line` by number.

    Raises:
        InputError: the file can't be read or is damaged.

    """
    first = since.timestamp() if since else float("-inf")
    end = until.timestamp() if until else float("inf")
    for log_id, line in read_log(path, on_bad_line=on_bad_line):
        if first <= line.timestamp < end:
            yield LoggedRequest(
                log_id=log_id,
                client_id=line.client_id,
                recorded_at=datetime.fromtimestamp(line.timestamp, UTC),
                body=bytes(line.request),
            )


class Driver:
    """A client of one gateway, for as many drives as wanted."""

    def __init__(self, *, base_url: str, keys: Mapping[str, str], default_key: str | None = None) -> None:
        """Drive `base_url`, the gateway's address with /v1, with the key of each client_id or else `default_key`."""
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._keys = dict(keys)
        self._default_key = default_key
        self._decode = msgspec.json.Decoder(_Answer).decode
        self._decode_refusal = msgspec.json.Decoder(_Refusal).decode

    async def drive(
        self,
        requests: Iterable[LoggedRequest],
        *,
        concurrency: int = 32,
        timeout_s: float = 120.0,
        progress: Callable[[int], None] | None = None,
    ) -> AsyncGenerator[Driven]:
        """Send `requests` in their order, at most `concurrency` at a time, and yield each record as it is complete.

        Memory is bounded by the concurrency: requests are drawn when a connection is free, and drawing waits while
        records are not taken. `progress` gets the number of records so far. What the iterator raises is raised when
        all that was sent before has its record.
        """
        sequence = enumerate(requests)
        records: asyncio.Queue[Driven | None] = asyncio.Queue(maxsize=2 * concurrency)
        connector = aiohttp.TCPConnector(limit=concurrency)
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:

            async def work() -> None:
                for position, request in sequence:
                    await records.put(await self._send(session, position, request))

            async def work_all() -> None:
                workers = (work() for _ in range(concurrency))
                outcomes = await asyncio.gather(*workers, return_exceptions=True)
                await records.put(None)
                for outcome in outcomes:
                    if outcome is not None:
                        raise outcome

            working = asyncio.create_task(work_all())
            done = 0
            try:
                while (record := await records.get()) is not None:
                    done += 1
                    if progress is not None:
                        progress(done)
                    yield record
                await working
            finally:
                working.cancel()
                await asyncio.wait([working])

    async def _send(self, session: aiohttp.ClientSession, position: int, request: LoggedRequest) -> Driven:
        key = self._keys.get(request.client_id or "", self._default_key)
        started = perf_counter()
        if key is None:
            return _failed(position, request, started, "no key for this client_id; add it to the driver's keys")
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "x-tierwright-recorded-at": f"{request.recorded_at.timestamp():.3f}",
        }
        try:
            async with session.post(self._url, data=request.body, headers=headers) as response:
                body = await response.read()
        except TimeoutError:
            return _failed(position, request, started, "timeout")
        except aiohttp.ClientError as error:
            return _failed(position, request, started, type(error).__name__)
        latency_ms = (perf_counter() - started) * 1_000
        answer, error_text = self._read(response.status, body)
        said = response.headers
        confidence = said.get("x-tierwright-confidence")
        return Driven(
            position=position,
            log_id=request.log_id,
            status=response.status,
            answer=answer.choices[0].message.content if answer and answer.choices else None,
            response_id=answer.id if answer else None,
            served_by=said.get("x-tierwright-served-by"),
            route_reason=said.get("x-tierwright-route-reason"),
            confidence=float(confidence) if confidence else None,
            inference_id=said.get("x-tierwright-inference-id"),
            latency_ms=latency_ms,
            error=error_text,
        )

    def _read(self, status: int, body: bytes) -> tuple[_Answer | None, str | None]:
        """The answer, or what is wrong with it."""
        try:
            if status == 200:
                return self._decode(body), None
            refusal = self._decode_refusal(body).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None, f"HTTP {status} with a body that is no OpenAI answer"
        return None, f"HTTP {status}: {refusal.code or refusal.type or 'no code'}"


def _failed(position: int, request: LoggedRequest, started: float, error: str) -> Driven:
    return Driven(
        position=position,
        log_id=request.log_id,
        status=None,
        answer=None,
        response_id=None,
        served_by=None,
        route_reason=None,
        confidence=None,
        inference_id=None,
        latency_ms=(perf_counter() - started) * 1_000,
        error=error,
    )

"""The replayed frontier model as a process of its own, asked by the real OpenAI client, and the driver against it."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tierwright.app.demo.driver import Driven, Driver, logged_requests
from tierwright.app.demo.replay import request_hash
from tierwright.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]


def _row(number: int, text: str, answer: str, *, client_id: str = "web", **message: Any) -> Row:
    return {
        "timestamp": 1_756_700_000.0 + number,
        "client_id": client_id,
        "workload_id": None,
        "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "temperature": 0},
        "response": {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_756_700_000 + number,
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer, "refusal": None, **message},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        },
        "latency_ms": 400.0,
    }


_CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": 1}'}}
ROWS = [
    _row(0, "Where is it?", "On its way,  to you.\nReally."),
    _row(1, "Say it.", "first"),
    _row(2, "Say it.", "second"),
    _row(3, "Call it.", "", client_id="mail", content=None, tool_calls=[_CALL]),
]


def _write(path: Path, rows: Sequence[Row]) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


@contextmanager
def _replay(log: Path, *more: str) -> Iterator[str]:
    """The process, ready; gives its base URL."""
    ready = log.with_suffix(".ready")
    command = [sys.executable, "-m", "tierwright.app.demo.replay", "--log", str(log), "--ready-file", str(ready)]
    process = subprocess.Popen([*command, "--port", "0", *(more or ("--speedup", "inf"))], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, (process.stderr or sys.stderr).read()
            assert time.monotonic() < deadline, "not ready within a minute"
            time.sleep(0.02)
        yield str(json.loads(ready.read_text())["url"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[openai.OpenAI]:
    """An OpenAI client of a replay of ROWS."""
    with (
        _replay(_write(tmp_path / "log.jsonl.gz", ROWS)) as url,
        openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as talking,
    ):
        yield talking


def _ask(client: openai.OpenAI, text: str) -> str | None:
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}], temperature=0
    )  # fmt: skip
    return answer.choices[0].message.content


def test_plain_answer_is_the_logged_body_byte_for_byte(client: openai.OpenAI) -> None:
    """The body is exactly that of the log; only headers say that it is a replay."""
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Where is it?"}], temperature=0
    )
    assert raw.content == json.dumps(ROWS[0]["response"]).encode()
    assert raw.headers["x-simulated-frontier"] == "replay"
    assert raw.headers["x-simulated-fingerprint"] == "replay-of-log; speedup=inf"


def test_streamed_answer_adds_up_to_the_logged_one(client: openai.OpenAI) -> None:
    """Chunks give role, content, finish_reason and usage in this order and add up to the logged answer."""
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Where is it?"}],
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [chunk.choices[0] for chunk in chunks[:-1]]
    assert {chunk.id for chunk in chunks} == {"chatcmpl-0"}
    assert deltas[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in deltas) == "On its way,  to you.\nReally."
    assert len(deltas) > 4
    assert [choice.finish_reason for choice in deltas] == [None] * (len(deltas) - 1) + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12


def test_stream_without_usage_wish_has_no_usage_chunk(client: openai.OpenAI) -> None:
    """Usage is only streamed to whom asked for it."""
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Where is it?"}], temperature=0, stream=True
    )
    assert all(chunk.choices and chunk.usage is None for chunk in stream)


def test_streamed_tool_call_is_complete(client: openai.OpenAI) -> None:
    """A logged tool call arrives whole and with its index."""
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Call it."}], temperature=0, stream=True
    )
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.id, call.function and call.function.arguments) for call in calls] == [
        (0, "call_1", '{"order": 1}')
    ]


def test_stream_ends_with_done(client: openai.OpenAI) -> None:
    """The last event is the one that clients of server-sent events wait for."""
    body = {**ROWS[0]["request"], "stream": True}
    request = urllib.request.Request(
        f"{client.base_url}chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.read().endswith(b"\n\ndata: [DONE]\n\n")


def test_repeated_request_gets_logged_answers_in_order_then_the_last(client: openai.OpenAI) -> None:
    """Two logged answers to one request come in the order of the log, the last one for ever after."""
    assert [_ask(client, "Say it.") for _ in range(4)] == ["first", "second", "second", "second"]


def test_unknown_request_is_refused_as_openai_refuses(client: openai.OpenAI) -> None:
    """What is not in the log gets a 404 with code not_in_log, and no made-up answer."""
    with pytest.raises(openai.NotFoundError) as refused:
        _ask(client, "Never asked.")
    assert refused.value.code == "not_in_log"
    assert refused.value.type == "invalid_request_error"
    assert refused.value.response.headers["x-simulated-frontier"] == "replay"


def test_models_are_those_of_the_log(client: openai.OpenAI) -> None:
    """GET /v1/models names the models asked for in the log."""
    assert [model.id for model in client.models.list()] == ["gpt-4o"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "chat/completions", b"not json", 400),
        ("POST", "chat/completions", b"[1]", 400),
        ("GET", "chat/completions", None, 405),
        ("GET", "elsewhere", None, 404),
    ],
)
def test_malformed_call_is_refused(
    client: openai.OpenAI, method: str, path: str, body: bytes | None, status: int
) -> None:
    """Bad bodies, methods and paths get their own OpenAI-shaped refusals."""
    request = urllib.request.Request(f"{client.base_url}{path}", body, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=30):
        pass
    with refused.value as answer:
        assert answer.code == status
        assert set(json.loads(answer.read())["error"]) == {"message", "type", "param", "code"}


def test_answer_waits_for_the_logged_latency(tmp_path: Path) -> None:
    """With a speed-up of 2 a logged latency of 400 ms takes at least 200 ms."""
    with (
        _replay(_write(tmp_path / "log.jsonl", ROWS), "--speedup", "2") as url,
        openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client,
    ):
        started = time.perf_counter()
        _ask(client, "Where is it?")
        assert time.perf_counter() - started >= 0.2


def test_requests_are_matched_whatever_their_spelling() -> None:
    """Order of keys, stream options and 0 for 0.0 make no difference; another temperature does."""
    request = {"model": "m", "messages": [{"role": "user", "content": "é"}], "temperature": 0}
    same = {"temperature": 0.0, "stream": True, "messages": [{"content": "é", "role": "user"}], "model": "m"}
    assert request_hash(request) == request_hash({**same, "stream_options": {"include_usage": True}})
    assert request_hash(request) != request_hash({**request, "temperature": 0.5})


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, (), "there is no file"),
        (b"not a log\n", (), "holds no line of a traffic log"),
        (gzip.compress(json.dumps(ROWS[0]).encode(), mtime=0)[:-9], (), "breaks off"),
        (json.dumps(ROWS[0]).encode(), ("--speedup", "0"), "speed-up must be a positive number"),
        (json.dumps(ROWS[0]).encode(), ("--port", "1", "--ready-file", "/nowhere/ready"), "can't be "),
    ],
)
def test_process_that_cannot_start_says_why(
    tmp_path: Path, content: bytes | None, arguments: tuple[str, ...], said: str
) -> None:
    """A missing, foreign or truncated log and impossible settings end with exit code 2 and one clear line."""
    log = tmp_path / "log"
    if content is not None:
        log.write_bytes(content)
    command = [sys.executable, "-m", "tierwright.app.demo.replay", "--log", str(log), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_bad_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    """A line that is no log line does not stop the others from being answered, and is mentioned."""
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n" + json.dumps(ROWS[0]) + '\n\n{"timestamp": 1}\n')
    with _replay(log) as url, openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        assert _ask(client, "Where is it?") == "On its way,  to you.\nReally."


def _drive(url: str, log: Path, *, keys: dict[str, str], **options: Any) -> list[Driven]:
    async def collect() -> list[Driven]:
        driver = Driver(base_url=url, keys=keys)
        return [record async for record in driver.drive(logged_requests(log, on_bad_line=print), **options)]

    return asyncio.run(collect())


def test_driver_records_every_request(tmp_path: Path) -> None:
    """Each logged request has one record with status, text, id and latency; progress counts them."""
    log, counted = _write(tmp_path / "log.jsonl.gz", ROWS), []
    with _replay(log) as url:
        records = _drive(url, log, keys={"web": "a", "mail": "b"}, concurrency=1, progress=counted.append)
    assert [record.log_id for record in records] == [row["response"]["id"] for row in ROWS]
    assert [record.response_id for record in records] == [row["response"]["id"] for row in ROWS]
    assert [record.answer for record in records] == ["On its way,  to you.\nReally.", "first", "second", None]
    assert all(record.status == 200 and record.error is None and record.latency_ms > 0 for record in records)
    assert counted == [1, 2, 3, 4]


def test_driver_keeps_failed_requests(tmp_path: Path) -> None:
    """A refusal, a client without key and a dead server are records with an error, not gaps."""
    log = _write(tmp_path / "log.jsonl", ROWS)
    other = _write(tmp_path / "other.jsonl", [_row(9, "Never asked.", "x"), *ROWS])
    with _replay(log) as url:
        records = sorted(_drive(url, other, keys={"web": "a"}), key=lambda record: record.position)
    assert [record.error for record in records] == [
        "HTTP 404: not_in_log", None, None, None, "no key for this client_id; add it to the driver's keys",
    ]  # fmt: skip
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = _drive(f"http://127.0.0.1:{unused.getsockname()[1]}/v1", log, keys={"web": "a", "mail": "b"})
    assert len(dead) == len(ROWS)
    assert all(record.status is None and record.error for record in dead)


def test_driver_sends_key_and_time_and_reads_the_gateways_headers(tmp_path: Path) -> None:
    """The key of the client_id and the log's timestamp go out; what the gateway says about the route comes back."""
    log = _write(tmp_path / "log.jsonl", ROWS[:1])
    heard: list[str] = []

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        heard.append(head)
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        heard.append((await reader.readexactly(length)).decode())
        body = json.dumps(ROWS[0]["response"]).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nx-tierwright-served-by: mv_1\r\nx-tierwright-route-reason: confident\r\n"
            b"x-tierwright-confidence: 0.97\r\nx-tierwright-inference-id: inf_1\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def drive() -> list[Driven]:
        async with await asyncio.start_server(gateway, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            driver = Driver(base_url=url, keys={"web": "key-of-web"})
            return [record async for record in driver.drive(logged_requests(log, on_bad_line=print))]

    (record,) = asyncio.run(drive())
    assert "authorization: bearer key-of-web\r\n" in heard[0]
    assert "x-tierwright-recorded-at: 1756700000.000\r\n" in heard[0]
    assert json.loads(heard[1]) == ROWS[0]["request"]
    assert (record.served_by, record.route_reason, record.inference_id) == ("mv_1", "confident", "inf_1")
    assert record.confidence == 0.97


def test_driver_raises_what_its_requests_raise_after_the_records(tmp_path: Path) -> None:
    """A log that breaks off is an error, but not before every request that could be read has its record."""
    whole = _write(tmp_path / "log.jsonl.gz", ROWS)
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole.read_bytes()[:-8])
    records: list[Driven] = []

    async def drive(url: str) -> None:
        driver = Driver(base_url=url, keys={"web": "a", "mail": "b"})
        async for record in driver.drive(logged_requests(broken, on_bad_line=print)):
            records.append(record)  # noqa: PERF401 - a comprehension would lose them to the error

    with _replay(whole) as url, pytest.raises(InputError, match="breaks off"):
        asyncio.run(drive(url))
    assert len(records) == len(ROWS)


def test_driver_stopped_early_draws_no_more_requests(tmp_path: Path) -> None:
    """Who stops taking records stops the drive: no more requests are drawn than were under way or waiting."""
    log = _write(tmp_path / "log.jsonl", ROWS)
    drawn: list[str] = []

    async def first(url: str) -> Driven:
        (request, *_) = logged_requests(log, on_bad_line=print)
        endless = (drawn.append("drawn") or request for _ in range(100_000))
        records = Driver(base_url=url, keys={"web": "a"}).drive(endless, concurrency=2)
        async for record in records:
            await records.aclose()
            return record
        raise AssertionError("no record")

    with _replay(log) as url:
        assert asyncio.run(first(url)).status == 200
    assert len(drawn) <= 8

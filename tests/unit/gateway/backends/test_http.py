"""What a backend sends, which connections it keeps, and whom it trusts."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.unit.gateway.backends.scripted import GATE, WELL, Server, against, answering, fetched, posted, soon
from tierwright.core.errors import BackendBroken, BackendUnavailable, SettingsError
from tierwright.core.privacy import Outgoing
from tierwright.gateway.backends import pool
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.backends.inflate import Inflater
from tierwright.gateway.config import BackendConfig, Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.gateway.backends.scripted import Script


def test_own_headers_go_before_the_callers() -> None:
    """The key and what the settings say are sent once, whatever a caller sends; other headers are added."""

    async def use(backend: HttpBackend, server: Server) -> None:
        headers = {"authorization": "Bearer caller", "x-tenant": "caller", "idempotency-key": "é"}
        reply = await posted(backend, Outgoing("/chat/completions", b"{}", headers), timeout_s=5)
        await reply.aclose()
        head = server.heads[0].decode("latin-1").lower()
        assert head.count("authorization: bearer sk-1\r\n") == head.count("authorization") == 1
        assert head.count("x-tenant: own\r\n") == head.count("x-tenant") == 1
        assert "idempotency-key: é\r\n" in head

    against(answering(WELL), use, api_key=Secret("sk-1"), headers={"X-Tenant": "own"})


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "schlüssel"])
def test_what_is_no_header_is_refused_with_the_settings(value: str) -> None:
    """A line end or a letter that HTTP has no place for, in a header or the key: an error that does not show it."""
    for changes in ({"headers": {"x-a": value}}, {"api_key": Secret(value)}):
        with pytest.raises(SettingsError, match="backend 'b'") as raised:
            HttpBackend(BackendConfig(name="b", base_url="http://127.0.0.1/v1", **changes), GATE)  # type: ignore[arg-type]
        assert value not in str(raised.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://a..b/v1", "http://:80/v1", "http://[::1/v1"])
def test_addresses_that_are_none_are_refused_with_the_settings(url: str) -> None:
    """A port out of range, an empty label, no host."""
    with pytest.raises(SettingsError, match="base_url must look like"):
        BackendConfig(name="b", base_url=url)


def test_nothing_listens() -> None:
    """Refused or unknown to the name service: unavailable, since nothing was sent."""

    async def run() -> None:
        for url in ("http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"):
            backend = HttpBackend(BackendConfig(name="b", base_url=url), GATE)
            with pytest.raises(BackendUnavailable, match="can't be reached"):
                await fetched(backend)

    asyncio.run(run())


def test_every_address_of_a_name_is_tried() -> None:
    """The name localhost has an IPv6 address on many machines; a server that has only IPv4 is found all the same."""

    async def use(_: HttpBackend, server: Server) -> None:
        backend = HttpBackend(BackendConfig(name="b", base_url=f"http://localhost:{server.port}/v1"), GATE)
        assert await fetched(backend) == (200, b"{}")
        await backend.aclose()

    against(answering(WELL), use)


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while by us, earlier by the server; either way the next request has another and is answered."""
    monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 0.1)

    async def use(backend: HttpBackend, server: Server) -> None:
        await asyncio.gather(*(fetched(backend) for _ in range(5)))
        assert server.accepted == 5
        await soon(lambda: server.left == 5)
        assert not backend._pool._idle
        assert await fetched(backend) == (200, b"{}")

    against(answering(WELL), use)

    async def use_closing(backend: HttpBackend, server: Server) -> None:
        for number in range(3):
            assert await fetched(backend) == (200, b"{}")
            assert server.accepted == number + 1
            await soon(lambda: not backend._pool._idle)

    monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 1000)
    against(answering(WELL, close=True), use_closing)


def test_a_closed_backend_keeps_nothing() -> None:
    """Closed while an answer is under way, it lets that come to its end and keeps no connection."""

    async def use(backend: HttpBackend, server: Server) -> None:
        await fetched(backend)
        reply = await posted(backend, timeout_s=5)
        await backend.aclose()
        assert [piece async for piece in reply.chunks()] == [b"{}"]
        await reply.aclose()
        await soon(lambda: server.left == 1)

    against(answering(WELL), use)


def compressed(encoding: str, body: bytes) -> Script:
    """Answers with a body that is said to be in an encoding."""
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n"
    return answering(head.encode() + body)


_DEFLATED = zlib.compressobj(wbits=-15)
RAW = _DEFLATED.compress(b"hello " * 1000) + _DEFLATED.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"hello " * 1000, mtime=0)),
        ("x-gzip", gzip.compress(b"hello " * 400, mtime=0) + gzip.compress(b"hello " * 600, mtime=0)),
        ("deflate", zlib.compress(b"hello " * 1000)),
        ("deflate", RAW),
        ("identity", b"hello " * 1000),
    ],
)
def test_compressed_answers_are_unpacked(encoding: str, body: bytes) -> None:
    """In gzip, also of several members, in deflate with and without a head, and not at all."""

    async def use(backend: HttpBackend, _: Server) -> None:
        assert await fetched(backend) == (200, b"hello " * 1000)

    against(compressed(encoding, body), use)


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)[:-3], "breaks off"),
        ("gzip", b"no gzip", "damaged compression"),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"rubbish", "damaged compression"),
        ("br", b"\x0b\x02\x80hello\x03", "not asked for"),
    ],
)
def test_compression_that_is_damaged_is_no_answer(encoding: str, body: bytes, says: str) -> None:
    """Cut, not compressed at all, followed by something else, or in an encoding that was not asked for."""

    async def use(backend: HttpBackend, _: Server) -> None:
        with pytest.raises(BackendBroken, match=says):
            await fetched(backend)

    against(compressed(encoding, body), use)


def test_a_few_bytes_are_never_unpacked_to_many_at_once() -> None:
    """A hundred megabytes of zeros come in pieces of bounded size, each made when it is asked for."""
    packed = gzip.compress(b"\0" * 100_000_000)
    total = 0
    inflater = Inflater()
    for step in inflater.steps(packed):
        assert len(step) <= 256 * 1024
        total += len(step)
    assert total == 100_000_000
    assert inflater.finished()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody trusts, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path)),
            *("-out", str(tmp_path / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    with path.open("ab") as both:
        both.write((tmp_path / "certificate.pem").read_bytes())
    return path


def test_only_servers_that_are_who_they_say_are_asked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of nobody: nothing is sent. The same one, trusted: answered over TLS, on one connection."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)

    async def refused(backend: HttpBackend, server: Server) -> None:
        with pytest.raises(BackendUnavailable, match="can't be reached"):
            await fetched(backend)
        assert server.heads == []

    against(answering(WELL), refused, tls=serving)

    async def trusted(backend: HttpBackend, server: Server) -> None:
        for _ in range(3):
            assert await fetched(backend, b"x" * 300_000) == (200, b"{}")
        assert server.accepted == 1

    trusting = ssl.create_default_context(cafile=str(certificate.with_name("certificate.pem")))
    monkeypatch.setattr(pool, "_tls", lambda: trusting)
    against(answering(WELL), trusted, tls=serving)

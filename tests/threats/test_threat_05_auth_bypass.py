"""Threat 5: ways round the key: addresses, hosts, parts of keys, keys that were revoked."""

from __future__ import annotations

import hashlib
import importlib.metadata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.fakes import a_key
from tests.integration.gateway.conftest import KEY, Running, eventually
from tests.integration.gateway.test_specialists import seen
from tests.threats.asking import BODIES, ask
from tierwright.core.ids import CallerKeyId
from tierwright.gateway.auth import LOCAL, LOOPBACK, Authenticator
from tierwright.gateway.tenancy.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ways to write an address that some server somewhere takes for another one.
_TRICKS = (
    *("/{0}", "//{0}", "/./{0}", "/x/../{0}", "/{0}/", "/{0}//", "/{0}/.", "/{0}/..", "/{0};x=1", "/{0}%00", "/{0}%20"),
    *("/{0}%2f", "/health/..;/{0}", "/health/readiness/../../{0}", "/health/liveliness%2f..%2f..%2f{0}", "/{0}?x=1"),
    *("/{0}#x", "/{0}.json", "/%2e/{0}", "/metrics/../{0}", "http://127.0.0.1/{0}", "/{0}?path=/health/readiness"),
)
_HOSTS = (
    "localhost",
    "127.0.0.1",
    "[::1]",
    "evil.example",
    "a/../b",
    "x?y",
    "x@127.0.0.1",
    "",
    "admin",
    "h/health",
    "%00",
)
_LYING = (
    *("x-original-url", "x-rewrite-url", "x-forwarded-for", "x-real-ip", "x-forwarded-host", "x-forwarded-prefix"),
    *("x-http-method-override", "x-authenticated-user", "x-remote-user", "x-client-id", "x-tierwright-client-id"),
)


def test_threat_05_auth_bypass(gateway: Running, probes: Callable[[int], None]) -> None:
    """Without a key nothing but health is answered, however the address, the host or the sender are written."""
    tried = 0
    for path in (*BODIES, "/v1/models", "/v1/models/gpt-4o", "/v1/feedback"):
        for trick in _TRICKS:
            for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
                answer = ask(gateway.url, trick.format(path[1:]), {}, method=method, key=None)
                assert answer.status in (400, 401, 404, 405), (trick, path, method, answer)
                tried += 1
        method = "GET" if "models" in path else "POST"
        for host in _HOSTS:
            assert ask(gateway.url, path, {}, method=method, key=None, headers={"host": host}).status in (400, 401)
        for name in _LYING:
            for value in ("/health/readiness", LOOPBACK, "desk"):
                assert ask(gateway.url, path, {}, method=method, key=None, headers={name: value}).status == 401
        tried += len(_HOSTS) + 3 * len(_LYING)
    assert gateway.upstream.seen == []
    probes(tried)


def test_threat_05_auth_bypass_the_whole_key_counts(gateway: Running, probes: Callable[[int], None]) -> None:
    """A key with the same beginning or end, another case, more white space inside, or its hash is not the key."""
    wrong = (
        *(KEY[:length] for length in range(1, len(KEY))),
        *(KEY[length:] for length in range(1, len(KEY))),
        *(f"{KEY}{more}" for more in ("x", "\t x", ",", ";", "=", "%00", " x")),
        *(KEY.upper(), KEY[:1] + " " + KEY[1:], KEY[::-1], f'"{KEY}"', f"Bearer {KEY}"),
        *(hashlib.sha256(KEY.encode()).hexdigest(), "null", "None", "undefined", "*", "sk-1234"),
    )
    for key in wrong:
        assert ask(gateway.url, "/v1/models", key=key).status == 401, key
    assert ask(gateway.url, "/v1/models", key=KEY).status == 200
    probes(len(wrong))


def test_threat_05_auth_bypass_revoked_keys_die(gateway: Running, probes: Callable[[int], None]) -> None:
    """A revoked key is dead with the next look at the store, and was not remembered by its first letters."""
    keys = [f"tw_live_abcdefghijklmnopqrst_{n}" for n in range(3)]
    for n, plain in enumerate(keys):
        sha256 = hashlib.sha256(plain.encode()).hexdigest()
        gateway.store.add_key(a_key(id=CallerKeyId(f"key-{n}"), sha256=sha256, expires_at=None))
    seen(gateway)
    assert [ask(gateway.url, "/v1/models", key=plain).status for plain in keys] == [200, 200, 200]
    gateway.store.revoke_key(CallerKeyId("key-1"), datetime.now(UTC))
    eventually(lambda: ask(gateway.url, "/v1/models", key=keys[1]).status == 401)
    assert [ask(gateway.url, "/v1/models", key=plain).status for plain in keys] == [200, 401, 200]
    probes(3)


def test_threat_05_auth_bypass_pages_of_elsewhere(probes: Callable[[int], None]) -> None:
    """Where nobody needs a key, a page that a browser loaded from elsewhere is refused all the same."""
    opened = Authenticator([], host=LOOPBACK)
    foreign = [
        *({b"host": host} for host in (b"evil.example", b"evil.example:8400", b"127.0.0.1.evil.example", b"a@b", b"[")),
        *(
            {b"host": b"127.0.0.1:8400", b"origin": origin}
            for origin in (b"https://evil.example", b"null", b"http://localhost.evil.example", b"file://", b"http://[")
        ),
    ]
    for headers in foreign:
        assert not isinstance(opened.caller_of(headers), Caller), headers
    local = opened.caller_of({b"host": b"127.0.0.1:8400"})
    assert isinstance(local, Caller)
    assert local.client_id == LOCAL
    probes(len(foreign))


def test_threat_05_auth_bypass_no_framework_decides(probes: Callable[[int], None]) -> None:
    """No web framework stands between the address and the decision: none is a dependency."""
    needed = importlib.metadata.requires("tierwright") or []
    frameworks = ("starlette", "fastapi", "flask", "django", "litestar", "sanic", "quart")
    assert not [one for one in needed if one.lower().startswith(frameworks)]
    probes(len(frameworks))

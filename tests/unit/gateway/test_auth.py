"""Callers are known by their keys, and by nothing else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import NOON, a_key, after
from tierwright.core.errors import SettingsError
from tierwright.gateway.auth import Authenticator
from tierwright.gateway.config import CallerConfig
from tierwright.gateway.problems import Problem
from tierwright.gateway.tenancy.caller import Caller


def caller(name: str, key: str) -> CallerConfig:
    """A caller with a key."""
    return CallerConfig(client_id=name, key_sha256=hashlib.sha256(key.encode()).hexdigest())


KEYED = Authenticator([caller("desk", "key-1"), caller("shop", "key-2")], host="0.0.0.0")
OPEN = Authenticator([], host="127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({b"authorization": b"Bearer key-1"}, "desk"),
        ({b"authorization": b"bearer  key-2 "}, "shop"),
        ({b"x-api-key": b"key-2"}, "shop"),
        ({b"authorization": b"Bearer key-1", b"x-api-key": b"key-2"}, "desk"),
    ],
)
def test_known_keys_name_their_caller(headers: dict[bytes, bytes], client: str) -> None:
    """A bearer token or x-api-key is enough; the bearer token counts where both are sent."""
    assert KEYED.caller_of(headers) == Caller(client_id=client)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer key-3"},
        {b"authorization": b"Basic key-1"},
        {b"authorization": b"key-1"},
        {b"x-api-key": b""},
        {b"x-api-key": hashlib.sha256(b"key-1").hexdigest().encode()},
    ],
)
def test_other_keys_are_refused(headers: dict[bytes, bytes]) -> None:
    """No key, a wrong one, another scheme and the stored hash itself all get a 401 with a stable code."""
    found = KEYED.caller_of(headers)
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (401, "invalid_api_key")
    assert "key-" not in found.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"])
def test_open_gateway_may_serve_its_own_machine(host: str) -> None:
    """Without callers a loopback address is allowed, and everybody is 'local'."""
    assert Authenticator([], host=host).caller_of({b"host": b"localhost:8400"}) == Caller(client_id="local", alone=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "gateway.example.com"])
def test_open_gateway_may_not_listen_elsewhere(host: str) -> None:
    """Without callers an address that others can reach is refused, with what to do about it."""
    with pytest.raises(SettingsError, match="configure at least one caller"):
        Authenticator([], host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {b"host": b"evil.example:8400"},
        {b"host": b"127.0.0.1:8400", b"origin": b"https://evil.example"},
        {b"host": b"127.0.0.1:8400", b"origin": b"null"},
    ],
)
def test_web_pages_of_elsewhere_cannot_use_an_open_gateway(headers: dict[bytes, bytes]) -> None:
    """A page in a browser on this machine can't spend its keys, by its own name or by one that resolves to loopback."""
    found = OPEN.caller_of(headers)
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (403, "forbidden_origin")


@pytest.mark.parametrize("second", [caller("desk", "key-2"), caller("shop", "key-1")])
def test_two_callers_may_share_nothing(second: CallerConfig) -> None:
    """The same name or the same key twice would make the ledger ambiguous."""
    with pytest.raises(SettingsError, match="give each its own"):
        Authenticator([caller("desk", "key-1"), second], host="127.0.0.1")


def sent(key: str) -> dict[bytes, bytes]:
    """The headers of a request with a key."""
    return {b"authorization": b"Bearer " + key.encode()}


def hashed(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def test_a_key_of_the_store_names_its_caller_and_itself() -> None:
    """Keys of the settings file and of the store are known at the same time; renewing replaces the store's only."""
    gate = Authenticator([caller("desk", "key-1")], host="0.0.0.0", clock=lambda: NOON)
    key = a_key(sha256=hashed("key-9"))
    assert isinstance(gate.caller_of(sent("key-9")), Problem)
    gate.renew([key])
    assert gate.caller_of(sent("key-9")) == Caller(client_id="shop", key=key)
    assert gate.caller_of(sent("key-1")) == Caller(client_id="desk")
    gate.renew([])
    assert isinstance(gate.caller_of(sent("key-9")), Problem)
    assert gate.caller_of(sent("key-1")) == Caller(client_id="desk")


def test_a_key_is_refused_from_the_instant_it_expires() -> None:
    """A microsecond before it is good; at the instant it is a 401 that says so and not the key."""
    now = NOON
    gate = Authenticator(
        [], host="0.0.0.0", keys=[a_key(sha256=hashed("key-9"), expires_at=after(60))], clock=lambda: now
    )
    now = after(60) - timedelta(microseconds=1)
    assert isinstance(gate.caller_of(sent("key-9")), Caller)
    now = after(60)
    found = gate.caller_of(sent("key-9"))
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (401, "invalid_api_key")
    assert "expired" in found.message
    assert "key-9" not in found.message


def test_a_revoked_key_is_refused() -> None:
    """At once, whatever clock the revocation was written by."""
    revoked = a_key(sha256=hashed("key-9"), revoked_at=datetime(2099, 1, 1, tzinfo=UTC))
    gate = Authenticator([], host="0.0.0.0", keys=[revoked], clock=lambda: NOON)
    found = gate.caller_of(sent("key-9"))
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (401, "invalid_api_key")
    assert "revoked" in found.message


def test_a_key_in_the_store_closes_an_open_gateway() -> None:
    """Once there is a key, nobody is local any more; a gateway reachable from elsewhere may live on such keys alone."""
    gate = Authenticator([], host="127.0.0.1")
    assert gate.caller_of({}) == Caller(client_id="local", alone=True)
    gate.renew([a_key(sha256=hashed("key-9"))])
    found = gate.caller_of({})
    assert isinstance(found, Problem)
    assert found.status == 401


def test_a_gateway_that_had_keys_does_not_open_without_them() -> None:
    """An emptied store must not turn a closed gateway into one that asks nobody."""
    gate = Authenticator([], host="0.0.0.0", keys=[a_key(sha256=hashed("key-9"))])
    gate.renew([])
    found = gate.caller_of({})
    assert isinstance(found, Problem)
    assert found.status == 401

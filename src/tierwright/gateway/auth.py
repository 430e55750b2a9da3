"""Who is calling: API keys, kept as SHA-256 only.

Fails closed. Owns the question "which caller is this?"; refuses to know what the caller may do.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tierwright.core.errors import SettingsError
from tierwright.gateway import problems
from tierwright.gateway.tenancy.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierwright.core.caller import CallerKey
    from tierwright.gateway.config import CallerConfig
    from tierwright.gateway.problems import Problem

LOOPBACK = "127.0.0.1"
#: What a caller is called where no callers are configured.
LOCAL = "local"
_LOCAL = Caller(client_id=LOCAL, alone=True)
_BEARER = b"bearer "


class Authenticator:
    """Names the caller of a request: by the keys of the settings file, and by those of the store.

    With no callers at all every program on this machine is `LOCAL`; that is only allowed on a loopback address,
    and not to pages that a browser has loaded from elsewhere. A gateway that has once seen a key asks for one until
    it ends, and revoked keys stay in the store: revoking the last one opens nothing.
    """

    def __init__(
        self,
        callers: Sequence[CallerConfig],
        *,
        host: str,
        keys: Sequence[CallerKey] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises SettingsError where two callers share a name or a key, or where an open gateway could be reached."""
        self._configured = {
            caller.key_sha256: Caller(client_id=caller.client_id, data_class=caller.data_class) for caller in callers
        }
        if len(self._configured) != len(callers) or len({caller.client_id for caller in callers}) != len(callers):
            raise SettingsError("two callers have the same client_id or the same key; give each its own")
        if not callers and not keys and not is_loopback(host):
            raise SettingsError(
                f"the gateway would listen on {host} and ask nobody for a key; "
                "configure at least one caller, or bind it to 127.0.0.1"
            )
        self._clock = clock
        self._keys = keys
        self._open = not callers
        self._renewed: dict[str, Caller] = {}
        self.renew(keys)

    def renew(self, keys: Sequence[CallerKey]) -> None:
        """Replaces all keys of the store. A hash that the settings file has too stays that file's."""
        self._keys = keys
        self._renewed = {
            key.sha256: Caller(client_id=key.client_id, key=key, data_class=key.data_class) for key in keys
        }
        self._open = self._open and not keys

    def renewed(self, callers: Sequence[CallerConfig]) -> Authenticator:
        """The same with other callers of the settings file. What was closed stays closed, even with none of them left.

        Raises SettingsError where two callers share a name or a key.
        """
        made = Authenticator(callers, host=LOOPBACK, keys=self._keys, clock=self._clock)
        made._open = made._open and self._open
        return made

    def caller_of(self, headers: Mapping[bytes, bytes]) -> Caller | Problem:
        """The caller, or the 401 or 403 to answer with."""
        if self._open:
            return _LOCAL if _is_local(headers) else problems.forbidden_origin()
        sent = _key_in(headers)
        if sent is None:
            return problems.unauthorized("no API key was sent")
        digest = hashlib.sha256(sent).hexdigest()
        # The lookup sees a hash only, so its timing tells nothing about a key.
        caller = self._configured.get(digest) or self._renewed.get(digest)
        if caller is None:
            return problems.unauthorized("the API key is not known here")
        return caller if caller.key is None else self._in_force(caller, caller.key)

    def _in_force(self, caller: Caller, key: CallerKey) -> Caller | Problem:
        if key.revoked_at is not None:
            return problems.unauthorized("the API key was revoked")
        if key.expires_at is not None and key.expires_at <= self._clock():
            return problems.unauthorized("the API key has expired")
        return caller


def is_loopback(host: str) -> bool:
    """Whether an address or host name is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _key_in(headers: Mapping[bytes, bytes]) -> bytes | None:
    authorization = headers.get(b"authorization")
    if authorization is not None and authorization[:7].lower() == _BEARER:
        return authorization[7:].strip()
    return headers.get(b"x-api-key")


def _is_local(headers: Mapping[bytes, bytes]) -> bool:
    """A page of elsewhere is betrayed by its Origin, or by the name it made the browser resolve to this machine."""
    origin, host = headers.get(b"origin"), headers.get(b"host")
    if origin is not None and not is_loopback(_host_in(origin.decode("latin-1"))):
        return False
    return host is None or is_loopback(_host_in("//" + host.decode("latin-1")))


def _host_in(url: str) -> str:
    """The host that an address names; empty where it names none, or is no address."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

"""Who is calling: API keys, kept as SHA-256 only.

Fails closed. Owns the question "which caller is this?"; refuses to know what the caller may do.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tierwright.core.errors import SettingsError
from tierwright.gateway import problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierwright.gateway.config import CallerConfig
    from tierwright.gateway.problems import Problem

#: What a caller is called where no callers are configured.
LOCAL = "local"
_BEARER = b"bearer "


class Authenticator:
    """Names the caller of a request.

    With no callers configured every program on this machine is `LOCAL`; that is only allowed on a loopback address,
    and not to pages that a browser has loaded from elsewhere.
    """

    def __init__(self, callers: Sequence[CallerConfig], *, host: str) -> None:
        """Raises SettingsError where two callers share a name or a key, or where an open gateway could be reached."""
        self._callers = {caller.key_sha256: caller for caller in callers}
        if len(self._callers) != len(callers) or len({caller.client_id for caller in callers}) != len(callers):
            raise SettingsError("two callers have the same client_id or the same key; give each its own")
        if not callers and not is_loopback(host):
            raise SettingsError(
                f"the gateway would listen on {host} and ask nobody for a key; "
                "configure at least one caller, or bind it to 127.0.0.1"
            )

    def client_of(self, headers: Mapping[bytes, bytes]) -> str | Problem:
        """The client_id of the caller, or the 401 or 403 to answer with."""
        if not self._callers:
            return LOCAL if _is_local(headers) else problems.forbidden_origin()
        key = _key_in(headers)
        if key is None:
            return problems.unauthorized("no API key was sent")
        digest = hashlib.sha256(key).hexdigest()
        caller = self._callers.get(digest)
        # The lookup sees a hash only, so its timing tells nothing about a key; the comparison takes constant time.
        if caller is not None and hmac.compare_digest(caller.key_sha256, digest):
            return caller.client_id
        return problems.unauthorized("the API key is not known here")


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
    if origin is not None and not is_loopback(urlsplit(origin.decode("latin-1")).hostname or ""):
        return False
    return host is None or is_loopback(urlsplit("//" + host.decode("latin-1")).hostname or "")

"""Everything aiohttp can raise has a meaning of ours."""

from __future__ import annotations

import inspect
import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions

from tierwright.core.errors import BackendBroken, BackendError, BackendLost, BackendTimeout, BackendUnavailable
from tierwright.gateway.backends.http import FOREIGN, meaning_of

#: Raised by web sockets only, which the gateway does not use.
_NOT_OURS = {client_exceptions.WSMessageTypeError}

AIOHTTP = sorted(
    {
        found
        for module in (client_exceptions, http_exceptions)
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and found.__module__.startswith("aiohttp") and found not in _NOT_OURS
    },
    key=lambda found: found.__name__,
)


@pytest.mark.parametrize("error", AIOHTTP)
def test_every_exception_of_aiohttp_is_caught_and_mapped(error: type[Exception]) -> None:
    """Each class aiohttp defines is one of those we catch, and means one of our four errors."""
    assert issubclass(error, FOREIGN)
    assert meaning_of(error) in {BackendUnavailable, BackendLost, BackendTimeout, BackendBroken}


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (aiohttp.ClientConnectorError, BackendUnavailable),
        (aiohttp.ClientConnectorDNSError, BackendUnavailable),
        (aiohttp.ClientConnectorCertificateError, BackendUnavailable),
        (aiohttp.ServerDisconnectedError, BackendLost),
        (aiohttp.ClientOSError, BackendLost),
        (ConnectionResetError, BackendLost),
        (ssl.SSLError, BackendLost),
        (aiohttp.ConnectionTimeoutError, BackendUnavailable),
        (aiohttp.SocketTimeoutError, BackendTimeout),
        (aiohttp.ServerTimeoutError, BackendTimeout),
        (TimeoutError, BackendTimeout),
        (aiohttp.ClientPayloadError, BackendBroken),
        (aiohttp.ClientResponseError, BackendBroken),
        (aiohttp.InvalidURL, BackendBroken),
        (http_exceptions.BadStatusLine, BackendBroken),
        (http_exceptions.ContentEncodingError, BackendBroken),
    ],
)
def test_meanings(error: type[Exception], meaning: type[BackendError]) -> None:
    """No connection is unavailable, a broken one lost, a deadline a timeout, a broken protocol broken."""
    assert meaning_of(error) is meaning

"""Whom a request is about, as its caller names them.

Owns where a kept request names a person. Refuses to keep the name: what is stored of it is a keyed hash
(`sealing.keyed_hash`), good for finding the same person again and for nothing else.
"""

from __future__ import annotations

import msgspec


class _Named(msgspec.Struct):
    """The members of a request that name a person; all others are passed over without being read."""

    safety_identifier: object = None
    user: object = None
    metadata: object = None


_decoder = msgspec.json.Decoder(_Named)


def subject_in(request: bytes) -> str | None:
    """The person that a request's JSON names: `safety_identifier`, `user` or `metadata.user_id`; None: nobody."""
    try:
        named = _decoder.decode(request)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    metadata = named.metadata if isinstance(named.metadata, dict) else {}
    people = (named.safety_identifier, named.user, metadata.get("user_id"))
    return next((one for one in people if isinstance(one, str) and one), None)

"""Seals content with AES-256-GCM, each piece for the one place it belongs to, and wraps keys by another key.

Owns the form of sealed bytes. Refuses to know whose keys they are and where they are kept.

Sealed bytes are a mark that no UTF-8 text can begin with, the id of the key (16 bytes), a random nonce (12 bytes) and
the ciphertext with its tag. What names the place goes into the tag: sealed bytes that were moved can't be opened. A
nonce of 96 random bits is good for 2^32 pieces under one key (NIST SP 800-38D, 8.3), far more than a person's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from functools import cache
from typing import TYPE_CHECKING

from tierwright.core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: What sealed bytes begin with; 0xff occurs in no UTF-8.
MARK = b"\xffTW1"
KEY_BYTES = 32
ID_BYTES = 16
_NONCE_BYTES = 12
_HEAD_BYTES = len(MARK) + ID_BYTES + _NONCE_BYTES


class CannotOpen(Exception):  # noqa: N818 - what happened; whoever asked says what it means
    """Sealed bytes that were changed or moved, or were sealed with another key."""


def content_key(text: str, where: str) -> bytes:
    """The 32 bytes of a key written in base64; raises SettingsError, which says `where` it stands, where it is none."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"{where} must be the base64 of {KEY_BYTES} random bytes; make one with `openssl rand -base64 {KEY_BYTES}`"
        )
    return key


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def new_id() -> bytes:
    """16 random bytes that name a key."""
    return os.urandom(ID_BYTES)


def ready(key: bytes) -> AESGCM:
    """A key that is ready to seal and open: making it so costs as much as a kilobyte."""
    return _aesgcm()(key)


def seal(plain: bytes, *, cipher: AESGCM, key_id: bytes, place: str) -> bytes:
    """The bytes as only the holder of the key can read them, and only as what belongs to `place`."""
    nonce = os.urandom(_NONCE_BYTES)
    return b"".join((MARK, key_id, nonce, cipher.encrypt(nonce, plain, place.encode())))


def key_of(data: bytes | None) -> bytes | None:
    """The id of the key that bytes are sealed with; None: they are not sealed."""
    if data is None or not data.startswith(MARK):
        return None
    return data[len(MARK) : len(MARK) + ID_BYTES]


def unseal(sealed: bytes, *, cipher: AESGCM, place: str) -> bytes:
    """What was sealed; raises CannotOpen where the key or the place is another one, or a bit was changed."""
    nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
    try:
        return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], place.encode())
    except (_invalid_tag(), ValueError) as error:
        raise CannotOpen from error


class Envelope:
    """Seals what stands in no row, all of it by one key: records that wait for the store."""

    def __init__(self, *, cipher: AESGCM, key_id: bytes, place: str) -> None:
        self._cipher, self._key_id, self._place = cipher, key_id, place

    def sealed(self, parts: Sequence[bytes]) -> bytes:
        """The parts, one behind the other, as only this key opens them. Takes microseconds."""
        return seal(b"".join(parts), cipher=self._cipher, key_id=self._key_id, place=self._place)

    def opened(self, record: bytes) -> bytes:
        """What was sealed, or the record itself where it is not sealed; raises CannotOpen as `unseal`."""
        return record if key_of(record) is None else unseal(record, cipher=self._cipher, place=self._place)


def keyed_hash(key: bytes, *parts: str) -> str:
    """HMAC-SHA-256 of several texts, lower-case hex; each with its length, so that no two lists are hashed alike."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


@cache
def _aesgcm() -> type[AESGCM]:
    # Imported when something is sealed: most commands seal nothing, and the import costs tens of milliseconds.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    return AESGCM


@cache
def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    return InvalidTag

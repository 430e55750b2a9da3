"""What the tokens of each conversation stand for, as long as it goes on.

Owns how long that is kept, and that nothing of it is readable outside of this process: in the store a conversation is a
keyed digest and its values are sealed with AES-GCM, both under keys derived from `privacy.content_key`. Without such a
key everything is in memory only. What can't be read or written is as if it had been forgotten: the conversation goes on
with other tokens. No answer depends on it, since a request's own tokens are all that is ever put back.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from tierwright.core.errors import StoreError
from tierwright.privacy.pseudonyms import Named, Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tierwright.core.protocols import PseudonymStore

_LOG = logging.getLogger(__name__)
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
#: Conversations, and values of all of them together, that are in memory at most.
_MOST_CONVERSATIONS: Final = 10_000
_MOST_VALUES: Final = 500_000
#: How long a conversation may pause.
_IDLE: Final = timedelta(days=7)
#: How often those are removed from the store that have paused for longer.
_SWEEP: Final = timedelta(hours=1)
#: What keys are derived for.
_FOR_NAMES: Final = b"tierwright pseudonyms: names of conversations"
_FOR_VALUES: Final = b"tierwright pseudonyms: values"


class Safe:
    """Seals and opens what is in the store."""

    def __init__(self, key: bytes, draw: Callable[[int], bytes]) -> None:
        """`key`: 32 secret bytes; `draw` gives so many random bytes."""
        # Deferred: only gateways with such a key need it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        self._names = _derived(key, _FOR_NAMES)
        self._cipher = AESGCM(_derived(key, _FOR_VALUES))
        self._draw = draw

    def name(self, conversation: str) -> str:
        """What a conversation is called in the store: lower-case hex."""
        return hmac.digest(self._names, conversation.encode("utf-8", "surrogatepass"), "sha256").hex()

    def sealed(self, name: str, named: list[Named]) -> bytes:
        """Tokens and values, readable for whoever has the key."""
        nonce = self._draw(_NONCE_BYTES)
        # Bytes: texts may hold halves of surrogate pairs.
        rows = [(one.token, one.type, one.text.encode("utf-8", "surrogatepass")) for one in named]
        plain = msgspec.json.encode(rows)
        return nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def opened(self, name: str, sealed: bytes) -> list[Named] | None:
        """Tokens and values; None: another key has sealed them, or they are damaged."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
            rows = msgspec.json.decode(plain, type=list[tuple[str, str, bytes]])
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None
        return [Named(token, kind, text.decode("utf-8", "surrogatepass")) for token, kind, text in rows]


@dataclass(slots=True)
class _Kept:
    pseudonyms: Pseudonyms
    used_at: datetime
    #: Values when it was kept last.
    size: int = 0


class Vault:
    """The conversations of one process. Thread-safe; waits for the store, if there is one."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        draw: Callable[[int], bytes],
        store: PseudonymStore | None = None,
        key: bytes | None = None,
    ) -> None:
        """`key`: as `Safe`; None: nothing is kept in the store. `draw` gives so many random bytes."""
        if key is not None and len(key) != _KEY_BYTES:
            raise ValueError(f"a key has {_KEY_BYTES} bytes, not {len(key)}")
        self._clock = clock
        self._store = store if key is not None else None
        self._safe = Safe(key, draw) if key is not None and store is not None else None
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._values = 0
        self._swept_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether `open` and `keep` wait for a store."""
        return self._store is not None

    def open(self, conversation: str) -> Pseudonyms:
        """What the tokens of a conversation stand for; none yet where nothing is known of it."""
        now = self._clock()
        with self._guard:
            kept = self._kept.get(conversation)
            if kept is not None and now - kept.used_at <= _IDLE:
                kept.used_at = now
                self._kept.move_to_end(conversation)
                return kept.pseudonyms
        read = Pseudonyms(self._read(conversation))
        with self._guard:
            known = self._kept.get(conversation)
            if known is not None and now - known.used_at <= _IDLE:
                # Another request of the conversation was quicker.
                return known.pseudonyms
            self._put(conversation, _Kept(read, now))
        return read

    def keep(self, conversation: str, pseudonyms: Pseudonyms) -> None:
        """Keeps what is known of a conversation after one more of its requests, also where nothing was added."""
        now = self._clock()
        with self._guard:
            self._put(conversation, _Kept(pseudonyms, now, len(pseudonyms)))
        if len(pseudonyms):
            self._write(conversation, pseudonyms, now)

    def _put(self, conversation: str, kept: _Kept) -> None:
        """Keeps it in memory, and forgets those used least; called with the guard held."""
        before = self._kept.pop(conversation, None)
        self._values += kept.size - (0 if before is None else before.size)
        self._kept[conversation] = kept
        while len(self._kept) > _MOST_CONVERSATIONS or (self._values > _MOST_VALUES and len(self._kept) > 1):
            _, oldest = self._kept.popitem(last=False)
            self._values -= oldest.size

    def _read(self, conversation: str) -> list[Named]:
        if self._store is None or self._safe is None:
            return []
        name = self._safe.name(conversation)
        try:
            sealed = self._store.pseudonyms(name, since=self._clock() - _IDLE)
        except StoreError as error:
            _LOG.warning("pseudonyms could not be read (%s); the conversation gets new ones", error.__class__.__name__)
            return []
        found = [] if sealed is None else self._safe.opened(name, sealed)
        if found is None:
            _LOG.warning("pseudonyms were sealed with another privacy.content_key; the conversation gets new ones")
        return found or []

    def _write(self, conversation: str, pseudonyms: Pseudonyms, now: datetime) -> None:
        if self._store is None or self._safe is None:
            return
        name = self._safe.name(conversation)
        try:
            self._store.put_pseudonyms(name, self._safe.sealed(name, pseudonyms.named()), at=now)
            if self._swept_at is None or now - self._swept_at > _SWEEP:
                self._swept_at = now
                self._store.expire_pseudonyms(now - _IDLE)
        except StoreError as error:
            _LOG.warning("pseudonyms could not be kept (%s); they are in memory only", error.__class__.__name__)


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose (HKDF, RFC 5869, one block; the key given is uniform already)."""
    return hmac.digest(key, purpose + b"\x01", "sha256")

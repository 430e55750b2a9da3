"""Signed checkpoints: which hash a chain had at which line, kept beside it and in a second place.

Owns their form, and the thread that signs and writes them, away from the one that permits wait for: a second place that
fails or hangs costs checkpoints, which is said, and no permit. Refuses to know what a chain says.

A checkpoint is a line of `CHAIN.checkpoints`, `{"file":…,"seq":…,"hash":…,"at":…,"key":…,"signature":…}`: the base64 of
the Ed25519 signature of one byte 1 and of the line's bytes before `,"signature":`. `key` is the SHA-256 of the public
key, which lies beside it as `KEY.public.pem`.
"""

from __future__ import annotations

import base64
import binascii
import errno
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.privacy.ledger.files import Appended, Head, make_folder, sync_folder
from tierwright.privacy.ledger.keys import PUBLIC_SUFFIX
from tierwright.privacy.ledger.lines import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from tierwright.privacy.ledger.files import Disk
    from tierwright.privacy.ledger.keys import PublicKey, SigningKey

_LOG = logging.getLogger(__name__)
SUFFIX: Final = ".checkpoints"
#: Longer lines are none.
MOST_BYTES: Final = 1024
#: Written before the signed bytes, so that no signature of a checkpoint is one of anything else.
_CHECKPOINT: Final = b"\1"
_FORM = re.compile(
    rb'(\{"file":"([0-9A-Za-z.-]{1,200})","seq":([1-9][0-9]{0,15}),"hash":"([0-9a-f]{64})",'
    rb'"at":"([0-9T:.Z-]{27})","key":"([0-9a-f]{64})"),"signature":"([A-Za-z0-9+/=]{88})"\}\n'
)


class Checkpoint(NamedTuple):
    """A line of a file of checkpoints, taken apart."""

    head: Head
    at: bytes
    #: Fingerprint of the key it says it is signed with.
    key: str
    signature: bytes
    signed: bytes

    def good(self, key: PublicKey) -> bool:
        """Whether this key signed it."""
        return key.fingerprint == self.key and key.signed(self.signature, _CHECKPOINT + self.signed)


def checkpoint(raw: bytes) -> Checkpoint | None:
    """A line of a file of checkpoints; None: it does not have the form of one."""
    found = _FORM.fullmatch(raw)
    if found is None:
        return None
    try:
        signature = base64.b64decode(found[7], validate=True)
    except binascii.Error:
        return None
    if base64.b64encode(signature) != found[7]:
        # Two spellings of one signature: the signed one is the first.
        return None
    head = Head(found[2].decode(), int(found[3]), found[4])
    return Checkpoint(head, found[5], found[6].decode(), signature, found[1])


def checkpoint_line(head: Head, at: datetime, key: SigningKey) -> bytes:
    """A signed checkpoint, with its newline."""
    signed = b'{"file":"%b","seq":%d,"hash":"%b","at":"%b","key":"%b"' % (
        head.file.encode(),
        head.seq,
        head.hash,
        instant(at),
        key.fingerprint.encode(),
    )
    return b'%b,"signature":"%b"}\n' % (signed, base64.b64encode(key.sign(_CHECKPOINT + signed)))


class Checkpoints:
    """Signs where a chain has got to: after so many lines, after so long, and at the end."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        chain: str,
        key: SigningKey,
        every: int,
        every_s: float,
        clock: Callable[[], datetime],
        disk: Disk,
    ) -> None:
        self._places = [_Place(folder, chain, disk) for folder in folders]
        self._key, self._every, self._every_s = key, every, every_s
        self._clock = clock
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tierwright-checkpoints", daemon=True)
        # All below are guarded by `_changed`.
        self._head: Head | None = None
        self._signed_seq = 0
        self._closing = False

    @property
    def error(self) -> str | None:
        """Why the last checkpoint is not in every place, in few words; None: it is."""
        return next((place.error for place in self._places if place.error is not None), None)

    def start(self) -> None:
        """Makes the files, with the public key beside them, and begins. Raises OSError where a place can't be used."""
        for place in self._places:
            place.open(self._key)
        self._thread.start()

    def reached(self, head: Head) -> None:
        """The chain is durable up to here. Quick."""
        with self._changed:
            self._head = head
            if head.seq - self._signed_seq >= self._every:
                self._changed.notify()

    def close(self, within_s: float) -> bool:
        """Signs the last line and ends; False: a place did not come back in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (head := self._next()) is not None:
            line = checkpoint_line(head, self._clock(), self._key)
            # In order, and no further than the first that fails: what the second place has, the ledger's folder had.
            all(place.keep(line) for place in self._places)
            with self._changed:
                self._signed_seq = head.seq
        for place in self._places:
            place.close()

    def _next(self) -> Head | None:
        """What is to be signed next, when it is; None: closed, and all is."""
        due = time.monotonic() + self._every_s
        with self._changed:
            while True:
                new = 0 if self._head is None else self._head.seq - self._signed_seq
                left_s = due - time.monotonic()
                if new and (self._closing or new >= self._every or left_s <= 0):
                    return self._head
                if self._closing:
                    return None
                self._changed.wait(left_s if left_s > 0 else self._every_s)


class _Place:
    """One folder that checkpoints are kept in."""

    def __init__(self, folder: Path, chain: str, disk: Disk) -> None:
        self._path = folder / f"{chain}{SUFFIX}"
        self._disk = disk
        self._file: Appended | None = None
        self.error: str | None = None

    def open(self, key: SigningKey) -> None:
        make_folder(self._path.parent, self._disk)
        beside = self._path.with_name(f"{key.fingerprint}{PUBLIC_SUFFIX}")
        if not beside.exists():
            beside.write_bytes(key.public_pem)
            sync_folder(beside.parent, self._disk)
        self._file = Appended(self._path, disk=self._disk, new=False)

    def keep(self, line: bytes) -> bool:
        """Writes a checkpoint; where that fails it is missing for good, and the next is tried all the same."""
        try:
            if self._file is None:
                self._file = Appended(self._path, disk=self._disk, new=False)
            self._file.write(line)
            self._file.sync()
        except OSError as error:
            if self.error is None:
                _LOG.error(
                    "checkpoints of the privacy ledger can't be written to %s (%s): permits go on, but a ledger that is"
                    " rewritten now is found out only from the next checkpoint on; see to that place",
                    self._path.parent,
                    error.strerror or error.__class__.__name__,
                )
            self.error = errno.errorcode.get(error.errno or 0, error.__class__.__name__)
            self.close()
            return False
        self.error = None
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

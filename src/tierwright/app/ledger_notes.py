"""What commands write into the privacy ledger: that something was erased, exported or expired.

Owns a chain for the command, begun before it changes anything: where nothing can be written down nothing is done.
"""

from __future__ import annotations

import getpass
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from tierwright.app.privacy_gate import signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierwright.app.wiring import Parts

    #: Keeps an entry: its kind and its facts, which hold no value of anybody's. Raises LedgerError.
    Note = Callable[[str, Mapping[str, object]], object]


@contextmanager
def noting(parts: Parts) -> Iterator[Note]:
    """What keeps entries, each durable on return; where there is no table [privacy] nothing is written down.

    Raises LedgerError where nothing can be kept, SettingsError where the signing key is none.
    """
    from tierwright.privacy.ledger.ledger import Ledger  # noqa: PLC0415 - most commands note nothing

    privacy = parts.settings.privacy
    if privacy is None:
        yield lambda _kind, _facts: None
        return
    ledger = Ledger(
        privacy.ledger,
        key=signing_key(privacy, parts.settings.path),
        about={"version": version("tierwright"), "policy_sha256": privacy.policy.sha256},
        checkpoints=privacy.checkpoints,
        clock=parts.clock,
    )
    ledger.start()
    try:
        yield ledger.note
    finally:
        ledger.close()


def who() -> str:
    """The user of this machine who says so."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"

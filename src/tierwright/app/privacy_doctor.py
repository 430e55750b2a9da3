"""What `doctor` says of privacy: whether there is a gate, what each backend may see and why not more, what ends soon.

Owns the words; refuses to change anything but a ledger's folder, which it makes as the gateway would.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from tierwright.app.privacy_gate import signing_key
from tierwright.core.errors import TierwrightError
from tierwright.core.privacy import DataClass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tierwright.app.privacy_settings import PrivacySettings
    from tierwright.app.settings import Settings
    from tierwright.privacy.promises import Promises

#: What ends within so many days is said.
_SOON: Final = timedelta(days=30)


class PrivacyFinding(NamedTuple):
    """How a part of the gate is doing."""

    part: str
    ok: bool
    says: str


def privacy_findings(settings: Settings, at: datetime) -> Iterator[PrivacyFinding]:
    """All there is to say of the gate at an instant; the backend's classes and ends, one finding each."""
    privacy = settings.privacy
    if privacy is None:
        says = "off: there is no table [privacy]; every model server may see everything, and nothing is written down"
        yield PrivacyFinding("privacy", True, says)
        return
    yield _ledger(settings, privacy)
    for name, promises in privacy.policy.backends.items():
        yield PrivacyFinding(f"privacy of {name}", True, _sees(privacy, name, promises, at))


def _ledger(settings: Settings, privacy: PrivacySettings) -> PrivacyFinding:
    try:
        key = signing_key(privacy, settings.path)
    except TierwrightError as error:
        return PrivacyFinding("privacy", False, str(error))
    if not os.access(privacy.ledger, os.W_OK | os.X_OK):
        return PrivacyFinding("privacy", False, f"nothing can be written to the ledger's folder {privacy.ledger}")
    default = privacy.policy.default_class.label
    says = f"on, by default {default}; the ledger is {privacy.ledger}, signed by {key.fingerprint[:16]}"
    return PrivacyFinding("privacy", True, says)


def _sees(privacy: PrivacySettings, name: str, promises: Promises, at: datetime) -> str:
    lacks = {one: privacy.policy.why_not(name, one, at) for one in DataClass}
    may = [one.label for one, lack in lacks.items() if lack is None]
    said = [f"may see {', '.join(may)}" if may else "may see nothing"]
    said += [f"not {one.label}: {lack}" for one, lack in lacks.items() if lack is not None]
    for what, promise in promises.all().items():
        ends = promise.expires_at
        if ends is not None and at < ends <= at + _SOON:
            said.append(f"{what} expires {ends:%Y-%m-%d}")
    return "; ".join(said)

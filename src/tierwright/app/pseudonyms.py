"""Makes what puts tokens in the place of values, as the settings describe it.

Owns the reading of `privacy.content_key` for it; refuses to know what is done with tokens.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import SettingsError
from tierwright.core.privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tierwright.app.settings import Settings
    from tierwright.core.privacy import Found
    from tierwright.core.protocols import PseudonymStore
    from tierwright.gateway.pseudonymising.desk import PseudonymDesk
    from tierwright.privacy.gate import ConfiguredGate
    from tierwright.privacy.policy import Policy
    from tierwright.privacy.vault import Vault

_KEY_BYTES: Final = 32


def vault_of(settings: Settings, store: PseudonymStore, clock: Callable[[], datetime]) -> Vault | None:
    """Where a process keeps what tokens stand for; None: there is no gate.

    Raises SettingsError where the settings name a key that is none.
    """
    if settings.privacy is None:
        return None
    from tierwright.privacy.vault import Vault  # noqa: PLC0415 - only gateways with a gate need it

    key = settings.privacy.content_key
    read = None if key is None else _key(key.reveal(), f"{settings.path}: privacy.content_key")
    return Vault(clock=clock, draw=secrets.token_bytes, store=store, key=read)


def desk_of(gate: ConfiguredGate, vault: Vault) -> PseudonymDesk | None:
    """What puts tokens in the place of what a gate's detectors find; None: no rule of the gate wants that."""
    if not _wanted(gate.policy):
        return None
    from tierwright.gateway.pseudonymising.desk import PseudonymDesk  # noqa: PLC0415 - as above

    async def look(texts: Sequence[str]) -> Sequence[Sequence[Found]]:
        # Who could not tell is the gate's concern: it asks the same detectors about the bytes that come of it.
        return (await gate.looker.look(texts)).findings

    return PseudonymDesk(vault, look)


def _wanted(policy: Policy) -> bool:
    modes = [policy.modes, *(promises.modes for promises in policy.backends.values())]
    return any(PrivacyMode.PSEUDONYMISE in one.values() for one in modes)


def _key(written: str, where: str) -> bytes:
    try:
        key = base64.b64decode(written.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(
            f"{where} is not {_KEY_BYTES} bytes in base64; make one with `head -c {_KEY_BYTES} /dev/urandom | base64`"
        )
    return key

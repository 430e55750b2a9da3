"""Makes what puts tokens in the place of values, as the settings describe it.

Owns whether any rule wants one; refuses to know what is done with tokens.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tierwright.app.content_settings import content_key_of
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


def vault_of(settings: Settings, store: PseudonymStore, clock: Callable[[], datetime]) -> Vault | None:
    """Where a process keeps what tokens stand for; None: there is no gate.

    Raises SettingsError where the settings name a key that is none.
    """
    if settings.privacy is None:
        return None
    from tierwright.privacy.vault import Vault  # noqa: PLC0415 - only gateways with a gate need it

    return Vault(clock=clock, draw=secrets.token_bytes, store=store, key=content_key_of(settings))


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

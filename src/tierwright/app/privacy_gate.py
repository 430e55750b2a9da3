"""Makes the gate that the settings describe, with its ledger; one of each for a process.

Owns their beginning and end, and what of them a change of the settings replaces. Refuses to decide anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from tierwright.core.errors import InputError, SettingsError
from tierwright.privacy.ungated import Ungated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tierwright.app.privacy_settings import PrivacySettings
    from tierwright.app.settings import Settings
    from tierwright.core.protocols import Gate
    from tierwright.privacy.gate import ConfiguredGate
    from tierwright.privacy.ledger.keys import SigningKey
    from tierwright.privacy.ledger.ledger import Ledger
    from tierwright.privacy.looking import Looker

#: What is signed for a key that only this ledger's owner can have: digests of bodies are made with it.
_DIGESTS: Final = b"tierwright: digests of what leaves"
_SECRET_BYTES: Final = 32


class GateKeeper:
    """Holds the ledger of one process, and makes its gates: another one whenever the rules change."""

    def __init__(self, privacy: PrivacySettings, path: Path, *, clock: Callable[[], datetime]) -> None:
        """Begins a chain in the ledger. Blocking.

        Raises SettingsError where the signing key is none, LedgerError where the ledger can't be kept.
        """
        from tierwright.privacy.ledger.ledger import Ledger  # noqa: PLC0415 - commands that send nothing need none

        key = signing_key(privacy, path)
        self._clock = clock
        self._digest_key = hashlib.sha256(key.sign(_DIGESTS)).digest()
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._lookers: list[Looker] = []
        looker = self._looker(privacy)
        self.ledger: Ledger = Ledger(
            privacy.ledger,
            key=key,
            about={
                "version": version("tierwright"),
                "policy_sha256": privacy.policy.sha256,
                "detectors": looker.versions,
            },
            checkpoints=privacy.checkpoints,
            clock=clock,
        )
        self.ledger.start()
        self._gate = self._made(privacy, looker)

    def gate(self, privacy: PrivacySettings) -> ConfiguredGate:
        """The gate with these rules: the same as long as they are the same."""
        if privacy.policy.sha256 != self._gate.policy.sha256:
            self._gate = self._made(privacy, self._looker(privacy))
        return self._gate

    def said(self) -> dict[str, object]:
        """What readiness says of it."""
        refusal = self.ledger.refusal
        return {"gate": "on" if refusal is None else "refusing", "why": refusal}

    def close(self) -> None:
        """Ends the detectors and the chain. Blocking, and on no event loop."""
        for looker in self._lookers:
            asyncio.run(looker.aclose())
        self.ledger.close()

    def _looker(self, privacy: PrivacySettings) -> Looker:
        from tierwright.privacy.looking import Looker  # noqa: PLC0415 - as above

        looker = Looker(class_of=privacy.policy.class_of, timeout_s=privacy.detector_timeout_s, secret=self._secret)
        self._lookers.append(looker)
        return looker

    def _made(self, privacy: PrivacySettings, looker: Looker) -> ConfiguredGate:
        from tierwright.privacy.gate import ConfiguredGate  # noqa: PLC0415 - as above

        return ConfiguredGate(privacy.policy, looker, self.ledger, clock=self._clock, digest_key=self._digest_key)


def keeper_of(settings: Settings, clock: Callable[[], datetime]) -> GateKeeper | None:
    """The keeper of the gate that the settings describe; None: they describe none. Raises as `GateKeeper`."""
    return None if settings.privacy is None else GateKeeper(settings.privacy, settings.path, clock=clock)


@contextmanager
def opened_gate(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Gate]:
    """The gate for a command that sends something, with a chain of its own in the ledger. Raises as `GateKeeper`."""
    keeper = keeper_of(settings, clock)
    if keeper is None or settings.privacy is None:
        yield Ungated(config.name for config in settings.backends)
        return
    try:
        yield keeper.gate(settings.privacy)
    finally:
        keeper.close()


def signing_key(privacy: PrivacySettings, path: Path) -> SigningKey:
    """The key that signs the ledger's checkpoints; made in its folder where the settings name none.

    Raises SettingsError where it is no key, or others may read it.
    """
    from tierwright.privacy.ledger.keys import SigningKey  # noqa: PLC0415 - as above

    try:
        if privacy.signing_key is not None:
            return SigningKey.parse(privacy.signing_key.reveal())
        privacy.ledger.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SigningKey.of_folder(privacy.ledger)
    except InputError as error:
        raise SettingsError(f"{path}: privacy.signing_key: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: privacy.ledger: {privacy.ledger} can't be used: {error.strerror}") from error

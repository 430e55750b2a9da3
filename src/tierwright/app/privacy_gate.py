"""Makes the gate that the settings describe, with its ledger and detectors; one of each for a process.

Owns their beginning and end, and what of them a change of the settings replaces. Refuses to decide anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from tierwright.app.detectors import plugin_detectors
from tierwright.core.errors import InputError, SettingsError
from tierwright.privacy.ungated import Ungated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tierwright.app.privacy_settings import PrivacySettings
    from tierwright.app.wiring import Parts
    from tierwright.core.protocols import Gate
    from tierwright.privacy.gate import ConfiguredGate
    from tierwright.privacy.ledger.keys import SigningKey
    from tierwright.privacy.ledger.ledger import Ledger
    from tierwright.privacy.looking import Looker
    from tierwright.privacy.plugins.host import PluginDetector

_LOG = logging.getLogger(__name__)
#: The recipe of specialists that find stretches of a text.
_SPAN_TAGGER: Final = "span-tagger"
#: Seconds beyond their own deadlines that detectors are waited for: they say themselves why they can't tell.
_GRACE_S: Final = 0.05
#: What is signed for a key that only this ledger's owner can have: digests of bodies are made with it.
_DIGESTS: Final = b"tierwright: digests of what leaves"
_SECRET_BYTES: Final = 32


class GateKeeper:
    """Holds the ledger and the detectors of one process, and makes its gates: another one when the rules change."""

    def __init__(self, privacy: PrivacySettings, parts: Parts) -> None:
        """Begins a chain in the ledger. Blocking.

        Raises SettingsError where a key or a detector is none, LedgerError where the ledger can't be kept.
        """
        from tierwright.privacy.ledger.ledger import Ledger  # noqa: PLC0415 - commands that send nothing need none
        from tierwright.privacy.looking import Looker  # noqa: PLC0415 - commands that send nothing need none

        path = parts.settings.path
        key = signing_key(privacy, path)
        self._clock = parts.clock
        self._digest_key = hashlib.sha256(key.sign(_DIGESTS)).digest()
        self._detectors, timeout_s = detectors_of(privacy, parts)
        self._looker: Looker = Looker(self._detectors, timeout_s=timeout_s, secret=secrets.token_bytes(_SECRET_BYTES))
        self.ledger: Ledger = Ledger(
            privacy.ledger,
            key=key,
            about={
                "version": version("tierwright"),
                "policy_sha256": privacy.policy.sha256,
                "detectors": self._looker.versions,
            },
            checkpoints=privacy.checkpoints,
            clock=parts.clock,
        )
        self.ledger.start()
        self._gate = self._made(privacy)

    def gate(self, privacy: PrivacySettings) -> ConfiguredGate:
        """The gate with these rules: the same as long as they are the same."""
        if privacy.policy.sha256 != self._gate.policy.sha256:
            self._gate = self._made(privacy)
        return self._gate

    def said(self) -> dict[str, object]:
        """What readiness says of it."""
        refusal = self.ledger.refusal
        return {"gate": "on" if refusal is None else "refusing", "why": refusal}

    async def start(self) -> None:
        """Starts the detectors; until one that can't be started does, every request is restricted."""
        await started(self._detectors)

    async def aclose(self) -> None:
        """Ends the detectors."""
        await self._looker.aclose()

    def close(self) -> None:
        """Ends the chain. Blocking."""
        self.ledger.close()

    def _made(self, privacy: PrivacySettings) -> ConfiguredGate:
        from tierwright.privacy.gate import ConfiguredGate  # noqa: PLC0415 - as above

        return ConfiguredGate(privacy.policy, self._looker, self.ledger, clock=self._clock, digest_key=self._digest_key)


def detectors_of(privacy: PrivacySettings, parts: Parts) -> tuple[list[PluginDetector], float]:
    """The further detectors of the settings, none of them started yet, and the seconds that they have for a request.

    Raises SettingsError where one is none.
    """
    found = plugin_detectors(
        privacy.detectors,
        settings_path=parts.settings.path,
        environment=os.environ,
        timeout_ms=privacy.detector_timeout_s * 1000,
        artifact_of=lambda named: _artifact(parts, named),
    )
    own = [one.timeout_ms / 1000 for one in privacy.detectors if one.timeout_ms is not None]
    return found, max([privacy.detector_timeout_s, *own]) + _GRACE_S


async def started(detectors: Sequence[PluginDetector]) -> None:
    """Starts detectors; until one that can't be started does, everything is restricted, and the log says so."""
    for outcome in await asyncio.gather(*(one.start() for one in detectors), return_exceptions=True):
        if isinstance(outcome, BaseException):
            _LOG.error("%s; until it does look, every request is restricted", outcome)


def keeper_of(parts: Parts) -> GateKeeper | None:
    """The keeper of the gate that the settings describe; None: they describe none. Raises as `GateKeeper`."""
    privacy = parts.settings.privacy
    return None if privacy is None else GateKeeper(privacy, parts)


@asynccontextmanager
async def opened_gate(parts: Parts) -> AsyncIterator[Gate]:
    """The gate for a command that sends something, with a chain of its own in the ledger. Raises as `GateKeeper`."""
    keeper, privacy = keeper_of(parts), parts.settings.privacy
    if keeper is None or privacy is None:
        yield Ungated(config.name for config in parts.settings.backends)
        return
    try:
        await keeper.start()
        yield keeper.gate(privacy)
    finally:
        await keeper.aclose()
        await asyncio.to_thread(keeper.close)


def _artifact(parts: Parts, named: str) -> tuple[Path, Path | None]:
    """The directory of a task's newest span-tagger, or an artifact's, and that of the encoder where it may need one."""
    encoder = parts.encoder_directory
    given = parts.settings.path.resolve().parent / named
    if given.is_dir():
        return given, encoder
    versions = parts.store.versions(parts.store.task(named).id)
    newest = next((one for one in versions if one.recipe == _SPAN_TAGGER), None)
    if newest is None:
        raise SettingsError(
            f"{parts.settings.path}: privacy.detectors names the task {named!r}, which has no {_SPAN_TAGGER}; train "
            f"one with `tierwright model train {named} --recipe {_SPAN_TAGGER}`, or name an artifact's directory"
        )
    return newest.path, encoder if newest.encoder is not None else None


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

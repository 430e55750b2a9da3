"""A gateway inside a real privacy gate, of which any part can be broken: rules, policy, detectors, ledger and disk."""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from tierwright.gateway.pseudonymising.desk import PseudonymDesk
from tierwright.privacy.gate import ConfiguredGate
from tierwright.privacy.ledger.entries import entries
from tierwright.privacy.ledger.files import DISK
from tierwright.privacy.ledger.keys import SigningKey
from tierwright.privacy.ledger.ledger import Ledger
from tierwright.privacy.looking import Looker
from tierwright.privacy.policy import Policy
from tierwright.privacy.promises import Promises
from tierwright.privacy.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.integration.gateway.conftest import Running
    from tests.integration.gateway.upstream import Upstream
    from tierwright.core.privacy import Found
    from tierwright.privacy.ledger.files import Disk

#: What keys the digests of bodies in the ledger.
_DIGEST_KEY: Final = b"d" * 32
#: Seconds that further detectors have.
_TIMEOUT_S: Final = 0.25


@dataclass
class Gated:
    """A gateway with two third parties' servers for its model, and what its gate wrote down."""

    running: Running
    gate: ConfiguredGate
    ledger: Ledger
    folder: Path
    #: Where its checkpoints are, too.
    second: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.running.listener.address

    @property
    def upstream(self) -> Upstream:
        """Both third parties."""
        return self.running.upstream

    @property
    def sent(self) -> bytes:
        """All bytes that third parties were sent, headers too."""
        return b"\n".join(
            body + "\n".join(f"{name}: {value}" for name, value in headers.items()).encode()
            for headers, body in self.upstream.seen
        )

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """The facts of the ledger's entries of a kind."""
        return [dict(entry.facts) for entry in entries(self.folder) if entry.kind == kind]

    def permitted(self, body: bytes) -> bool:
        """Whether the ledger has a permit for that very body."""
        digest = hmac.new(_DIGEST_KEY, body, hashlib.sha256).hexdigest()
        return digest in {permit["body_sha256"] for permit in self.facts("permit")}


@pytest.fixture
def gated(start: Callable[..., Running], tmp_path: Path) -> Iterator[Callable[..., Gated]]:
    """Starts gateways whose two servers are third parties that have promised nothing."""
    with ExitStack() as stack:
        made = 0

        def starting(
            *,
            detectors: Sequence[Any] = (),
            ledger_disk: Disk = DISK,
            rules: dict[str, Any] | None = None,
            known: bool = True,
            disguises: bool = False,
            **more: Any,
        ) -> Gated:
            """`known`: whether the gateway's settings have the policy by which the gate decides.

            `disguises`: whether there is somebody to put tokens in the place of values.
            """
            nonlocal made
            made += 1
            policy = Policy(backends={"frontier": Promises(), "second": Promises()}, **(rules or {}))
            folder, second = tmp_path / f"ledger{made}", tmp_path / f"second{made}"
            folder.mkdir(mode=0o700)
            second.mkdir(mode=0o700)
            ledger = Ledger(folder, key=SigningKey.of_folder(folder), checkpoints=second, disk=ledger_disk)
            ledger.start()
            stack.callback(ledger.close)
            looker = Looker(detectors, timeout_s=_TIMEOUT_S, secret=b"s" * 16)
            gate = ConfiguredGate(policy, looker, ledger, clock=lambda: datetime.now(UTC), digest_key=_DIGEST_KEY)
            running = start(
                gate=gate,
                privacy=policy if known else None,
                pseudonyms=_desk(looker) if disguises else None,
                others=[{"name": "second", "models": ("gpt-4o",)}],
                **more,
            )
            return Gated(running=running, gate=gate, ledger=ledger, folder=folder, second=second)

        yield starting


def _desk(looker: Looker) -> PseudonymDesk:
    async def look(texts: Sequence[str]) -> Sequence[Sequence[Found]]:
        return (await looker.look(texts)).findings

    return PseudonymDesk(Vault(clock=lambda: datetime.now(UTC), draw=os.urandom), look)

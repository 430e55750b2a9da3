"""A gateway process: python -m tests.integration.gateway.program UPSTREAM STORE [SPOOL [no-content]]."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.integration.gateway.conftest import Shelf, price, terms
from tierwright.economics.count import TokenCounter
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import Composition, GatewayConfig, Offer, ServingParts
from tierwright.gateway.config import BackendConfig, CaptureConfig, RoutingConfig, ServerConfig
from tierwright.gateway.serving import serve
from tierwright.gateway.sources import Sources
from tierwright.gateway.trail import Pricing
from tierwright.privacy.ungated import Ungated
from tierwright.store.connection import open_store


def main(upstream: str, store_url: str, spool: str = "", content: str = "") -> None:
    """Serves until it is told to stop, then says so."""
    store = open_store(store_url)
    keep = content != "no-content"
    server = ServerConfig(port=0, drain_s=10)
    gate = Ungated()
    offer = Offer(
        config=GatewayConfig(
            routing=RoutingConfig(default_backend="frontier"),
            server=server,
            # With a spool the store is far behind, so that a kill finds what it has not got yet.
            capture=CaptureConfig(spool=Path(spool), max_delay_ms=60_000.0, keep_content=keep)
            if spool
            else CaptureConfig(),
        ),
        backends=[ServedBackend(backend=HttpBackend(BackendConfig(name="frontier", base_url=upstream), gate))],
        pricing=Pricing(price, TokenCounter().estimate),
        gate=gate,
    )
    gateway = Composition(
        offer,
        captured=store,
        feedback=store,
        serving=ServingParts(store=store, loader=Shelf(), terms=terms),
        sources=Sources(clock=lambda: datetime.now(UTC), entropy=lambda: os.urandom(1000)),
    )
    serve(gateway.app, server, announce=lambda address: print(address, flush=True))  # noqa: T201 - what the test reads
    store.close()
    print("stopped")  # noqa: T201 - as above


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The gateway that benchmarks/gateway.py measures: real parts, a store in a folder, 200 tasks, none deployed."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from tierwright.core.contract import ContractKind, OutputContract
from tierwright.core.errors import ArtifactError
from tierwright.core.ids import FrameId, TaskId
from tierwright.core.task import Frame, Task, Template
from tierwright.economics.prices import PriceList
from tierwright.gateway.backends.http import HttpBackend
from tierwright.gateway.catalogue import ServedBackend
from tierwright.gateway.compose import GatewayConfig, ServingParts, build_gateway
from tierwright.gateway.config import BackendConfig, CallerConfig, RoutingConfig, Secret
from tierwright.gateway.local import SpecialistTerms
from tierwright.gateway.sources import Sources
from tierwright.store.connection import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import Predictor
    from tierwright.gateway.config import ServerConfig
    from tierwright.gateway.server import GatewayApp


class Nothing:
    """A loader that is never asked."""

    def load(self, version: ModelVersion) -> Predictor:
        """Nothing is deployed here."""
        raise ArtifactError(f"nothing is deployed here, {version.id} least of all")


def a_task(number: int) -> Task:
    """One of many tasks."""
    system = "Name the intent of the customer's message. " * 12 + f"Task {number}."
    frame = Frame(id=FrameId(f"frame-{number}"), system=Template(literals=(system,)), user=Template(literals=("", "")))
    return Task(
        id=TaskId(f"task-{number}"),
        name=f"intent-{number}",
        contract=OutputContract(kind=ContractKind.LABEL, labels=("card_arrival", "card_lost")),
        frames=(frame,),
        created_at=datetime.now(UTC),
    )


def build(upstream: str, folder: Path, key: str, server: ServerConfig) -> GatewayApp:
    """The gateway in front of a model server."""
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    for number in range(200):
        store.put_task(a_task(number))
    prices = PriceList()
    prices.unpriced(["gpt-4o"])
    backend = BackendConfig(name="frontier", base_url=upstream, api_key=Secret("sk-bench"), models=("gpt-4o",))
    return build_gateway(
        config=GatewayConfig(
            routing=RoutingConfig(default_backend="frontier"),
            server=server,
            callers=(CallerConfig(client_id="bench", key_sha256=hashlib.sha256(key.encode()).hexdigest()),),
        ),
        backends=[ServedBackend(backend=HttpBackend(backend), models=backend.models)],
        captured=store,
        feedback=store,
        serving=ServingParts(
            store=store,
            loader=Nothing(),
            terms=lambda *_: SpecialistTerms(
                tokens_per_character=0.25, mean_completion_tokens=4, cost_usd=lambda _: Decimal(0)
            ),
        ),
        price=prices.cost,
        sources=Sources(clock=lambda: datetime.now(UTC), entropy=lambda: os.urandom(4000)),
    )

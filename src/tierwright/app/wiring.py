"""Makes the parts that the settings ask for and puts them together; the only module that names concrete classes.

Whoever opens parts closes them: `open_parts` is a context manager.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from msgspec.structs import asdict

from tierwright.app.settings import money
from tierwright.core.chat import Usage, decode_request
from tierwright.core.errors import ArtifactError, InputError, NotEnoughData, SettingsError
from tierwright.economics.machine import MachineCost
from tierwright.economics.prices import PriceList, PriceOverride
from tierwright.economics.tokens import TokenRates, TokenSample, token_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal
    from pathlib import Path

    from tierwright.app.settings import Settings
    from tierwright.core.deployment import Deployment
    from tierwright.core.ids import TaskId
    from tierwright.core.inference import Inference
    from tierwright.core.model import ModelVersion
    from tierwright.core.protocols import InferenceStore, Predictor, Store
    from tierwright.gateway.config import BackendConfig
    from tierwright.gateway.local import SpecialistTerms
    from tierwright.gateway.telemetry.exporter import TelemetryExporter
    from tierwright.specialists.encoder import Encoder

#: Frontier answers by which the tokens of a task are estimated.
_TOKEN_SAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What every command works with."""

    settings: Settings
    store: Store
    prices: PriceList
    machine: MachineCost
    #: The time of day, aware.
    clock: Callable[[], datetime]
    #: 16 random bytes.
    entropy: Callable[[], bytes]

    @property
    def encoder_directory(self) -> Path | None:
        """Where the sentence encoder is kept once it is pulled; None: the settings want none."""
        name = self.settings.file.training.encoder
        return self.settings.weights / name if name else None

    @property
    def cores(self) -> int:
        """Cores of this machine."""
        return os.cpu_count() or 1

    @cached_property
    def encoder(self) -> Encoder | None:
        """The sentence encoder for answering single requests; None where it was not pulled."""
        return self.load_encoder(threads=1)

    def load_encoder(self, *, threads: int) -> Encoder | None:
        """The sentence encoder; None where it was not pulled. Raises ArtifactError where its files are damaged."""
        from tierwright.specialists.encoder import Encoder  # noqa: PLC0415 - commands without models start faster

        directory = self.encoder_directory
        if directory is None or not directory.exists():
            return None
        return Encoder.load(directory, threads=threads)

    @property
    def training_machine(self) -> MachineCost:
        """What training is priced by: it keeps its machine busy all the time."""
        section = self.settings.file.economics
        per_hour = section.training_usd_per_hour or section.machine_usd_per_hour
        return MachineCost(usd_per_hour=money(per_hour, "economics.training_usd_per_hour"), utilisation=1.0)

    def token_rates(self, task_id: TaskId) -> TokenRates:
        """What the incumbent uses for a task; raises NotEnoughData where too few of its answers were captured."""
        found = _frontier_samples(self.store, task_id)
        return token_rates(list(islice(found, _TOKEN_SAMPLES)))

    def price(self, model: str, usage: Usage, at: datetime) -> Decimal | None:
        """US dollars of a call; None: no price is known."""
        return self.prices.cost(model, usage, at)

    def price_now(self, model: str, usage: Usage) -> Decimal | None:
        """The same of a call that is made now."""
        return self.price(model, usage, self.clock())


@contextmanager
def open_parts(settings: Settings) -> Iterator[Parts]:
    """The parts; the store is closed at the end."""
    from tierwright.store.connection import open_store  # noqa: PLC0415 - `--help` must not wait for SQLAlchemy

    store = open_store(settings.store_url)
    try:
        yield Parts(
            settings=settings,
            store=store,
            prices=price_list(settings),
            machine=MachineCost(
                usd_per_hour=money(settings.file.economics.machine_usd_per_hour, "economics.machine_usd_per_hour"),
                utilisation=settings.file.economics.utilisation,
            ),
            clock=lambda: datetime.now(UTC),
            entropy=lambda: secrets.token_bytes(16),
        )
    finally:
        store.close()


class ArtifactLoader:
    """Loads specialists from their artifacts, all with one sentence encoder."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def load(self, version: ModelVersion) -> Predictor:
        """As `SpecialistLoader.load`."""
        from tierwright.specialists.loading import load_specialist  # noqa: PLC0415 - as above

        if version.recipe == "lora":
            return self._language_model(version)
        encoder = self._parts.encoder if version.encoder is not None else None
        if version.encoder is not None and encoder is None:
            raise ArtifactError(
                f"model {version.id[:12]} needs the sentence encoder, which is not in {self._parts.settings.weights}; "
                f"fetch it with `tierwright model pull {self._parts.settings.file.training.encoder}`"
            )
        return load_specialist(version.path, encoder=encoder)

    def _language_model(self, version: ModelVersion) -> Predictor:
        try:
            from tierwright.training.lm.predictor import load_lora  # noqa: PLC0415 - torch, an extra
        except ModuleNotFoundError as error:
            from tierwright.training.lm.artifact import serving_advice  # noqa: PLC0415 - as above

            raise ArtifactError(
                f"model {version.id[:12]} is a language model, and the package {error.name} is not installed: to "
                "evaluate it here say `pip install 'tierwright[train]'`; to answer requests, "
                f"{serving_advice(version.path)}"
            ) from error
        return load_lora(version.path, weights=self._parts.settings.weights)


def specialist_terms(parts: Parts, deployment: Deployment, _version: ModelVersion) -> SpecialistTerms:
    """What answers of a deployment are reported as."""
    from tierwright.gateway.local import SpecialistTerms  # noqa: PLC0415 - as above

    try:
        rates = parts.token_rates(deployment.task_id)
        per_character, completion = rates.prompt_per_character.value, rates.completion_per_answer.value
    except NotEnoughData:  # a log without usage: four characters a token is OpenAI's rule of thumb
        per_character, completion = 0.25, 8.0
    return SpecialistTerms(
        tokens_per_character=per_character,
        mean_completion_tokens=completion,
        cost_usd=lambda busy_s: parts.machine.cost(busy_s / parts.cores),
    )


def telemetry_exporter(
    settings: Settings, config_of: Callable[[str], BackendConfig | None]
) -> TelemetryExporter | None:
    """What tells the collector that the settings name; None: they name none.

    `config_of` knows the backends of now by name. Raises SettingsError where the extra `otel` is not installed.
    """
    if settings.telemetry is None:
        return None
    try:
        from tierwright.gateway.telemetry.exporter import TelemetryExporter  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{settings.path}: telemetry.otlp_endpoint needs the package {error.name}, which is not installed; "
            "say `pip install 'tierwright[otel]'`, or take the table [telemetry] out"
        ) from error
    return TelemetryExporter(settings.telemetry, config_of, instance=str(uuid4()))


def price_list(settings: Settings) -> PriceList:
    """The prices of models, the settings' own before those of the list; raises SettingsError where one is none."""
    overrides = []
    for section in settings.file.economics.prices:
        where = f"{settings.path}: the price of {section.model!r}"
        optional = {
            name: money(text, f"{where}: {name}")
            for name, text in asdict(section).items()
            if text and name not in ("model", "currency", "input_usd_per_million", "output_usd_per_million")
        }
        overrides.append(
            PriceOverride(
                model=section.model,
                input_usd_per_million=money(section.input_usd_per_million, where),
                output_usd_per_million=money(section.output_usd_per_million, where),
                **optional,
            )
        )
    return PriceList(overrides)


def _frontier_samples(store: InferenceStore, task_id: TaskId) -> Iterator[TokenSample]:
    """Requests of a task that a frontier model answered, with its token counts."""
    for inference in store.scan(task_id=task_id):
        sample = _sample(inference)
        if sample is not None:
            yield sample


def _sample(inference: Inference) -> TokenSample | None:
    call = inference.answering_call
    if call is None or call.model_version_id is not None or inference.request is None:
        return None
    if call.prompt_tokens is None or call.completion_tokens is None or call.usage_estimated:
        return None
    try:
        request = decode_request(inference.request)
    except InputError:
        return None
    return TokenSample(
        request_characters=sum(len(message.text) for message in request.messages),
        usage=Usage(prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens),
    )

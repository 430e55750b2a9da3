"""A specialist of the recipe `lora`, loaded to be evaluated: its artifact, its base weights, its answers.

Owns how an artifact of the recipe is opened again with torch; what it holds is `artifact`'s. Requests are answered by a
server made for language models, with the same adapter.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from tierwright.core.errors import ArtifactError
from tierwright.core.model import Prediction
from tierwright.specialists.artifact import read_artifact
from tierwright.specialists.linear import Confidence
from tierwright.training.lm.artifact import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CANARY, LoraConfig
from tierwright.training.lm.confidence import probabilities
from tierwright.training.lm.decoding import Decoder
from tierwright.training.lm.model import coding_of, find_device, open_language, with_adapter
from tierwright.training.lm.rows import Limits
from tierwright.training.lm_weights import read_lm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class LoraSpecialist:
    """A loaded specialist. Thread-safe: calls take turns."""

    def __init__(self, decoder: Decoder, config: LoraConfig) -> None:
        self._decoder, self._config = decoder, config
        self._confidence = Confidence(slope=config.confidence_slope, intercept=config.confidence_intercept)
        # Torch has the cores to itself; two calls at once would only slow each other down.
        self._turn = Lock()

    def predict(self, inputs: Sequence[str]) -> list[Prediction]:
        """One prediction for each input, in order; any string is an answerable input.

        An answer that had to be cut short has confidence 0.
        """
        with self._turn:
            answers = self._decoder.answers(inputs)
        contract = self._config.contract
        sure = self._confidence.calibrated(probabilities(contract, answers, self._config.weighing))
        sure = np.where([answer.ended for answer in answers], sure, 0.0)
        return [
            Prediction(output=contract.canonical(answer.text), confidence=confidence)
            for answer, confidence in zip(answers, sure.tolist(), strict=True)
        ]


def load_lora(directory: Path, *, weights: Path) -> LoraSpecialist:
    """The specialist in an artifact's directory; `weights` is the folder of pulled base weights.

    Raises ArtifactError where the artifact is damaged, its base weights are missing or not those it was trained on, or
    the tokenizer makes other tokens than in training.
    """
    artifact = read_artifact(directory, LoraConfig, files=(ADAPTER_CONFIG, ADAPTER_WEIGHTS))
    config = artifact.config
    base = read_lm(weights / config.base.name, remedy=f"fetch it with `tierwright model pull {config.base.name}`")
    if {name: wanted.sha256 for name, wanted in base.card.files.items()} != config.base.files:
        raise ArtifactError(
            f"model {artifact.id[:12]} was trained on {config.base.name} at {config.base.revision[:12]}, and other "
            f"weights lie at {base.directory}; pull the same ones, or train the model again"
        )
    language = open_language(base.directory, find_device())
    language = with_adapter(language, config=artifact.files[ADAPTER_CONFIG], weights=artifact.files[ADAPTER_WEIGHTS])
    coding = coding_of(language.tokenizer, config.prompt)
    if coding.prompt(CANARY, config.max_prompt_tokens) != config.canary:
        raise ArtifactError(
            f"the tokenizer or chat template of {config.base.name} makes other prompts here than in training, as "
            "another version of transformers may; install the version that the artifact's manifest names"
        )
    decoder = Decoder(
        language,
        contract=config.contract,
        slots=config.slots,
        coding=coding,
        limits=Limits(prompt=config.max_prompt_tokens, completion=config.max_new_tokens),
    )
    return LoraSpecialist(decoder, config)

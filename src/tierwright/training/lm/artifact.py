"""What an artifact of the recipe `lora` holds besides its manifest, and how it is put to work. Imports no torch.

    adapter_model.safetensors, adapter_config.json   the adapter, in PEFT's form: servers load the directory as it is
    config.json                                      contract, base weights with licence and sums, prompt, confidence

Owns the shape of `config.json` and the words on serving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tierwright.core.contract import OutputContract
from tierwright.specialists.artifact import read_artifact
from tierwright.training.lm.grammar import Slot
from tierwright.training.lm.prompts import Prompt

if TYPE_CHECKING:
    from pathlib import Path

#: The files of an adapter, as PEFT and the servers name them.
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class BaseReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which base weights an adapter belongs to."""

    name: str
    repository: str
    revision: str
    licence: str
    licence_note: str
    #: SHA-256 of each file.
    files: dict[str, str]


class Weighing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logistic regression over the features of an answer; `confidence` says which."""

    weights: list[float]
    intercept: float


class LoraConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of an artifact that is no array."""

    contract: OutputContract
    base: BaseReference
    prompt: Prompt
    slots: list[Slot]
    max_prompt_tokens: int
    max_new_tokens: int
    #: Tokens of a prompt made of a fixed text: another tokenizer or chat template gives others.
    canary: list[int]
    weighing: Weighing | None
    confidence_slope: float
    confidence_intercept: float


#: What the canary prompt asks about.
CANARY = "The quick brown fox, 3.14 — naïve café."


def serving_advice(directory: Path) -> str:
    """How the artifact in a directory is served; raises ArtifactError where it is damaged."""
    artifact = read_artifact(directory, LoraConfig, files=(ADAPTER_CONFIG, ADAPTER_WEIGHTS))
    base = artifact.config.base
    name = f"{base.name.casefold()}@{artifact.id[:12]}"
    return (
        f"serve it with vLLM: `vllm serve {base.repository or base.name} --revision {base.revision or 'main'} "
        f"--enable-lora --max-lora-rank 64 --lora-modules {name}={directory}`; or with llama.cpp: "
        f"`python convert_lora_to_gguf.py {directory} --base BASE --outfile {name}.gguf`, then "
        f"`llama-server -m BASE.gguf --lora {name}.gguf`; and name the server as a backend"
    )

"""The tables of tierwright.toml that say what training uses.

Owns these tables' shape and defaults; `settings` reads the file.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tierwright.curation.callers_words import WordLimits


class BaseWeightsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[[training.base_weights]]`: base weights of one's own, or others than the registry knows."""

    #: What `model pull`, `training.lm` and `training.encoder` call them; a plain name.
    name: str
    #: "causal-lm" or "encoder".
    kind: Literal["causal-lm", "encoder"] = "causal-lm"
    #: On the model hub; empty: they come from `path`.
    repository: str = ""
    #: Commit of the repository.
    revision: str = ""
    #: Directory or wheel with the files, relative to the settings file; empty: the model hub.
    path: str = ""
    #: SPDX identifier, or the name its makers gave it.
    licence: str
    #: What it asks for, in a sentence.
    licence_note: str = ""
    #: Of an encoder: tokens read of a text.
    max_tokens: int = 256
    #: SHA-256 of each file that is used; empty: pinned at the first pull with --trust. An encoder needs them.
    sha256: dict[str, str] = {}


class TrainingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Table `[training]`."""

    #: Name of the sentence encoder in the registry; empty: none.
    encoder: str = "all-MiniLM-L6-v2"
    #: Name of the language model that the recipe lora tunes; empty: none.
    lm: str = ""
    #: Base weights besides those of the registry.
    base_weights: tuple[BaseWeightsSection, ...] = ()
    #: Folder of pulled base weights, relative to the settings file.
    weights: str = "weights"
    #: Threads of the encoder while training; 0: all cores.
    threads: int = 0
    seed: int = 1
    #: Of a dataset's different inputs the share that one caller may have corrected with its key, where several callers
    #: have the task; and the most of them.
    caller_corrections_share: float = 0.01
    caller_corrections_most: int = 200
    #: Callers whose corrections count like the operator's own.
    trusted_callers: tuple[str, ...] = ()


def word_limits(section: TrainingSection) -> WordLimits:
    """How far callers' corrections are believed."""
    return WordLimits(
        share=section.caller_corrections_share,
        most=section.caller_corrections_most,
        trusted=frozenset(section.trusted_callers),
    )

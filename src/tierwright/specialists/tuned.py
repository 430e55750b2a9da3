"""A trained specialist with a sentence encoder of its own, loaded: what the recipe `encoder-tuned` makes.

Owns which files the encoder is read from. Everything else is the specialist of linear votes: what differs is whose
embeddings the votes are given. Needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tierwright.core.errors import ArtifactError
from tierwright.specialists.artifact import read_artifact
from tierwright.specialists.encoder import CARD_FILE, GRAPH_FILE, TOKENIZER_FILE, Encoder, EncoderCard
from tierwright.specialists.specialist import Config, Specialist

if TYPE_CHECKING:
    from pathlib import Path

#: Files of the artifact besides those that every specialist has.
FILES: Final = (GRAPH_FILE, TOKENIZER_FILE, CARD_FILE)


def load_tuned(directory: Path, *, threads: int = 1) -> Specialist:
    """The specialist in an artifact's directory; `threads` is how many cores one call of `predict` may use.

    Raises ArtifactError where it is damaged or can't be run here.
    """
    artifact = read_artifact(directory, Config, files=FILES)
    try:
        card = msgspec.json.decode(artifact.files[CARD_FILE], type=EncoderCard)
        tokenizer = artifact.files[TOKENIZER_FILE].decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{directory / CARD_FILE} can't be understood: {error}; train the model again") from error
    encoder = Encoder(graph=artifact.files[GRAPH_FILE], tokenizer=tokenizer, card=card, threads=threads)
    return Specialist(artifact, encoder)

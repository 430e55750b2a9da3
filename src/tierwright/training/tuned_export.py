"""Turns tuned weights into the encoder that will serve, and refuses one that does not answer as the trained one did.

Owns the choice between int8 and float32 and the comparison with what was trained. Refuses to know how the graph is
written (`encoder_graph`) and what the answers are used for. Needs no torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import CARD_FILE, GRAPH_FILE, TOKENIZER_FILE, Encoder, EncoderCard, Parity
from tierwright.specialists.linear import log_softmax
from tierwright.training.encoder_graph import Precision, write_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tierwright.training.encoder_graph import BertConfig
    from tierwright.training.softmax import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What tuning made, and what it answers on texts that it has not learned from."""

    tensors: Mapping[str, NDArray[np.float32]]
    config: BertConfig
    #: `tokenizer.json`.
    tokenizer: str
    #: Describes the weights it began with.
    card: EncoderCard
    #: Tokens read of a text, the special ones included.
    max_tokens: int
    #: Weights and intercepts of each head, shapes (dimension, k) and (k,).
    heads: Sequence[Head]
    texts: Sequence[str]
    #: The trained encoder's embeddings of the texts, shape (n, dimension).
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far an exported encoder answers as the trained one."""

    #: Share of texts to which all heads give the same answer, in [0, 1].
    same: float
    #: Largest difference of the probability of the trained one's answer, over texts and heads.
    largest: float
    #: Mean difference of the same.
    mean: float
    #: Texts compared.
    n: int


#: What each precision must reach. Rounding to int8 moves an answer only where two were nearly as likely; float32 may
#: differ by the order of its sums.
_LIMITS: Final[dict[Precision, tuple[float, float, float]]] = {
    "int8": (0.98, 0.3, 0.02),
    "float32": (0.998, 0.02, 0.001),
}


def export(
    trained: Trained, *, threads: int, progress: Callable[[str], None]
) -> tuple[Encoder, dict[str, bytes], Agreement]:
    """The encoder to serve, its files, and how it agrees with the trained one.

    int8 where that agrees, else float32, which is about twice as slow. Raises ArtifactError where not even float32
    agrees: then something is broken, and no artifact may be made of it.
    """
    failed: list[str] = []
    for precision in _LIMITS:
        encoder, files = _encoder(trained, precision, threads)
        agreement = _agreement(trained, encoder)
        words = (
            f"{precision}: {100 * agreement.same:.1f} % same answers on {agreement.n:,} held-out texts, probabilities "
            f"{agreement.largest:.3f} apart at most"
        )
        progress(words)
        same, largest, mean = _LIMITS[precision]
        # Written so that a comparison with what is no number fails.
        if agreement.same >= same and agreement.largest <= largest and agreement.mean <= mean:
            return encoder, files, agreement
        failed.append(words)
    raise ArtifactError(
        f"The exported encoder does not answer as the trained one ({'; '.join(failed)}): no model was written. Please "
        "report this with the processor's name and the version of onnxruntime."
    )


def _encoder(trained: Trained, precision: Precision, threads: int) -> tuple[Encoder, dict[str, bytes]]:
    graph = write_graph(trained.tensors, trained.config, precision=precision)
    tokenizer = trained.tokenizer.encode()
    card = msgspec.structs.replace(
        trained.card,
        source=f"tuned from {trained.card.name}, {trained.card.source}",
        files={GRAPH_FILE: _sha256(graph), TOKENIZER_FILE: _sha256(tokenizer)},
        max_tokens=trained.max_tokens,
        precision=precision,
        parity=None,
    )
    encoder = Encoder(graph=graph, tokenizer=trained.tokenizer, card=card, threads=threads)
    cosines = np.sum(encoder.embed(trained.texts) * trained.embeddings, axis=1, dtype=np.float64)
    parity = Parity(mean_cosine=float(cosines.mean()), min_cosine=float(cosines.min()), n=len(trained.texts))
    described = msgspec.json.encode(msgspec.structs.replace(card, parity=parity))
    files = {GRAPH_FILE: graph, TOKENIZER_FILE: tokenizer, CARD_FILE: msgspec.json.format(described) + b"\n"}
    return encoder, files


def _agreement(trained: Trained, encoder: Encoder) -> Agreement:
    exported = encoder.embed(trained.texts)
    rows = np.arange(len(exported))
    same = np.ones(len(exported), dtype=np.bool_)
    apart = []
    for weight, bias in trained.heads:
        before = log_softmax((trained.embeddings @ weight + bias).astype(np.float64))
        after = log_softmax((exported @ weight + bias).astype(np.float64))
        answer = before.argmax(axis=1)
        same &= answer == after.argmax(axis=1)
        apart.append(np.abs(np.exp(before[rows, answer]) - np.exp(after[rows, answer])))
    return Agreement(same=float(same.mean()), largest=float(np.max(apart)), mean=float(np.mean(apart)), n=len(exported))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

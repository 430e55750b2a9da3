"""The sentence encoder as it is served: texts in, unit vectors out.

Owns the layout of an encoder directory (`encoder.onnx`, `tokenizer.json`, `encoder.json`), its verification, and how
texts are cut, batched and run. Refuses to know where weights come from and how the graph was written: that is
`training`'s. Needs no torch.

A text's embedding does not depend on the texts it is embedded with: the int8 graph scales activations by token, padding
is masked, and so what was evaluated in a large batch is what answers one request (equal to float32 rounding).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Self

import msgspec
import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
from tokenizers import Tokenizer

from tierwright.core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CARD_FILE: Final = "encoder.json"
GRAPH_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"

#: Names of the graph's inputs, int64 of shape (batch, tokens), and of its output, float32 of shape (batch, dimension).
INPUT_IDS: Final = "input_ids"
ATTENTION_MASK: Final = "attention_mask"
EMBEDDING: Final = "embedding"
#: Name of an output that int8 graphs have besides: 1 where this processor's 8-bit products are exact.
EXACT: Final = "exact"

# A batch of this many padded tokens still fits a core's second-level cache; larger ones were slower (LAB.md).
_BATCH_TOKENS: Final = 256

# Characters kept for each token the model may read, so that tokenizing costs the same for a page and for a book. Prose
# has 4 to 6 characters a token in its own language, so only degenerate text loses tokens that would have been read.
_CHARACTERS_PER_TOKEN: Final = 32

_SESSION_ERRORS: Final = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How close the served graph is to the same graph in float32."""

    #: Cosine between the two embeddings of a sentence: mean and minimum over the sentences.
    mean_cosine: float
    min_cosine: float
    #: Sentences compared.
    n: int


class EncoderCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `encoder.json` says about an encoder directory."""

    #: Layout of the directory; this program reads 1.
    format: int = 1
    #: Name in the registry of base weights.
    name: str
    #: Where the weights came from, in words.
    source: str
    #: Commit of the weights' repository.
    revision: str
    #: SPDX identifier.
    licence: str
    #: SHA-256 of the weights the graph was written from.
    weights_sha256: str
    #: SHA-256 of every other file in the directory, by name.
    files: dict[str, str]
    #: Length of an embedding.
    dimension: int
    #: Tokens read of a text, the special ones included; the rest is cut.
    max_tokens: int
    #: How token vectors become one; this program knows `mean`.
    pooling: str
    #: How the graph's weights and activations are represented.
    precision: str
    #: None: not measured.
    parity: Parity | None = None


def read_card(directory: Path) -> EncoderCard:
    """The directory's card, after the SHA-256 of every file it names was found right.

    Raises ArtifactError where the card or a file is missing, unreadable, of another format, or not what the card says.
    """
    card = _read_card(directory)
    for name in sorted(card.files):
        _read_verified(directory, name, card)
    return card


class Encoder:
    """A loaded sentence encoder.

    `embed` may be called from several threads at once: session and tokenizer are not changed after loading.
    """

    def __init__(self, *, graph: bytes, tokenizer: str, card: EncoderCard, threads: int = 1) -> None:
        """Made of parts that were verified already; `load` is the way in for a directory.

        Raises ArtifactError where onnxruntime or tokenizers can't read its part.
        """
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._card = card
        self._parts = (graph, tokenizer)
        self._session = open_session(graph, threads=threads, name=card.name)
        self._tokenizer = _open_tokenizer(tokenizer, max_tokens=card.max_tokens, name=card.name)
        identity = (_sha256(graph), _sha256(tokenizer.encode()), str(card.max_tokens))
        self._fingerprint = _sha256("\n".join(identity).encode())

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Reads and verifies a directory; `threads` is how many cores one call of `embed` may use.

        Raises ArtifactError where a file is missing, damaged, or not the one that `encoder.json` names.
        """
        card = _read_card(directory)
        graph, tokenizer = (_read_verified(directory, name, card) for name in (GRAPH_FILE, TOKENIZER_FILE))
        return cls(graph=graph, tokenizer=tokenizer.decode(), card=card, threads=threads)

    @property
    def card(self) -> EncoderCard:
        """Where it came from and how it was built."""
        return self._card

    @property
    def parts(self) -> tuple[bytes, str]:
        """The serialised graph and the tokenizer, for those who read more out of it than embeddings."""
        return self._parts

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._card.dimension

    @property
    def fingerprint(self) -> str:
        """SHA-256 over graph, tokenizer and token limit: it changes whenever the embeddings could."""
        return self._fingerprint

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of shape (len(texts), dimension), each of length 1, in the order of the texts.

        Any string has an embedding: an empty one that of no words, a long one that of its first `max_tokens` tokens.
        Only a tokenizer without special tokens can find nothing at all to embed: length 0.
        """
        if isinstance(texts, str):
            raise TypeError("embed takes a sequence of texts, not one text")
        token_ids = [self._tokenizer.encode(self._readable(text)).ids for text in texts]
        embeddings = np.empty((len(token_ids), self.dimension), dtype=np.float32)
        lengths = np.fromiter(map(len, token_ids), dtype=np.int64, count=len(token_ids))
        for rows in _batches(lengths):
            embeddings[rows] = self._run([token_ids[row] for row in rows])
        return embeddings

    def _readable(self, text: str) -> str:
        """The part of a text that can matter, as valid Unicode: a lone surrogate becomes a question mark."""
        start = text.lstrip()[: self._card.max_tokens * _CHARACTERS_PER_TOKEN]
        return start if start.isascii() else start.encode("utf-8", "replace").decode()

    def _run(self, batch: list[list[int]]) -> NDArray[np.float32]:
        # At least one column: a tokenizer without special tokens has none for an empty text.
        width = max(1, *map(len, batch))
        ids = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (embedding,) = self._session.run([EMBEDDING], {INPUT_IDS: ids, ATTENTION_MASK: mask})
        return np.asarray(embedding, dtype=np.float32)


def _batches(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Rows in batches of like length, each within the budget of padded tokens or of one row."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        # Sorted, so that the row just added is the longest: it sets the width of the whole batch.
        while stop < len(order) and (stop - start + 1) * int(lengths[order[stop]]) <= _BATCH_TOKENS:
            stop += 1
        yield order[start:stop]
        start = stop


_REMEDY: Final = "Fetch it again with `tierwright model pull`."


def _read_card(directory: Path) -> EncoderCard:
    try:
        card = msgspec.json.decode((directory / CARD_FILE).read_bytes(), type=EncoderCard)
    except OSError as error:
        raise ArtifactError(f"No sentence encoder at {directory}: {CARD_FILE}: {error.strerror}. {_REMEDY}") from error
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{directory / CARD_FILE} can't be understood: {error}. {_REMEDY}") from error
    if card.format != 1 or card.pooling != "mean":
        raise ArtifactError(
            f"{directory / CARD_FILE} says format {card.format}, pooling {card.pooling!r}; "
            f"this version of tierwright reads format 1, pooling 'mean'. {_REMEDY}"
        )
    for name in sorted({GRAPH_FILE, TOKENIZER_FILE} | card.files.keys()):
        if name not in card.files or "/" in name or "\\" in name:
            raise ArtifactError(f"{directory / CARD_FILE} gives no SHA-256 for a plain file {name!r}. {_REMEDY}")
    return card


def _read_verified(directory: Path, name: str, card: EncoderCard) -> bytes:
    try:
        content = (directory / name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{directory / name} can't be read: {error.strerror}. {_REMEDY}") from error
    if _sha256(content) != card.files[name]:
        raise ArtifactError(f"{directory / name} is damaged: its SHA-256 is not the one in {CARD_FILE}. {_REMEDY}")
    return content


def open_session(graph: bytes, *, threads: int, name: str) -> onnxruntime.InferenceSession:
    """A session that computes an encoder's graph exactly on this processor, on `threads` threads.

    Raises ArtifactError where onnxruntime can't load the graph.
    """
    try:
        session = onnxruntime.InferenceSession(graph, _session_options(threads), providers=["CPUExecutionProvider"])
        if EXACT in {output.name for output in session.get_outputs()} and not _multiplies_exactly(session):
            options = _session_options(threads)
            # x86 without VNNI adds pairs of 8-bit products in 16 bits, which saturate; with unsigned weights they are
            # added in 32. Slower everywhere, so only where it is needed. The transformer that turns the weights
            # belongs to the extended optimisations: below that level the entry is read and nothing happens.
            options.add_session_config_entry("session.x64quantprecision", "1")
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _SESSION_ERRORS as error:
        raise ArtifactError(
            f"onnxruntime {onnxruntime.__version__} can't load the graph of encoder {name}: {error}"
        ) from error
    return session


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Shapes differ from batch to batch, and a remembered allocation plan for each of them would only grow.
    options.enable_mem_pattern = False
    # The graph is written fused; the further fusions (SkipLayerNormalization) were slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    # Idle worker threads sleep: the gateway's event loop shares these cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _multiplies_exactly(session: onnxruntime.InferenceSession) -> bool:
    one_token = np.ones((1, 1), dtype=np.int64)
    (exact,) = session.run([EXACT], {INPUT_IDS: one_token, ATTENTION_MASK: one_token})
    return bool(exact)


def _open_tokenizer(tokenizer: str, *, max_tokens: int, name: str) -> Tokenizer:
    try:
        opened = Tokenizer.from_str(tokenizer)
    except Exception as error:  # tokenizers raises nothing narrower
        raise ArtifactError(f"The tokenizer of encoder {name} can't be understood: {error}") from error
    opened.no_padding()
    opened.enable_truncation(max_tokens)
    return opened


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""A BERT small enough to read: random weights, a vocabulary of a few words, and its forward pass in plain numpy.

The forward pass is the oracle for the ONNX graphs and shares no code with them.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tierwright.specialists.encoder import EncoderCard
from tierwright.training.encoder_graph import Precision, read_config, write_graph
from tierwright.training.weight_sources import BaseWeights, FileSum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("where", "is", "my", "card", "order", "refund", "please", "cancel", "the", "app", "##s", "late", "!", "?")
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 32,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 24,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": len(SPECIAL) + len(WORDS) + 26,
}
MAX_TOKENS = 16

TEXTS = (
    "where is my card?",
    "Please cancel the order!",
    "refund",
    "the app is late, where is my refund? please please cancel my cards",
    "zebra quiz",
    "",
    "IS THE CARD LATE?",
)


def tiny_tokenizer() -> str:
    """`tokenizer.json` of a WordPiece tokenizer over `WORDS` and single letters, set to pad and cut as the hub's is."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *WORDS, *letters])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return tokenizer.to_str()


def tiny_weights(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights under the names that the transformers library gives them."""
    draw = np.random.default_rng(seed)
    hidden, wide = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    weights: dict[str, NDArray[np.float32]] = {}

    def dense(name: str, outputs: int, inputs: int) -> None:
        weights[f"{name}.weight"] = draw.normal(0, 0.25, (outputs, inputs)).astype(np.float32)
        weights[f"{name}.bias"] = draw.normal(0, 0.1, outputs).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = draw.normal(1, 0.2, hidden).astype(np.float32)
        weights[f"{name}.bias"] = draw.normal(0, 0.2, hidden).astype(np.float32)

    for table, rows in (
        ("word", "vocab_size"),
        ("position", "max_position_embeddings"),
        ("token_type", "type_vocab_size"),
    ):
        shape = (CONFIG[rows], hidden)
        weights[f"embeddings.{table}_embeddings.weight"] = draw.normal(0, 0.5, shape).astype(np.float32)
    norm("embeddings.LayerNorm")
    for layer in range(CONFIG["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            dense(f"{prefix}.attention.self.{part}", hidden, hidden)
        dense(f"{prefix}.attention.output.dense", hidden, hidden)
        norm(f"{prefix}.attention.output.LayerNorm")
        dense(f"{prefix}.intermediate.dense", wide, hidden)
        dense(f"{prefix}.output.dense", hidden, wide)
        norm(f"{prefix}.output.LayerNorm")
    return weights


def reference_embedding(weights: Mapping[str, NDArray[np.float32]], token_ids: Sequence[int]) -> NDArray[np.float64]:
    """The embedding of one text, worked out in float64 one text at a time: no padding, no mask, no fused operators."""
    w = {name: weight.astype(np.float64) for name, weight in weights.items()}
    heads = CONFIG["num_attention_heads"]
    width = CONFIG["hidden_size"] // heads

    def dense(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return centred / deviation * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    x = w["embeddings.word_embeddings.weight"][list(token_ids)]
    x = (
        x
        + w["embeddings.position_embeddings.weight"][: len(token_ids)]
        + w["embeddings.token_type_embeddings.weight"][0]
    )
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(CONFIG["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        query, key, value = (dense(x, f"{prefix}.attention.self.{part}") for part in ("query", "key", "value"))
        context = np.empty_like(x)
        for head in range(heads):
            columns = slice(head * width, (head + 1) * width)
            scores = query[:, columns] @ key[:, columns].T / math.sqrt(width)
            shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
            context[:, columns] = shares / shares.sum(axis=-1, keepdims=True) @ value[:, columns]
        x = norm(x + dense(context, f"{prefix}.attention.output.dense"), f"{prefix}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{prefix}.intermediate.dense"))
        x = norm(x + dense(inner, f"{prefix}.output.dense"), f"{prefix}.output.LayerNorm")
    mean = x.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def token_ids(text: str, *, max_tokens: int = MAX_TOKENS) -> list[int]:
    """What the tiny tokenizer makes of a text, cut to a limit and not padded."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer())
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    ids: list[int] = tokenizer.encode(text).ids
    return ids


def write_tiny_encoder(directory: Path, *, precision: Precision = "int8", seed: int = 0, **changes: Any) -> Path:
    """An encoder directory with its card, any field of the card changed by name."""
    directory.mkdir(parents=True, exist_ok=True)
    graph = write_graph(tiny_weights(seed), read_config(json.dumps(CONFIG).encode()), precision=precision)
    (directory / "encoder.onnx").write_bytes(graph)
    (directory / "tokenizer.json").write_text(tiny_tokenizer(), encoding="utf-8")
    write_card(directory, precision=precision, **changes)
    return directory


def tiny_card(*, max_tokens: int) -> EncoderCard:
    """The card of an encoder whose files are nowhere yet."""
    return EncoderCard(
        name="tiny",
        source="a test",
        revision="0",
        licence="Apache-2.0",
        weights_sha256="0" * 64,
        files={},
        dimension=CONFIG["hidden_size"],
        max_tokens=max_tokens,
        pooling="mean",
        precision="int8",
    )


def write_card(directory: Path, **changes: Any) -> None:
    """Writes `encoder.json` to fit the files as they are now."""
    names = ("encoder.onnx", "tokenizer.json")
    fields: dict[str, Any] = {
        "format": 1,
        "name": "tiny",
        "source": "a test",
        "revision": "0",
        "licence": "Apache-2.0",
        "weights_sha256": "0" * 64,
        "files": {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in names},
        "dimension": CONFIG["hidden_size"],
        "max_tokens": MAX_TOKENS,
        "pooling": "mean",
        "precision": "int8",
    }
    (directory / "encoder.json").write_text(json.dumps(fields | changes), encoding="utf-8")


def write_tiny_weights(directory: Path, *, seed: int = 0) -> BaseWeights:
    """Writes what a model hub would hold, and returns its entry in a registry."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "model.safetensors": safetensors.numpy.save(tiny_weights(seed)),
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": tiny_tokenizer().encode(),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return BaseWeights(
        repository="someone/tiny",
        revision="0123456789abcdef0123456789abcdef01234567",
        licence="Apache-2.0",
        package="tiny-weights",
        package_version="1.0",
        max_tokens=MAX_TOKENS,
        pooling="mean",
        files={
            name: FileSum(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
            for name, content in contents.items()
        },
    )

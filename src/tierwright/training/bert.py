"""A BERT sentence encoder that can be trained: the same arithmetic as the graph that serves it, in torch.

Owns the forward pass and the way from named tensors to parameters and back. Refuses to know what is learned and how.
Imports torch, so that it is imported only by what trains.

Pre-trained word vectors of words that the training texts never use can't be learned from them: only the used rows are
parameters, and the others come back as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tierwright.training.encoder_graph import BertConfig

_WORDS = "embeddings.word_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"
#: Stands in for the length of a vector that is all zero, as in the served graph.
_TINY = 1e-30


class Bert(nn.Module):
    """Token ids in, unit vectors out: mean pooling and L2 norm (Reimers and Gurevych 2019, Sentence-BERT)."""

    def __init__(
        self,
        tensors: Mapping[str, NDArray[np.float32]],
        config: BertConfig,
        *,
        used: NDArray[np.int64],
        dropout: float,
    ) -> None:
        """`tensors` are named as the transformers library names those of `BertModel`.

        `used` are the token ids that will ever be asked for, sorted, shape (u,). Raises KeyError where a tensor is
        missing.
        """
        super().__init__()
        self._compact: torch.Tensor
        self._dropout = dropout
        self._used = used
        compact = np.zeros(config.vocab_size, dtype=np.int64)
        compact[used] = np.arange(len(used))
        self.register_buffer("_compact", torch.from_numpy(compact), persistent=False)
        self.words = nn.Parameter(_copied(tensors[_WORDS][used]))
        self.positions = nn.Parameter(_copied(tensors[_POSITIONS] + tensors[_TYPES][0]))
        self.norm = _Norm(tensors, "embeddings.LayerNorm", config.layer_norm_eps)
        self.layers = nn.ModuleList(
            _Layer(tensors, f"encoder.layer.{number}", config) for number in range(config.num_hidden_layers)
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, noise: torch.Generator | None = None) -> torch.Tensor:
        """Embeddings of shape (batch, dimension); `ids` and `mask` are int64 and bool of shape (batch, tokens).

        `noise` draws what is dropped; None: nothing is. Several threads may call at once, each with its own.
        """
        drop = _Dropout(self._dropout, noise)
        hidden = functional.embedding(self._compact[ids], self.words) + self.positions[: ids.shape[1]]
        hidden = drop(self.norm(hidden))
        visible = None if bool(mask.all()) else mask[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, visible, drop)
        total = (hidden * mask[:, :, None]).sum(dim=1)
        pooled: torch.Tensor = total / total.norm(dim=1, keepdim=True).clamp_min(_TINY)
        return pooled

    def tensors(self, base: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """The weights as they are now, under the names of `base`, which holds the words that were not trained."""
        words = np.array(base[_WORDS], dtype=np.float32)
        words[self._used] = _array(self.words)
        types = np.array(base[_TYPES], dtype=np.float32)
        found = {_WORDS: words, _TYPES: types, _POSITIONS: _array(self.positions) - types[0]}
        found |= self.norm.tensors("embeddings.LayerNorm")
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, _Layer)
            found |= layer.tensors(f"encoder.layer.{number}")
        return found


class _Dropout:
    """Drops values by a generator of its own: torch's dropout draws from one that all threads share."""

    def __init__(self, share: float, noise: torch.Generator | None) -> None:
        self._kept = 1 - share
        self._noise = noise if share > 0 else None

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        if self._noise is None:
            return hidden
        return hidden * torch.empty_like(hidden).bernoulli_(self._kept, generator=self._noise).div_(self._kept)


class _Norm(nn.Module):
    """Layer norm with the gain and bias of a prefix."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], prefix: str, epsilon: float) -> None:
        super().__init__()
        self._epsilon = epsilon
        self.gain = nn.Parameter(_copied(tensors[f"{prefix}.weight"]))
        self.bias = nn.Parameter(_copied(tensors[f"{prefix}.bias"]))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(hidden, self.gain.shape, self.gain, self.bias, self._epsilon)

    def tensors(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        return {f"{prefix}.weight": _array(self.gain), f"{prefix}.bias": _array(self.bias)}


class _Dense(nn.Module):
    """An affine map; several prefixes are stacked into one, which is faster."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], *prefixes: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(_copied(np.concatenate([tensors[f"{prefix}.weight"] for prefix in prefixes])))
        self.bias = nn.Parameter(_copied(np.concatenate([tensors[f"{prefix}.bias"] for prefix in prefixes])))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.linear(hidden, self.weight, self.bias)

    def tensors(self, *prefixes: str) -> dict[str, NDArray[np.float32]]:
        weights = np.split(_array(self.weight), len(prefixes))
        biases = np.split(_array(self.bias), len(prefixes))
        found = {f"{prefix}.weight": weight for prefix, weight in zip(prefixes, weights, strict=True)}
        return found | {f"{prefix}.bias": bias for prefix, bias in zip(prefixes, biases, strict=True)}


_PARTS = ("query", "key", "value")


class _Layer(nn.Module):
    """One transformer layer, norms after the sums, exact GELU (Devlin et al. 2019)."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], prefix: str, config: BertConfig) -> None:
        super().__init__()
        self._heads = config.num_attention_heads
        self.projected = _Dense(tensors, *(f"{prefix}.attention.self.{part}" for part in _PARTS))
        self.attended = _Dense(tensors, f"{prefix}.attention.output.dense")
        self.attention_norm = _Norm(tensors, f"{prefix}.attention.output.LayerNorm", config.layer_norm_eps)
        self.widened = _Dense(tensors, f"{prefix}.intermediate.dense")
        self.narrowed = _Dense(tensors, f"{prefix}.output.dense")
        self.output_norm = _Norm(tensors, f"{prefix}.output.LayerNorm", config.layer_norm_eps)

    def forward(self, hidden: torch.Tensor, visible: torch.Tensor | None, drop: _Dropout) -> torch.Tensor:
        batch, tokens, size = hidden.shape
        stacked = self.projected(hidden).view(batch, tokens, 3, self._heads, size // self._heads)
        query, key, value = stacked.permute(2, 0, 3, 1, 4)
        context = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        context = self.attended(context.transpose(1, 2).reshape(batch, tokens, size))
        hidden = self.attention_norm(hidden + drop(context))
        inner = self.narrowed(functional.gelu(self.widened(hidden)))
        result: torch.Tensor = self.output_norm(hidden + drop(inner))
        return result

    def tensors(self, prefix: str) -> dict[str, NDArray[np.float32]]:
        return {
            **self.projected.tensors(*(f"{prefix}.attention.self.{part}" for part in _PARTS)),
            **self.attended.tensors(f"{prefix}.attention.output.dense"),
            **self.attention_norm.tensors(f"{prefix}.attention.output.LayerNorm"),
            **self.widened.tensors(f"{prefix}.intermediate.dense"),
            **self.narrowed.tensors(f"{prefix}.output.dense"),
            **self.output_norm.tensors(f"{prefix}.output.LayerNorm"),
        }


def _copied(array: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def _array(parameter: torch.Tensor) -> NDArray[np.float32]:
    return np.array(parameter.detach().numpy(), dtype=np.float32)

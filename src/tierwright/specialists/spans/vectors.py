"""Vectors of tokens from the frozen sentence encoder: what it knows of a word in its sentence.

Owns how layers are read out of the encoder's graph and how word pieces become tokens. Refuses to know what is learned
from the vectors. The encoder's own directory is not changed: the layers' outputs are added to the graph when it is
loaded, so its fingerprint stays what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import ATTENTION_MASK, EXACT, INPUT_IDS, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tierwright.specialists.encoder import Encoder
    from tierwright.specialists.spans.text import TokenText

#: Word pieces read at a time, and how many of them on each side are context only, at most.
_WINDOW: Final = 192
_CONTEXT: Final = 32


class TokenVectors:
    """Layers of an encoder. Thread-safe: nothing changes after loading."""

    def __init__(self, encoder: Encoder, *, threads: int = 1) -> None:
        """Raises ArtifactError where the graph has no layers that this program knows."""
        graph, tokenizer = encoder.parts
        model = onnx.load_model_from_string(graph)
        made = [node.output[0] for node in model.graph.node]
        layers = [name for name in made if name.startswith("encoder.layer.") and name.endswith(".output.norm")]
        layers = [name for name in layers if ".attention." not in name]
        if not layers:
            raise ArtifactError(f"the graph of encoder {encoder.card.name} shows no layers; pull its weights again")
        self._layers = tuple(dict.fromkeys([layers[len(layers) // 2 - 1], layers[-1]]))
        exact = [output for output in model.graph.output if output.name == EXACT]
        del model.graph.output[:]
        rows: list[str | int | None] = ["batch", "tokens", encoder.dimension]
        model.graph.output.extend(
            [*(helper.make_tensor_value_info(name, TensorProto.FLOAT, rows) for name in self._layers), *exact]
        )
        self._session = open_session(model.SerializeToString(), threads=threads, name=encoder.card.name)
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        around = self._tokenizer.encode("").ids
        self._before, self._after = around[:1], around[1:]
        self._window = max(1, min(_WINDOW, encoder.card.max_tokens - len(around)))
        self._context = min(_CONTEXT, self._window // 6)
        self.dimension = encoder.dimension * len(self._layers)

    def of(self, tokens: TokenText, ranges: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        """Vectors of the tokens in some ranges (first, after the last), one after the other: shape (n, dimension).

        A range is read by itself, so that its vectors don't depend on what else is in the text. A token without word
        pieces has the zero vector.
        """
        parts = [self._range(tokens, first, after) for first, after in ranges]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), dtype=np.float32)

    def _range(self, tokens: TokenText, first: int, after: int) -> NDArray[np.float32]:
        begin, end = int(tokens.starts[first]), int(tokens.ends[after - 1])
        # A lone surrogate becomes a question mark: as long, and readable.
        text = tokens.text[begin:end].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if len(text) != end - begin:
            text = "".join(c if c.isprintable() or c.isspace() else "?" for c in tokens.text[begin:end])
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        ids = encoded.ids
        result = np.zeros((after - first, self.dimension), dtype=np.float32)
        if not ids:
            return result
        offsets = np.array([offset[0] for offset in encoded.offsets], dtype=np.int64) + begin
        owners = np.clip(np.searchsorted(tokens.starts[first:after], offsets, side="right") - 1, 0, after - first - 1)
        step = self._window - 2 * self._context if len(ids) > self._window else self._window
        counts = np.zeros(after - first, dtype=np.float32)
        for at in range(0, len(ids), step):
            low, high = max(0, at - self._context), min(len(ids), at + step + self._context)
            vectors = self._run(ids[low:high])[at - low : min(at + step, len(ids)) - low]
            np.add.at(result, owners[at : at + step], vectors)
            np.add.at(counts, owners[at : at + step], 1)
        return np.asarray(result / np.maximum(counts, 1)[:, None], dtype=np.float32)

    def _run(self, pieces: list[int]) -> NDArray[np.float32]:
        ids = np.array([[*self._before, *pieces, *self._after]], dtype=np.int64)
        found = self._session.run(list(self._layers), {INPUT_IDS: ids, ATTENTION_MASK: np.ones_like(ids)})
        inner = slice(len(self._before), len(self._before) + len(pieces))
        return np.concatenate([layer[0, inner] for layer in found], axis=1)

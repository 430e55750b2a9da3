"""Writes the ONNX graph of a BERT sentence encoder straight from its weights.

Owns the graph: embeddings, attention, feed-forward, mean pooling and L2 norm, in float32 or in int8. Refuses to know
where the weights come from and where the graph goes. Needs no torch and no exporter.

int8 (decided on measurements, LAB.md): weights are symmetric, with a scale for each output column; activations are
quantised while running, symmetric, with a scale for each token. onnxruntime's own dynamic quantisation has one scale
for a whole batch, so that a text's embedding depends on the texts beside it; this one does not, and is closer to
float32 at the same speed. Word vectors are int8 with a scale for each row. Layer norms, softmax, GELU and pooling stay
in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import ATTENTION_MASK, EMBEDDING, EXACT, INPUT_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Precision = Literal["float32", "int8"]

_CONTRIB: Final = "com.microsoft"
_OPSET: Final = 18
_CONTRIB_OPSET: Final = 1
_IR_VERSION: Final = 10

# Quantised values lie in [-127, 127]: symmetric, so that no zero point is needed for weights.
_LEVELS: Final = 127
# Activations are stored unsigned around this zero point: unsigned by signed is the product that CPUs are quickest at.
_ZERO_POINT: Final = 128
# Stands in for the largest magnitude of a token vector that is all zero.
_TINY: Final = 1e-30


class BertConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What `config.json` of a BERT model says, as far as the graph depends on it."""

    model_type: str
    hidden_act: str
    hidden_size: int
    intermediate_size: int
    layer_norm_eps: float
    max_position_embeddings: int
    num_attention_heads: int
    num_hidden_layers: int
    vocab_size: int
    position_embedding_type: str = "absolute"


def read_config(content: bytes) -> BertConfig:
    """Reads `config.json`. Raises ArtifactError where it is not a BERT model that this module can write."""
    try:
        config = msgspec.json.decode(content, type=BertConfig)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"config.json does not describe a BERT model: {error}") from error
    if (config.model_type, config.hidden_act, config.position_embedding_type) != ("bert", "gelu", "absolute"):
        raise ArtifactError(
            f"config.json describes a model of type {config.model_type}, activation {config.hidden_act}, positions "
            f"{config.position_embedding_type}; an encoder can be written only for bert, gelu, absolute"
        )
    if config.hidden_size % config.num_attention_heads:
        raise ArtifactError(
            f"config.json: hidden_size {config.hidden_size} is no multiple of {config.num_attention_heads} heads"
        )
    return config


def write_graph(weights: Mapping[str, NDArray[np.float32]], config: BertConfig, *, precision: Precision) -> bytes:
    """The serialised graph: inputs `input_ids` and `attention_mask`, output `embedding`, a unit vector for each row.

    `weights` are named as the transformers library names those of `BertModel`. The same weights give the same bytes.
    Raises ArtifactError where a weight is missing or has another shape than the configuration says.
    """
    return _GraphWriter(weights, config, precision).write()


class _GraphWriter:
    """Nodes and initializers while they are collected; names are unique because each is used once."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], config: BertConfig, precision: Precision) -> None:
        self._weights = weights
        self._config = config
        self._precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def write(self) -> bytes:
        hidden = self._embed_tokens()
        padding = self._node("Cast", [ATTENTION_MASK], "padding", to=TensorProto.INT32)
        self._constant("activation_unit", np.float32(1 / _LEVELS))
        self._constant("activation_zero", np.uint8(_ZERO_POINT))
        self._constant("tiny", np.float32(_TINY))
        for layer in range(self._config.num_hidden_layers):
            hidden = self._attend(hidden, padding, layer)
            hidden = self._feed_forward(hidden, layer)
        self._pool(hidden)
        outputs = [helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["batch", self._config.hidden_size])]
        if self._precision == "int8":
            outputs.append(self._probe_products())
        rows = ["batch", "tokens"]
        graph = helper.make_graph(
            self._nodes,
            "sentence_encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, rows) for name in (INPUT_IDS, ATTENTION_MASK)],
            outputs,
            self._used_constants(),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, _CONTRIB_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tierwright")
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _embed_tokens(self) -> str:
        config = self._config
        words = self._weight("embeddings.word_embeddings.weight", config.vocab_size, config.hidden_size)
        positions = self._weight(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, config.hidden_size
        )
        # A single sentence is all of token type 0, so that its vector is a constant part of every position.
        token_type = self._weight("embeddings.token_type_embeddings.weight", None, config.hidden_size)[0]
        if self._precision == "int8":
            rows, scales = _quantise_rows(words)
            self._constant("word_rows", rows)
            self._constant("word_scales", scales)
            gathered = self._node("Gather", ["word_rows", INPUT_IDS], "words_int8")
            unscaled = self._node("Cast", [gathered], "words_unscaled", to=TensorProto.FLOAT)
            scale = self._node("Gather", ["word_scales", INPUT_IDS], "words_scale")
            word = self._node("Mul", [unscaled, scale], "words")
        else:
            self._constant("word_rows", words)
            word = self._node("Gather", ["word_rows", INPUT_IDS], "words")
        self._constant("positions", positions + token_type)
        self._constant("axis_0", np.array([0], dtype=np.int64))
        self._constant("axis_1", np.array([1], dtype=np.int64))
        self._constant("axis_2", np.array([2], dtype=np.int64))
        self._constant("axis_last", np.array([-1], dtype=np.int64))
        shape = self._node("Shape", [INPUT_IDS], "shape")
        tokens = self._node("Slice", [shape, "axis_1", "axis_2"], "tokens")
        position = self._node("Slice", ["positions", "axis_0", tokens, "axis_0"], "position")
        total = self._node("Add", [word, position], "embedded")
        gain, bias = self._layer_norm("embeddings.LayerNorm")
        return self._norm(total, gain, bias, "embedded_norm")

    def _attend(self, hidden: str, padding: str, layer: int) -> str:
        size = self._config.hidden_size
        prefix = f"encoder.layer.{layer}.attention"
        parts = [f"{prefix}.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([self._weight(f"{part}.weight", size, size) for part in parts])
        bias = self._constant(f"{prefix}.bias", np.concatenate([self._weight(f"{part}.bias", size) for part in parts]))
        projected = self._linear(hidden, joined, f"{prefix}.qkv")
        query, key, value = (f"{part}.out" for part in parts)
        self._nodes.append(
            helper.make_node("Split", [projected], [query, key, value], name=f"{prefix}.split", axis=-1, num_outputs=3)
        )
        context = self._node(
            "MultiHeadAttention",
            [query, key, value, bias, padding],
            f"{prefix}.context",
            domain=_CONTRIB,
            num_heads=self._config.num_attention_heads,
        )
        output = self._linear(context, self._weight(f"{prefix}.output.dense.weight", size, size), f"{prefix}.output")
        return self._add_and_norm(output, hidden, f"{prefix}.output")

    def _feed_forward(self, hidden: str, layer: int) -> str:
        size, wide = self._config.hidden_size, self._config.intermediate_size
        prefix = f"encoder.layer.{layer}"
        inner = f"{prefix}.intermediate.dense"
        expanded = self._linear(hidden, self._weight(f"{inner}.weight", wide, size), inner)
        bias = self._constant(f"{inner}.bias", self._weight(f"{inner}.bias", wide))
        activated = self._node("BiasGelu", [expanded, bias], f"{inner}.gelu", domain=_CONTRIB)
        outer = f"{prefix}.output"
        output = self._linear(activated, self._weight(f"{outer}.dense.weight", size, wide), f"{outer}.dense")
        return self._add_and_norm(output, hidden, outer)

    def _add_and_norm(self, output: str, residual: str, prefix: str) -> str:
        gain, norm_bias = self._layer_norm(f"{prefix}.LayerNorm")
        bias = self._constant(f"{prefix}.dense.bias", self._weight(f"{prefix}.dense.bias", self._config.hidden_size))
        biased = self._node("Add", [output, bias], f"{prefix}.biased")
        summed = self._node("Add", [biased, residual], f"{prefix}.summed")
        return self._norm(summed, gain, norm_bias, f"{prefix}.norm")

    def _pool(self, hidden: str) -> None:
        """Sum over the unmasked tokens, then L2 norm: dividing by their number first would change nothing."""
        mask = self._node("Cast", [ATTENTION_MASK], "mask", to=TensorProto.FLOAT)
        row = self._node("Unsqueeze", [mask, "axis_1"], "mask_row")
        summed = self._node("MatMul", [row, hidden], "summed_row")
        total = self._node("Squeeze", [summed, "axis_1"], "summed")
        length = self._node("ReduceL2", [total, "axis_1"], "length", keepdims=1)
        divisor = self._node("Max", [length, "tiny"], "divisor")
        self._node("Div", [total, divisor], EMBEDDING)

    def _probe_products(self) -> onnx.ValueInfoProto:
        """An output that is 1 where the processor multiplies the largest 8-bit numbers without saturating.

        Constant, so that it is worked out once when the graph is loaded, by the kernels that will run it.
        """
        terms = 64
        self._constant("probe_left", np.full((8, terms), 255, dtype=np.uint8))
        self._constant("probe_right", np.full((terms, terms), _LEVELS, dtype=np.int8))
        self._constant("probe_expected", np.int32(255 * _LEVELS * terms))
        product = self._node("MatMulInteger", ["probe_left", "probe_right"], "probe_product")
        same = self._node("Equal", [product, "probe_expected"], "probe_same")
        numbers = self._node("Cast", [same], "probe_numbers", to=TensorProto.INT32)
        self._node("ReduceMin", [numbers], EXACT, keepdims=0)
        return helper.make_tensor_value_info(EXACT, TensorProto.INT32, [])

    def _linear(self, inputs: str, weight: NDArray[np.float32], name: str) -> str:
        """`inputs @ weight.T` without a bias; `weight` is (outputs, inputs), as torch keeps it."""
        if self._precision == "float32":
            return self._node("MatMul", [inputs, self._constant(f"{name}.columns", weight.T)], f"{name}.product")
        columns, scales = _quantise_rows(weight)
        column = self._constant(f"{name}.columns", columns.T)
        column_scale = self._constant(f"{name}.scales", scales[:, 0])
        magnitude = self._node("Abs", [inputs], f"{name}.magnitude")
        largest = self._node("ReduceMax", [magnitude, "axis_last"], f"{name}.largest", keepdims=1)
        span = self._node("Max", [largest, "tiny"], f"{name}.span")
        unit = self._node("Div", [inputs, span], f"{name}.unit")
        quantised = self._node("QuantizeLinear", [unit, "activation_unit", "activation_zero"], f"{name}.quantised")
        product = self._node(
            "MatMulIntegerToFloat",
            [quantised, column, "activation_unit", column_scale, "activation_zero"],
            f"{name}.unit_product",
            domain=_CONTRIB,
        )
        return self._node("Mul", [product, span], f"{name}.product")

    def _norm(self, hidden: str, gain: str, bias: str, name: str) -> str:
        return self._node(
            "LayerNormalization", [hidden, gain, bias], name, axis=-1, epsilon=self._config.layer_norm_eps
        )

    def _layer_norm(self, prefix: str) -> tuple[str, str]:
        size = self._config.hidden_size
        gain = self._constant(f"{prefix}.weight", self._weight(f"{prefix}.weight", size))
        return gain, self._constant(f"{prefix}.bias", self._weight(f"{prefix}.bias", size))

    def _weight(self, name: str, *shape: int | None) -> NDArray[np.float32]:
        """A weight whose shape was checked; None in `shape` allows any length."""
        if name not in self._weights:
            raise ArtifactError(f"The weights have no tensor {name}: they are not those of a plain BERT model")
        weight = np.asarray(self._weights[name], dtype=np.float32)
        if len(weight.shape) != len(shape) or any(
            wanted not in (None, found) for wanted, found in zip(shape, weight.shape, strict=True)
        ):
            raise ArtifactError(f"Tensor {name} has shape {weight.shape}, config.json says {shape}")
        return weight

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def _used_constants(self) -> list[onnx.TensorProto]:
        used = {name for node in self._nodes for name in node.input}
        return [constant for constant in self._constants if constant.name in used]

    def _node(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}.node", domain=domain, **attributes))
        return output


def _quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 rows and their scales, shape (rows, 1): `rows * scales` is within half a scale of `matrix`."""
    scales = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(_LEVELS)
    scales[scales == 0] = 1
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)

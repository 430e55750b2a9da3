from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.tiny_bert import CONFIG, reference_embedding, tiny_weights
from tierwright.core.errors import ArtifactError
from tierwright.specialists.encoder import ATTENTION_MASK, EMBEDDING, EXACT, INPUT_IDS, open_session
from tierwright.training.encoder_graph import _quantise_rows, read_config, write_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tierwright.training.encoder_graph import BertConfig, Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")


def a_config(**changes: Any) -> BertConfig:
    """The tiny model's configuration, any member changed by name."""
    return read_config(json.dumps(CONFIG | changes).encode())


def run(graph: bytes, ids: NDArray[np.int64], mask: NDArray[np.int64], output: str = EMBEDDING) -> NDArray[Any]:
    """The output of a graph as an encoder has it computed on this processor."""
    session = open_session(graph, threads=1, name="tiny")
    return np.asarray(session.run([output], {INPUT_IDS: ids, ATTENTION_MASK: mask})[0])


@pytest.fixture
def batch() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask of three texts of 7, 4 and 1 tokens, padded to 7."""
    ids = np.random.default_rng(7).integers(0, CONFIG["vocab_size"], (3, 7))
    mask = (np.arange(7) < np.array([[7], [4], [1]])).astype(np.int64)
    return ids, mask


def test_float32_graph(batch: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    """A padded batch has, row by row, the embeddings of the plain numpy forward pass over the unpadded rows."""
    ids, mask = batch
    found = run(write_graph(tiny_weights(), a_config(), precision="float32"), ids, mask)
    wanted = [reference_embedding(tiny_weights(), row[: kept.sum()]) for row, kept in zip(ids, mask, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_int8_graph(batch: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    """Quantisation turns no embedding by more than a few degrees, over ten sets of random weights."""
    ids, mask = batch
    for seed in range(10):
        found = run(write_graph(tiny_weights(seed), a_config(), precision="int8"), ids, mask)
        rows = [row[: kept.sum()] for row, kept in zip(ids, mask, strict=True)]
        wanted = np.stack([reference_embedding(tiny_weights(seed), row) for row in rows])
        assert (found * wanted).sum(axis=1).min() > 0.995


@pytest.mark.parametrize("precision", PRECISIONS)
def test_padding_is_ignored(batch: tuple[NDArray[np.int64], NDArray[np.int64]], precision: Precision) -> None:
    """What stands under the mask's zeros changes no embedding."""
    ids, mask = batch
    graph = write_graph(tiny_weights(), a_config(), precision=precision)
    other = np.where(mask == 1, ids, (ids + 1) % CONFIG["vocab_size"])
    assert not np.array_equal(ids, other)
    np.testing.assert_allclose(run(graph, other, mask), run(graph, ids, mask), atol=1e-7)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_position_matters(precision: Precision) -> None:
    """Two orders of the same tokens have different embeddings."""
    ids = np.array([[2, 6, 7, 8, 3], [2, 8, 7, 6, 3]])
    first, second = run(write_graph(tiny_weights(), a_config(), precision=precision), ids, np.ones_like(ids))
    assert first @ second < 0.999


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_that_are_all_zero(precision: Precision) -> None:
    """A model of zeros embeds everything as zeros, not as NaN."""
    zeros = {name: np.zeros_like(weight) for name, weight in tiny_weights().items()}
    ids = np.array([[2, 6, 3]])
    found = run(write_graph(zeros, a_config(), precision=precision), ids, np.ones_like(ids))
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_write_graph_twice(precision: Precision) -> None:
    """The same weights give the same bytes, so that a fingerprint means the same everywhere."""
    graphs = {write_graph(tiny_weights(), a_config(), precision=precision) for _ in range(2)}
    assert len(graphs) == 1


def test_int8_graph_holds_no_float_matrix() -> None:
    """Every weight matrix of the int8 graph is kept in int8; only positions, scales and vectors are floats."""
    graph = onnx.load_from_string(write_graph(tiny_weights(), a_config(), precision="int8")).graph
    matrices = {
        constant.name: constant.data_type
        for constant in graph.initializer
        if len(constant.dims) == 2 and 1 not in constant.dims and not constant.name.startswith("probe")
    }
    assert matrices.pop("positions") == TensorProto.FLOAT
    assert len(matrices) == 1 + 4 * CONFIG["num_hidden_layers"]
    assert set(matrices.values()) == {TensorProto.INT8}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_graph_is_well_formed(precision: Precision) -> None:
    """The checker of the onnx package has no complaint, and no constant is left unused."""
    model = onnx.load_from_string(write_graph(tiny_weights(), a_config(), precision=precision))
    onnx.checker.check_model(model)
    used = {name for node in model.graph.node for name in node.input}
    assert {constant.name for constant in model.graph.initializer} <= used


def test_probe_of_exact_products() -> None:
    """The probe says 1 exactly where onnxruntime multiplies the largest 8-bit numbers right on this processor."""
    left, right = np.full((8, 64), 255, dtype=np.uint8), np.full((64, 64), 127, dtype=np.int8)
    values = [("left", TensorProto.UINT8, left), ("right", TensorProto.INT8, right)]
    product = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info(name, kind, value.shape) for name, kind, value in values],
        [helper.make_tensor_value_info("product", TensorProto.INT32, (8, 64))],
    )
    model = helper.make_model(product, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value for name, _, value in values})
    exact = np.array_equal(found, left.astype(np.int64) @ right.astype(np.int64))
    ids = np.array([[2, 3]])
    graph = write_graph(tiny_weights(), a_config(), precision="int8")
    assert bool(run(graph, ids, np.ones_like(ids), EXACT)) is exact


def test_quantise_rows() -> None:
    """Each row is restored to within half of its own scale, and a row of zeros stays one."""
    matrix = np.array([[0.5, -1.27, 0.004], [127.0, -63.4, 0.6], [0, 0, 0]], dtype=np.float32)
    rows, scales = _quantise_rows(matrix)
    # 1.27 / 127 = 0.01, so that the first row is 50, -127, 0.4 -> 0 steps.
    np.testing.assert_array_equal(rows, [[50, -127, 0], [127, -63, 1], [0, 0, 0]])
    np.testing.assert_allclose(scales[:, 0], [0.01, 1, 1], rtol=1e-6)


def test_missing_tensor() -> None:
    """A weight that is not there is named."""
    weights = tiny_weights()
    del weights["encoder.layer.1.attention.self.key.weight"]
    with pytest.raises(ArtifactError, match=r"no tensor encoder\.layer\.1\.attention\.self\.key\.weight"):
        write_graph(weights, a_config(), precision="float32")


def test_tensor_of_another_shape() -> None:
    """A weight that does not fit the configuration is named with both shapes."""
    with pytest.raises(ArtifactError, match=r"intermediate\.dense\.weight has shape \(64, 32\).*\(65, 32\)"):
        write_graph(tiny_weights(), a_config(intermediate_size=65), precision="float32")


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"model_type": "roberta"}, {"position_embedding_type": "relative_key"}]
)
def test_config_of_another_model(change: dict[str, str]) -> None:
    """A model whose graph would be another one is refused, with what it is."""
    with pytest.raises(ArtifactError, match="|".join(change.values())):
        a_config(**change)


def test_config_with_heads_that_do_not_divide() -> None:
    """A hidden size that is no multiple of the number of heads is refused."""
    with pytest.raises(ArtifactError, match="no multiple of 5 heads"):
        a_config(num_attention_heads=5)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"model_type": "bert"}'])
def test_config_that_is_no_config(content: bytes) -> None:
    """What does not describe a BERT model is refused."""
    with pytest.raises(ArtifactError, match="does not describe a BERT model"):
        read_config(content)

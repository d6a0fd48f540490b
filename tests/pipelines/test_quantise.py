from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array, to_array
from onnxruntime import InferenceSession
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel

from app.adapters.tokens import Ids
from app.core.errors import ConfigError
from pipelines.quantise import find_operands, quantise, quantise_embeddings, scale_tokens, smooth

WORDS, WIDTH, HIDDEN = 160, 16, 48
LOUD = 5


def model(seed: int = 1, loud: float = 60.0) -> onnx.ModelProto:
    """Embeddings, a gain that makes one channel loud, a widening and a narrowing product, mean over tokens, logits."""
    rng = np.random.default_rng(seed)
    gain = np.ones(WIDTH)
    gain[LOUD] = loud
    shapes = {"table": (WORDS, WIDTH), "wide": (WIDTH, HIDDEN), "narrow": (HIDDEN, WIDTH), "head": (WIDTH, 3)}
    constants = {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"gain": gain}
    constants["wide"][LOUD] /= loud
    nodes = [
        make_node("Gather", ["table", "input_ids"], ["row"], name="gather"),
        make_node("Mul", ["row", "gain"], ["embedded"], name="amplify"),
        make_node("MatMul", ["embedded", "wide"], ["widened"], name="widen"),
        make_node("Relu", ["widened"], ["active"], name="relu"),
        make_node("MatMul", ["active", "narrow"], ["narrowed"], name="narrow"),
        make_node("Cast", ["attention_mask"], ["mask"], name="cast", to=TensorProto.FLOAT),
        make_node("Unsqueeze", ["mask", "last"], ["mask3"], name="unsqueeze"),
        make_node("Mul", ["narrowed", "mask3"], ["kept"], name="keep"),
        make_node("ReduceMean", ["kept"], ["pooled"], name="pool", axes=[1], keepdims=0),
        make_node("MatMul", ["pooled", "head"], ["logits"], name="classify"),
    ]
    inputs = [
        make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"]) for name in ("input_ids", "attention_mask")
    ]
    outputs = [make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 3])]
    initializers = [from_array(values.astype(np.float32), name) for name, values in constants.items()]
    initializers.append(from_array(np.array([2], dtype=np.int64), "last"))
    graph = make_graph(nodes, "small", inputs, outputs, initializers)
    return make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)


def batch(seed: int = 2) -> tuple[Ids, Ids]:
    ids = np.random.default_rng(seed).integers(0, WORDS, size=(12, 7))
    return ids, np.ones_like(ids)


def run(source: onnx.ModelProto | Path, name: str = "logits") -> npt.NDArray[np.float32]:
    content = source.read_bytes() if isinstance(source, Path) else source.SerializeToString()
    ids, mask = batch()
    (found,) = InferenceSession(content).run([name], {"input_ids": ids, "attention_mask": mask})
    return np.asarray(found)


def ordered(made: onnx.ModelProto) -> onnx.ModelProto:
    ONNXModel(made).topological_sort()
    return made


def test_operands_are_what_constant_matrices_multiply() -> None:
    operands = find_operands(model().graph)
    assert [(operand.name, operand.narrowing) for operand in operands] == [
        ("embedded", False),
        ("active", True),
        ("pooled", True),
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(1, 1e3), st.floats(0, 1e4))
def test_rewriting_changes_the_scale_but_not_the_result(seed: int, loud: float, quiet: float) -> None:
    before, after = model(seed, loud), model(seed, loud)
    for operand in find_operands(after.graph):
        if operand.narrowing:
            scale_tokens(after.graph, operand)
        else:
            peak = np.full(WIDTH, quiet, dtype=np.float32)
            peak[LOUD] = loud
            smooth(after.graph, operand, peak)
    np.testing.assert_allclose(run(ordered(after)), run(before), rtol=1e-3, atol=1e-3)


def test_int8_is_closer_than_one_scale_for_all_can_be(tmp_path: Path) -> None:
    full, plain, ours = (tmp_path / f"{name}.onnx" for name in ("full", "plain", "ours"))
    onnx.save(model(), full)
    quantize_dynamic(full, plain, per_channel=True, weight_type=QuantType.QInt8)
    quantise(full, ours, [batch(seed) for seed in range(4)])
    expected = run(full)
    error = {path.stem: float(np.abs(run(path) - expected).mean()) for path in (plain, ours)}
    assert error["ours"] < error["plain"] / 2
    assert error["ours"] < 0.05 * float(np.abs(expected).mean())


def test_nothing_of_the_products_stays_in_fp32(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "full.onnx")
    quantise(tmp_path / "full.onnx", tmp_path / "int8.onnx", [batch()])
    made = onnx.load(tmp_path / "int8.onnx")
    onnx.checker.check_model(made)
    assert {node.op_type for node in made.graph.node} >= {"MatMulInteger", "Gather"}
    assert "MatMul" not in {node.op_type for node in made.graph.node}
    large = {each.name for each in made.graph.initializer if len(each.dims) == 2 and min(each.dims) > 1}
    assert {each.data_type for each in made.graph.initializer if each.name in large} == {TensorProto.INT8}


def test_embeddings_are_off_by_half_a_step_at_most() -> None:
    before, after = model(), model()
    table = to_array(before.graph.initializer[0])
    quantise_embeddings(after.graph)
    for made in (before, after):
        made.graph.output.append(make_tensor_value_info("row", TensorProto.FLOAT, None))
    step = np.abs(table).max(axis=1) / 127
    difference = np.abs(run(ordered(after), "row") - run(before, "row")).max(axis=-1)
    assert (difference <= 0.51 * step[batch()[0]]).all()


def test_a_table_that_others_read_too_is_left_alone() -> None:
    made = model()
    made.graph.node.append(make_node("Gather", ["table", "attention_mask"], ["again"], name="again"))
    quantise_embeddings(made.graph)
    assert {each.name: each.data_type for each in made.graph.initializer}["table"] == TensorProto.FLOAT


def test_a_small_table_is_left_alone() -> None:
    made = model()
    small = to_array(made.graph.initializer[0])[:20]
    made.graph.initializer[0].CopyFrom(from_array(small, "table"))
    quantise_embeddings(made.graph)
    assert {each.name: each.data_type for each in made.graph.initializer}["table"] == TensorProto.FLOAT


def test_a_graph_without_weights_is_refused(tmp_path: Path) -> None:
    made = model()
    del made.graph.node[2:]
    made.graph.output[0].name = "embedded"
    onnx.save(made, tmp_path / "full.onnx")
    with pytest.raises(ConfigError, match="nothing to quantise"):
        quantise(tmp_path / "full.onnx", tmp_path / "int8.onnx", [batch()])
    assert not (tmp_path / "int8.onnx").exists()

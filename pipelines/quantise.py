"""Make the int8 graph of a transformer from its fp32 ONNX graph, such that the labels stay.

ONNX Runtime's dynamic quantisation gives a whole batch of activations one scale. In a transformer a few channels are
many times as large as the others and set that scale, so that the others lose their digits. So the graph is first
rewritten, without changing what it computes, into one whose activations fit one scale:

- In front of a product that keeps or widens the width, each channel is divided by a factor and its row of weights
  multiplied by it (SmoothQuant, Xiao et al. 2023, arXiv 2211.10438). The factors come from texts seen beforehand.
- In front of a product that narrows it (behind the activation function, where any channel may peak), each token is
  divided by its largest value and the product multiplied by it again.

Then the weights of the products become int8 by output channel, and the embeddings by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.helper import make_node, make_tensor_value_info
from onnx.numpy_helper import from_array, to_array
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel

from app.adapters.onnx import session
from app.adapters.tokens import Ids
from app.core.errors import ConfigError

Floats: TypeAlias = npt.NDArray[np.float32]

# How much of an outlier moves from the activations to the weights (0 none, 1 all). Of 0.7 to 1.0 it gave the least
# error of the products in most layers of MiniLM.
MIGRATION = 0.8
# No token is scaled up without bound: GELU's least value is -0.17, so a token never leaves [-1, 1].
_LEAST_TOP = 0.2
_TINY = 1e-5
# A table of few rows, like that of the token types, weighs nothing, and its error would be the same in every token.
_LARGE_TABLE = 100


@dataclass(frozen=True, slots=True)
class Operand:
    """An activation of shape [rows, tokens, width] and the products with constant weights [width, n] it goes into."""

    name: str
    products: tuple[NodeProto, ...]
    weights: tuple[TensorProto, ...]

    @property
    def narrowing(self) -> bool:
        """Whether each product is narrower than the activation."""
        return all(weight.dims[0] > weight.dims[1] for weight in self.weights)


def quantise(source: Path, target: Path, batches: Iterable[tuple[Ids, Ids]]) -> None:
    """Write the int8 graph of the fp32 graph `source` (opset 17, inputs input_ids and attention_mask) to `target`.

    `batches` are token ids and masks of some hundred texts, for the size of the activations; no labels are needed.
    Raises ConfigError when the graph has no product with constant weights.
    """
    model = onnx.load(source)
    operands = find_operands(model.graph)
    if not operands:
        raise ConfigError(f"{source} has no product with constant weights: there is nothing to quantise")
    peaks = _peaks(model, operands, batches)
    for operand in operands:
        if operand.narrowing:
            scale_tokens(model.graph, operand)
        else:
            smooth(model.graph, operand, peaks[operand.name])
    with TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        onnx.save(_ordered(model), prepared)
        quantize_dynamic(
            prepared,
            quantised,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        model = onnx.load(quantised)
    quantise_embeddings(model.graph)
    onnx.save(_ordered(model), target)


def find_operands(graph: GraphProto) -> list[Operand]:
    """The activations that are multiplied by constant matrices, in the order of the graph."""
    constants = {constant.name: constant for constant in graph.initializer}
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            users.setdefault(node.input[0], []).append(node)
    return [
        Operand(name, tuple(nodes), tuple(constants[node.input[1]] for node in nodes)) for name, nodes in users.items()
    ]


def smooth(graph: GraphProto, operand: Operand, peak: Floats) -> None:
    """Divide each channel by a factor and multiply its weights by it. `peak` holds each channel's largest magnitude."""
    weights = [to_array(weight) for weight in operand.weights]
    largest = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
    factor = np.maximum(peak, _TINY) ** MIGRATION / np.maximum(largest, _TINY) ** (1 - MIGRATION)
    factor = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
    even = f"{operand.name}_even"
    graph.initializer.append(from_array(1 / factor, f"{even}_factor"))
    graph.node.append(make_node("Mul", [operand.name, f"{even}_factor"], [even], name=even))
    for product, stored, weight in zip(operand.products, operand.weights, weights, strict=True):
        stored.CopyFrom(from_array(weight * factor[:, None], stored.name))
        product.input[0] = even


def scale_tokens(graph: GraphProto, operand: Operand) -> None:
    """Divide each token by its largest value and multiply the products by it."""
    peak, top, unit = (f"{operand.name}_{part}" for part in ("peak", "top", "unit"))
    graph.initializer.append(from_array(np.asarray(_LEAST_TOP, dtype=np.float32), f"{top}_least"))
    graph.node.extend(
        [
            make_node("ReduceMax", [operand.name], [peak], name=peak, axes=[-1], keepdims=1),
            make_node("Max", [peak, f"{top}_least"], [top], name=top),
            make_node("Div", [operand.name, top], [unit], name=unit),
        ]
    )
    for product in operand.products:
        result = product.output[0]
        product.input[0], product.output[0] = unit, f"{result}_unit"
        graph.node.append(make_node("Mul", [f"{result}_unit", top], [result], name=f"{result}_scaled"))


def quantise_embeddings(graph: GraphProto) -> None:
    """Large tables that rows are gathered from, and that nothing else reads, become int8 with one scale a row."""
    constants = {constant.name: constant for constant in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in [node for node in graph.node if node.op_type == "Gather"]:
        table = constants.get(node.input[0])
        if table is None or uses[table.name] > 1 or len(table.dims) != 2 or table.data_type != TensorProto.FLOAT:
            continue
        if table.dims[0] < _LARGE_TABLE:
            continue
        values = to_array(table)
        scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), _TINY) / 127
        names = {part: f"{table.name}_{part}" for part in ("int8", "scale")}
        graph.initializer.remove(table)
        graph.initializer.append(from_array(np.round(values / scale).astype(np.int8), names["int8"]))
        graph.initializer.append(from_array(scale.astype(np.float32), names["scale"]))
        row = node.output[0]
        graph.node.remove(node)
        graph.node.extend(
            [
                make_node("Gather", [names["int8"], node.input[1]], [f"{row}_int8"], name=f"{row}_int8"),
                make_node("Gather", [names["scale"], node.input[1]], [f"{row}_scale"], name=f"{row}_scale"),
                make_node("Cast", [f"{row}_int8"], [f"{row}_float"], name=f"{row}_float", to=TensorProto.FLOAT),
                make_node("Mul", [f"{row}_float", f"{row}_scale"], [row], name=f"{row}_row"),
            ]
        )


def _peaks(model: ModelProto, operands: list[Operand], batches: Iterable[tuple[Ids, Ids]]) -> Mapping[str, Floats]:
    """The largest magnitude of each channel of the smoothed operands, over all batches."""
    names = [operand.name for operand in operands if not operand.narrowing]
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    peaks: dict[str, Floats] = {}
    with TemporaryDirectory() as folder:
        onnx.save(probe, Path(folder) / "probe.onnx")
        runtime = session(Path(folder) / "probe.onnx", threads=1)
        for ids, mask in batches:
            found = runtime.run(names, {"input_ids": ids, "attention_mask": mask})
            for name, activation in zip(names, found, strict=True):
                peak = np.abs(activation).reshape(-1, activation.shape[-1]).max(axis=0)
                peaks[name] = np.maximum(peaks.get(name, peak), peak)
    return peaks


def _ordered(model: ModelProto) -> ModelProto:
    """The model with every node behind those it depends on, as the format asks."""
    ONNXModel(model).topological_sort()
    return model

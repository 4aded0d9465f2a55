"""The ONNX graph of all-MiniLM-L6-v2, built from its published weights.

BERT with 6 layers of 12 heads (Devlin et al., 2018), mean pooling over the tokens
and L2 normalisation: what sentence-transformers does, without torch. The fused
operators are onnxruntime's own; they give the plain ones' result to 3e-7 and
take about half of their time.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper

LAYERS, HEADS, WIDTH = 6, 12, 384
_EPSILON = 1e-12  # config.json: layer_norm_eps
_FUSED = "com.microsoft"

Weights = Mapping[str, npt.NDArray[np.float32]]


def build_model(weights: Weights, *, max_tokens: int) -> bytes:
    """Return the serialised model: (ids, mask) int64[n, tokens] to float32[n, 384]."""
    graph = _Graph(weights)
    hidden = _embeddings(graph, max_tokens)
    attended = graph.op("Cast", "mask", to=TensorProto.INT32)
    for layer in range(LAYERS):
        hidden = _layer(graph, f"encoder.layer.{layer}.", hidden, attended)
    return graph.serialise(output=_pooled(graph, hidden))


class _Graph:
    """A model as it grows; a value's name stands for the value.

    Grown in place: every make_graph or make_model would copy 90 MB of weights.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._model = ModelProto(ir_version=10)
        self._model.opset_import.append(helper.make_opsetid("", 20))
        self._model.opset_import.append(helper.make_opsetid(_FUSED, 1))
        self._graph = self._model.graph
        self._graph.name = "minilm"

    def constant(self, array: npt.NDArray[Any]) -> str:
        name = f"c{len(self._graph.initializer)}"
        tensor = self._graph.initializer.add(name=name, dims=array.shape)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor.raw_data = array.tobytes()
        return name

    def weight(self, name: str) -> str:
        return self.constant(self.weights[name])

    def matrix(self, name: str) -> str:
        """A dense layer's weight, turned from torch's (out, in) to (in, out)."""
        return self.constant(self.weights[name].T)

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        output = f"v{len(self._graph.node)}"
        node = helper.make_node(kind, inputs, [output], domain=domain, **attributes)
        self._graph.node.append(node)
        return output

    def serialise(self, *, output: str) -> bytes:
        shape = ["texts", "tokens"]
        self._graph.input.extend(
            helper.make_tensor_value_info(name, TensorProto.INT64, shape)
            for name in ("ids", "mask")
        )
        self._graph.output.append(
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["texts", WIDTH])
        )
        serialised: bytes = self._model.SerializeToString()
        return serialised


def _embeddings(graph: _Graph, max_tokens: int) -> str:
    weights, prefix = graph.weights, "embeddings."
    # Every token is of type 0, so the type's row goes into the position's.
    positions = weights[prefix + "position_embeddings.weight"][None, :max_tokens]
    positions = positions + weights[prefix + "token_type_embeddings.weight"][0]
    words = graph.op("Gather", graph.weight(prefix + "word_embeddings.weight"), "ids")
    axis = graph.constant(np.array([1], np.int64))
    placed = graph.op(
        "Slice",
        graph.constant(positions),
        graph.constant(np.array([0], np.int64)),
        graph.op("Shape", "ids", start=1, end=2),
        axis,
    )
    return graph.op(
        "LayerNormalization",
        graph.op("Add", words, placed),
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
        epsilon=_EPSILON,
    )


def _layer(graph: _Graph, prefix: str, hidden: str, attended: str) -> str:
    context = _attention(graph, prefix + "attention.self.", hidden, attended)
    hidden = _residual(graph, prefix + "attention.output.", context, hidden)
    widened = graph.op("MatMul", hidden, graph.matrix(prefix + _WIDEN + "weight"))
    bias = graph.weight(prefix + _WIDEN + "bias")
    active = graph.op("BiasGelu", widened, bias, domain=_FUSED)
    return _residual(graph, prefix + "output.", active, hidden)


_WIDEN = "intermediate.dense."


def _attention(graph: _Graph, prefix: str, hidden: str, attended: str) -> str:
    weights, parts = graph.weights, ("query", "key", "value")
    matrix = np.concatenate([weights[f"{prefix}{p}.weight"].T for p in parts], axis=1)
    bias = np.concatenate([weights[f"{prefix}{p}.bias"] for p in parts])
    return graph.op(
        "Attention",
        hidden,
        graph.constant(matrix),
        graph.constant(bias),
        attended,
        domain=_FUSED,
        num_heads=HEADS,
    )


def _residual(graph: _Graph, prefix: str, value: str, hidden: str) -> str:
    return graph.op(
        "SkipLayerNormalization",
        graph.op("MatMul", value, graph.matrix(prefix + "dense.weight")),
        hidden,
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
        graph.weight(prefix + "dense.bias"),
        domain=_FUSED,
        epsilon=_EPSILON,
    )


def _pooled(graph: _Graph, hidden: str) -> str:
    mask = graph.op("Cast", "mask", to=TensorProto.FLOAT)
    mask = graph.op("Unsqueeze", mask, graph.constant(np.array([-1], np.int64)))
    axis = graph.constant(np.array([1], np.int64))
    masked = graph.op("Mul", hidden, mask)
    # The sum points where the mean does, and only the direction is kept.
    total = graph.op("ReduceSum", masked, axis, keepdims=0)
    return graph.op("LpNormalization", total, axis=-1, p=2)

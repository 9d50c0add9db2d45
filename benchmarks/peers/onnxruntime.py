"""ONNX Runtime, with its own RNN operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.data import arrays
from benchmarks.works import Work

Shapes = dict[str, list[int]]


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The outputs of an RNN with tanh; or writing: a step of a stack with its read-out, and the draw in numpy."""
    run = _write(work, threads) if work.kind == "write" else _layer(work, threads)
    return run, f"ONNX Runtime {onnxruntime.__version__}"


def _layer(work: Work, threads: int) -> Callable[[], None]:
    given = arrays(work)
    batch, steps, inputs, hidden = work.shape
    node = helper.make_node("RNN", ["X", "W", "R", "B"], ["Y"], hidden_size=hidden)
    weights = _weights(given["w_ih"], given["w_hh"], given["b_ih"], given["b_hh"], "")
    session = _session([node], weights, {"X": [steps, batch, inputs]}, {"Y": [steps, 1, batch, hidden]}, threads)
    return lambda: session.run(None, {"X": given["x"]})


def _write(work: Work, threads: int) -> Callable[[], None]:
    random = np.random.default_rng(0)
    batch, steps, symbols, hidden = work.shape
    layers = work.options["layers"]

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return (random.standard_normal(shape) * hidden**-0.5).astype(np.float32)

    nodes, weights, inputs, outputs, below = [], [], {"X": [1, batch, symbols]}, {"Y": [batch, symbols]}, "X"
    for n in range(layers):
        size = hidden if n else symbols
        weights += _weights(normal(hidden, size), normal(hidden, hidden), normal(hidden), normal(hidden), str(n))
        names = [below, f"W{n}", f"R{n}", f"B{n}", "", f"H{n}"]
        nodes.append(helper.make_node("RNN", names, [f"Y{n}", f"N{n}"], hidden_size=hidden))
        nodes.append(helper.make_node("Squeeze", [f"Y{n}", "one"], [f"S{n}"]))
        inputs[f"H{n}"] = outputs[f"N{n}"] = [1, batch, hidden]
        below = f"S{n}"
    weights.append(numpy_helper.from_array(np.array([1]), "one"))
    weights.append(numpy_helper.from_array(np.array([0]), "zero"))
    weights.append(numpy_helper.from_array(normal(hidden, symbols), "V"))
    nodes.append(helper.make_node("Squeeze", [below, "zero"], ["top"]))
    nodes.append(helper.make_node("MatMul", ["top", "V"], ["Y"]))
    session = _session(nodes, weights, inputs, outputs, threads)

    def run() -> None:
        states = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
        for _ in range(steps):
            logits, *after = session.run(None, states)
            p = np.exp(logits - logits.max(-1, keepdims=True))
            drawn = (p.cumsum(-1) > p.sum(-1, keepdims=True) * random.random((batch, 1))).argmax(-1)
            states = {"X": np.eye(symbols, dtype=np.float32)[drawn][None]} | {f"H{n}": h for n, h in enumerate(after)}

    return run


def _weights(w: Any, r: Any, b_w: Any, b_r: Any, suffix: str) -> list[Any]:
    tensors = {"W": w[None], "R": r[None], "B": np.concatenate([b_w, b_r])[None]}
    return [numpy_helper.from_array(array, name + suffix) for name, array in tensors.items()]


def _session(nodes: list[Any], weights: list[Any], inputs: Shapes, outputs: Shapes, threads: int) -> Any:
    shapes = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in each.items()]
        for each in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "peer", *shapes, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

"""ONNX Runtime: its own RNN operator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.data import arrays
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The outputs of an RNN with tanh."""
    given = arrays(work)
    batch, steps, inputs, hidden = work.shape
    weights = [
        numpy_helper.from_array(given["w_ih"][None], "W"),
        numpy_helper.from_array(given["w_hh"][None], "R"),
        numpy_helper.from_array(np.concatenate([given["b_ih"], given["b_hh"]])[None], "B"),
    ]
    node = helper.make_node("RNN", ["X", "W", "R", "B"], ["Y"], hidden_size=hidden)
    graph = helper.make_graph(
        [node],
        "elman",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [steps, batch, inputs])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [steps, 1, batch, hidden])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"X": given["x"]}), f"ONNX Runtime {onnxruntime.__version__}"

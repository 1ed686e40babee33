"""Writes tiny.onnx: a graph of a few hundred bytes that can do everything a test asks of a model.

    python3 -m venv v && v/bin/pip install onnx==1.19.1 && v/bin/python tests/golden/tiny_onnx.py

In:  image  [N, 1, 8, 8]
Out: scores [N, 2] = (square root of the mean, mean), so that a negative mean gives NaN;
     map    [N, 1, 4, 4] = means of 2 x 2 pixels;
     distance [N] = the mean once more.
An image whose largest pixel is 2 or more makes the graph fail at run time (a Gather out of bounds).
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

node = helper.make_node
graph = helper.make_graph(
    [
        node("AveragePool", ["image"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
        node("ReduceMean", ["image", "all_axes"], ["mean"], keepdims=0),
        node("ReduceMax", ["image", "all_axes"], ["largest"], keepdims=0),
        node("Cast", ["largest"], ["place"], to=TensorProto.INT64),
        node("Gather", ["nothing", "place"], ["zero"]),
        node("Add", ["mean", "zero"], ["guarded"]),
        node("Identity", ["guarded"], ["distance"]),
        node("Unsqueeze", ["guarded", "last_axis"], ["second"]),
        node("Sqrt", ["second"], ["first"]),
        node("Concat", ["first", "second"], ["scores"], axis=1),
    ],
    "tiny",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
    [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("map", TensorProto.FLOAT, ["batch", 1, 4, 4]),
        helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]),
    ],
    [
        helper.make_tensor("all_axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last_axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [2], [0.0, 0.0]),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
out = Path(__file__).with_name("tiny.onnx")
out.write_bytes(model.SerializeToString())
print(out.name, out.stat().st_size, "bytes")

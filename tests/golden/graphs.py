"""Writes the graphs that tests of `infer` load, each a few hundred bytes, into tests/golden/graphs/, and the two Cast
graphs of src/infer/half/. Needs the onnx package of tests/requirements.txt:

    .venv/bin/python tests/golden/graphs.py

exam       four views [N, 1, 8, 8]; outputs `right` and `left` [N, 2]: logarithms of (1 - m, m), m the larger mean of the
           side's views; a map [N, 1, 4, 4] of each view (means of 2 x 2 pixels); `distance` [N], the mean of all.
half       as tiny.onnx, input and outputs in half precision.
int8       quantised inside (QLinearConv), float outside: scores [N, 2] = (mean, half of it) of pixels 0 to 1.
nhwc       [2, 8, 8, 3], batch fixed at 2; logits [2, 2] = (mean of the first channel, mean of the last).
plain      as tiny.onnx without map and distance, scores [N, 1] = mean of the four pixels in the middle.
opset, operator, domain, nan, int64: what must be refused.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
node, value, tensor = helper.make_node, helper.make_tensor_value_info, helper.make_tensor
here = Path(__file__).parent
graphs = here / "graphs"
casts = here.parent.parent / "src/infer/half"


def write(path, nodes, inputs, outputs, constants=(), opset=18, check=True, domains=()):
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    model.producer_name = ""
    if check:
        onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString())
    print(path.name, path.stat().st_size, "bytes")


ALL_AXES = tensor("all_axes", INT64, [3], [1, 2, 3])
LAST_AXIS = tensor("last_axis", INT64, [1], [1])

nodes, views = [], ["L-CC", "R-CC", "L-MLO", "R-MLO"]
for view in views:
    nodes += [
        node("ReduceMean", [view, "all_axes"], [f"mean-{view}"], keepdims=0),
        node("AveragePool", [view], [f"{view}-map"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
for side, letter in (("right", "R"), ("left", "L")):
    nodes += [
        node("Max", [f"mean-{letter}-CC", f"mean-{letter}-MLO"], [f"{side}-m"]),
        node("Clip", [f"{side}-m", "low", "high"], [f"{side}-p"]),
        node("Sub", ["one", f"{side}-p"], [f"{side}-q"]),
        node("Unsqueeze", [f"{side}-p", "last_axis"], [f"{side}-p1"]),
        node("Unsqueeze", [f"{side}-q", "last_axis"], [f"{side}-q1"]),
        node("Concat", [f"{side}-q1", f"{side}-p1"], [f"{side}-both"], axis=1),
        node("Log", [f"{side}-both"], [side]),
    ]
nodes.append(node("Mean", [f"mean-{view}" for view in views], ["distance"]))
write(
    graphs / "exam.onnx",
    nodes,
    [value(view, FLOAT, ["batch", 1, 8, 8]) for view in views],
    [value("right", FLOAT, ["batch", 2]), value("left", FLOAT, ["batch", 2]), value("distance", FLOAT, ["batch"])]
    + [value(f"{view}-map", FLOAT, ["batch", 1, 4, 4]) for view in views],
    [ALL_AXES, LAST_AXIS]
    + [tensor(n, FLOAT, [], [v]) for n, v in (("low", 1e-6), ("high", 1 - 1e-6), ("one", 1.0))],
)


def means(kind):
    return [
        node("AveragePool", ["image"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
        node("ReduceMean", ["image", "all_axes"], ["mean"], keepdims=0),
        node("Unsqueeze", ["mean", "last_axis"], ["second"]),
        node("Sqrt", ["second"], ["first"]),
        node("Concat", ["first", "second"], ["scores"], axis=1),
    ], [value("image", kind, ["batch", 1, 8, 8])], [
        value("scores", kind, ["batch", 2]),
        value("map", kind, ["batch", 1, 4, 4]),
    ]


write(graphs / "half.onnx", *means(HALF), [ALL_AXES, LAST_AXIS])
for name, start, end, kind in (("to_half", FLOAT, HALF, HALF), ("from_half", HALF, FLOAT, FLOAT)):
    # No shape: any number of axes.
    write(casts / f"{name}.onnx", [node("Cast", ["x"], ["y"], to=kind)], [value("x", start, None)],
          [value("y", end, None)], check=False)

write(
    graphs / "int8.onnx",
    [
        node("QuantizeLinear", ["image", "pixel", "zero_pixel"], ["pixels"]),
        node(
            "QLinearConv",
            ["pixels", "pixel", "zero_pixel", "weights", "weight", "zero_weight", "score", "zero_score"],
            ["quantised"],
        ),
        node("DequantizeLinear", ["quantised", "score", "zero_score"], ["open"]),
        node("Flatten", ["open"], ["scores"]),
    ],
    [value("image", FLOAT, ["batch", 1, 8, 8])],
    [value("scores", FLOAT, ["batch", 2])],
    [
        tensor("pixel", FLOAT, [], [1 / 255]),
        tensor("zero_pixel", TensorProto.UINT8, [], [0]),
        tensor("weights", TensorProto.INT8, [2, 1, 8, 8], [100] * 64 + [50] * 64),
        tensor("weight", FLOAT, [], [1 / 6400]),
        tensor("zero_weight", TensorProto.INT8, [], [0]),
        tensor("score", FLOAT, [], [1 / 255]),
        tensor("zero_score", TensorProto.UINT8, [], [0]),
    ],
)
write(
    graphs / "nhwc.onnx",
    [
        node("ReduceMean", ["image", "places"], ["channels"], keepdims=0),
        node("Gather", ["channels", "ends"], ["logits"], axis=1),
    ],
    [value("image", FLOAT, [2, 8, 8, 3])],
    [value("logits", FLOAT, [2, 2])],
    [tensor("places", INT64, [2], [1, 2]), tensor("ends", INT64, [2], [0, 2])],
)
write(
    graphs / "plain.onnx",
    [
        node("Slice", ["image", "from", "to", "axes"], ["middle"]),
        node("ReduceMean", ["middle", "all_axes"], ["mean"], keepdims=0),
        node("Unsqueeze", ["mean", "last_axis"], ["scores"]),
    ],
    [value("image", FLOAT, ["batch", 1, 8, 8])],
    [value("scores", FLOAT, ["batch", 1])],
    [ALL_AXES, LAST_AXIS]
    + [tensor(n, INT64, [2], v) for n, v in (("from", [2, 2]), ("to", [4, 4]), ("axes", [2, 3]))],
)

# What must be refused. Each is tiny.onnx's scores with one thing wrong.
_, inputs, outputs = means(FLOAT)
scores = lambda extra: [  # noqa: E731
    node("ReduceMean", ["image", "all_axes"], ["mean"], keepdims=0),
    *extra,
    node("Unsqueeze", ["changed", "last_axis"], ["second"]),
    node("Concat", ["second", "second"], ["scores"], axis=1),
]
constants = [ALL_AXES, LAST_AXIS]
write(graphs / "opset.onnx", scores([node("Identity", ["mean"], ["changed"])]), inputs, outputs[:1], constants, 99, False)
write(graphs / "operator.onnx", scores([node("NoSuchOperator", ["mean"], ["changed"])]), inputs, outputs[:1], constants, check=False)
write(
    graphs / "domain.onnx",
    scores([node("Unknown", ["mean"], ["changed"], domain="org.example")]),
    inputs, outputs[:1], constants, check=False, domains=["org.example"],
)
write(graphs / "nan.onnx", scores([node("Div", ["mean", "mean"], ["changed"])]), inputs, outputs[:1], constants)
write(
    graphs / "int64.onnx",
    [
        node("Cast", ["image"], ["numbers"], to=FLOAT),
        node("ReduceMean", ["numbers", "all_axes"], ["changed"], keepdims=0),
        node("Unsqueeze", ["changed", "last_axis"], ["second"]),
        node("Concat", ["second", "second"], ["scores"], axis=1),
    ],
    [value("image", INT64, ["batch", 1, 8, 8])],
    outputs[:1],
    constants,
)

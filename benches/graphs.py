"""Graphs of the size that the field uses, with random weights: DenseNet-121 at 224 px and ResNet-18 at 1024 x 832.

They stand for cost, not for skill: the numbers that leave them mean nothing.
Layouts after Huang et al. 2017 (DenseNet) and He et al. 2016 (ResNet).
Usage: python benches/graphs.py FOLDER  -> FOLDER/densenet121-224/..., FOLDER/resnet18-mammo/... with manifests
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Collects nodes and weights of one feed-forward graph."""

    def __init__(self, seed):
        self.rng, self.nodes, self.weights, self.count = np.random.default_rng(seed), [], [], 0

    def name(self):
        self.count += 1
        return f"t{self.count}"

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op, inputs, **attributes):
        out = self.name()
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def conv(self, x, inputs, outputs, size, stride=1):
        scale = np.sqrt(2 / (inputs * size * size))
        w = self.weight(self.rng.normal(0, scale, (outputs, inputs, size, size)))
        b = self.weight(np.zeros(outputs))
        return self.node("Conv", [x, w, b], kernel_shape=[size] * 2, strides=[stride] * 2, pads=[size // 2] * 4)

    def norm(self, x, channels):
        ones, zeros = self.weight(np.ones(channels)), self.weight(np.zeros(channels))
        return self.node("Relu", [self.node("BatchNormalization", [x, ones, zeros, zeros, ones])])

    def head(self, x, channels, labels):
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        w = self.weight(self.rng.normal(0, 0.01, (channels, labels)))
        return self.node("Sigmoid", [self.node("MatMul", [pooled, w])])

    def save(self, path, output, labels, height, width):
        self.nodes.append(helper.make_node("Identity", [output], ["scores"]))
        graph = helper.make_graph(
            self.nodes, "bench",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, height, width])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", labels])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def densenet121(path):
    g = Graph(1)
    x = g.node("MaxPool", [g.norm(g.conv("image", 1, 64, 7, 2), 64)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels, growth = 64, 32
    for block, layers in enumerate((6, 12, 24, 16)):
        for _ in range(layers):
            y = g.conv(g.norm(x, channels), channels, 4 * growth, 1)
            y = g.conv(g.norm(y, 4 * growth), 4 * growth, growth, 3)
            x = g.node("Concat", [x, y], axis=1)
            channels += growth
        if block < 3:
            x = g.conv(g.norm(x, channels), channels, channels // 2, 1)
            x = g.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            channels //= 2
    g.save(path, g.head(g.norm(x, channels), channels, 1), 1, 224, 224)


def resnet18(path):
    g = Graph(2)
    x = g.node("MaxPool", [g.norm(g.conv("image", 1, 64, 7, 2), 64)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for outputs in (64, 128, 256, 512):
        for step in range(2):
            stride = 2 if step == 0 and outputs != 64 else 1
            y = g.norm(g.conv(x, channels, outputs, 3, stride), outputs)
            y = g.conv(y, outputs, outputs, 3)
            if stride != 1 or channels != outputs:
                x = g.conv(x, channels, outputs, 1, stride)
            x, channels = g.node("Relu", [g.node("Add", [x, y])]), outputs
    g.save(path, g.head(x, channels, 1), 1, 1024, 832)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, make in (("densenet121-224", densenet121), ("resnet18-mammo", resnet18)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / name / "model.onnx"
        make(path)
        print(name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())

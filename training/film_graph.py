"""The graph of a film model, by hand: batch norm folded in, the mirrored film beside the film where it was trained so.

Outputs: `scores` (a probability per label), `cam` (evidence per label and cell), `embedding` (means of every block),
`ood` (distance from the training films; see `distance`).
"""

import json

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from self_test import SEEDS, TOLERANCE, noise

THUMBNAIL = 16


def folded(conv, norm):
    """Weight and bias of a convolution with its batch norm folded in."""
    # In double precision: a channel with next to no variance gets a very large scale.
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = conv.weight.detach().double() * scale[:, None, None, None]
    return weight.numpy(), (norm.bias.detach().double() - norm.running_mean.double() * scale).numpy()


def described(net, images, flip, batch=64):
    """Logits, embedding and what the distance looks at, of uint8 or float pictures, as the graph makes them."""
    net.eval()
    logits, embeddings, thumbnails = [], [], []
    with torch.no_grad():
        for at in range(0, len(images), batch):
            part = np.array(images[at:at + batch])
            x = torch.from_numpy(part).float()
            x = (x / 255 if part.dtype == np.uint8 else x).reshape(len(part), 1, *part.shape[-2:])
            ways = [x, x.flip(3)] if flip else [x]
            made = [net.standardised(way) for way in ways]
            features = [net.features(way) for way in made]
            embedding = sum(torch.cat([f.mean((2, 3)) for f in each], 1) for each in features) / len(ways)
            width = net.head.weight.shape[1]
            logits.append(functional.linear(embedding[:, -width:], net.head.weight[:, :, 0, 0], net.head.bias))
            embeddings.append(embedding)
            thumbnails.append(sum(functional.avg_pool2d(way, way.shape[3] // THUMBNAIL).flatten(1) for way in made) / len(ways))
    return tuple(torch.cat(part).double().numpy() for part in (logits, embeddings, thumbnails))


def distance(embedding, thumbnail, shrink=0.1):
    """Centre and matrix such that the root mean square of (x - centre) @ matrix is the Mahalanobis distance.

    x: embedding and thumbnail, each number to deviation 1; covariance shrunk towards the unit matrix.
    """
    x = np.concatenate([embedding, thumbnail], 1)
    centre, deviation = x.mean(0), x.std(0) + 1e-3
    correlation = np.cov(((x - centre) / deviation).T)
    correlation = (1 - shrink) * correlation + shrink * np.eye(len(correlation))
    return centre, np.linalg.cholesky(np.linalg.inv(correlation)) / deviation[:, None]


def distances(embedding, thumbnail, centre, matrix):
    x = np.concatenate([embedding, thumbnail], 1)
    return np.sqrt(np.square((x - centre) @ matrix).mean(1))


def write(net, setting, keep, centre, matrix, path):
    """ONNX, opset 18, with a free batch axis; only the labels of `keep` are in it."""
    net.eval()
    side, flip = setting["side"], setting["flip"]
    nodes, weights = [], []

    def constant(name, value, kind=np.float32):
        weights.append(numpy_helper.from_array(np.array(value, dtype=kind, order="C"), name))
        return name

    def add(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def convolved(now, name, conv, norm):
        weight, bias = folded(conv, norm)
        pad, kernel = conv.padding[0], conv.kernel_size[0]
        return add("Conv", [now, constant(f"{name}_w", weight), constant(f"{name}_b", bias)], name,
                   kernel_shape=[kernel, kernel], strides=list(conv.stride), pads=[pad] * 4)

    places = constant("places", [2, 3], np.int64)
    rows, columns = constant("rows", [3], np.int64), constant("columns", [2], np.int64)

    def mean(now, name):
        """Rows first: a sum over all pixels at once loses digits."""
        return add("ReduceMean", [add("ReduceMean", [now, rows], f"{name}_of_rows", keepdims=1), columns], name, keepdims=1)

    centred = add("Sub", ["image", mean("image", "mean")], "centred")
    square = mean(add("Mul", [centred, centred], "squares"), "variance")
    deviation = add("Sqrt", [add("Add", [square, constant("least", [1e-4])], "variance_kept")], "deviation")
    now = add("Div", [centred, deviation], "standardised")
    if flip:
        ends = [constant("from_last", [-1], np.int64), constant("to_first", [-2**31], np.int64),
                constant("across", [3], np.int64), constant("backwards", [-1], np.int64)]
        now = add("Concat", [now, add("Slice", [now, *ends], "mirrored")], "both", axis=0)

    def joined(now, name, shape):
        """Mean over the film and its mirror image."""
        if not flip:
            return now
        pair = add("Reshape", [now, constant(f"{name}_pair", [2, -1, *shape], np.int64)], f"{name}_pairs")
        return add("ReduceMean", [pair, constant(f"{name}_axis", [0], np.int64)], f"{name}_mean", keepdims=0)

    cell = side // THUMBNAIL
    small = add("AveragePool", [now], "thumbnails", kernel_shape=[cell, cell], strides=[cell, cell])
    small = joined(add("Flatten", [small], "thumbnails_flat", axis=1), "thumbnail", [THUMBNAIL**2])
    now = add("SpaceToDepth", [now], "deep", blocksize=2)
    now = add("Relu", [convolved(now, "stem", net.stem, net.stem_norm)], "stem_out")
    means = []
    for k, block in enumerate(net.blocks):
        past = now
        if block.past is not None:
            if block.stride > 1:
                past = add("AveragePool", [past], f"block{k}_pool", kernel_shape=[block.stride] * 2, strides=[block.stride] * 2)
            past = convolved(past, f"block{k}_past", block.past, block.past_norm)
        inner = add("Relu", [convolved(now, f"block{k}_first", block.first, block.first_norm)], f"block{k}_inner")
        inner = convolved(inner, f"block{k}_second", block.second, block.second_norm)
        now = add("Relu", [add("Add", [inner, past], f"block{k}_sum")], f"block{k}_out")
        means.append(add("ReduceMean", [now, places], f"block{k}_mean", keepdims=0))
    with torch.no_grad():
        last = net.features(torch.zeros(1, 1, side, side))
    sizes = [f.shape[1] for f in last]
    pooled = joined(means[-1], "pooled", [sizes[-1]])
    embedding = joined(add("Concat", means, "means", axis=1), "all", [sum(sizes)])
    embedding = add("Identity", [embedding], "embedding")
    head = net.head.weight.detach().numpy()[keep]
    bias = net.head.bias.detach().numpy()[keep]
    logits = add("Gemm", [pooled, constant("head_w", head[:, :, 0, 0].T), constant("head_b", bias)], "logits")
    add("Sigmoid", [logits], "scores")
    cells = add("Conv", [now, constant("cell_w", head), "head_b"], "cells", kernel_shape=[1, 1])
    high, wide = last[-1].shape[2:]
    if flip:
        pair = add("Reshape", [cells, constant("cells_pair", [2, -1, len(keep), high, wide], np.int64)], "cells_pairs")
        first = add("Gather", [pair, constant("first", 0, np.int64)], "cells_of_film", axis=0)
        second = add("Gather", [pair, constant("second", 1, np.int64)], "cells_of_mirror", axis=0)
        back = add("Slice", [second, *ends], "cells_turned_back")
        cells = add("Mul", [add("Add", [first, back], "cells_sum"), constant("half", [0.5])], "cells_mean")
    # Evidence that is never negative: grows like the odds below even odds, like the logit above.
    add("Softplus", [cells], "cam")
    x = add("Sub", [add("Concat", [embedding, small], "described", axis=1), constant("centre", centre)], "from_centre")
    x = add("MatMul", [x, constant("whitening", matrix)], "whitened")
    x = add("ReduceMean", [add("Mul", [x, x], "whitened_squares"), constant("one", [1], np.int64)], "squared", keepdims=0)
    add("Sqrt", [x], "ood")
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes, setting["name"], [value("image", TensorProto.FLOAT, ["N", 1, side, side])],
        [value("scores", TensorProto.FLOAT, ["N", len(keep)]), value("cam", TensorProto.FLOAT, ["N", len(keep), high, wide]),
         value("embedding", TensorProto.FLOAT, ["N", sum(sizes)]), value("ood", TensorProto.FLOAT, ["N"])], weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10,
                              producer_name="doubleread training")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return high, wide


def self_test(net, setting, keep, path):
    """What the trained net, run by PyTorch, says of noise; the service compares its own runtime with it."""
    vectors, side = [], setting["side"]
    for seed in SEEDS:
        logits = described(net, noise(seed, side * side).reshape(1, side, side), setting["flip"])[0][0, keep]
        vectors.append({"seed": seed, "scores": [round(float(s), 7) for s in 1 / (1 + np.exp(-logits))]})
    path.write_text(json.dumps({"tolerance": TOLERANCE, "vectors": vectors}, indent=1) + "\n")


class Graph:
    """The written file, run as the service runs it."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, images, batch=16):
        """Scores, maps and distances of pictures, uint8 or float from 0 to 1."""
        parts = []
        for at in range(0, len(images), batch):
            x = np.array(images[at:at + batch])
            x = (x.astype(np.float32) / 255 if x.dtype == np.uint8 else x.astype(np.float32)).reshape(len(x), 1, *x.shape[-2:])
            parts.append(self.session.run(["scores", "cam", "ood"], {"image": x}))
        return tuple(np.concatenate(part) for part in zip(*parts))

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

from film_net import LEAST, FilmNet
from self_test import SEEDS, TOLERANCE, noise

THUMBNAIL = 16


def folded(conv, norm):
    """Weight and bias of a convolution with its batch norm folded in."""
    # In double precision: a channel with next to no variance gets a very large scale.
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = conv.weight.detach().double() * scale[:, None, None, None]
    return weight.numpy(), (norm.bias.detach().double() - norm.running_mean.double() * scale).numpy()


def described(nets, images, flip, batch=64):
    """Logits (their mean over the nets), embedding of the first net and what the distance looks at, of uint8 or float
    pictures, as the graph makes them."""
    logits, embeddings, thumbnails = [], [], []
    for net in nets:
        net.eval()
    with torch.no_grad():
        for at in range(0, len(images), batch):
            part = np.array(images[at:at + batch])
            x = torch.from_numpy(part).float()
            x = (x / 255 if part.dtype == np.uint8 else x).reshape(len(part), 1, *part.shape[-2:])
            ways = [x, x.flip(3)] if flip else [x]
            made, said = [FilmNet.standardised(way) for way in ways], []
            for net in nets:
                features = [net.features(net.seen(way).contiguous(memory_format=torch.channels_last)) for way in ways]
                embedding = sum(torch.cat([f.mean((2, 3)) for f in each], 1) for each in features) / len(ways)
                said.append(functional.linear(embedding[:, -net.head.weight.shape[1]:], net.head.weight[:, :, 0, 0], net.head.bias))
                if net is nets[0]:
                    embeddings.append(embedding)
            logits.append(sum(said) / len(nets))
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


def usual(nets, images, flip, batch=64):
    """What cells of normal films have on the mean, of uint8 pictures: a map per label, as far as it differs from the label's own mean.

    Hearts and diaphragms lie at the same place in everyone, so a cell means something only against the same cell of others.
    """
    total = 0.0
    with torch.no_grad():
        for at in range(0, len(images), batch):
            x = torch.from_numpy(np.array(images[at:at + batch])).float()[:, None] / 255
            x = x.contiguous(memory_format=torch.channels_last)
            cells = sum(net.head(net.features(net.seen(x))[-1]).double().sum(0) for net in nets) / len(nets)
            total = total + ((cells + cells.flip(2)) / 2 if flip else cells)
    mean = total / len(images)
    return (mean - mean.mean((1, 2), keepdim=True)).numpy()


def write(nets, setting, keep, centre, matrix, habit, path):
    """ONNX, opset 18, with a free batch axis; only the labels of `keep` are in it. `habit` is of `usual`, or None."""
    for net in nets:
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
    ends = [constant("from_last", [-1], np.int64), constant("to_first", [-2**31], np.int64),
            constant("across", [3], np.int64), constant("backwards", [-1], np.int64)] if flip else None

    def both(now, mark):
        """The film, and its mirror image besides where the nets were trained with mirrored films."""
        return add("Concat", [now, add("Slice", [now, *ends], f"{mark}mirrored")], f"{mark}both", axis=0) if flip else now

    def evened(parts):
        """As `FilmNet.evened`."""
        around, mark = side // parts | 1, f"even{parts}_"

        def blurred(now, name):
            for part, shape in (("rows", [1, around]), ("all", [around, 1])):
                pads = [size // 2 for size in shape]
                now = add("AveragePool", [now], f"{mark}{name}_of_{part}", kernel_shape=shape, strides=[1, 1], pads=pads * 2, count_include_pad=0)
            return now

        apart = add("Sub", ["image", blurred("image", "around")], f"{mark}apart")
        spread = blurred(add("Mul", [apart, apart], f"{mark}squares"), "spread")
        spread = add("Sqrt", [add("Add", [spread, constant(f"{mark}least", [LEAST])], f"{mark}kept")], f"{mark}root")
        return both(add("Div", [apart, spread], f"{mark}evened"), mark)

    now = both(now, "")

    def joined(now, name, shape):
        """Mean over the film and its mirror image."""
        if not flip:
            return now
        pair = add("Reshape", [now, constant(f"{name}_pair", [2, -1, *shape], np.int64)], f"{name}_pairs")
        return add("ReduceMean", [pair, constant(f"{name}_axis", [0], np.int64)], f"{name}_mean", keepdims=0)

    cell = side // THUMBNAIL
    small = add("AveragePool", [now], "thumbnails", kernel_shape=[cell, cell], strides=[cell, cell])
    small = joined(add("Flatten", [small], "thumbnails_flat", axis=1), "thumbnail", [THUMBNAIL**2])
    deep = {parts: add("SpaceToDepth", [evened(parts) if parts else now], f"even{parts}_deep" if parts else "deep", blocksize=2)
            for parts in sorted({net.even for net in nets})}
    with torch.no_grad():
        last = nets[0].features(torch.zeros(1, 1, side, side))
    sizes, (high, wide) = [f.shape[1] for f in last], last[-1].shape[2:]

    def one(net, mark):
        """Logits and cells of one net; the embedding is the first one's."""
        now = add("Relu", [convolved(deep[net.even], f"{mark}stem", net.stem, net.stem_norm)], f"{mark}stem_out")
        means = []
        for k, block in enumerate(net.blocks):
            past, name = now, f"{mark}block{k}"
            if block.past is not None:
                if block.stride > 1:
                    past = add("AveragePool", [past], f"{name}_pool", kernel_shape=[block.stride] * 2, strides=[block.stride] * 2)
                past = convolved(past, f"{name}_past", block.past, block.past_norm)
            inner = add("Relu", [convolved(now, f"{name}_first", block.first, block.first_norm)], f"{name}_inner")
            inner = convolved(inner, f"{name}_second", block.second, block.second_norm)
            now = add("Relu", [add("Add", [inner, past], f"{name}_sum")], f"{name}_out")
            means.append(add("ReduceMean", [now, places], f"{name}_mean", keepdims=0))
        pooled = joined(means[-1], f"{mark}pooled", [sizes[-1]])
        if net is nets[0]:
            add("Identity", [joined(add("Concat", means, "means", axis=1), "all", [sum(sizes)])], "embedding")
        head, bias = net.head.weight.detach().numpy()[keep], constant(f"{mark}head_b", net.head.bias.detach().numpy()[keep])
        logits = add("Gemm", [pooled, constant(f"{mark}head_w", head[:, :, 0, 0].T), bias], f"{mark}logits")
        cells = add("Conv", [now, constant(f"{mark}cell_w", head), bias], f"{mark}cells", kernel_shape=[1, 1])
        if flip:
            pair = add("Reshape", [cells, constant(f"{mark}cells_pair", [2, -1, len(keep), high, wide], np.int64)], f"{mark}cells_pairs")
            first = add("Gather", [pair, constant(f"{mark}first", 0, np.int64)], f"{mark}cells_of_film", axis=0)
            second = add("Gather", [pair, constant(f"{mark}second", 1, np.int64)], f"{mark}cells_of_mirror", axis=0)
            back = add("Slice", [second, *ends], f"{mark}cells_turned_back")
            cells = add("Mul", [add("Add", [first, back], f"{mark}cells_sum"), constant(f"{mark}half", [0.5])], f"{mark}cells_mean")
        return logits, cells

    marks = [""] if len(nets) == 1 else [f"net{k + 1}_" for k in range(len(nets))]
    logits, cells = zip(*(one(net, mark) for net, mark in zip(nets, marks)))
    if len(nets) > 1:
        part = constant("part", [1 / len(nets)])
        logits, cells = ([add("Mul", [add("Sum", list(of), f"{name}_sum"), part], f"{name}_of_all")] for of, name in
                         ((logits, "logits"), (cells, "cells")))
    logits, cells = logits[0], cells[0]
    add("Sigmoid", [logits], "scores")
    if habit is not None:
        cells = add("Sub", [cells, constant("habit", habit[keep])], "cells_beyond_habit")
    # Evidence that is never negative: grows like the odds below even odds, like the logit above.
    add("Softplus", [cells], "cam")
    x = add("Sub", [add("Concat", ["embedding", small], "described", axis=1), constant("centre", centre)], "from_centre")
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


def self_test(nets, setting, keep, path):
    """What the trained nets, run by PyTorch, says of noise; the service compares its own runtime with it."""
    vectors, side = [], setting["side"]
    for seed in SEEDS:
        logits = described(nets, noise(seed, side * side).reshape(1, side, side), setting["flip"])[0][0, keep]
        vectors.append({"seed": seed, "scores": [round(float(s), 7) for s in 1 / (1 + np.exp(-logits))]})
    path.write_text(json.dumps({"tolerance": TOLERANCE, "vectors": vectors}, indent=1) + "\n")


def by_pytorch(path, setting):
    """Logits of float pictures by PyTorch, with the weights of a written graph of one net."""
    held = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in onnx.load(path).graph.initializer}
    conv = lambda x, name, stride, pad: functional.conv2d(x, held[f"{name}_w"], held[f"{name}_b"], stride, pad)

    def logits(x):
        with torch.no_grad():
            x = torch.from_numpy(np.asarray(x, np.float32))[:, None]
            x = torch.cat([x, x.flip(3)]) if setting["flip"] else x
            x = conv(functional.pixel_unshuffle(FilmNet.standardised(x), 2), "stem", 2, 2).relu()
            for k, (_, stride) in enumerate(setting["blocks"]):
                inner = conv(conv(x, f"block{k}_first", stride, 1).relu(), f"block{k}_second", 1, 1)
                past = functional.avg_pool2d(x, stride) if stride > 1 else x
                past = conv(past, f"block{k}_past", 1, 0) if f"block{k}_past_w" in held else x
                x = (inner + past).relu()
            said = x.mean((2, 3)) @ held["head_w"] + held["head_b"]
            return (sum(said.chunk(2)) / 2 if setting["flip"] else said).double().numpy()

    return logits


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

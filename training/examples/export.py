"""Two models of the field as folders that doubleread takes, with random weights: bring your own.

    python training/examples/export.py FOLDER

writes FOLDER/xrv-densenet121-0.0.0 and FOLDER/four-views-resnet22-0.0.0: model.onnx, manifest.toml, CARD.md, and
self_test.json with what PyTorch itself answers on noise, so that `doubleread model check` is the proof of parity.
To use weights, load them where the comment says so and write thresholds that were chosen on your own data.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from self_test import noise  # noqa: E402

HERE = pathlib.Path(__file__).parent
OPSET = 18


class WithMap(nn.Module):
    """A DenseNet of TorchXRayVision that also says where: the classifier's weights on each place of the last features."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        features = F.relu(self.net.features(image))
        places = F.conv2d(features, self.net.classifier.weight[:, :, None, None], self.net.classifier.bias)
        # The mean of the places is the classifier on the mean of the features.
        return torch.sigmoid(places.mean((2, 3))), places


class Block(nn.Module):
    """Two 3 x 3 convolutions with a short cut, normalised before each (He et al. 2016)."""

    def __init__(self, of, to, stride):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(of), nn.BatchNorm2d(to)
        self.conv1 = nn.Conv2d(of, to, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(to, to, 3, 1, 1, bias=False)
        self.short = nn.Conv2d(of, to, 1, stride, bias=False) if stride > 1 or of != to else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norm1(x))
        z = self.conv1(y)
        return self.conv2(F.relu(self.norm2(z))) + self.short(x)


class Column(nn.Module):
    """22 layers for full-size mammograms: narrow at first (16 maps), five stages that halve, 256 numbers at the end."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 7, 2, 3, bias=False)
        widths = [16, 16, 32, 64, 128, 256]
        blocks = []
        for stage, (of, to) in enumerate(zip(widths, widths[1:])):
            blocks += [Block(of, to, 1 if stage == 0 else 2), Block(to, to, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.BatchNorm2d(256)

    def forward(self, x):
        x = F.max_pool2d(self.first(x), 3, 2, 1)
        return F.relu(self.last(self.blocks(x))).mean((2, 3))


class FourViews(nn.Module):
    """One column for all views; the two views of a breast are joined, and each breast gets a softmax of two classes.

    The form is that of four-view screening models (Wu et al., IEEE TMI 2020: one column shared by the views, views of a
    breast joined late); layers and sizes are our own. Right views come mirrored, so that all breasts look one way.
    """

    def __init__(self):
        super().__init__()
        self.column = Column()
        self.joined = nn.Linear(512, 256)
        self.last = nn.Linear(256, 2)

    def breast(self, cc, mlo):
        both = torch.cat([self.column(cc), self.column(mlo)], 1)
        return self.last(F.relu(self.joined(both)))

    def forward(self, right_cc, left_cc, right_mlo, left_mlo):
        return self.breast(right_cc, right_mlo), self.breast(left_cc, left_mlo)


def settle(net, shape):
    """Random weights whose normalisations fit their inputs, so that numbers neither vanish nor run away."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        for seed in range(2):
            net(*[torch.from_numpy(noise(seed * 10 + n, int(np.prod(s))).reshape(s)) for n, s in enumerate(shape)])
    return net.eval()


def write(folder, net, shapes, names, manifest, card, batch_axis):
    """Writes the folder of a model. `names`: inputs, outputs; the score outputs come first."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs, outputs, scores = names
    example = tuple(torch.zeros(shape) for shape in shapes)
    axes = {name: {0: "batch"} for name in inputs + outputs} if batch_axis else None
    torch.onnx.export(net, example, folder / "model.onnx", input_names=inputs, output_names=outputs, dynamo=False,
                      dynamic_axes=axes, opset_version=OPSET)
    length = sum(int(np.prod(shape)) for shape in shapes)
    vectors = []
    for seed in (1, 2):
        numbers, views = torch.from_numpy(noise(seed, length)), []
        for shape in shapes:
            size = int(np.prod(shape))
            views.append(numbers[:size].reshape(shape))
            numbers = numbers[size:]
        with torch.no_grad():
            answers = net(*views)[:scores]
        vectors.append({"seed": seed, "scores": [float(score) for answer in answers for score in answer[0]]})
    (folder / "self_test.json").write_text(json.dumps({"tolerance": 1e-4, "vectors": vectors}) + "\n")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    text = (HERE / manifest).read_text().replace("SHA256", digest)
    (folder / "manifest.toml").write_text(text)
    (folder / "CARD.md").write_text(card)
    count = sum(p.numel() for p in net.parameters())
    print(f"{folder.name}: {count / 1e6:.2f} M parameters, {(folder / 'model.onnx').stat().st_size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    torch.manual_seed(1)

    import torchxrayvision

    # With weights: DenseNet(weights="densenet121-res224-all"), without the call of settle().
    net = torchxrayvision.models.DenseNet(weights=None)
    shape = (1, 1, 224, 224)
    net = settle(WithMap(net), [shape])
    write(folder / "xrv-densenet121-0.0.0", net, [shape], (["image"], ["scores", "map"], 1), "xrv-densenet121.toml",
          "# TorchXRayVision DenseNet121\n\nTrained on nothing: random weights. Investigational; it shows the form.\n", True)

    shape = (1, 1, 2000, 1600)
    net = settle(FourViews(), [(1, 1, 500, 400)] * 4)
    # With weights: net.load_state_dict(torch.load(...)) in place of settle().
    names = (["R-CC", "L-CC", "R-MLO", "L-MLO"], ["right", "left"], 2)
    write(folder / "four-views-resnet22-0.0.0", net, [shape] * 4, names, "four-views-resnet22.toml",
          "# Four views, 22 layers\n\nTrained on nothing: random weights. Investigational; it shows the form.\n", False)


if __name__ == "__main__":
    main()

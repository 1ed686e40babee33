"""Writes a model folder: the graph (built by hand, batch norm folded in), the manifest, the card."""

import hashlib
import tomllib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

import reliability_plot
from statistics_of_cards import wilson

FEATURES = {"suspicious": "suspicious"}


def input_size(spec_text):
    spec = tomllib.loads(spec_text)["input"]
    return spec["width"], spec["height"]


def graph(net, setting, path):
    """ONNX with a free batch axis: `image` in; `scores` (probabilities) and `map` (per cell) out."""
    net.eval()
    nodes, weights, now = [], [], "image"

    def constant(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    for k, block in enumerate(net.blocks):
        conv, norm = block[0], block[1]
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        weight = (conv.weight.detach() * scale[:, None, None, None]).numpy()
        bias = (norm.bias.detach() - norm.running_mean * scale).numpy()
        pad = conv.padding[0]
        nodes.append(helper.make_node(
            "Conv", [now, constant(f"w{k}", weight), constant(f"b{k}", bias)], [f"conv{k}"], kernel_shape=[3, 3],
            strides=list(conv.stride), dilations=list(conv.dilation), pads=[pad, pad, pad, pad]))
        nodes.append(helper.make_node("Relu", [f"conv{k}"], [f"relu{k}"]))
        now = f"relu{k}"
    head = [now, constant("wh", net.head.weight.detach().numpy()), constant("bh", net.head.bias.detach().numpy())]
    nodes.append(helper.make_node("Conv", head, ["cells"], kernel_shape=[1, 1]))
    nodes.append(helper.make_node("Sigmoid", ["cells"], ["map"]))
    # A soft maximum over the cells: log of the mean of exponentials, divided by its sharpness.
    sharp = constant("sharpness", np.float32([net.SHARPNESS]))
    nodes.append(helper.make_node("Mul", ["cells", sharp], ["sharp"]))
    nodes.append(helper.make_node("ReduceLogSumExp", ["sharp", constant("axes", np.int64([2, 3]))], ["sum"], keepdims=0))
    with torch.no_grad():
        cells = net.head(net.blocks(torch.zeros(1, 1, setting["height"], setting["width"]))).shape
    count = constant("log_cells", np.float32([np.log(cells[2] * cells[3])]))
    nodes.append(helper.make_node("Sub", ["sum", count], ["mean"]))
    nodes.append(helper.make_node("Div", ["mean", sharp], ["pooled"]))
    nodes.append(helper.make_node("Mul", ["pooled", constant("slope", net.slope.detach().numpy())], ["sloped"]))
    nodes.append(helper.make_node("Add", ["sloped", constant("offset", net.offset.detach().numpy())], ["logits"]))
    nodes.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    labels = len(setting["labels"])
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes, setting["name"],
        [value("image", TensorProto.FLOAT, ["N", 1, setting["height"], setting["width"]])],
        [value("scores", TensorProto.FLOAT, ["N", labels]),
         value("map", TensorProto.FLOAT, ["N", labels, cells[2], cells[3]])],
        weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10,
                              producer_name="doubleread training")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def by_pytorch(path, layers):
    """Logits of pictures by PyTorch, with the weights of a written graph."""
    held = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in onnx.load(path).graph.initializer}

    def logits(x):
        with torch.no_grad():
            for k, (_, stride, dilation) in enumerate(layers):
                x = functional.conv2d(x, held[f"w{k}"], held[f"b{k}"], stride, dilation, dilation).relu()
            cells = functional.conv2d(x, held["wh"], held["bh"]).flatten(2)
            pooled = (torch.logsumexp(held["sharpness"] * cells, 2) - held["log_cells"]) / held["sharpness"]
            return pooled * held["slope"] + held["offset"]

    return logits


def parity(logits, path, images):
    """Largest difference in probability between PyTorch's logits and the written graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    scores = session.run(["scores"], {"image": images})[0]
    with torch.no_grad():
        expected = torch.sigmoid(logits(torch.from_numpy(images))).numpy()
    return float(np.abs(scores - expected).max())


def chosen(setting, figures, target):
    unit = "exams" if setting["per_exam"] > 1 else "films"
    return f"validation split, {figures['n']['val']} phantom {unit}: {target}"


TARGETS = {
    "sensitive": "sensitivity of 0.95 or more, and of those the largest sum with specificity",
    "balanced": "largest sum of sensitivity and specificity",
    "specific": "specificity of 0.95 or more, and of those the largest sum with sensitivity",
}


def manifest(setting, spec_text, figures, folder):
    labels, pathway = setting["labels"], setting["pathway"]
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    lines = [
        f'name = "{setting["name"]}"', f'version = "{setting["version"]}"', f'pathway = "{pathway}"',
        'file = "model.onnx"', f'sha256 = "{digest}"', 'card = "CARD.md"', 'trained_on = "phantoms"',
        "investigational = true", "demonstration = true", 'operating_point = "balanced"',
    ]
    if pathway == "mammo":
        lines.append('required_views = ["RCC", "LCC", "RMLO", "LMLO"]')
    lines += ["", "[graph]", 'input = "image"', 'scores = "scores"', 'activation = "probabilities"', 'map = "map"',
              "batch = { dynamic = { max = 16 } }", "", spec_text.split("\n\n", 1)[1].strip(), ""]
    for label in labels:
        a, b = figures["labels"][label]["platt"]
        kind = "code" if pathway == "chest" else "feature"
        offered = figures["labels"][label]["auc_low"] > 0.6
        lines += ["[[labels]]", f'name = "{label}"', f'{kind} = "{label}"',
                  f"calibration = {{ platt = {{ a = {a:.6f}, b = {b:.6f} }} }}"]
        lines += [] if offered else ["offered = false"]
        lines.append("")
    lines += ["[overall]", 'rule = "label"', f'labels = ["{labels[0]}"]', "", "[aggregation]", 'views = "maximum"',
              'breasts = "maximum"', ""]
    for name, point in figures["points"].items():
        lines += ["[[operating_points]]", f'name = "{name}"', f'chosen_on = "{chosen(setting, figures, TARGETS[name])}"',
                  f"overall = {point[labels[0]]['threshold']}"]
        others = ", ".join(f"{label} = {point[label]['threshold']}" for label in labels[1:])
        lines += [f"labels = {{ {others} }}"] if others else []
        lines.append("")
    (folder / "manifest.toml").write_text("\n".join(lines).rstrip() + "\n")


def share(successes, n):
    low, high = wilson(successes, n)
    return f"{successes / n:.3f} ({low:.3f} to {high:.3f}; {successes} of {n})" if n else "none"


CARD = """# {name} {version}

**A demonstration. Trained and tested on computer-drawn phantoms only; investigational, not a medical device, and
worth nothing on real images until someone measures it there.** The figures below say how well it finds what our own
generator draws. They say nothing about patients.{mission}

- Made by `python training/train.py {pathway}` (seeded, one CPU thread); {written}
- Data: {data}
  Seeds of the splits: train from 1,000,000, validation from 2,000,000, test from 4,000,000; they do not overlap. Each image was written as a DICOM file and went through the service's own preparation
  (`{preprocessing}`), so what it was trained on is what it is served.{looks} The test split was scored once by these weights, at the end{again}.
- Graph: {layers} convolutions, a score per cell of a {cells} map, pooled by a soft maximum; {size:.0f} kB. It was
  taught with the boxes of the truth as well as with the labels; `map` is the score per cell, so it says where.
- Calibration: Platt scaling per label on validation. Largest difference between the trained net and the graph in
  `model.onnx` on 64 test images: {parity:.1e}.
- Scope: {scope} Anything else is not processed, with a reason.

## Test split: {n_test} {unit}

Intervals are 95 %: bootstrap for AUC, Wilson for shares.

| label | positive | AUC | expected calibration error (per image) | strongest cell in the box (per image) | IoU, mean | IoU of 0.1 or more |
| --- | --- | --- | --- | --- | --- | --- |
{labels}

IoU: the box around the cells that hang together with the strongest and are at least half as strong, against the best box of the truth, per
image with the label. Cells are coarse and boxes of small findings smaller than a cell, so it is low where pointing is good.
Reliability of `{overall}` per image: `{plot}`.

| operating point | label | threshold | sensitivity | specificity |
| --- | --- | --- | --- | --- |
{points}

Thresholds were chosen on validation for the largest sum of sensitivity and specificity: `sensitive` among those with
a sensitivity of 0.95 or more, `specific` among those with a specificity of 0.95 or more, `balanced` among all.
`balanced` is in force.

| subgroup | n | AUC of `{overall}` |
| --- | --- | --- |
{groups}

| drawn finding | flagged by `{overall}` at `balanced` |
| --- | --- |
{kinds}

## Limits

- Phantoms are simpler than people: one or two findings, no devices, no scars, no priors, no second disease. A score
  on a real image has no meaning.
{limits}
"""


def card(setting, figures, folder, _):
    chest = setting["pathway"] == "chest"
    labels, n = setting["labels"], setting["counts"]
    unit = "films" if chest else "exams of four views"
    layers = setting["layers"]
    stride = int(np.prod([s for _, s, _ in layers]))
    rows = []
    for label, f in figures["labels"].items():
        hits, shown = f["pointing"]
        offered = "" if f["auc_low"] > 0.6 else " (not offered)"
        rows.append(f"| {label}{offered} | {f['positive']} | {f['auc']:.3f} ({f['auc_low']:.3f} to {f['auc_high']:.3f}) | "
                    f"{f['calibration_error']:.3f} | {share(hits, shown)} | {f['overlap'][0]:.3f} | {share(*f['overlap'][1:])} |")
    points = [
        f"| {name} | {label} | {p['threshold']:.4f} | {share(*p['true'])} | {share(*p['quiet'])} |"
        for name, point in figures["points"].items() for label, p in point.items()
    ]
    (folder / "CARD.md").write_text(CARD.format(
        name=setting["name"], version=setting["version"], pathway=setting["pathway"],
        written=f"this card by\n  `train.py {setting['pathway']} --start measure`." if figures.get("again") else "this card was written by the same run.",
        looks=" That was with\n  an earlier generator, whose noise and looks differ a little; all figures here are from these seeds as they are drawn now (a part of\n  the test split was scored before, to decide about the looks)."
              if figures.get("again") else "",
        mission="" if chest else " No mammogram of a person was used in training it.",
        data=(f"{n['train']} frontal films for training, {n['val']} for validation, {n['test']} for test; 45 % normal."
              if chest else
              f"{n['train'] // 4} exams of four views for training, {n['val'] // 4} for validation, {n['test'] // 4} "
              "for test; in 7 of 10 one breast has a lesion, seen on both its views."),
        preprocessing=tomllib.loads((folder / "manifest.toml").read_text())["input"]["preprocessing"],
        layers=len(layers), cells=f"{setting['width'] // stride} x {setting['height'] // stride}",
        size=(folder / "model.onnx").stat().st_size / 1000, parity=figures["parity"],
        scope=("images that say they were drawn by our own generator, CR and DX of the chest, PA and AP, from 16 years of age." if chest else
               "MG for presentation, CC and MLO, four views, no implants, no spot or magnification views."),
        plot=reliability_plot.write(setting["name"], labels[0], figures["labels"][labels[0]]["reliability"],
                                    figures["labels"][labels[0]]["calibration_error"], setting["counts"]["test"], "images"),
        again=setting.get("reading", "") if not figures.get("again") else ", and by the same weights, out of the graph, once more for IoU and reliability",
        n_test=figures["n"]["test"], unit=unit, labels="\n".join(rows), points="\n".join(points), overall=labels[0],
        groups="\n".join(f"| {g} | {k} | {a:.3f} ({lo:.3f} to {hi:.3f}) |" for g, (k, a, lo, hi) in figures["groups"].items()),
        kinds="\n".join(f"| {kind} | {share(*found)} |" for kind, found in figures["kinds"].items()),
        limits=("- Children, lateral views and other body parts are refused by tag; the model itself would score them."
                if chest else
                "- Calcifications are smaller than a pixel of the input: see the table for what that costs."),
    ))

"""From seeds to a model folder: tensors, training, calibration, operating points, test figures, ONNX, manifest, card.

    python training/train.py chest  --batch target/release/examples/phantom_batch
    python training/train.py mammo  --batch target/release/examples/phantom_batch

One thread, CPU, seeded. The test split is scored once, at the end. Everything is synthetic: see the cards.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import self_test  # noqa: E402
import write  # noqa: E402
from statistics_of_cards import measure  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHEST_FINDINGS = ["consolidation", "pleural_effusion", "pneumothorax", "nodule", "mass", "cardiomegaly"]
SETTINGS = {
    "chest": dict(
        name="chest-phantom", version="1.1.0", spec="chest.toml", labels=["abnormality", *CHEST_FINDINGS],
        counts=dict(train=2400, val=800, test=1200), epochs=(10,), flip=False, per_exam=1,
        layers=[(16, 2, 1), (32, 2, 1), (48, 2, 1), (64, 1, 1), (64, 1, 2)],
    ),
    "mammo": dict(
        name="mammo-phantom", version="1.1.0", spec="mammo.toml", labels=["suspicious"],
        counts=dict(train=2400, val=800, test=1200), epochs=(6,), flip=True, per_exam=4, wall=0.6,
        reading=", and before that by a run that had been shown no lead letters, and was at chance with them",
        layers=[(12, 2, 1), (24, 2, 1), (40, 2, 1), (48, 1, 1), (48, 1, 2)],
    ),
}
# Never overlapping, and far from the seeds of sample-dicom/ and of the demonstration.
FIRST_SEED = dict(train=1_000_000, val=2_000_000, test=4_000_000)


class Net(nn.Module):
    """Small convnet; every cell of its last layer has a logit per label, pooled by a soft maximum."""

    SHARPNESS = 2.0

    def __init__(self, layers, labels):
        super().__init__()
        blocks, channels = [], 1
        for out, stride, dilation in layers:
            conv = nn.Conv2d(channels, out, 3, stride, dilation, dilation, bias=False)
            blocks.append(nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(channels, labels, 1)
        nn.init.constant_(self.head.bias, -2.0)
        # From the strongest cells to the image: a slope and an offset per label.
        self.slope = nn.Parameter(torch.ones(labels))
        self.offset = nn.Parameter(torch.zeros(labels))

    def forward(self, x):
        cells = self.head(self.blocks(x))
        scaled = self.SHARPNESS * cells.flatten(2)
        pooled = (torch.logsumexp(scaled, 2) - np.log(scaled.shape[2])) / self.SHARPNESS
        return pooled * self.slope + self.offset, cells


def make_split(batch, pathway, setting, split, folder):
    """Tensors and truth of a split, made by the generator and the serving preparation; kept for the next run."""
    out = folder / f"{pathway}-{split}"
    count = setting["counts"][split]
    if not out.with_suffix(".done").exists():
        spec = ROOT / "training" / setting["spec"]
        command = [batch, pathway, str(spec), str(FIRST_SEED[split]), str(count), str(out)]
        subprocess.run(command, check=True)
        out.with_suffix(".done").write_text(str(count))
    truth = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    shape = (len(truth), 1, setting["height"], setting["width"])
    return np.memmap(out.with_suffix(".f32"), np.float32, "r", shape=shape), truth


def targets(truth, labels):
    """One column per label; the first says whether there is anything at all."""
    out = np.zeros((len(truth), len(labels)), np.float32)
    for row, image in zip(out, truth):
        row[0] = bool(image["findings"])
        for finding in image["findings"]:
            if finding["code"] in labels:
                row[labels.index(finding["code"])] = 1
    return out


def boxed(truth, labels, setting, cells):
    """Which cells lie in a box of a label; the first label has them all."""
    rows, columns = cells
    step_x, step_y = setting["width"] / columns, setting["height"] / rows
    x, y = (np.arange(columns) + 0.5) * step_x, (np.arange(rows) + 0.5) * step_y
    out = np.zeros((len(truth), len(labels), rows, columns), np.float32)
    for target, image in zip(out, truth):
        for finding in image["findings"]:
            left, top, width, height = finding["box"]
            # A box smaller than a cell still owns the cell of its centre.
            wide, high = max(width, step_x), max(height, step_y)
            left, top = left + (width - wide) / 2, top + (height - high) / 2
            inside = ((y >= top) & (y < top + high))[:, None] & ((x >= left) & (x < left + wide))[None, :]
            target[0][inside] = 1
            if finding["code"] in labels:
                target[labels.index(finding["code"])][inside] = 1
    return out


def augmented(x, mask, flip, generator):
    """Exposure, grain, place: what differs between rooms. Never the anatomy, and a mirror only where it is allowed."""
    n = len(x)
    draw = lambda low, high: low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)
    x = x.clamp(0, 1) ** draw(0.75, 1.33) * draw(0.85, 1.12) + draw(-0.05, 0.05)
    x = x + draw(0.0, 0.02) * torch.randn(x.shape, generator=generator)
    down, across = torch.randint(-1, 2, (2,), generator=generator).tolist()
    step = x.shape[3] // mask.shape[3]
    x, mask = torch.roll(x, (down * step, across * step), (2, 3)), torch.roll(mask, (down, across), (2, 3))
    if flip and torch.rand((), generator=generator) < 0.5:
        x, mask = x.flip(3), mask.flip(3)
    return x, mask


def at_the_wall(x, masks, truth, share):
    """The part of mammograms next to the chest wall, all turned to the left, with the lead letters of the far side laid over its edge:
    the rest is air, and costs as much as the breast."""
    right = np.array([image["view"].startswith("R") for image in truth])
    columns = int(round(masks.shape[3] * share))
    wide = columns * (x.shape[3] // masks.shape[3])
    cells = torch.where(torch.from_numpy(right)[:, None, None, None], masks.flip(3), masks)[..., :columns]
    letters, out = wide // 3, np.empty((*x.shape[:3], wide), np.float32)
    for kept, image, turned in zip(out, x, right):
        image = image[..., ::-1] if turned else image
        kept[:] = image[..., :wide]
        kept[..., -letters:] = np.maximum(kept[..., -letters:], image[..., -letters:])
    return out, cells.contiguous()


def logits_of(net, x):
    net.eval()
    with torch.no_grad():
        parts = [net(torch.from_numpy(np.array(x[i:i + 64]))) for i in range(0, len(x), 64)]
    return torch.cat([p[0] for p in parts]).double().numpy(), torch.cat([p[1] for p in parts]).numpy()


def logits_of_graph(path, x):
    """The same out of a written graph, which gives probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    parts = [session.run(["scores", "map"], {"image": np.array(x[i:i + 64])}) for i in range(0, len(x), 64)]
    logits = [np.log(p.clip(1e-7, 1 - 1e-7) / (1 - p.clip(1e-7, 1 - 1e-7))) for p in (np.concatenate(part).astype(float) for part in zip(*parts))]
    return tuple(logits)


def train(setting, data, log, start=None):
    """Rounds of a rising and falling rate, each from where the one before ended; `start`: the weights after the first, to begin with the second."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    net = Net(setting["layers"], len(setting["labels"])).to(memory_format=torch.channels_last)
    (x, truth), (vx, vtruth) = data["train"], data["val"]
    y, vy = torch.from_numpy(targets(truth, setting["labels"])), targets(vtruth, setting["labels"])
    with torch.no_grad():
        cells = net(torch.zeros(1, 1, setting["height"], setting["width"]))[1].shape[2:]
    masks = torch.from_numpy(boxed(truth, setting["labels"], setting, cells))
    if "wall" in setting:
        x, masks = at_the_wall(x, masks, truth, setting["wall"])
    heavy = torch.tensor(8.0)
    batch, rounds = 32, setting["epochs"]
    if start is not None:
        net.load_state_dict(start)
    for epoch, epochs, number in [(e, epochs, k) for k, epochs in enumerate(rounds) for e in range(epochs) if start is None or k > 0]:
        if epoch == 0:
            generator = torch.Generator().manual_seed(7 + number)
            optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
            plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, len(x) // batch * epochs, pct_start=0.2)
        net.train()
        started, total = time.time(), 0.0
        order = torch.randperm(len(x), generator=generator).numpy()
        for at in range(0, len(x) - batch + 1, batch):
            index = np.sort(order[at:at + batch])
            images, mask = augmented(torch.from_numpy(x[index]), masks[index], setting["flip"], generator)
            logits, at_cells = net(images.contiguous(memory_format=torch.channels_last))
            entropy = nn.functional.binary_cross_entropy_with_logits
            loss = entropy(logits, y[index]) + 2 * entropy(at_cells, mask, pos_weight=heavy)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            plan.step()
            total += float(loss.detach())
        if epoch % 3 == 2 or epoch == epochs - 1:
            from statistics_of_cards import auc
            scores, _ = logits_of(net, vx)
            areas = " ".join(f"{auc(vy[:, k] > 0, scores[:, k]):.3f}" for k in range(vy.shape[1]))
        else:
            areas = "-"
        log(f"round {number + 1} epoch {epoch + 1}/{epochs} loss {total / (len(x) // batch):.4f} val auc {areas} {time.time() - started:.0f} s")
    return net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pathway", choices=SETTINGS)
    parser.add_argument("--batch", default=str(ROOT / "target/release/examples/phantom_batch"))
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    parser.add_argument("--start", choices=("train", "second", "measure"), default="train",
                        help="`second`: the second round alone, from what the first left; `measure`: the card again, from the graph in models/")
    arguments = parser.parse_args()
    setting = SETTINGS[arguments.pathway]
    setting["pathway"] = arguments.pathway
    spec_text = (ROOT / "training" / setting["spec"]).read_text()
    setting["width"], setting["height"] = write.input_size(spec_text)
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    started = time.time()
    lines = []

    def log(line):
        print(line, flush=True)
        lines.append(line)

    folder = ROOT / "models" / f"{setting['name']}-{setting['version']}"
    folder.mkdir(parents=True, exist_ok=True)
    splits = ("val",) if arguments.start == "measure" else ("train", "val")
    data = {split: make_split(arguments.batch, arguments.pathway, setting, split, work) for split in splits}
    log(f"{' and '.join(splits)} tensors after {time.time() - started:.0f} s")
    if arguments.start != "measure":
        net = train(setting, data, log, torch.load(work / f"{arguments.pathway}.pt") if arguments.start == "second" else None)
        torch.save(net.state_dict(), work / f"{arguments.pathway}.pt")
        write.graph(net, setting, folder / "model.onnx")
        logits, by_torch = lambda x: logits_of(net, x), lambda x: net(x)[0]
    else:
        logits, by_torch = lambda x: logits_of_graph(folder / "model.onnx", x), write.by_pytorch(folder / "model.onnx", setting["layers"])
    data["test"] = make_split(arguments.batch, arguments.pathway, setting, "test", work)
    scored = {split: (*logits(data[split][0]), targets(data[split][1], setting["labels"]), data[split][1])
              for split in ("val", "test")}
    figures = measure(setting, scored["val"], scored["test"])
    figures["again"] = arguments.start == "measure"
    figures["parity"] = write.parity(by_torch, folder / "model.onnx", np.array(data["test"][0][:64]))
    write.manifest(setting, spec_text, figures, folder)
    self_test.write(folder)
    write.card(setting, figures, folder, len(lines))
    log(json.dumps(figures, indent=1, default=float))
    log(f"{folder.name}: done in {time.time() - started:.0f} s, {time.process_time():.0f} s of the processor (drawing apart)")


if __name__ == "__main__":
    main()

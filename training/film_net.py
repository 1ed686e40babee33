"""The network of the film models, what its training changes on a picture, and the training itself.

A narrow residual net; every picture is first brought to mean 0 and deviation 1, so that exposure says nothing, or, where a net is
`even`, a part of it at a time.
A 1 x 1 convolution gives a logit per label and cell; their mean is the label's logit, so the cells say where.
"""

import copy
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from films import smaller
from statistics_of_cards import auc


# What an even net divides by at least, squared; of greys from 0 to 1.
LEAST = 1e-3


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way past them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.stride, self.past = stride, None
        if inputs != outputs or stride != 1:
            self.past = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.past_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, x):
        past = x
        if self.past is not None:
            past = functional.avg_pool2d(x, self.stride) if self.stride > 1 else x
            past = self.past_norm(self.past(past))
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + past)


class FilmNet(nn.Module):
    """`widths[0]` channels at a quarter of the size, then one block per (channels, stride)."""

    def __init__(self, widths, blocks, labels, auxiliary, dropout, even=0):
        super().__init__()
        self.even = even
        self.stem = nn.Conv2d(4, widths, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths)
        made, channels = [], widths
        for outputs, stride in blocks:
            made.append(Block(channels, outputs, stride))
            channels = outputs
        self.blocks = nn.ModuleList(made)
        self.head = nn.Conv2d(channels, labels, 1)
        self.auxiliary = nn.Linear(channels, auxiliary) if auxiliary else None
        self.dropout = dropout

    @staticmethod
    def standardised(x):
        centred = x - x.mean((2, 3), keepdim=True)
        return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-4).sqrt()

    @staticmethod
    def evened(x, parts):
        """Each pixel against the mean and deviation of what lies around it: a square, `parts` of which are as wide as the picture."""
        around = x.shape[2] // parts | 1

        def blurred(x):
            x = functional.avg_pool2d(x, (1, around), 1, (0, around // 2), count_include_pad=False)
            return functional.avg_pool2d(x, (around, 1), 1, (around // 2, 0), count_include_pad=False)

        centred = x - blurred(x)
        return centred / (blurred(centred.square()) + LEAST).sqrt()

    def seen(self, x):
        """What this net is shown of pictures from 0 to 1."""
        return self.evened(x, self.even) if self.even else self.standardised(x)

    def features(self, x):
        """What each block leaves, of pictures as `seen`."""
        x = functional.relu(self.stem_norm(self.stem(functional.pixel_unshuffle(x, 2))))
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out

    def forward(self, x):
        last = self.features(self.seen(x))[-1]
        pooled = functional.dropout(last.mean((2, 3)), self.dropout, self.training)
        logits = functional.linear(pooled, self.head.weight[:, :, 0, 0], self.head.bias)
        return (logits, self.auxiliary(pooled)) if self.auxiliary is not None else (logits, None)


def changed(x, flip, generator, strength=1.0):
    """What differs between rooms and children that don't lie still; never what the label is about. 0 to 1 in and out."""
    n, side = len(x), x.shape[2]

    def draw(low, high, still=0.0):
        return still + strength * (low - still + (high - low) * torch.rand(n, generator=generator))

    angle, turn = draw(-0.22, 0.22), torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    wide, high = draw(0.82, 1.12, 1.0), draw(0.82, 1.12, 1.0)
    turn = turn if flip else torch.ones(n)
    shear = draw(-0.08, 0.08)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    theta = torch.stack([
        torch.stack([turn * wide * cosine, -high * sine + shear, draw(-0.09, 0.09)], 1),
        torch.stack([turn * wide * sine, high * cosine, draw(-0.09, 0.09)], 1)], 1)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="zeros", align_corners=False)
    each = lambda low, high, still=0.0: draw(low, high, still)[:, None, None, None]
    low, top = each(-0.05, 0.12), each(0.8, 1.05, 1.0)
    x = ((x - low) / (top - low)).clamp(0, 1) ** torch.exp(each(-0.45, 0.45))
    # Some were kept smaller, or are less sharp.
    soft = torch.rand(n, generator=generator) < 0.25 * strength
    if soft.any():
        half = functional.interpolate(x[soft], scale_factor=0.5, mode="bilinear", antialias=True, align_corners=False)
        x[soft] = functional.interpolate(half, (side, side), mode="bilinear", align_corners=False)
    x = x + each(0.0, 0.035) * torch.randn(x.shape, generator=generator)
    # A patch of something that hides a part: an arm, a tube, a label.
    for k in torch.nonzero(torch.rand(n, generator=generator) < 0.35 * strength).flatten().tolist():
        size = torch.randint(side // 10, side // 3, (2,), generator=generator).tolist()
        top, left = (int(torch.randint(0, side - s, (1,), generator=generator)) for s in size)
        x[k, :, top:top + size[0], left:left + size[1]] = torch.rand(1, generator=generator)
    return x.clamp(0, 1)


def logits_of(net, images, side, flip, batch=64):
    """Logits of uint8 pictures; with `flip` the mean of the picture and its mirror image."""
    net.eval()
    out = []
    with torch.no_grad():
        for at in range(0, len(images), batch):
            x = torch.from_numpy(np.array(images[at:at + batch]))[:, None].float() / 255
            x = x.contiguous(memory_format=torch.channels_last)
            logits = net(x)[0]
            out.append((logits + net(x.flip(3))[0]) / 2 if flip else logits)
    return torch.cat(out).double().numpy()


def areas_of(films, source, places, logits, labels):
    """AUC per label on a part of validation; and the log loss of the first label, which still moves where an AUC is full."""
    truth, out = films.truth[places], {}
    for k, label in enumerate(films.labels):
        known = ~np.isnan(truth[:, k])
        there = truth[known, k] > 0
        name = f"{label} in {source}" if source else label
        if label in labels and there.any() and not there.all():
            out[name] = round(float(auc(there, logits[known, k])), 4)
        if label == labels[0] and known.any():
            wrong = np.where(there, -logits[known, k], logits[known, k])
            out[f"log loss of {name}"] = round(float(np.logaddexp(0, wrong).mean()), 4)
    return out


def areas(films, parts, net, side, flip, labels):
    """The same of a net, each part by itself."""
    out = {}
    for source, places, shown in parts:
        out |= areas_of(films, source, places, logits_of(net, shown, side, flip), labels)
    return out


def new_net(setting, films):
    """A net of a setting, for the labels of a set."""
    return FilmNet(setting["stem"], setting["blocks"], len(films.labels), films.auxiliary.shape[1], setting["dropout"], setting.get("even", 0))


def begun(net, start):
    """Takes over what a net trained before knows, but for heads of other labels."""
    own = net.state_dict()
    net.load_state_dict({name: start[name] if name in start and start[name].shape == value.shape else value for name, value in own.items()})


def train(setting, films, log, weights_at, phases, start=None, called=""):
    """Phases of growing size; an average of the weights runs along and is what is kept. Returns it and its ladder."""
    torch.manual_seed(setting["seed"])
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(setting["seed"])
    net = new_net(setting, films)
    if start is not None:
        begun(net, start)
    net = net.to(memory_format=torch.channels_last)
    mean_net = copy.deepcopy(net)
    weight = torch.tensor([setting["weights"].get(label, 1.0) for label in films.labels])
    truth, auxiliary = torch.from_numpy(films.truth), torch.from_numpy(films.auxiliary)
    places = films.of("train")
    watched = [(source, films.of("val", source)) for source in setting.get("sources", [None])]
    ladder, batch, step = [], setting["batch"], 0
    for number, (side, epochs, peak) in enumerate(phases):
        images = smaller(films.images[places], side)
        shown = [(source, part, smaller(films.images[part], side)) for source, part in watched]
        ways = lambda of, flip: areas(films, shown, of, side, flip, setting["watch"])
        per_epoch = len(places) // batch
        optimiser = torch.optim.AdamW(net.parameters(), peak, weight_decay=setting["decay"])
        plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, per_epoch * epochs, pct_start=0.15, final_div_factor=200)
        for epoch in range(epochs):
            net.train()
            started, total = time.time(), 0.0
            order = torch.randperm(len(places), generator=generator).numpy()
            for at in range(0, per_epoch * batch, batch):
                index = order[at:at + batch]
                x = changed(torch.from_numpy(images[index])[:, None].float() / 255, setting["flip"], generator, setting.get("strength", 1.0))
                wanted, beside = truth[places[index]], auxiliary[places[index]]
                known = ~wanted.isnan()
                wanted = torch.where(known, wanted, 0.5)
                wanted = wanted * (1 - setting["smoothing"]) + setting["smoothing"] / 2
                if torch.rand((), generator=generator) < setting["mixup"]:
                    # Two pictures through one another, and their labels likewise.
                    part, other = 0.5 + 0.5 * torch.rand((), generator=generator), torch.arange(batch - 1, -1, -1)
                    x, wanted = part * x + (1 - part) * x[other], part * wanted + (1 - part) * wanted[other]
                    beside, known = part * beside + (1 - part) * beside[other], known & known[other]
                logits, said = net(x.contiguous(memory_format=torch.channels_last))
                entropy = functional.binary_cross_entropy_with_logits
                loss = (entropy(logits, wanted, reduction="none") * weight * known).sum() / (batch * weight.sum())
                if said is not None:
                    asked = ~beside.isnan()
                    loss = loss + 0.05 * (entropy(said, beside.nan_to_num(0.5), reduction="none") * asked).mean()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 2.0)
                optimiser.step()
                plan.step()
                step += 1
                keep = min(setting["average"], (1 + step) / (20 + step))
                with torch.no_grad():
                    for kept, new in zip(mean_net.state_dict().values(), net.state_dict().values()):
                        kept.lerp_(new, 1 - keep) if kept.is_floating_point() else kept.copy_(new)
                total += float(loss.detach())
            line = f"phase {number + 1} ({side} px) epoch {epoch + 1}/{epochs} loss {total / per_epoch:.4f}"
            line += f" val {ways(mean_net, False)}"
            torch.save(mean_net.state_dict(), weights_at)
            log(f"{called}{line} {time.time() - started:.0f} s")
        name = f"{called}{side} px, {epochs} epochs"
        ladder.append((f"{name}: last weights", ways(net, False)))
        ladder.append((f"{name}: averaged weights", ways(mean_net, False)))
        if setting["flip"]:
            ladder.append((f"{name}: averaged weights, mirrored film besides", ways(mean_net, True)))
        for entry in ladder[-3 if setting["flip"] else -2:]:
            log(f"ladder {entry}")
    mean_net.eval()
    return mean_net, ladder

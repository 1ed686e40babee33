"""Steps that were tried for the adult model and are not in it, each against the same net at 64 px, judged on validation alone.

    python training/adult_ladder.py plain        the first phase of net 2 of chest-adult: what the others are held against
    python training/adult_ladder.py unlabelled   begins with a net taught without labels on all films of training (VICReg), adults and children
    python training/adult_ladder.py masks        begins with a net taught lesions pasted into normal films, where each is by its exact mask
    python training/adult_ladder.py pasted       normal films with pasted lesions as further films of training, as many as a third of the normal
    python training/adult_ladder.py lungs        what lies outside the lungs is dimmed, in training and in validation
    python training/adult_ladder.py distilled    labels mixed with what the two nets of chest-adult say of the films of training
    python training/adult_ladder.py sheet        var/training/adult-ladder.png: lungs and pasted lesions, to look at
    python training/adult_ladder.py card         the table of all of them, into the card of chest-adult

Supervised epochs are the same everywhere: 6 at 64 px. `--seed`: 52, that of the model's net 2, or another. Test is never read.
Figures are kept in training/adult_ladder.json; one thread, CPU, seeded.
"""

import argparse
import json
import math
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

import film_card
import film_graph
import film_net
import film_report
from film_model import SETTINGS
from films import ROOT, Films, smaller

SIDE, PHASES = 64, [(64, 6, 4e-3)]
KEPT = ROOT / "training/adult_ladder.json"
TOLD = {
    "plain": "nothing besides",
    "unlabelled": "begun without labels (VICReg, 4 epochs, films of adults and children)",
    "masks": "begun with pasted lesions and their masks (8 epochs)",
    "pasted": "films with pasted lesions besides",
    "lungs": "all but the lungs dimmed",
    "distilled": "labels mixed with what the two nets of this card say",
}
LESIONS = ["Nodule", "Mass", "Consolidation", "Effusion", "Pneumothorax"]


def lungs_of(pictures):
    """Soft masks of the lungs, 0 to 1, of uint8 pictures of 64 px: what is dark in two ovals, where lungs are."""
    x = torch.from_numpy(np.array(pictures))[:, None].float() / 255
    smooth = functional.avg_pool2d(functional.pad(x, [2] * 4, mode="replicate"), 5, 1)
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    ovals = [((rows - 30) / 24) ** 2 + ((columns - middle) / 13) ** 2 for middle in (19, 45)]
    place = torch.sigmoid(6 * (1 - torch.minimum(*ovals)))[None, None]
    # Darker than halfway between the dark and the bright of the middle of the film.
    inner = smooth[:, :, 8:56, 6:58].flatten(2)
    dark, bright = inner.quantile(0.15, 2)[..., None, None], inner.quantile(0.85, 2)[..., None, None]
    mask = place * torch.sigmoid(8 * ((dark + bright) / 2 - smooth) / (bright - dark + 0.05))
    return functional.avg_pool2d(functional.pad(mask, [1] * 4, mode="replicate"), 3, 1)[:, 0].numpy()


def lesion(kind, lungs, rng):
    """What a lesion adds to the grey of a film (of 1), and its mask, 64 px; None where there is no lung for it."""
    inside = lungs > 0.5
    if inside.sum() < 150:
        return None
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    places = np.argwhere(inside)
    row, column = places[rng.integers(len(places))]
    rough = np.asarray(Image.fromarray(rng.normal(size=(9, 9)).astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    turn, wide = rng.uniform(0, math.pi), rng.uniform(0.7, 1.4)
    along = (rows - row) * math.cos(turn) + (columns - column) * math.sin(turn)
    across = (columns - column) * math.cos(turn) - (rows - row) * math.sin(turn)
    far = np.hypot(along * wide, across / wide)
    # The side of the film that the chosen place is on.
    half = (columns < SIDE / 2) == (column < SIDE / 2)
    if kind == "Nodule":
        shape, strength = np.exp(-(far / rng.uniform(1.2, 2.2)) ** 2), rng.uniform(0.08, 0.2)
    elif kind == "Mass":
        shape, strength = 1 / (1 + np.exp(1.5 * (far * (1 + 0.25 * rough) - rng.uniform(3, 6)))), rng.uniform(0.1, 0.25)
    elif kind == "Consolidation":
        shape, strength = np.clip(1 - far / rng.uniform(8, 15), 0, 1) ** 0.5 * np.clip(0.7 + 0.5 * rough, 0, 1) * lungs, rng.uniform(0.12, 0.3)
    elif kind == "Effusion":
        own = np.argwhere(inside & half)
        bottom, middle = np.percentile(own[:, 0], 97), own[:, 1].mean()
        outwards = np.abs(columns - middle) / 10
        level = bottom - rng.uniform(2, 14) - 4 * outwards**2 * (np.sign(columns - middle) == np.sign(middle - SIDE / 2))
        shape = lungs * half / (1 + np.exp(-1.2 * (rows - level)))
        strength = rng.uniform(0.2, 0.4)
    else:
        own = np.argwhere(inside & half)
        top, middle = np.percentile(own[:, 0], 3), own[:, 1].mean()
        edge = np.hypot((rows - top - 18) / 1.6, columns - middle) - rng.uniform(7, 11)
        shape, strength = lungs * half / (1 + np.exp(-2 * edge)) * (rows < top + rng.uniform(14, 34)), -rng.uniform(0.05, 0.15)
    added = (strength * shape).astype(np.float32)
    mask = np.abs(added) > 0.35 * abs(strength)
    return (added, mask) if mask.sum() >= 3 else None


def with_lesion(picture, lungs, rng):
    """A normal film of 64 px (grey from 0 to 1) with a lesion of any kind, its number among `LESIONS`, and the mask."""
    kind = int(rng.integers(len(LESIONS)))
    made = lesion(LESIONS[kind], lungs, rng)
    return None if made is None else (np.clip(picture + made[0] * (0.4 + picture), 0, 1), kind, made[1], made[0])


def normal_places(films):
    """Films of training that show nothing."""
    places = films.of("train")
    return places[films.truth[places, 0] == 0]


def new_net(setting, films):
    net = film_net.FilmNet(setting["stem"], setting["blocks"], len(films.labels), films.auxiliary.shape[1], setting["dropout"])
    return net.to(memory_format=torch.channels_last)


def taught(modules, rate, steps, losses, log):
    """Adam with one rise and fall of the rate over losses that a generator makes."""
    parameters = [p for module in modules for p in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.15, final_div_factor=200)
    total = 0.0
    for step, loss in enumerate(losses):
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 2.0)
        optimiser.step()
        plan.step()
        total += float(loss.detach())
        if step % 200 == 199:
            log(f"step {step + 1} of {steps}: loss {total / 200:.4f}")
            total = 0.0


def without_labels(setting, films, work, seed, log, epochs=4, batch=128):
    """VICReg: two changed views of a film are described alike, films differently, and no two numbers say the same."""
    children = Films("chest-child", work, setting["side"])
    pictures = np.concatenate([smaller(of.images[of.of("train")], SIDE) for of in (films, children)])
    generator = torch.Generator().manual_seed(seed)
    net = new_net(setting, films)
    channels = net.head.weight.shape[1]
    projector = nn.Sequential(nn.Linear(channels, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512))
    steps = len(pictures) // batch * epochs

    def view(x):
        """A part of the film, at least three fifths of its side, and other exposure."""
        size = 0.6 + 0.4 * torch.rand(len(x), generator=generator)
        shift = (torch.rand(len(x), 2, generator=generator) * 2 - 1) * (1 - size)[:, None]
        theta = torch.zeros(len(x), 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = size, size, shift
        x = functional.grid_sample(x, functional.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
        x = film_net.changed(x, True, generator).contiguous(memory_format=torch.channels_last)
        return projector(net.features(net.standardised(x))[-1].mean((2, 3)))

    def spread(z):
        z = z - z.mean(0)
        covariance = z.T @ z / (len(z) - 1)
        apart = functional.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
        return 25 * apart + (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]

    def losses():
        net.train()
        for _ in range(epochs):
            order = torch.randperm(len(pictures), generator=generator).numpy()
            for at in range(0, len(order) - batch + 1, batch):
                x = torch.from_numpy(pictures[order[at:at + batch]])[:, None].float() / 255
                one, other = view(x), view(x)
                yield 25 * functional.mse_loss(one, other) + spread(one) + spread(other)

    taught([net, projector], 3e-3, steps, losses(), log)
    return net.state_dict()


def by_masks(setting, films, seed, log, epochs=8, batch=64):
    """Half of the films with a pasted lesion: which one, and in which cells of the last and of a finer map."""
    pictures = smaller(films.images[normal_places(films)], SIDE)
    lungs, rng = lungs_of(pictures), np.random.default_rng(seed)
    net = new_net(setting, films)
    columns = [0, *(films.labels.index(kind) for kind in LESIONS)]
    fine = nn.Conv2d(setting["blocks"][1][0], len(columns), 1)
    entropy = functional.binary_cross_entropy_with_logits

    def losses():
        net.train()
        for _ in range(epochs):
            order = rng.permutation(len(pictures))
            for at in range(0, len(order) - batch + 1, batch):
                x, wanted = np.empty((batch, SIDE, SIDE), np.float32), np.zeros((batch, len(columns)), np.float32)
                masks = np.zeros((batch, len(columns), SIDE, SIDE), np.float32)
                for k, place in enumerate(order[at:at + batch]):
                    x[k] = pictures[place] / 255.0
                    made = with_lesion(x[k], lungs[place], rng) if k % 2 else None
                    if made:
                        x[k], kind, mask, _ = made
                        wanted[k, [0, kind + 1]], masks[k, 0], masks[k, kind + 1] = 1, mask, mask
                    x[k] = x[k] ** rng.uniform(0.7, 1.4) + rng.normal(0, rng.uniform(0, 0.03), x[k].shape)
                x, masks = torch.from_numpy(x)[:, None], torch.from_numpy(masks)
                if rng.random() < 0.5:
                    x, masks = x.flip(3), masks.flip(3)
                features = net.features(net.standardised(x.contiguous(memory_format=torch.channels_last)))
                cells = net.head(features[-1])[:, columns]
                covered = lambda of: (4 * functional.adaptive_avg_pool2d(masks, of.shape[2:])).clamp(max=1)
                finer = fine(features[1])
                yield (entropy(cells.mean((2, 3)), torch.from_numpy(wanted)) + 2 * entropy(cells, covered(cells))
                       + 2 * entropy(finer, covered(finer)))

    taught([net, fine], 3e-3, len(pictures) // batch * epochs, losses(), log)
    return net.state_dict()


def added(films, seed):
    """The set with copies of a third of the normal films, a lesion in each."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(normal_places(films))[::3]
    lungs = lungs_of(smaller(films.images[places], SIDE))
    pictures, truth, kept = [], [], []
    for place, mask in zip(places, lungs):
        whole = films.images[place] / 255.0
        small = smaller(films.images[place][None], SIDE)[0] / 255.0
        made = with_lesion(small, mask, rng)
        if made is None:
            continue
        larger = np.asarray(Image.fromarray(made[0].astype(np.float32) - small.astype(np.float32)).resize(whole.shape, Image.Resampling.BILINEAR))
        pictures.append((np.clip(whole + larger, 0, 1) * 255).round().astype(np.uint8))
        row = np.zeros(len(films.labels), np.float32)
        row[[0, films.labels.index(LESIONS[made[1]])]] = 1
        truth.append(row), kept.append(place)
    films.rows = films.rows + [films.rows[place] for place in kept]
    films.images = np.concatenate([films.images, np.stack(pictures)])
    films.truth = np.concatenate([films.truth, np.stack(truth)])
    films.split, films.patient, films.auxiliary = (np.concatenate([of, of[kept]]) for of in (films.split, films.patient, films.auxiliary))


def dimmed(films, share=0.75):
    """Every film with what lies outside the lungs brought nearer to its mean."""
    images = np.empty_like(films.images)
    for at in range(0, len(images), 512):
        part = np.array(films.images[at:at + 512])
        mask = torch.from_numpy(lungs_of(smaller(part, SIDE)))[:, None]
        mask = functional.max_pool2d(mask, 5, 1, 2)
        mask = functional.interpolate(mask, part.shape[1:], mode="bilinear", align_corners=False)[:, 0].numpy()
        mean = part.mean((1, 2), keepdims=True)
        images[at:at + 512] = (mean + (part - mean) * (1 - share + share * mask)).round().astype(np.uint8)
    films.images = images


def distilled(setting, films, work, log):
    """Truth of the films of training: half the label, half what the two nets say."""
    nets, _ = film_report.trained(setting, films, work, ladder=False)
    train = films.of("train")
    said = 1 / (1 + np.exp(-film_graph.described(nets, films.images[train], setting["flip"])[0]))
    log(f"the nets say of abnormality, mean over films of training: {said[:, 0].mean():.3f}; labels: {films.truth[train, 0].mean():.3f}")
    films.truth[train] = (films.truth[train] + said.astype(np.float32)) / 2


def sheet(films, work):
    """Normal films with a lesion each, the lungs red and the mask green."""
    rng, places = np.random.default_rng(3), normal_places(films)[::97][:40]
    pictures = smaller(films.images[places], SIDE)
    tiles = []
    for picture, lungs in zip(pictures, lungs_of(pictures)):
        made = with_lesion(picture / 255.0, lungs, rng)
        grey = made[0] if made else picture / 255.0
        marked = np.stack([grey + 0.35 * lungs, grey + (0.35 * made[2] if made else 0), grey], 2)
        tiles.append(np.concatenate([np.repeat(of[:, :, None], 3, 2) if of.ndim == 2 else of for of in (picture / 255.0, grey, marked)], 1))
    lines = [np.concatenate(tiles[k:k + 4], 1) for k in range(0, len(tiles), 4)]
    image = Image.fromarray((np.concatenate(lines).clip(0, 1) * 255).astype(np.uint8))
    image.resize((image.width * 2, image.height * 2)).save(work / "adult-ladder.png")


def into_card(setting):
    """The table, in the card's section of steps."""
    card = ROOT / "models" / f"chest-adult-{setting['version']}" / "CARD.md"
    head, rest = card.read_text().split("## What each step brought", 1)
    steps, after = rest.split("\n## ", 1)
    steps = steps.split(f"\n{film_card.TRIED}")[0].rstrip()
    card.write_text("\n".join([head + "## What each step brought" + steps, *film_card.tried_besides(setting), "", "## " + after]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=[*TOLD, "sheet", "card"])
    parser.add_argument("--seed", type=int, default=52)
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    setting, work = dict(SETTINGS["chest-adult"], name="chest-adult"), ROOT / arguments.work
    if arguments.step == "card":
        into_card(setting)
        return
    log = lambda line: print(line, flush=True)
    films, start = Films(setting["set"], work, setting["side"]), None
    began = time.process_time()
    if arguments.step == "sheet":
        sheet(films, work)
        return
    if arguments.step == "unlabelled":
        start = without_labels(setting, films, work, arguments.seed, log)
    elif arguments.step == "masks":
        start = by_masks(setting, films, arguments.seed, log)
    elif arguments.step == "pasted":
        added(films, arguments.seed)
    elif arguments.step == "lungs":
        dimmed(films)
    elif arguments.step == "distilled":
        distilled(setting, films, work, log)
    prepared = time.process_time() - began
    _, steps = film_net.train(dict(setting, seed=arguments.seed), films, log, work / f"adult-ladder-{arguments.step}-{arguments.seed}.pt", PHASES, start)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    kept = [one for one in kept if (one["step"], one["seed"]) != (arguments.step, arguments.seed)]
    kept.append(dict(step=arguments.step, told=TOLD[arguments.step], seed=arguments.seed, values=steps[-1][1],
                     seconds=dict(before=round(prepared), training=round(time.process_time() - began - prepared))))
    kept.sort(key=lambda one: ([*TOLD].index(one["step"]), one["seed"]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

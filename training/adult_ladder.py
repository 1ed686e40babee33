"""Steps that were tried for the adult model, each by itself against the same net at 64 px, judged on validation alone.

    python training/adult_ladder.py plain        what the others are held against
    python training/adult_ladder.py still        pictures of training are mirrored and not changed in any other way, nor mixed, nor labels smoothed
    python training/adult_ladder.py longer       12 epochs instead of 6
    python training/adult_ladder.py even         each pixel against the quarter of the film around it, not against the whole
    python training/adult_ladder.py unlabelled   begins with a net taught without labels on all films of training (VICReg), adults and children
    python training/adult_ladder.py masks        begins with a net taught lesions pasted into normal films, where each is by its exact mask
    python training/adult_ladder.py pasted       normal films with pasted lesions as further films of training, as many as a third of the normal
    python training/adult_ladder.py lungs        what lies outside the lungs is dimmed, in training and in validation
    python training/adult_ladder.py distilled    labels mixed with what the two nets of chest-adult say of the films of training
    python training/adult_ladder.py sheet        var/training/adult-ladder.png: lungs and pasted lesions, to look at
    python training/adult_ladder.py card         the table of all of them, into the card of chest-adult

Supervised epochs are 6 at 64 px where nothing else is said. `--seed`: 52, that of the model's net 2, or another. Test is never read.
Figures are kept in training/adult_ladder.json; one thread, CPU, seeded.
"""

import argparse
import json
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
from pasted import LESIONS, SIDE, enlarged, lungs_of, with_lesion
from unlabelled import taught, without_labels

PHASES = [(64, 6, 4e-3)]
OTHERWISE = {
    "still": dict(strength=0.0, mixup=0.0, smoothing=0.0),
    "longer": dict(phases=[(64, 12, 4e-3)]),
    "even": dict(even=4),
}
KEPT = ROOT / "training/adult_ladder.json"
TOLD = {
    "plain": "nothing besides",
    "still": "pictures of training mirrored and not changed otherwise",
    "longer": "twice as long (12 epochs)",
    "even": "each pixel against the quarter of the film around it: what net 2 of the model does",
    "unlabelled": "begun without labels (VICReg, 4 epochs, films of adults and children)",
    "masks": "begun with pasted lesions and their masks (8 epochs)",
    "pasted": "films with pasted lesions besides",
    "lungs": "all but the lungs dimmed",
    "distilled": "labels mixed with what the two nets of this card say",
}


def by_masks(setting, films, seed, log, epochs=8, batch=64):
    """Half of the films with a pasted lesion: which one, and in which cells of the last and of a finer map."""
    pictures = smaller(films.images[films.normal("train")], SIDE)
    lungs, rng = lungs_of(pictures), np.random.default_rng(seed)
    net = film_net.new_net(setting, films).to(memory_format=torch.channels_last)
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
                features = net.features(net.seen(x.contiguous(memory_format=torch.channels_last)))
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
    places = rng.permutation(films.normal("train"))[::3]
    lungs = lungs_of(smaller(films.images[places], SIDE))
    pictures, truth, kept = [], [], []
    for place, mask in zip(places, lungs):
        small = smaller(films.images[place][None], SIDE)[0] / 255.0
        made = with_lesion(small, mask, rng)
        if made is None:
            continue
        pictures.append(enlarged(films.images[place], small, made[0]))
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
    rng, places = np.random.default_rng(3), films.normal("train")[::97][:40]
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
    setting = dict(setting, phases=PHASES, seed=arguments.seed) | OTHERWISE.get(arguments.step, {})
    _, steps = film_net.train(setting, films, log, work / f"adult-ladder-{arguments.step}-{arguments.seed}.pt", setting["phases"], start)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    kept = [one for one in kept if (one["step"], one["seed"]) != (arguments.step, arguments.seed)]
    kept.append(dict(step=arguments.step, told=TOLD[arguments.step], seed=arguments.seed, values=steps[-1][1],
                     seconds=dict(before=round(prepared), training=round(time.process_time() - began - prepared))))
    kept.sort(key=lambda one: ([*TOLD].index(one["step"]), one["seed"]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What might help the child model, judged on blocks of the films of training that the net has not seen. Neither validation nor test is read.

    python training/child_blocks.py plain      the first phase of chest-child: what the others are held against
    python training/child_blocks.py strong     pictures changed half as much again
    python training/child_blocks.py kinds      taught besides which pneumonia is filed as bacteria and which as virus
    python training/child_blocks.py even       each picture brought to one brightness and contrast in every quarter of it, not only as a whole
    python training/child_blocks.py table      what all of them gave

The published test set is the first block of the numbers that films and people have, not a draw from all; validation, a draw, is full
(0.994) and says little of it. So films of training are cut into four blocks by those numbers; each is scored by a net
that was taught the other three: 6 epochs at 64 px, with the mirrored film besides. Figures in training/child_blocks.json.
"""

import argparse
import json
import re
import time

import numpy as np
import torch

import film_graph
import film_net
from film_model import SETTINGS
from films import ROOT, Films, smaller
from statistics_of_cards import auc

SIDE, EPOCHS, BLOCKS, CHANGES = 64, 6, 4, 2
KEPT = ROOT / "training/child_blocks.json"
TOLD = {
    "plain": ("nothing besides", {}),
    "strong": ("pictures changed half as much again", dict(strength=1.5)),
    "kinds": ("taught bacteria and virus besides", {}),
    "even": ("brightness and contrast evened by quarters", dict(even=4)),
}


def blocks_of(films, places):
    """Which block each film is in: normal films of either series of names and films of pneumonia by themselves, in the order of their numbers."""
    series = {}
    for k, place in enumerate(places):
        name = films.rows[place]["file"].rsplit("/", 1)[1]
        kind = "person" if name.startswith("person") else "second" if name.startswith("NORMAL2") else "first"
        number = int(re.search(r"(?:person|IM-)(\d+)", name)[1])
        series.setdefault(kind, []).append((number, k))
    out = np.zeros(len(places), int)
    for kind, members in series.items():
        numbers = np.array([number for number, _ in members])
        # Whole people: an edge is a number.
        edges = np.quantile(numbers, np.arange(1, BLOCKS) / BLOCKS)
        out[[k for _, k in members]] = np.searchsorted(edges, numbers, side="right")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=[*TOLD, "table"])
    parser.add_argument("--seed", type=int, default=71)
    arguments = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    if arguments.step == "table":
        print("| step | seed | mean AUC of the blocks | each block | virus and normal alone | films changed as in training |\n|" + " --- |" * 6)
        for one in kept:
            each = ", ".join(f"{area:.4f}" for area in one["blocks"])
            print(f"| {TOLD[one['step']][0]} | {one['seed']} | {one['mean']:.4f} | {each} | {one['virus']:.4f} | {one['changed']:.4f} |")
        return
    torch.set_num_threads(1)
    work = ROOT / "var/training"
    setting = dict(SETTINGS["chest-child"], watch=["pneumonia"], seed=arguments.seed) | TOLD[arguments.step][1]
    films = Films("chest-child", work, setting["side"])
    films.images = smaller(films.images, SIDE)
    virus, bacteria = (np.array([f"_{kind}_" in row["file"] for row in films.rows]) for kind in ("virus", "bacteria"))
    if arguments.step == "kinds":
        films.labels += ["bacteria", "virus"]
        films.truth = np.concatenate([films.truth, np.array([bacteria, virus], np.float32).T], 1)
    places, split = films.of("train"), films.split.copy()
    block, began = blocks_of(films, places), time.process_time()
    said, changed = np.zeros(len(places)), np.zeros((CHANGES, len(places)))
    found = []
    for held in range(BLOCKS):
        films.split = split.copy()
        films.split[films.split == "val"] = "left out"
        films.split[places[block == held]] = "val"
        net, _ = film_net.train(setting, films, lambda line: None, work / "child-blocks.pt", [(SIDE, EPOCHS, 3e-3)])
        here = places[block == held]
        said[block == held] = film_graph.described([net], films.images[here], True)[0][:, 0]
        generator = torch.Generator().manual_seed(97)
        for way in changed:
            pictures = torch.from_numpy(np.array(films.images[here]))[:, None].float() / 255
            pictures = (film_net.changed(pictures, True, generator)[:, 0] * 255).round().byte().numpy()
            way[block == held] = film_graph.described([net], pictures, True)[0][:, 0]
        truth = films.truth[here, 0] > 0
        found.append(round(float(auc(truth, said[block == held])), 4))
        print(f"block {held}: {len(here)} films, {truth.sum()} with pneumonia, AUC {found[-1]}, {time.process_time() - began:.0f} s", flush=True)
    truth = films.truth[places, 0] > 0
    normal_or_virus = ~bacteria[places]
    means = lambda of, mask: round(float(np.mean([auc(truth[mask & (block == b)], of[mask & (block == b)]) for b in range(BLOCKS)])), 4)
    every = np.ones(len(places), bool)
    kept = [one for one in kept if (one["step"], one["seed"]) != (arguments.step, arguments.seed)]
    np.save(work / f"child-blocks-{arguments.step}-{arguments.seed}.npy", np.stack([said, *changed]))
    kept.append(dict(step=arguments.step, seed=arguments.seed, blocks=found, mean=means(said, every), virus=means(said, normal_or_virus),
                     changed=round(float(np.mean([means(way, every) for way in changed])), 4), seconds=round(time.process_time() - began)))
    print(kept[-1])
    kept.sort(key=lambda one: ([*TOLD].index(one["step"]), one["seed"]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

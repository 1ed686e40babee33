"""Two folders of one model, as trained twice, on validation: whether the graphs are equal, and how far apart what they say is.

    python training/compare.py FOLDER OTHER    say, models/chest-adult-1.1.0 and the same of another run
"""

import hashlib
import pathlib
import sys
import tomllib

import numpy as np

import film_graph
from film_model import SETTINGS
from films import ROOT, Films
from statistics_of_cards import auc
from train import SETTINGS as PHANTOM_SETTINGS
from train import logits_of_graph, make_split, targets


def manifest_of(folder):
    return tomllib.loads(next(p for p in (folder / "manifest.toml", folder / "recogniser.toml") if p.exists()).read_text())


def validation(manifest, work):
    """Parts of validation: what they are called, pictures, truth per label of the manifest."""
    name, spec = manifest["name"], manifest["input"]
    labels = [label["name"] for label in manifest["labels"]]
    if name in SETTINGS:
        setting = SETTINGS[name]
        films = Films(setting["set"], work, setting["side"])
        columns = [[label.lower() for label in films.labels].index(label) for label in labels]
        for source in setting.get("sources", [None]):
            places = films.of("val", source)
            yield source or "validation", films.images[places], films.truth[np.ix_(places, columns)]
        return
    pathway = name.split("-")[0]
    setting = dict(PHANTOM_SETTINGS[pathway], width=spec["width"], height=spec["height"])
    x, truth = make_split(ROOT / "target/release/examples/phantom_batch", pathway, setting, "val", work)
    yield "validation, per image", x, targets(truth, setting["labels"])


def main():
    folders = [pathlib.Path(argument) for argument in sys.argv[1:3]]
    manifests = [manifest_of(folder) for folder in folders]
    labels = [[label["name"] for label in manifest["labels"]] for manifest in manifests]
    digests = [hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()[:16] for folder in folders]
    print(f"{manifests[0]['name']}: graphs {'equal' if digests[0] == digests[1] else 'differ'} ({' and '.join(digests)})")
    for called, pictures, truth in validation(manifests[0], ROOT / "var/training"):
        if manifests[0]["name"] in SETTINGS:
            said = [film_graph.Graph(folder / "model.onnx")(pictures)[0] for folder in folders]
        else:
            said = [1 / (1 + np.exp(-logits_of_graph(folder / "model.onnx", pictures)[0])) for folder in folders]
        for column, label in enumerate(labels[0]):
            if label not in labels[1]:
                print(f"  {called}, {label}: not a label of the other")
                continue
            one, other = said[0][:, column], said[1][:, labels[1].index(label)]
            known = ~np.isnan(truth[:, column])
            there = truth[known, column] > 0
            areas = " and ".join(f"{auc(there, score[known]):.4f}" for score in (one, other)) if there.any() and not there.all() else "none"
            apart = np.abs(one - other)
            print(f"  {called}, {label}: AUC {areas} ({there.sum()} of {len(there)}); apart in probability {apart.mean():.4f} (mean), {apart.max():.4f} at most")


if __name__ == "__main__":
    main()

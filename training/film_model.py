"""From the open sets of films to a model folder: training, calibration, operating points, test figures, graph, card.

    python training/film_model.py chest-child
    python training/film_model.py chest-adult
    python training/film_model.py mammo-view

CPU, seeded. The test split is scored once, at the end. `--start measure` takes the weights of the last training.
"""

import argparse
import json
import pathlib
import time

import torch

import film_net
import film_report
from films import ROOT, Films, write_split

SETTINGS = {
    "chest-child": dict(
        set="chest-child", version="1.0.0", spec="chest-child.toml", side=128, seed=11, batch=32,
        stem=32, blocks=[(64, 2), (96, 1), (160, 2), (160, 1)], dropout=0.2, decay=0.05, average=0.998, smoothing=0.06,
        mixup=0.3, flip=True, weights={}, watch=["pneumonia"], phases=[(64, 6, 3e-3), (96, 3, 2e-3), (128, 1, 6e-4)],
        further=[dict(phases=[(128, 4, 2e-3)], seed=21)],
    ),
    "chest-adult": dict(
        set="chest-adult", version="1.0.0", spec="chest-adult.toml", side=96, seed=12, batch=64,
        stem=32, blocks=[(64, 2), (96, 1), (160, 2), (160, 1)], dropout=0.3, decay=0.05, average=0.998, smoothing=0.04,
        mixup=0.3, flip=True, weights={"abnormality": 5.0}, source="nih128",
        watch=["abnormality", "Atelectasis", "Cardiomegaly", "Effusion", "Consolidation", "Mass", "Nodule",
               "Pneumothorax", "Infiltration"],
        phases=[(64, 6, 4e-3), (96, 3, 2e-3)],
        further=[dict(phases=[(96, 5, 3e-3)], seed=22, strength=0.5, mixup=0.0, smoothing=0.0)],
    ),
    "mammo-view": dict(
        set="mammo-ddsm", version="1.0.0", spec="mammo-view.toml", side=128, seed=13, batch=32,
        stem=16, blocks=[(32, 2), (48, 2), (64, 1)], dropout=0.2, decay=0.05, average=0.995, smoothing=0.02,
        mixup=0.0, flip=False, weights={"malignant": 2.0}, watch=["mlo", "left", "malignant"],
        phases=[(64, 8, 4e-3), (128, 2, 1e-3)],
    ),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=SETTINGS)
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    parser.add_argument("--program", default=str(ROOT / "target/release/doubleread"))
    parser.add_argument("--start", choices=("train", "further", "measure"), default="train", help="go on from what a run left in the work folder")
    parser.add_argument("--part", type=int, default=0, help="with `further`: the first part of the further training to run")
    arguments = parser.parse_args()
    setting = dict(SETTINGS[arguments.model], name=arguments.model)
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    started = time.time()

    def log(line):
        print(line, flush=True)

    films = Films(setting["set"], work, setting["side"])
    write_split(setting["set"], films.rows)
    weights_at, ladder_at = work / f"{setting['name']}.pt", work / f"{setting['name']}.json"
    if arguments.start == "train":
        log(f"{len(films.rows)} films after {time.time() - started:.0f} s")
        net, ladder = film_net.train(setting, films, log, weights_at, setting["phases"])
        torch.save(net.state_dict(), weights_at)
        ladder_at.write_text(json.dumps({"ladder": ladder, "seconds": round(time.time() - started)}))
    # Each further part begins with the averaged weights of what was before.
    further = setting.get("further", [])
    for part in {"train": further, "further": further[arguments.part:], "measure": []}[arguments.start]:
        done, began = json.loads(ladder_at.read_text()), time.time()
        log(f"further, from the averaged weights: {part}")
        net, ladder = film_net.train(dict(setting, **part), films, log, weights_at, part["phases"], torch.load(weights_at))
        torch.save(net.state_dict(), weights_at)
        done["ladder"] += ladder
        done["seconds"] += round(time.time() - began)
        ladder_at.write_text(json.dumps(done))
    log(f"trained; {time.time() - started:.0f} s")
    film_report.finish(setting, films, weights_at, ladder_at, arguments.program, log)


if __name__ == "__main__":
    main()

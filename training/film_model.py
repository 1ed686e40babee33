"""From the open sets of films to a model folder: training, calibration, operating points, test figures, graph, card.

    python training/film_model.py chest-start      what the chest models begin with
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

import film_graph
import film_net
import film_report
from films import ROOT, Films, write_split

ADULT = ["abnormality", "Atelectasis", "Cardiomegaly", "Effusion", "Consolidation", "Mass", "Nodule", "Pneumothorax", "Infiltration"]
BLOCKS = dict(stem=32, blocks=[(64, 2), (96, 1), (160, 2), (160, 1)], decay=0.05, average=0.998, mixup=0.3, flip=True)
# The last part of a member: the pictures as they are, hardly changed.
CALM = dict(strength=0.5, mixup=0.0, smoothing=0.0)
SETTINGS = {
    # What the chest models begin with: adults and children in one net, a label known of either.
    "chest-start": dict(
        BLOCKS, set="chest-both", side=64, batch=64, dropout=0.2, smoothing=0.04, weights={"abnormality": 5.0, "pneumonia": 5.0},
        sources=["nih128", "nih64", "kermany"], watch=["abnormality", "pneumonia", *ADULT[1:]],
        members=[dict(seed=31, parts=[dict(phases=[(64, 8, 4e-3)])])],
    ),
    "chest-child": dict(
        BLOCKS, set="chest-child", version="1.3.0", spec="chest-child.toml", side=128, batch=32, dropout=0.2, smoothing=0.06,
        weights={}, watch=["pneumonia"], rule=dict(changed=True, against="nets 1 to 3:"),
        members=[dict(seed=seed, even=even, parts=[dict(phases=[(64, 6, 3e-3), (96, 3, 2e-3), (128, 1, 6e-4)]), dict(phases=[(128, 4, 2e-3)], seed=seed + 10)])
                 for seed, even in ((11, 0), (12, 0), (13, 0), (14, 4), (15, 4), (16, 4))],
    ),
    "chest-adult": dict(
        BLOCKS, set="chest-adult", version="1.2.0", spec="chest-adult.toml", side=128, batch=64, dropout=0.3, smoothing=0.04,
        weights={"abnormality": 5.0}, source="nih128", sources=["nih128", "nih64"], watch=ADULT, rule=dict(changed=False, where=" in nih128", least=0.6288),
        members=[
            dict(seed=51, start="chest-start", parts=[dict(phases=[(128, 6, 2e-3)]), dict(phases=[(128, 5, 2e-3)], **CALM)]),
            dict(seed=52, even=4, parts=[dict(phases=[(64, 6, 4e-3), (128, 3, 2e-3)]), dict(phases=[(128, 5, 2e-3)], **CALM)]),
        ],
    ),
    "mammo-view": dict(
        set="mammo-ddsm", version="1.0.1", spec="mammo-view.toml", side=128, batch=32,
        stem=16, blocks=[(32, 2), (48, 2), (64, 1)], dropout=0.2, decay=0.05, average=0.995, smoothing=0.02,
        mixup=0.0, flip=False, weights={"malignant": 2.0}, watch=["mlo", "left", "malignant"],
        members=[dict(seed=13, parts=[dict(phases=[(64, 8, 4e-3), (128, 2, 1e-3)])])],
    ),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=SETTINGS)
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    parser.add_argument("--program", default=str(ROOT / "target/release/doubleread"))
    parser.add_argument("--start", choices=("train", "measure"), default="train", help="`measure`: the card from what a run left in the work folder")
    parser.add_argument("--against", help="score this graph on validation, print it as a step of the ladder, and end")
    parser.add_argument("--members", help="train these alone, as 1,3, and write no card")
    arguments = parser.parse_args()
    setting = dict(SETTINGS[arguments.model], name=arguments.model)
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    started = time.time()

    def log(line):
        print(line, flush=True)

    films = Films(setting["set"], work, setting["side"])
    log(f"{len(films.rows)} films after {time.time() - started:.0f} s")
    if arguments.against:
        graph = film_graph.Graph(arguments.against)
        said = lambda pictures: film_report.logit(graph(pictures)[0])
        log(film_report.validated(setting, films, said, arguments.against))
        return
    count = len(setting["members"])
    numbers = [int(n) for n in arguments.members.split(",")] if arguments.members else range(1, count + 1)
    for number in numbers if arguments.start == "train" else []:
        member, began, worked = setting["members"][number - 1], time.time(), time.process_time()
        called = f"net {number}, " if count > 1 else ""
        weights_at = work / f"{setting['name']}-{number}.pt"
        start, ladder = torch.load(work / f"{member['start']}-1.pt") if "start" in member else None, []
        for k, part in enumerate(member["parts"]):
            # Each part begins with the averaged weights of what was before.
            told = f"{called}part {k + 1}, " if len(member["parts"]) > 1 else called
            log(f"{told}{part}")
            seed = part.get("seed", member["seed"] + 100 * k)
            net, steps = film_net.train(dict(setting, even=member.get("even", 0), **dict(part, seed=seed)), films, log, weights_at, part["phases"], start, told)
            start = net.state_dict()
            ladder += steps
        torch.save(net.state_dict(), weights_at)
        weights_at.with_suffix(".json").write_text(json.dumps({"ladder": ladder, "seconds": round(time.process_time() - worked)}))
        log(f"net {number} trained in {time.process_time() - worked:.0f} s of the processor; {time.time() - began:.0f} s by the clock")
    if "spec" in setting and not arguments.members:
        write_split(setting["set"], films.rows)
        film_report.finish(setting, films, work, arguments.program, log)


if __name__ == "__main__":
    main()

"""Cancer per woman from all her films: a further try on DDSM, on what the view recogniser's net sees of whole films and of parts of them.

    python training/ddsm_cases.py            the ladder on validation
    python training/ddsm_cases.py --test     the step that validation chose, on test and at the other site, once

Nothing of it ships. The net's embeddings of training films have seen their labels, so the strength of the ridge comes from validation.
"""

import argparse
import pathlib

import numpy as np
import onnxruntime

from films import ROOT, pictures, rows_of, smaller
from statistics_of_cards import auc, auc_interval, logistic

SIDE, TILE, STRENGTHS = 299, 160, (10.0, 100.0, 1000.0, 10000.0)


def embedded(work):
    """Per film the embedding of the whole, and mean and largest of those of four parts; all films turned to have the chest wall on the left."""
    kept = pathlib.Path(work) / "ddsm-embedded.npy"
    if kept.exists():
        return np.load(kept)
    images = pictures("mammo-ddsm", rows_of("mammo-ddsm"), SIDE, work)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = onnxruntime.InferenceSession(ROOT / "models/mammo-view-1.0.1/model.onnx", options)
    far, out = SIDE - TILE, []
    for at in range(0, len(images), 64):
        part = np.array(images[at:at + 64])
        turned = part[:, :, :SIDE // 2].mean((1, 2)) < part[:, :, SIDE // 2:].mean((1, 2))
        part[turned] = part[turned][:, :, ::-1]
        cut = [part] + [part[:, top:top + TILE, left:left + TILE] for top in (0, far) for left in (0, far)]
        of = [graph.run(["embedding"], {"image": smaller(c, 128)[:, None].astype(np.float32) / 255})[0] for c in cut]
        out.append(np.concatenate([of[0], np.mean(of[1:], 0), np.max(of[1:], 0)], 1))
    np.save(kept, np.concatenate(out))
    return np.concatenate(out)


def women(rows, films):
    """Per woman: split, whether she has cancer, the mean over her films, and how her breasts differ in the mean over views."""
    by = {}
    for row, film in zip(rows, films):
        by.setdefault(row["patient_id"], []).append((row, film))
    out = []
    for own in by.values():
        views = [{row["side"]: film for row, film in own if row["view"] == view} for view in ("CC", "MLO")]
        pairs = [abs(view["LEFT"] - view["RIGHT"]) for view in views if len(view) == 2]
        apart = np.mean(pairs, 0) if pairs else np.zeros_like(own[0][1])
        out.append((own[0][0]["split"], own[0][0]["case_category"] == "cancers", np.mean([film for _, film in own], 0), apart))
    return [np.array(part) for part in zip(*out)]


def fitted(x, truth, strength, rounds=30):
    """Logistic regression with a ridge, by Newton's method; weights and offset."""
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    ridge, w = np.diag([strength] * (x.shape[1] - 1) + [1e-6]), np.zeros(x.shape[1])
    for _ in range(rounds):
        p = logistic(x @ w)
        w -= np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + ridge, x.T @ (p - truth) + ridge @ w)
    return w


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()
    split, cancer, mean, apart = women(rows_of("mammo-ddsm"), embedded(arguments.work))
    whole = mean.shape[1] // 3
    steps = {"mean of whole films": mean[:, :whole], "with four parts of each": mean,
             "with the difference between her breasts": np.concatenate([mean, apart], 1)}
    train, best = split == "train", (0,)
    for name, x in steps.items():
        x = (x - x[train].mean(0)) / (x[train].std(0) + 1e-6)
        for strength in STRENGTHS:
            score = np.concatenate([x, np.ones((len(x), 1))], 1) @ fitted(x[train], cancer[train], strength)
            val = split == "val"
            area = auc(cancer[val], score[val])
            print(f"{name}, ridge {strength:g}: validation {area:.3f}, {cancer[val].sum()} of {val.sum()} women", flush=True)
            best = max(best, (area, name, strength, score), key=lambda entry: entry[0])
    if arguments.test:
        for part in ("test", "external_test"):
            here = split == part
            low, high = auc_interval(cancer[here], best[3][here])
            print(f"{best[1]}, ridge {best[2]:g}, {part}: {auc(cancer[here], best[3][here]):.3f} ({low:.3f} to {high:.3f}), {cancer[here].sum()} of {here.sum()} women")


if __name__ == "__main__":
    main()

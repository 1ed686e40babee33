"""How a shipped phantom model scores phantoms as the generator draws them now: AUC and calibration, nothing written.

    target/release/examples/phantom_batch mammo training/mammo.toml 4000000 400 FOLDER/mammo
    python training/score_phantoms.py models/mammo-phantom-1.1.0 FOLDER/mammo      # needs numpy, onnxruntime

Run it after a change to `src/phantom`: where AUC or calibration is worse than in the card, train again.
"""

import json
import pathlib
import sys
import tomllib

import numpy as np
import onnxruntime

from statistics_of_cards import auc, auc_interval, by_exam, calibration_error, logistic


def scores(folder, manifest, tensors):
    """Calibrated probabilities, an image a row."""
    session = onnxruntime.InferenceSession(folder / manifest["file"], providers=["CPUExecutionProvider"])
    graph = manifest["graph"]
    parts = [session.run([graph["scores"]], {graph["input"]: np.array(tensors[at:at + 16])})[0]
             for at in range(0, len(tensors), 16)]
    raw = np.clip(np.concatenate(parts).astype(float), 1e-9, 1 - 1e-9)
    logits = np.log(raw / (1 - raw))
    platt = [label["calibration"]["platt"] for label in manifest["labels"]]
    return logistic(logits * [p["a"] for p in platt] + [p["b"] for p in platt])


def main():
    folder, tensors = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    images = [json.loads(line) for line in pathlib.Path(f"{tensors}.jsonl").read_text().splitlines()]
    shape = (len(images), 1, manifest["input"]["height"], manifest["input"]["width"])
    found = scores(folder, manifest, np.memmap(f"{tensors}.f32", np.float32, "r", shape=shape))
    per_exam = 4 if "MG" in manifest["scope"]["modalities"] else 1
    cuts = next(p for p in manifest["operating_points"] if p["name"] == "balanced")
    for column, label in enumerate(manifest["labels"]):
        overall = label["name"] in manifest["overall"]["labels"]
        there = np.array([any(overall or f["code"] == label["name"] for f in image["findings"]) for image in images])
        exam, score = by_exam(there, per_exam) > 0, by_exam(found[:, column], per_exam)
        low, high = auc_interval(exam, score)
        flagged = score >= (cuts["overall"] if overall else cuts["labels"][label["name"]])
        print(f"{label['name']}: AUC {auc(exam, score):.3f} ({low:.3f} to {high:.3f}), {exam.sum()} of {len(exam)} positive, "
              f"calibration error {calibration_error(there, found[:, column]):.3f}, "
              f"at `balanced` sensitivity {flagged[exam].mean():.3f}, specificity {(~flagged[~exam]).mean():.3f}")


if __name__ == "__main__":
    main()

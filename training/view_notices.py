"""How often the view recogniser's notices would be wrong, on the films of DDSM and on phantoms, whose tags are right.

    python training/view_notices.py [certainty ...]
    target/release/examples/phantom_batch mammo training/mammo-view.toml 7000000 240 FOLDER/views
    python training/view_notices.py --phantoms FOLDER/views [certainty ...]

Reads `models/mammo-view-1.0.1` and ../shared/data/train; needs numpy, Pillow and onnxruntime. The rule is that of
`src/infer/recogniser.rs`: at least the operating point, and at least the certainty; silent where the picture is strange.
"""

import argparse
import csv
import io
import json
import os
import pathlib
import tarfile
import tomllib

import numpy as np
import onnxruntime
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRAIN = pathlib.Path(os.environ.get("DOUBLEREAD_SHARED_DATA", ROOT.parent / "shared" / "data")) / "train"
MODEL = ROOT / "models" / "mammo-view-1.0.1"
MANIFEST = tomllib.loads((MODEL / "recogniser.toml").read_text())


def calibrated(probability, label):
    platt = label["calibration"]["platt"]
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return 1 / (1 + np.exp(-(platt["a"] * np.log(p / (1 - p)) + platt["b"])))


def session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL / MANIFEST["file"], options)


def answer(graph, image):
    """The probability of MLO, that of the left, and the distance."""
    scores, distance = graph.run(["scores", "ood"], {"image": image})
    mlo, left = (calibrated(p, label) for p, label in zip(scores[0], MANIFEST["labels"]))
    return mlo, left, float(np.ravel(distance)[0])


def films():
    """Split, side, view, the two probabilities and the distance of each film that was not trained on."""
    with open(TRAIN / "mammo-ddsm.csv", newline="") as table:
        rows = {row["file"]: row for row in csv.DictReader(table) if row["split"] in ("test", "external_test")}
    graph = session()
    with tarfile.open(TRAIN / "mammo-ddsm.tar") as tar:
        for member in tar:
            if (row := rows.get(member.name)) is None:
                continue
            picture = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("L")
            grey = np.asarray(picture.resize((128, 128), Image.Resampling.BILINEAR), np.float32)
            low, high = np.percentile(grey, [0.5, 99.5])
            image = np.clip((grey - low) / max(high - low, 1), 0, 1)[None, None].astype(np.float32)
            yield row["split"], row["side"], row["view"], *answer(graph, image)


def drawn(path):
    """The same of phantoms, as the service itself prepared them."""
    truth = [json.loads(line) for line in pathlib.Path(f"{path}.jsonl").read_text().splitlines()]
    tensors = np.fromfile(f"{path}.f32", "<f4").reshape(len(truth), 1, 1, 128, 128)
    graph = session()
    for image, tensor in zip(truth, tensors):
        side, view = image["view"][0], image["view"][1:]
        yield "phantoms", {"L": "LEFT", "R": "RIGHT"}[side], view, *answer(graph, tensor)


def said(probability, threshold, certainty, yes, no):
    if probability >= max(threshold, certainty):
        return yes
    return no if probability <= min(threshold, 1 - certainty) else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("certainties", nargs="*", type=float, default=[0.9, 0.95, 0.99])
    parser.add_argument("--phantoms", help="tensors of phantoms, without an ending")
    arguments = parser.parse_args()
    point = next(p for p in MANIFEST["operating_points"] if p["name"] == MANIFEST["operating_point"])
    found = list(drawn(arguments.phantoms) if arguments.phantoms else films())
    for split in sorted({f[0] for f in found}):
        here = [f for f in found if f[0] == split]
        spoken = [f for f in here if f[5] <= MANIFEST["out_of_distribution"]["refuse_above"]]
        for certainty in arguments.certainties:
            views = [(view, said(mlo, point["overall"], certainty, "MLO", "CC")) for _, _, view, mlo, _, _ in spoken]
            sides = [(side, said(left, point["labels"]["left"], certainty, "LEFT", "RIGHT"))
                     for _, side, _, _, left, _ in spoken]
            counts = [f"{name}: sure of {sum(s is not None for _, s in pairs)}, "
                      f"against the table {sum(s is not None and s != t for t, s in pairs)}"
                      for name, pairs in (("view", views), ("side", sides))]
            print(f"{split}, {len(spoken)} of {len(here)} not strange, certainty {certainty}: {'; '.join(counts)}")


if __name__ == "__main__":
    main()

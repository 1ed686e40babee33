"""Writes self_test.json beside a model: what the graph answers, by Python's runtime, on noise from a seed.

    python training/self_test.py models/chest-phantom-1.1.0 ...

`doubleread model check` runs the same inputs through the service's own runtime and compares.
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np

SEEDS = (1, 2, 3)
TOLERANCE = 1e-4


def noise(seed: int, length: int) -> np.ndarray:
    """`length` numbers from 0 to 1: the integer hash lowbias32 (C. Wellons, 2018) of the index and the seed."""
    x = np.arange(length, dtype=np.uint64) * 0x9E3779B1 + np.uint64(seed * 0x85EBCA77 & 0xFFFFFFFF)
    mask = np.uint64(0xFFFFFFFF)
    x &= mask
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x7FEB352D)) & mask
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(0x846CA68B)) & mask
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) / 4294967296.0).astype(np.float32)


def write(folder: Path) -> None:
    """Runs the graph of a model's folder on the seeds and writes the answers."""
    import onnxruntime

    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    size = manifest["input"]
    channels = size.get("channels", 1)
    shape = (1, channels, size["height"], size["width"])
    if size.get("layout", "nchw") == "nhwc":
        shape = (1, size["height"], size["width"], channels)
    session = onnxruntime.InferenceSession(folder / manifest["file"], providers=["CPUExecutionProvider"])
    graph = manifest["graph"]
    vectors = []
    for seed in SEEDS:
        image = noise(seed, int(np.prod(shape))).reshape(shape)
        (scores,) = session.run([graph["scores"]], {graph["input"]: image})
        vectors.append({"seed": seed, "scores": [round(float(s), 7) for s in scores[0]]})
    text = json.dumps({"tolerance": TOLERANCE, "vectors": vectors}, indent=1)
    (folder / "self_test.json").write_text(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--noise", nargs=2, type=int, metavar=("SEED", "LENGTH"), help="print noise and end")
    arguments = parser.parse_args()
    if arguments.noise:
        print([float(v) for v in noise(*arguments.noise)])
    for folder in arguments.folders:
        write(folder)
        print(f"{folder}: {len(SEEDS)} vectors")


if __name__ == "__main__":
    main()

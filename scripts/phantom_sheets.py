"""Draws docs/phantoms-mammo.png and docs/phantoms-chest.png: the contact sheets of docs/phantoms.md, from their seeds.

    python scripts/phantom_sheets.py                     # needs target/release/doubleread, numpy, pillow, pydicom
    python scripts/phantom_sheets.py --program PROGRAM
"""

import argparse
import pathlib
import subprocess
import tempfile

import numpy as np
import pydicom
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
GAP = 4
# Densities a to d, CC then MLO; an implant; then one breast with each kind of lesion, CC and MLO.
DENSITIES = [(seed, ["--density", letter, "--normal"]) for seed, letter in zip((8, 21, 22, 24), "abcd")]
LESIONS = [(31, ["--finding", kind, "--side", "left", "--density", "b"]) for kind in ("mass", "spiculated", "calcifications", "distortion")]
MAMMO = ([(seed, [*told, "--view", "LCC"]) for seed, told in DENSITIES]
         + [(17, ["--implant", "--normal", "--density", "b", "--view", view]) for view in ("LCC", "LMLO")]
         + [(seed, [*told, "--view", "RMLO"]) for seed, told in DENSITIES]
         + [(seed, [*told, "--view", view]) for seed, told in LESIONS for view in ("LCC", "LMLO")])
FINDINGS = ["nodule", "mass", "consolidation", "pleural_effusion", "pneumothorax", "cardiomegaly"]
CHEST = ([(7, ["--normal", "--view", view]) for view in ("PA", "LAT")]
         + [(seed, ["--finding", finding, "--view", "PA"]) for seed, finding in zip(range(11, 17), FINDINGS)])
SHEETS = {"mammo": (MAMMO, 6, (203, 250), "832x1024"), "chest": (CHEST, 4, (229, 280), "820x1000")}


def drawn(program, pathway, seed, told, size):
    """One picture, 0 to 255, as a viewer would show it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "phantom", pathway, "--seed", str(seed), "--size", size, *told, "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (path,) = (p for p in pathlib.Path(folder).glob("*.dcm") if not p.name.endswith(".truth.dcm"))
        image = pydicom.dcmread(path)
        return (image.pixel_array / (2.0 ** image.BitsStored - 1) * 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=str(ROOT / "target/release/doubleread"))
    arguments = parser.parse_args()
    for pathway, (tiles, columns, (wide, high), size) in SHEETS.items():
        rows = -(-len(tiles) // columns)
        sheet = Image.new("L", (columns * (wide + GAP), rows * (high + GAP)), 64)
        for place, (seed, told) in enumerate(tiles):
            picture = Image.fromarray(drawn(arguments.program, pathway, seed, told, size)).resize((wide, high), Image.Resampling.BOX)
            sheet.paste(picture, (place % columns * (wide + GAP), place // columns * (high + GAP)))
        path = ROOT / "docs" / f"phantoms-{pathway}.png"
        sheet.save(path, optimize=True)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()

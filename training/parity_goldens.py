"""What the training side says of 210 real films and some phantoms: tests/golden/model_parity.jsonl, for `tests/it/model_parity.rs`.

    python training/parity_goldens.py               needs target/release/doubleread and target/release/examples/wrap_films
    python training/parity_goldens.py --only NAME   the lines of one model alone, as chest-child, where the others are as they were
    python training/parity_goldens.py --phantoms    the lines of phantoms alone, after a change of their looks or models

Pictures are wrapped as DICOM files as `doubleread send --wrap-films` does (two JPEG decoders differ by a grey level here and there, which is
2e-4 in probability); from the file on they are read by pydicom, windowed and resized by numpy (the rules of `scripts/goldens.py`, which know
nothing of the service), and scored by PyTorch: the chest models of films with the weights that training left in the work folder, the others with those of their
graph, where training has left none. The test goes from a DICOM file on, by the service's preparation and runtime. Films are the first by SHA-256 of their bytes.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib

import numpy as np
import pydicom
import torch

import film_graph
import film_report
import write
from film_model import SETTINGS
from films import ROOT, SHARED, Films, rows_of
from train import SETTINGS as PHANTOM_SETTINGS

sys.path.insert(0, str(ROOT / "scripts"))
from goldens import displayed, resized, stored  # noqa: E402

# Of each set of small pictures: a tar, which of its rows, how many. The full-size films come besides, all of them.
SMALL = {
    "chest-adult": [("chest-adult", dict(subset="nih128", split="test"), 30), ("chest-adult", dict(subset="nih1024"), 31)],
    "chest-child": [("chest-child", dict(split="test"), 34)],
    "mammo-view": [("mammo-ddsm", dict(split="external_test"), 40)],
}
FULL = {"chest-adult": "nih", "chest-child": "kermany"}
PHANTOMS = {"chest": ["--size", "512x640"], "mammo": ["--size", "520x640"]}
FIRST_SEED, STUDIES = 5_000_001, {"chest": 6, "mammo": 3}


def films_of(model):
    """Source, name and bytes of the films of a model."""
    for name, wanted, count in SMALL[model]:
        chosen = {row["file"] for row in rows_of(name) if all(row[k] == v for k, v in wanted.items())}
        with tarfile.open(SHARED / "train" / f"{name}.tar") as tar:
            found = [(m.name, tar.extractfile(m).read()) for m in tar if m.name in chosen]
        found.sort(key=lambda pair: hashlib.sha256(pair[1]).hexdigest())
        for file, content in found[:count]:
            yield f"{name}.tar", file, content
    if model in FULL:
        for path in sorted((SHARED / "films" / FULL[model]).iterdir()):
            yield "films", f"{FULL[model]}/{path.name}", path.read_bytes()


def greys(values, spec, dataset):
    """As the manifest's `[input]` says, by numpy alone."""
    window = spec["windowing"]
    low, high = (window["min_max_percentile"][end] for end in ("low", "high")) if isinstance(window, dict) else (None, None)
    grey = displayed(dataset, values, low, high)
    width, height = spec["width"], spec["height"]
    if spec["aspect"] == "stretch":
        return resized(grey, width, height, spec["resize"])
    rows, columns = grey.shape
    spacing = dataset.get("PixelAspectRatio") or dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or [1, 1]
    tall = float(spacing[0]) / float(spacing[1])
    scale = min(width / columns, height / (rows * tall))
    wide, high = max(1, round(columns * scale)), max(1, round(rows * tall * scale))
    box = np.full((height, width), spec["aspect"]["letterbox"]["pad"])
    left, top = (width - wide) // 2, (height - high) // 2
    box[top:top + high, left:left + wide] = resized(grey, wide, high, spec["resize"])
    return box


def scorer_of_films(name, work, manifest, folder):
    """Probabilities of the labels in the graph, by the nets that training left; by the weights of the graph where it left none."""
    setting = dict(SETTINGS[name], name=name)
    if folder.name != f"{name}-{setting['version']}" or not (work / f"{name}-1.pt").exists():
        logits = film_graph.by_pytorch(folder / "model.onnx", setting)
        return lambda x: 1 / (1 + np.exp(-logits(x[None])[0]))
    films = Films(setting["set"], work, setting["side"])
    nets, _ = film_report.trained(setting, films, work, ladder=False)
    called = [label.lower() for label in films.labels]
    keep = [called.index(label["name"]) for label in manifest["labels"]]
    return lambda x: 1 / (1 + np.exp(-film_graph.described(nets, x[None].astype(np.float32), setting["flip"])[0][0, keep]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", default=str(ROOT / "var/training"))
    parser.add_argument("--program", default=str(ROOT / "target/release/doubleread"))
    parser.add_argument("--wrap", default=str(ROOT / "target/release/examples/wrap_films"))
    parser.add_argument("--only", choices=[*SMALL, *(f"{pathway}-phantom" for pathway in PHANTOMS)], help="leave the lines of the others as they are")
    parser.add_argument("--phantoms", action="store_true", help="leave the lines of films as they are")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    goldens = ROOT / "tests/golden/model_parity.jsonl"
    wanted = {arguments.only} if arguments.only else {f"{pathway}-phantom" for pathway in PHANTOMS}
    wanted |= set() if arguments.only or arguments.phantoms else {*SMALL}
    of_others = lambda line: json.loads(line)["model"].rsplit("-", 1)[0] not in wanted
    lines = list(filter(of_others, goldens.read_text().splitlines())) if goldens.exists() else []

    def say(model, manifest, source, file, scores, content=None):
        line = {"model": model, "sha256": manifest["sha256"][:16], "source": source, "file": file}
        line |= {"bytes": hashlib.sha256(content).hexdigest()[:16]} if content else {}
        lines.append(json.dumps(line | {"scores": [round(float(s), 7) for s in scores]}, separators=(",", ":")))

    def folder_of(name):
        (folder,) = (ROOT / "models").glob(f"{name}-[0-9]*")
        return folder, tomllib.loads(next(p for p in (folder / "manifest.toml", folder / "recogniser.toml") if p.exists()).read_text())

    for name in filter(wanted.__contains__, SMALL):
        folder, manifest = folder_of(name)
        score, spec = scorer_of_films(name, pathlib.Path(arguments.work), manifest, folder), manifest["input"]
        films = list(films_of(name))
        with tempfile.TemporaryDirectory() as wrapped:
            for k, (_, _, content) in enumerate(films):
                (pathlib.Path(wrapped) / f"{k}.picture").write_bytes(content)
            subprocess.run([arguments.wrap, wrapped], check=True)
            for k, (source, file, content) in enumerate(films):
                dataset = pydicom.dcmread(pathlib.Path(wrapped) / f"{k}.dcm")
                say(folder.name, manifest, source, file, score(greys(stored(dataset), spec, dataset)), content)
        print(f"{folder.name}: {len(lines)} lines so far", flush=True)
    for pathway, told in PHANTOMS.items():
        if f"{pathway}-phantom" not in wanted:
            continue
        folder, manifest = folder_of(f"{pathway}-phantom")
        logits = write.by_pytorch(folder / "model.onnx", PHANTOM_SETTINGS[pathway]["layers"])
        score = lambda x: torch.sigmoid(logits(torch.from_numpy(x.astype(np.float32))[None, None]))[0].numpy()
        with tempfile.TemporaryDirectory() as drawn:
            command = [arguments.program, "phantom", pathway, "--seed", str(FIRST_SEED), "--count", str(STUDIES[pathway]), *told, "--out", drawn]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            for path in sorted(pathlib.Path(drawn).rglob("*.dcm")):
                dataset = pydicom.dcmread(path)
                x = greys(stored(dataset), manifest["input"], dataset)
                say(folder.name, manifest, " ".join(command[1:-2]), str(path.relative_to(drawn)), score(x))
        print(f"{folder.name}: {len(lines)} lines so far", flush=True)
    goldens.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

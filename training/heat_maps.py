"""Draws docs/models/heat-maps.png: phantoms that no training saw, the truth's boxes (white) and each model's map (red where it is strong).

    python training/heat_maps.py          needs target/release/examples/phantom_batch

Phantoms only: films of people aren't copied into the repository. The models of films are shown on them for their maps alone; their
scores on a drawn image mean nothing.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import tomllib

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

from films import ROOT

# Apart from the seeds of training, validation, test and parity. The first few of them that have a finding.
FIRST_SEED, DRAWN, SHOWN = 6_000_000, 60, 6
TILE, LINE = 224, 30
ROWS = [("chest-phantom", "chest"), ("chest-adult", "chest"), ("chest-child", "chest"), ("mammo-phantom", "mammo")]


def spec_of(name):
    (folder,) = (ROOT / "models").glob(f"{name}-[0-9]*")
    return folder, tomllib.loads((folder / "manifest.toml").read_text())


def drawn(batch, pathway, manifest, folder):
    """Tensors and truth of the same phantoms for any model's input; tags aren't looked at."""
    spec = pathlib.Path(folder) / "spec.toml"
    entries = []
    for key, value in manifest["input"].items():
        if isinstance(value, dict):
            (kind, inner), = value.items()
            value = "{ %s = { %s } }" % (kind, ", ".join(f"{k} = {float(v)}" for k, v in inner.items()))
        else:
            value = json.dumps(value)
        entries.append(f"{key} = {value}")
    spec.write_text("[input]\n" + "\n".join(entries) + "\n[scope]\nmin_rows = 16\nmin_columns = 16\nallow_missing_body_part = true\n")
    out = pathlib.Path(folder) / pathway
    subprocess.run([batch, pathway, str(spec), str(FIRST_SEED), str(DRAWN), str(out)], check=True)
    truth = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    size = manifest["input"]
    x = np.fromfile(out.with_suffix(".f32"), "<f4").reshape(len(truth), 1, size["height"], size["width"])
    return x, truth


def tile(grey, cells, boxes, words):
    """A picture with its map over it."""
    high, wide = grey.shape
    scale = min(TILE / wide, TILE / high)
    size = (round(wide * scale), round(high * scale))
    base = np.asarray(Image.fromarray((grey * 255).clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC), float)
    heat = np.asarray(Image.fromarray(cells.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    mixed = base[..., None] * (1 - 0.55 * heat) + np.array([255, 60, 20]) * 0.55 * heat
    out = Image.new("RGB", (TILE + 6, TILE + LINE), "white")
    picture = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for x, y, width, height in boxes:
        pen.rectangle([x * scale, y * scale, (x + width) * scale, (y + height) * scale], outline="white")
    out.paste(picture, ((TILE - size[0]) // 2, 0))
    ImageDraw.Draw(out).multiline_text((2, TILE + 2), words, fill="black", font=ImageFont.load_default(11), spacing=1)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", default=str(ROOT / "target/release/examples/phantom_batch"))
    arguments = parser.parse_args()
    sheet = Image.new("RGB", (SHOWN * (TILE + 6), len(ROWS) * (TILE + LINE)), "white")
    for row, (name, pathway) in enumerate(ROWS):
        folder, manifest = spec_of(name)
        with tempfile.TemporaryDirectory() as scratch:
            x, truth = drawn(arguments.batch, pathway, manifest, scratch)
        graph = manifest["graph"]
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        chosen = [k for k, image in enumerate(truth) if image["findings"]][:SHOWN]
        scores, maps = session.run([graph["scores"], graph["map"]], {graph["input"]: x[chosen]})
        for column, k in enumerate(chosen):
            cells = maps[column, 0]
            spread = (cells - cells.min()) / max(float(cells.max() - cells.min()), 1e-6)
            a, b = (manifest["labels"][0]["calibration"]["platt"][key] for key in "ab")
            said = np.log(scores[column, 0] / (1 - scores[column, 0])) * a + b
            codes = ", ".join(sorted({f["code"] for f in truth[k]["findings"]}))
            words = f"{folder.name}\n{codes}; said {1 / (1 + np.exp(-said)):.2f}"
            sheet.paste(tile(x[k, 0], spread, [f["box"] for f in truth[k]["findings"]], words), (column * (TILE + 6), row * (TILE + LINE)))
    out = ROOT / "docs" / "models"
    out.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(out / "heat-maps.png", optimize=True)


if __name__ == "__main__":
    main()

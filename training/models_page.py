"""Writes docs/models.md: what ships, and the figures of every card, copied from the cards that the runs wrote.

    python training/models_page.py            needs target/release/doubleread (or --program) for time and memory of an image
"""

import argparse
import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ("What it finds", "Test split", "When it does not speak", "Where", "Training and serving agree", "What each step brought")

HEAD = """# Models

Written by `python training/models_page.py` from the manifests and cards under `models/`; every figure below is one that a
training run measured and wrote into its card. **All of them are investigational; none is a medical device.**
`doubleread model list` shows them with their roles, `model show NAME --card` prints a card.

A case goes to the first model in force that scores it: scopes tell adults, children and drawn images apart. Where nobody has decided,
a demonstration speaks only where no other model does.

Time and memory below are of `doubleread model check` on {processor}: one image through the graph on one thread of the CPU, the quickest
of three runs, and the most memory that the process had. The machine may have been busy with other work, so times are upper bounds. No GPU was at hand when any of these figures was made, so there is none of a GPU. Decoding and preparing come
besides (`docs/benchmarks.md`).
"""


def processor() -> str:
    """What the machine calls its processor."""
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{len(names)} cores of an {names[0]}" if names else "a processor that does not say its name"


def cost(folder: Path, program: Path) -> str:
    """Time of an image and peak memory of the process that ran the self-test, as `doubleread model check` prints it."""
    if not program.exists():
        return ""
    found = []
    # The machine may be busy, so the quickest of three counts.
    for _ in range(3):
        with subprocess.Popen([program, "model", "check", folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as check:
            printed = check.stdout.read()
            _, _, usage = os.wait4(check.pid, 0)
        found += map(float, re.findall(r"([\d.]+) ms an image", printed))
    peak = usage.ru_maxrss / 1024
    return f"{min(found)} ms in the graph, {peak:.0f} MiB at most" if found else "not measured"


def section(card: str, title: str) -> str:
    """The section of a card whose heading begins with a title, its heading one step lower."""
    for part in re.split(r"^## ", card, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if heading.startswith(title):
            return f"### {heading.strip()}\n\n{body.strip()}\n"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/doubleread")
    arguments = parser.parse_args()
    rows, parts = [], []
    for folder in sorted((ROOT / "models").iterdir()):
        manifest = next((folder / n for n in ("manifest.toml", "recogniser.toml") if (folder / n).exists()), None)
        if manifest is None:
            continue
        facts = tomllib.loads(manifest.read_text())
        scope = facts["scope"]
        ages = f"{scope.get('min_age_years', 'any')} to {scope.get('max_age_years', 'any')}"
        kind = "recogniser" if manifest.name == "recogniser.toml" else "model"
        if facts.get("demonstration"):
            kind = "demonstration"
        size = f"{facts['input']['width']} x {facts['input']['height']}"
        rows.append(
            f"| {folder.name} | {facts['pathway']} | {kind} | {facts['trained_on']} | {ages} | {size} | {cost(folder, arguments.program)} |"
        )
        card = (folder / facts["card"]).read_text()
        body = "\n".join(filter(None, (section(card, title) for title in SECTIONS)))
        parts.append(f"## {folder.name}\n\n{body}")
    table = "\n".join(
        ["| model | pathway | kind | trained on | ages | input | one image, one thread |", "| --- " * 7 + "|", *rows]
    )
    (ROOT / "docs/models.md").write_text(f"{HEAD.format(processor=processor())}\n{table}\n\n" + "\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    main()

"""Draws how often what was said with a probability came true: an SVG for docs/models/, by the run that measured it.

    python training/reliability_plot.py models/mammo-view-1.0.1       from the table of a card that was written before there were plots
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE, EDGE = 320, 48


def write(name, label, bins, error, n, unit="films"):
    """`bins`: edge, edge, count, mean of what was said, share that is positive, as `reliability` gives them."""
    at = lambda x, y: (EDGE + x * SIDE, EDGE / 2 + (1 - y) * SIDE)
    most = max(count for _, _, count, _, _ in bins)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE + 1.5 * EDGE:.0f}" height="{SIDE + 1.75 * EDGE:.0f}" '
             'font-family="sans-serif" font-size="12">',
             f"<title>{name}: reliability of {label} on the test split, {n} {unit}, expected calibration error {error:.3f}</title>",
             '<rect width="100%" height="100%" fill="white"/>']
    for low, high, count, _, _ in bins:
        x, y = at(low, 0.2 * count / most)
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{(high - low) * SIDE - 1:.1f}" height="{0.2 * count / most * SIDE:.1f}" fill="#dde3ea"/>')
    (left, bottom), (right, top) = at(0, 0), at(1, 1)
    parts.append(f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#333"/>')
    parts.append(f'<path d="M{left} {bottom}L{right} {top}" stroke="#999" stroke-dasharray="4 4"/>')
    for tick in (0, 0.5, 1):
        x, y = at(tick, tick)
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16:.0f}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{tick:g}</text>')
    points = [at(said, true) for _, _, _, said, true in bins]
    parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="#14507d" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#14507d"/>' for x, y in points]
    parts.append(f'<text x="{(left + right) / 2:.0f}" y="{bottom + 34:.0f}" text-anchor="middle">said ({name}, {label})</text>')
    middle = (top + bottom) / 2
    parts.append(f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">share that is positive; grey: how many</text>')
    folder = ROOT / "docs" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-reliability.svg").write_text("\n".join([*parts, "</svg>"]) + "\n")
    return f"docs/models/{name}-reliability.svg"


def of_card(folder):
    """The same from a card's own table."""
    text = (folder / "CARD.md").read_text()
    label, table = re.search(r"^Reliability of `(\w+)` on test.*?:\n\n((?:\|.*\n)+)", text, re.MULTILINE).groups()
    bins = []
    for row in table.splitlines()[2:]:
        said, count, mean, share = (cell.strip() for cell in row.strip("|").split("|"))
        low, high = map(float, said.split(" to "))
        bins.append((low, high, int(count), float(mean), float(share)))
    error = float(re.search(rf"^\| {label} \|.*\| ([\d.]+) \|$", text, re.MULTILINE).group(1))
    return write(folder.name.rsplit("-", 1)[0], label, bins, error, sum(row[2] for row in bins))


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        print(of_card(pathlib.Path(folder)))

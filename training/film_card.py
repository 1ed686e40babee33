"""Manifest and card of a film model, from the figures of `film_report`; nothing in them is written by hand but words."""

import hashlib
import json
import pathlib

import numpy as np
import tomllib

from film_report_words import ABOUT
from films import ROOT
from statistics_of_cards import auc, auc_interval_by, wilson
from write import TARGETS

MANIFEST_OF_RECOGNISER = "recogniser.toml"
TRIED = "Steps by themselves"
WHERE, SILENT = "## Where it points", "## When it does not speak"


def cases(films, places, logits, out, split):
    """DDSM: cancer against all else, one score per woman (the largest and the mean of her films)."""
    column = films.labels.index("malignant")
    who = films.patient[places]
    women = sorted(set(who))
    truth = np.array([films.rows[places[np.flatnonzero(who == w)[0]]]["case_category"] == "cancers" for w in women])
    for word, pool in (("largest", np.max), ("mean", np.mean)):
        score = np.array([pool(logits[who == w, column]) for w in women])
        low, high = auc_interval_by(truth, score, np.array(women))
        out.setdefault("cases", {})[f"{split}, {word} of a woman's films"] = dict(
            n=len(women), positive=int(truth.sum()), auc=float(auc(truth, score)), low=float(low), high=float(high))


def lying(films, places, logits):
    """How often `left` agrees with the half of the picture that is brighter, where the chest wall lies."""
    pictures_here = np.asarray(films.images[places], np.float32)
    half = pictures_here.shape[2] // 2
    brighter = pictures_here[:, :, :half].mean((1, 2)) > pictures_here[:, :, half:].mean((1, 2))
    agrees = (logits[:, films.labels.index("left")] > 0) == brighter
    stored = np.array([films.rows[p]["side"] == "LEFT" for p in places])
    return dict(agrees=(int(agrees.sum()), len(places)), turned=(int((brighter != stored).sum()), len(places)))


def shrunken(setting, films, served, rows, graph, out):
    """How far the score of a full-size film is from that of the small, compressed copy in the training set."""
    names = {pathlib.Path(row.get("original_name") or row["file"]).stem: k for k, row in enumerate(films.rows)}
    both = [(k, names[pathlib.Path(row["file"]).stem]) for k, (own, row) in enumerate(rows)
            if own and pathlib.Path(row["file"]).stem in names]
    if both:
        full, small = graph(served[[k for k, _ in both]])[0], graph(films.images[[p for _, p in both]])[0]
        change = np.abs(full - small)[:, 0]
        out["small_copy"] = dict(n=len(both), median=float(np.median(change)), largest=float(change.max()))


def share(successes, n):
    low, high = (abs(round(edge, 6)) for edge in wilson(successes, n))
    return f"{successes / n:.3f} ({low:.3f} to {high:.3f}; {successes} of {n})" if n else "none"


def area(found):
    return f"{found['auc']:.3f} ({found['low']:.3f} to {found['high']:.3f})" if found else "too few"


def manifest(setting, spec_text, out, kept_labels, folder):
    from film_report import CODES
    about = ABOUT[setting["name"]]
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    recogniser = setting["name"] == "mammo-view"
    lines = [f'name = "{setting["name"]}"', f'version = "{setting["version"]}"', f'pathway = "{about["pathway"]}"',
             'file = "model.onnx"', f'sha256 = "{digest}"', 'card = "CARD.md"', f'trained_on = "{about["trained_on"]}"',
             "investigational = true", 'operating_point = "balanced"', "", "[graph]", 'input = "image"', 'scores = "scores"',
             'activation = "probabilities"', 'map = "cam"', "batch = { dynamic = { max = 16 } }", "",
             spec_text.split("\n\n", 1)[1].strip(), ""]
    for label in kept_labels:
        a, b = out["labels"][label]["platt"]
        lines += ["[[labels]]", f'name = "{label.lower()}"']
        lines += ['feature = "other"'] if recogniser else [f'code = "{CODES[label]}"']
        lines.append(f"calibration = {{ platt = {{ a = {a:.6f}, b = {b:.6f} }} }}")
        lines += [] if out["labels"][label]["offered"] and not recogniser else ["offered = false"]
        lines.append("")
    lines += ["[overall]", 'rule = "label"', f'labels = ["{kept_labels[0].lower()}"]', "", "[aggregation]", 'views = "maximum"',
              'breasts = "maximum"', "", "[out_of_distribution]", 'output = "ood"', f"refuse_above = {out['limit']}",
              f'chosen_on = "validation split, {out["n"]["val"]} films: 0.5 % of them are farther"', ""]
    for name, point in out["points"].items():
        lines += ["[[operating_points]]", f'name = "{name}"',
                  f'chosen_on = "validation split, {out["n"]["val"]} films: {TARGETS[name]}"',
                  f"overall = {point[kept_labels[0]]['threshold']}"]
        others = ", ".join(f"{label.lower()} = {point[label]['threshold']}" for label in kept_labels[1:])
        lines += [f"labels = {{ {others} }}"] if others else []
        lines.append("")
    # A recogniser says nothing of disease: under this name the registry takes it for no model of a pathway.
    name = MANIFEST_OF_RECOGNISER if recogniser else "manifest.toml"
    (folder / name).write_text("\n".join(lines).rstrip() + "\n")


def table(head, rows):
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def steps(setting, ladder, about):
    """The ladder: per source the first label, its log loss and the mean of the other labels that are watched."""
    first, others, rows = setting["watch"][0], setting["watch"][1:], []
    for step, values in [*about.get("earlier_steps", []), *ladder]:
        sources = [source for source in (*setting.get("sources", []), "kermany", None)
                   if (f"{first} in {source}" if source else first) in values or (source == "kermany" and "pneumonia in kermany" in values)]
        said = []
        for source in sources:
            tail, head = f" in {source}" if source else "", first
            if source == "kermany":
                head = "pneumonia"
            line = [f"{head}{tail} {values[head + tail]:.3f}"]
            if f"log loss of {head}{tail}" in values:
                line.append(f"log loss {values[f'log loss of {head}{tail}']:.3f}")
            known = [values[label + tail] for label in others if label + tail in values]
            if setting["name"] == "mammo-view":
                line += [f"{label} {values[label]:.3f}" for label in others]
            elif known:
                line.append(f"mean of {len(known)} findings {sum(known) / len(known):.3f}")
            said.append(", ".join(line))
        if said:
            rows.append((step, "; ".join(said)))
    return [table(("step", "AUC"), rows), *([""] + [about["not_brought"]] if "not_brought" in about else [])]


def tried_besides(setting):
    """What `adult_ladder.py` measured for this model, as a table of its own; nothing for the others."""
    kept = ROOT / "training" / f"{setting['name'].replace('chest-', '')}_ladder.json"
    if not kept.exists():
        return []
    tried = json.loads(kept.read_text())
    rows = [(f"{one['told']} (seed {one['seed']})", one["values"]) for one in tried]
    return ["", f"{TRIED} (`training/{kept.stem}.py`): one net at 64 px, 6 epochs on the labels where nothing else is said, scored with the "
            "mirrored film besides, on validation. What two seeds of one step differ by is chance.", "", *steps(setting, rows, {})]


def where(found):
    """The section on where the model points, from `where.measured`."""
    parts = [WHERE, "",
             "Strongest cell: the share of films whose strongest cell lies in the box, widened by half a cell, and what pointing by habit would give: with the "
             "strongest cell of the usual map (mean over films of training) for the boxes, with that of the same film without the lesion for pasted ones. IoU: "
             "the box around the cells that hang together with the strongest and are at least half as strong, against the best box; cells are coarse."]
    head = ("films", "strongest cell in the box", "by habit", "IoU, mean")
    row = lambda name, hits, usual, mean: (name, share(*hits), share(*usual), "none" if mean is None else f"{mean:.3f}")
    if found["boxes"]:
        parts += ["", "Boxes that radiologists drew, of films that no net was taught (validation, test and the selected films of every size; "
                  "`training/where.py` has the source):", "", table(head, [row(*one) for one in found["boxes"] if one[1][1]])]
    parts += ["", "Lesions pasted into normal films of validation (`training/pasted.py`: simple shapes, no real disease), one in each:", "",
              table((*head, "score rose"), [(*row(*one[:4]), share(*one[4])) for one in found["pasted"]])]
    return [*parts, ""]


def where_into(card, found):
    """The section in a card that is there, in its place."""
    text = card.read_text()
    if WHERE in text:
        before, rest = text.split(WHERE, 1)
        after = rest[rest.index(f"\n{SILENT}") + 1:]
    else:
        before, after = text.split(SILENT, 1)
        after = SILENT + after
    card.write_text(before + "\n".join(where(found)) + "\n" + after)


def write(setting, spec_text, films, out, kept, folder):
    kept_labels = [films.labels[k] for k in kept]
    manifest(setting, spec_text, out, kept_labels, folder)
    about, n, overall = ABOUT[setting["name"]], out["n"], kept_labels[0]
    spec = tomllib.loads(spec_text)["input"]
    size = (folder / "model.onnx").stat().st_size / 1e6
    parts = [f"# {setting['name']} {setting['version']}", "", about["opening"], "",
             f"- Trained on: {about['trained_on']}.",
             f"- For whom: {about['for']}", f"- What it is not: {about['not']}",
             f"- Made by `python training/film_model.py {setting['name']}` (PyTorch on a CPU, {'seed' if len(setting['members']) == 1 else 'seeds'} {', '.join(str(m['seed']) for m in setting['members'])}, "
             f"{out['ladder']['seconds']} s of the processor in training{about.get('parts', '')}); this card, the manifest and the graph were written together, from its weights.",
             f"- Data: {about['data']}",
             f"- Split by patient, as in `training/splits/{setting['set']}.csv`: {n['train']} films of {n['patients']['train']} people for "
             f"training, {n['val']} films for validation, {n['test']} for test{about['beside']}. {about.get('reading', 'The test split was scored by these weights alone, at the end.')}",
             f"- Input: `{spec['preprocessing']}`, {spec['width']} x {spec['height']}, one channel, resize `{spec['resize']}`, aspect "
             f"`{spec['aspect']}`, window `{spec['windowing'] if isinstance(spec['windowing'], str) else 'percentiles 0.5 to 99.5'}`; "
             "inside the graph every picture is brought to mean 0 and deviation 1.",
             f"- Graph: {'a narrow residual net' if len(setting['members']) == 1 else str(len(setting['members'])) + ' narrow residual nets, trained apart, whose logits and cells are averaged'}"
             + (", run on the film and on its mirror image" if setting["flip"] else "") +
             f"; `scores`, `cam` (evidence per cell of a {out['map'][1]} x {out['map'][0]} map, by a 1 x 1 convolution before the mean"
             f"{', beyond what the cell has in normal films of training' if setting['name'] != 'mammo-view' else ''}; softplus, so never negative), `embedding`{' (of the first net)' if len(setting['members']) > 1 else ''}, `ood`; {size:.1f} MB.", ""]
    parts += ["## What it finds, on the test split", "",
              f"Source: {about['source']}. Intervals are 95 %: for AUC a bootstrap over patients (1,000 rounds), for shares Wilson's over "
              "films. Findings were selected, calibrated (Platt) and given thresholds on validation alone.", ""]
    rows = []
    for label, entry in out["labels"].items():
        test = entry["test"]
        word = "offered" if entry["offered"] else about.get("unoffered", {}).get(label, "not offered")
        rows.append((label, word, area(entry["chosen"] or entry["val"]) + (f" in {entry['chosen_on']}" if entry["chosen_on"] == "nih64" else ""),
                     f"{test['positive']} of {test['n']}" if test else "none", area(test), f"{entry['calibration_error']:.3f}"))
    parts += [table(("label", "", "AUC, validation", "positive", "AUC, test", "expected calibration error"), rows), "", about["rule"], ""]
    rows = [(name, label, f"{p['threshold']:.4f}", share(*p["true"]), share(*p["quiet"]))
            for name, point in out["points"].items() for label, p in point.items()]
    parts += [table(("operating point", "label", "threshold", "sensitivity, test", "specificity, test"), rows), "",
              "Thresholds were chosen on validation for the largest sum of sensitivity and specificity: `sensitive` among those with a "
              "sensitivity of 0.95 or more, `specific` among those with a specificity of 0.95 or more, `balanced` among all. `balanced` is in force.", "",
              f"Reliability of `{overall}` on test ({', '.join(f'`{path}`' for path in out['plots'].values())}); expected calibration error "
              f"{out['labels'][overall]['calibration_error']:.3f}, on validation, where it was calibrated, {out['validation_error'][overall]:.3f}:", "",
              table(("said", "films", "mean of what was said", "share that is positive"),
                    [(f"{a:.1f} to {b:.1f}", c, f"{d:.3f}", f"{e:.3f}") for a, b, c, d, e in out["reliability"]]), ""]
    rows = [(name, f"{g['positive']} of {g['n']}", area(g), share(*g["true"]), share(*g["quiet"])) for name, g in out["groups"].items()]
    if rows:
        parts += [table((f"subgroup, `{overall}`", "positive", "AUC, test", "sensitivity at balanced", "specificity at balanced"), rows), ""]
    if "without_pixels" in out:
        parts += [table(("without any pixels", "AUC, test"), [(k, area(found)) for k, found in out["without_pixels"].items()]), ""]
    if out["elsewhere"]:
        rows = [(name, label, f"{f['positive']} of {f['n']}", area(f)) for name, e in out["elsewhere"].items()
                for label, f in e["labels"].items() if f and (label in kept_labels or label == "malignant")]
        parts += ["Other pictures, each source by itself:", "", table(("pictures", "label", "positive", "AUC"), rows), ""]
        rows = [(name, share(*e["refused"])) for name, e in out["elsewhere"].items()]
        parts += [table(("pictures", "refused by the distance (below)"), rows), ""]
    if "lying" in out:
        rows = [(name, share(*e["agrees"]), share(*e["turned"])) for name, e in out["lying"].items()]
        parts += ["`left` was taught by the side of the breast and tells on which edge of the picture the chest wall lies. Where films were stored "
                  "mirrored it says what the picture shows, not what the table says:", "",
                  table(("films", "`left` agrees with the brighter half", "brighter half contradicts the side of the table"), rows), ""]
    if "cases" in out:
        parts += [about["cancer"], "", table(("cancer against all else, per woman", "positive", "AUC"),
                                             [(k, f"{c['positive']} of {c['n']}", area(c)) for k, c in out["cases"].items()]), ""]
    if "where" in out:
        parts += where(out["where"])
    parts += [SILENT, "",
              f"`ood` is the Mahalanobis distance of the block means and a 16 x 16 thumbnail from the training films (covariance shrunk by a "
              f"tenth). Above {out['limit']}, the 99.5th percentile of validation, an image is not scored. This is the distance alone: in the service "
              "tags and quality checks refuse first.", "",
              table(("pictures", "refused by the distance"), [(kind, share(*part)) for kind, part in out["refused"].items()]), ""]
    if "dicom" in out:
        strange = lambda said: said if isinstance(said, str) else ("refused" if said > out["limit"] else "NOT refused")
        counted = {}
        for name, said, tagged, _ in out["dicom"]:
            group = "cxr/ that is a dog" if "dx_image" in name else name.split("/")[0] + "/"
            if group == "sample-dicom/":
                group += name.split("/")[1].split("-")[0] + "* (phantoms)"
            entry = counted.setdefault(group, [0, 0, 0, 0, 0])
            entry[0] += 1
            entry[1 if isinstance(said, str) else (2 if said > out["limit"] else 3)] += 1
            entry[4] += tagged == "let through" and not isinstance(said, str) and said <= out["limit"]
        parts += ["Real DICOM files of the shared folder, and the phantoms of sample-dicom/, tags not looked at; the last column is what the whole service would score, tags included:", "",
                  table(("folder", "files", "not decoded, or refused by a quality check", "refused by the distance", "not refused", "scored with tags looked at"),
                        [(group, *entry) for group, entry in counted.items()]), ""]
        missed = [f"`{name}`" for name, said, _, _ in out["dicom"] if strange(said) == "NOT refused" and not name.startswith("cxr/") and "chest-" not in name]
        parts += [f"Strangers that the distance let pass: {', '.join(missed)}." if missed else "No stranger passed the distance.", ""]
    parts += ["## Training and serving agree", "",
              f"- The trained net and `model.onnx` on {out['parity']['n']} test films: at most {out['parity']['scores']:.1e} apart in probability."]
    if "served" in out:
        s = out["served"]
        parts.append(f"- {s['n']} real films wrapped as DICOM, through the service's own preparation, against the rule that the training "
                     f"pictures were made by: at most {s['pixel']:.1e} apart in grey (of 1), {s['score']:.1e} in probability.")
    if "small_copy" in out:
        c = out["small_copy"]
        parts.append(f"- {c['n']} full-size films are in the set as small compressed copies; the score of the film is {c['median']:.3f} (median) and at "
                     f"most {c['largest']:.3f} from that of its copy.")
    parts += ["", "## What each step brought (validation)", "", *steps(setting, out["ladder"]["ladder"], about), *tried_besides(setting), "",
        "## Limits", "", about["limits"], "", "## Sources", "", about["sources"], ""]
    (folder / "CARD.md").write_text("\n".join(parts))

"""Everything that a film model's manifest and card say, from its weights: one run, one reading of the test split."""

import json
import pathlib
import tempfile

import numpy as np
import torch
from PIL import Image

import film_card
import film_graph
import film_net
import reliability_plot
import where
from films import ROOT, SHARED, pictures, rows_of
from statistics_of_cards import POINTS, auc, auc_interval_by, calibration_error, logistic, platt, reliability, threshold

# What the service calls a label; one that has no name there is measured and not offered.
CODES = {
    "pneumonia": "abnormality", "abnormality": "abnormality", "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly", "Effusion": "pleural_effusion", "Mass": "mass", "Nodule": "nodule",
    "Pneumothorax": "pneumothorax", "Consolidation": "consolidation", "Edema": "pulmonary_oedema",
    "Emphysema": "emphysema", "Fibrosis": "interstitial_lung_disease", "Hernia": "hiatus_hernia",
}
CHANCE = 0.6
FEWEST = 10
REFUSED = 0.995
CHANGES = 4
# How many normal films say what is usual, about.
NORMAL = 1000


def measured(films, places, score, column):
    """n, positives, AUC and its interval; None where one kind is missing."""
    truth = films.truth[places, column]
    known = ~np.isnan(truth)
    truth, places, score = truth[known] > 0, places[known], score[known]
    if not truth.any() or truth.all():
        return None
    low, high = auc_interval_by(truth, score, films.patient[places])
    return dict(n=len(truth), positive=int(truth.sum()), auc=float(auc(truth, score)), low=float(low), high=float(high))


def groups_of(setting, films, places):
    """Named parts of a split, as masks over `places`."""
    rows = [films.rows[p] for p in places]
    out = {}
    if setting["name"] == "chest-adult":
        age = np.array([float(row["age"]) for row in rows])
        for view in ("PA", "AP"):
            out[f"view {view}"] = np.array([row["view"] == view for row in rows])
        for sex, word in (("F", "women"), ("M", "men")):
            out[word] = np.array([row["sex"] == sex for row in rows])
        for low, high in ((18, 40), (40, 60), (60, 200)):
            out[f"{low} to {high - 1} years" if high < 200 else f"{low} years and over"] = (age >= low) & (age < high)
        first = {}
        for k in sorted(range(len(rows)), key=lambda k: (int(rows[k]["followup"]), rows[k]["file"])):
            first.setdefault(rows[k]["patient_id"], k)
        chosen = np.zeros(len(rows), bool)
        chosen[list(first.values())] = True
        out["one film per patient, the first"] = chosen
        for view in ("PA", "AP"):
            out[f"one film per patient, view {view}"] = chosen & out[f"view {view}"]
    elif setting["name"] == "chest-child":
        normal = np.array([row["label"] == "NORMAL" for row in rows])
        for kind in ("bacteria", "virus"):
            out[f"pneumonia filed as {kind}, and all normal films"] = normal | np.array([f"_{kind}_" in row["file"] for row in rows])
    else:
        for volume in "BCD":
            out[f"volume {volume}"] = np.array([row["digitizer_volume"] == volume for row in rows])
    return {name: mask for name, mask in out.items() if mask.any()}


def in_scope(setting, films, places):
    """Films that the manifest's scope lets through, as far as the set's table says."""
    if setting["name"] != "chest-adult":
        return places
    return places[np.array([float(films.rows[p]["age"]) >= 18 for p in places])]


def strangers(setting, films, test, work):
    """Pictures that are no film of the scope, by kind, all uint8 but the noise."""
    side, rng = setting["side"], np.random.default_rng(5)
    shown = np.array(films.images[test[:: max(len(test) // 200, 1)][:200]])
    out = {
        "test films turned black for white": 255 - shown,
        "test films upside down": shown[:, ::-1, ::-1],
        "test films on their side": np.rot90(shown, 1, (1, 2)),
        "white noise": rng.integers(0, 256, (200, side, side), np.uint8),
    }
    rough = rng.integers(0, 256, (200, 6, 6), np.uint8)
    out["smooth noise"] = np.stack([np.asarray(Image.fromarray(r).resize((side, side), Image.Resampling.BICUBIC)) for r in rough])
    for other, split, word in (("mammo-ddsm", "external_test", "mammograms (DDSM)"), ("chest-child", "test", "films of children"),
                               ("chest-adult", "test", "films of adults")):
        if other == setting["set"] or (setting["name"] == "mammo-view" and other == "mammo-ddsm"):
            continue
        rows = [row for row in rows_of(other) if row["split"] == split and row.get("subset", "nih128") == "nih128"][:200]
        out[word] = pictures(f"{other}", rows, side, work / "strangers")
    return out


def by_area(grey, side):
    """Mean over the area that each pixel covers, exact, as the service's `area` is defined."""
    def weights(size):
        edge = np.arange(side + 1) * size / side
        low, high = np.maximum(np.arange(size)[None], edge[:-1, None]), np.minimum(np.arange(size)[None] + 1, edge[1:, None])
        return np.maximum(high - low, 0) / (size / side)
    return (weights(grey.shape[0]) @ grey @ weights(grey.shape[1]).T).astype(np.float32)


def films_of_the_service(setting, spec, program, log):
    """Full-size films through the service's own preparation, and the same by the rule that training used."""
    from served import ANYTHING, Preparation, wrapped

    child = setting["name"] == "chest-child"
    prepare = Preparation(program, spec["input"])
    with open(SHARED / "films" / "labels.csv", newline="") as table:
        import csv
        rows = list(csv.DictReader(table))
    side = spec["input"]["width"]
    rule = {"area": lambda grey: by_area(grey, side), "triangle": lambda grey: np.asarray(
        Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR))}[spec["input"]["resize"]]
    served, expected, kept = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for k, row in enumerate(rows):
            grey = np.asarray(Image.open(SHARED / "films" / row["file"]).convert("L"))
            path = pathlib.Path(folder) / f"{k}.dcm"
            own = row["file"].startswith("kermany") == child
            wrapped(grey, path, "AP" if child else "PA", 3 if child else 50)
            tensor = prepare(path, spec["scope"] if own else ANYTHING)
            if isinstance(tensor, str):
                log(f"{row['file']}: {tensor}")
                continue
            served.append(tensor), expected.append(rule(grey.astype(np.float32) / 255)), kept.append((own, row))
        # More real pictures of another size than the input's, for parity alone.
        source = ("chest-child", 160, lambda row: row["split"] == "test") if child else (
            "chest-adult", 320, lambda row: row["subset"] == "nih1024")
        name, native, wanted = source
        rows = [row for row in rows_of(name) if wanted(row)][:130]
        more = pictures(name, rows, native, pathlib.Path(folder))
        further = []
        for k, grey in enumerate(more):
            wrapped(np.ascontiguousarray(grey), pathlib.Path(folder) / "more.dcm", "AP", 3 if child else 50)
            tensor = prepare(pathlib.Path(folder) / "more.dcm", ANYTHING)
            if not isinstance(tensor, str):
                further.append((tensor, rule(grey.astype(np.float32) / 255)))
    dicoms = []
    for path in sorted((SHARED / "dicom").rglob("*.dcm")) + sorted((ROOT / "sample-dicom").rglob("*.dcm")):
        dicoms.append((path, prepare(path, ANYTHING), prepare(path, spec["scope"])))
    prepare.close()
    return np.stack(served), np.stack(expected), kept, further, dicoms


def logit(probability):
    return np.log(probability.astype(float).clip(1e-9, 1 - 1e-9)) - np.log1p(-probability.astype(float).clip(1e-9, 1 - 1e-9))


def validated(setting, films, said, called):
    """Two steps of a ladder: validation as it is, and the same films changed as in training, where a score that is full has room again."""
    plain, changed = {}, {}
    for source in setting.get("sources", [None]):
        places = films.of("val", source)
        plain |= film_net.areas_of(films, source, places, said(films.images[places]), setting["watch"])
        generator = torch.Generator().manual_seed(97)
        logits = []
        for _ in range(CHANGES):
            pictures = torch.from_numpy(np.array(films.images[places]))[:, None].float() / 255
            pictures = film_net.changed(pictures, setting["flip"], generator)
            logits.append(said((pictures[:, 0] * 255).round().byte().numpy()))
        changed |= film_net.areas_of(films, source, np.tile(places, CHANGES), np.concatenate(logits), setting["watch"])
    return [(called, plain), (f"{called}; films changed as in training, {CHANGES} times", changed)]


def trained(setting, films, work, ladder=True):
    """The nets that training left in the work folder, what each step brought and how long it took."""
    nets, steps, seconds = [], [], 0
    for number in range(1, len(setting["members"]) + 1):
        even = setting["members"][number - 1].get("even", 0)
        net = film_net.new_net(dict(setting, even=even), films)
        net.load_state_dict(torch.load(work / f"{setting['name']}-{number}.pt"))
        nets.append(net.eval().to(memory_format=torch.channels_last))
        done = json.loads((work / f"{setting['name']}-{number}.json").read_text())
        steps, seconds = steps + done["ladder"], seconds + done["seconds"]
    if not ladder:
        return nets, None
    for count in range(1, len(nets) + 1):
        called = f"nets 1 to {count}: mean of their logits" if count > 1 else "net 1"
        said = lambda pictures: film_graph.described(nets[:count], pictures, setting["flip"])[0]
        steps += validated(setting, films, said, called)[0 if count > 1 else 1:]
    if any(member.get("start") == "chest-start" for member in setting["members"]):
        begun = json.loads((work / "chest-start-1.json").read_text())
        steps, seconds = begun["ladder"] + steps, seconds + begun["seconds"]
    return nets, dict(ladder=steps, seconds=seconds)


def held_to_its_rule(setting, ladder, log):
    """Ends a run before test is read, where on validation the mean of the nets has less than what was written down before training."""
    rule, label = setting["rule"], setting["watch"][0] + setting["rule"].get("where", "")
    found = lambda called: next(values[label] for step, values in ladder if step.startswith(called) and ("changed" in step) == rule["changed"])
    mean = found(f"nets 1 to {len(setting['members'])}:")
    least = rule["least"] if "least" in rule else found(rule["against"])
    log(f"rule: {label}{', films changed as in training' if rule['changed'] else ''}: the mean has {mean}, and must have {least}")
    if mean < least:
        raise SystemExit(f"{setting['name']}: the mean of the nets is not what the rule asks for, so test is not read and nothing is written")


def finish(setting, films, work, program, log):
    import tomllib

    torch.set_num_threads(1)
    spec_text = (ROOT / "training" / setting["spec"]).read_text()
    spec = tomllib.loads(spec_text)
    nets, told = trained(setting, films, work)
    for step in told["ladder"]:
        log(f"ladder {step}")
    if "rule" in setting:
        held_to_its_rule(setting, told["ladder"], log)
    source = setting.get("source")
    (work / "strangers").mkdir(exist_ok=True)
    described = lambda places: film_graph.described(nets, films.images[places], setting["flip"])
    train, val = films.of("train"), in_scope(setting, films, films.of("val", source))
    # Validation: what is offered, calibration, operating points, the limit of strangeness.
    _, embedding, thumbnail = film_graph.described(nets[:1], films.images[train], setting["flip"])
    centre, matrix = film_graph.distance(embedding, thumbnail)
    val_logits, *of_val = described(val)
    val_far = film_graph.distances(*of_val, centre, matrix)
    limit = round(float(np.quantile(val_far, REFUSED)), 4)
    out = dict(name=setting["name"], labels={}, points={}, ladder=told, limit=limit, n=dict(
        train=len(train), val=len(val), patients={s: len(set(films.patient[films.of(s)])) for s in ("train", "val", "test")}))
    second = in_scope(setting, films, films.of("val", "nih64")) if source else None
    second_logits = described(second)[0] if source else None
    for k, label in enumerate(films.labels):
        found = measured(films, val, val_logits[:, k], k)
        chosen_on, other = source or "val", None
        if source and (found is None or found["positive"] < FEWEST):
            other = measured(films, second, second_logits[:, k], k)
            chosen_on = "nih64"
        used = other if chosen_on == "nih64" else found
        clears = used is not None and used["positive"] >= FEWEST and used["low"] > CHANCE
        known = ~np.isnan(films.truth[val, k])
        out["labels"][label] = dict(val=found, chosen_on=chosen_on, chosen=used, clears_validation=clears,
                                    platt=platt(films.truth[val][known, k], val_logits[known, k]))
    overall = films.labels[0]
    kept = [k for k, label in enumerate(films.labels)
            if label == overall or (out["labels"][label]["clears_validation"] and label in CODES)]
    if setting["name"] == "mammo-view":
        kept = [0, 1]
    scaled = lambda logits, k: logistic(out["labels"][films.labels[k]]["platt"][0] * logits[:, k] + out["labels"][films.labels[k]]["platt"][1])
    for name, target in POINTS.items():
        out["points"][name] = {films.labels[k]: dict(threshold=round(float(np.clip(
            threshold(films.truth[val, k] > 0, scaled(val_logits, k), target), 1e-6, 1 - 1e-6)), 6)) for k in kept}
    log(f"validation done: offered {[films.labels[k] for k in kept]}, strange above {limit}")
    # The test split, read once.
    whole = films.of("test", source)
    test = in_scope(setting, films, whole)
    logits, *of_test = described(test)
    far = film_graph.distances(*of_test, centre, matrix)
    out["n"]["test"] = len(test)
    out["validation_error"] = {films.labels[k]: float(calibration_error(films.truth[val, k], scaled(val_logits, k))) for k in kept}
    for k, label in enumerate(films.labels):
        entry = out["labels"][label]
        entry["test"] = measured(films, test, logits[:, k], k)
        known = ~np.isnan(films.truth[test, k])
        entry["calibration_error"] = float(calibration_error(films.truth[test][known, k], scaled(logits, k)[known]))
        entry["offered"] = k in kept and bool(entry["test"] and entry["test"]["low"] > CHANCE)
        for point in (p[label] for p in out["points"].values() if label in p):
            flagged, there = scaled(logits, k) >= point["threshold"], films.truth[test, k] > 0
            point["true"] = (int((flagged & there).sum()), int(there.sum()))
            point["quiet"] = (int((~flagged & ~there).sum()), int((~there).sum()))
    out["reliability"] = reliability(films.truth[test, 0], scaled(logits, 0))
    # Of every finding that is said, too; each by itself.
    out["plots"] = {films.labels[k]: reliability_plot.write(
        setting["name"] + ("" if films.labels[k] == overall else f"-{films.labels[k].lower()}"), films.labels[k],
        reliability(films.truth[test, k], scaled(logits, k)), out["labels"][films.labels[k]]["calibration_error"], len(test))
        for k in kept if out["labels"][films.labels[k]]["offered"] or films.labels[k] == overall}
    # A subgroup at the thresholds in force, too: sensitivity and specificity hide in an AUC.
    cut, out["groups"] = out["points"]["balanced"][overall]["threshold"], {}
    for name, mask in groups_of(setting, films, test).items():
        found = measured(films, test[mask], logits[mask, 0], 0)
        if found:
            flagged, there = scaled(logits[mask], 0) >= cut, films.truth[test[mask], 0] > 0
            out["groups"][name] = dict(found, true=(int((flagged & there).sum()), int(there.sum())),
                                       quiet=(int((~flagged & ~there).sum()), int((~there).sum())))
    out["elsewhere"] = {}
    others = {"chest-adult": [("nih128 test, every age", whole), ("nih64 test (64 px, enlarged)", ("test", "nih64")),
                              ("nih1024 (selected films)", ("extra_test", None))],
              "mammo-view": [("external_test: volume D, another site", ("external_test", None))]}.get(setting["name"], [])
    for name, places in others:
        places = in_scope(setting, films, films.of(*places)) if isinstance(places, tuple) else places
        there, *of_there = described(places)
        strange = film_graph.distances(*of_there, centre, matrix) > limit
        out["elsewhere"][name] = dict(labels={label: measured(films, places, there[:, k], k) for k, label in enumerate(films.labels)},
                                      refused=(int(strange.sum()), len(strange)))
    if setting["name"] == "mammo-view":
        film_card.cases(films, test, logits, out, "test")
        outside = films.of("external_test")
        outside_logits = described(outside)[0]
        film_card.cases(films, outside, outside_logits, out, "external_test")
        out["lying"] = {"test": film_card.lying(films, test, logits), "external_test": film_card.lying(films, outside, outside_logits)}
    if setting["name"] == "chest-adult":
        # What the table alone would say, without any pixels.
        facts = {"the view alone (AP)": [row["view"] == "AP" for row in films.rows],
                 "the number of earlier films alone": [int(row["followup"]) for row in films.rows]}
        out["without_pixels"] = {k: measured(films, test, np.array(v, float)[test], 0) for k, v in facts.items()}
    # When not to speak.
    out["refused"] = {"validation": (int((val_far > limit).sum()), len(val)), "test films": (int((far > limit).sum()), len(far))}
    folder = ROOT / "models" / f"{setting['name']}-{setting['version']}"
    folder.mkdir(parents=True, exist_ok=True)
    normal = films.normal("train")
    habit = None if setting["name"] == "mammo-view" else film_graph.usual(nets, films.images[normal[::len(normal) // NORMAL or 1]], setting["flip"])
    out["map"] = film_graph.write(nets, setting, kept, centre, matrix, habit, folder / "model.onnx")
    film_graph.self_test(nets, setting, kept, folder / "self_test.json")
    graph = film_graph.Graph(folder / "model.onnx")
    some = films.images[test[:200]]
    scores, _, distance = graph(some)
    out["parity"] = dict(n=len(some), scores=float(np.abs(scores - logistic(logits[:200][:, kept])).max()),
                         distance=float(np.abs(distance - far[:200]).max()))
    if setting["name"] != "mammo-view":
        out["where"] = where.measured(setting, films, graph, [films.labels[k] for k in kept], work)
    for kind, shown in strangers(setting, films, test, work).items():
        distance = graph(shown)[2]
        out["refused"][kind] = (int((distance > limit).sum()), len(distance))
    if pathlib.Path(program).exists() and setting["name"] != "mammo-view":
        served, expected, rows, further, dicoms = films_of_the_service(setting, spec, program, log)
        far_served = graph(served)[2]
        one, other = (np.concatenate([films, [pair[k] for pair in further]]) for k, films in enumerate((served, expected)))
        out["served"] = dict(n=len(one), pixel=float(np.abs(one - other).max()), score=float(np.abs(graph(one)[0] - graph(other)[0]).max()))
        own = np.array([mine for mine, _ in rows])
        out["refused"]["full-size films of the scope, through the service"] = (int((far_served[own] > limit).sum()), int(own.sum()))
        out["refused"]["full-size films of the other age, through the service"] = (int((far_served[~own] > limit).sum()), int((~own).sum()))
        film_card.shrunken(setting, films, served, rows, graph, out)
        out["dicom"] = []
        for path, loose, tagged in dicoms:
            said = loose if isinstance(loose, str) else float(graph(loose[None])[2][0])
            score = None if isinstance(loose, str) else float(graph(loose[None])[0][0, 0])
            name = f"{path.parent.name}/{path.name}"
            if path.is_relative_to(ROOT / "sample-dicom"):
                name = f"sample-dicom/{path.relative_to(ROOT / 'sample-dicom').parts[0]}/{path.name}"
            out["dicom"].append((name, said, tagged if isinstance(tagged, str) else "let through", score))
    film_card.write(setting, spec_text, films, out, kept, folder)
    (work / f"{setting['name']}-figures.json").write_text(json.dumps(out, indent=1, default=float))
    log(json.dumps(out, indent=1, default=float))

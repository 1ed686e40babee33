"""Figures of the cards: AUC, Platt scaling, operating points, intervals, calibration error.

Plain numpy, so that every number can be checked by hand.
"""

import numpy as np


def auc(truth, score):
    """Area under the ROC curve by ranks (Mann-Whitney), ties counted half."""
    truth = np.asarray(truth, bool)
    values, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2.0)[inverse]
    positive, negative = truth.sum(), (~truth).sum()
    return (rank[truth].sum() - positive * (positive + 1) / 2) / (positive * negative)


def auc_interval(truth, score, seed=0, rounds=400):
    """95 % interval of the AUC by bootstrap over cases."""
    rng = np.random.default_rng(seed)
    truth, score = np.asarray(truth, bool), np.asarray(score)
    drawn = []
    for _ in range(rounds):
        at = rng.integers(0, len(truth), len(truth))
        if truth[at].any() and not truth[at].all():
            drawn.append(auc(truth[at], score[at]))
    return tuple(np.percentile(drawn, [2.5, 97.5]))


def wilson(successes, n, z=1.959964):
    """Wilson score interval of a proportion."""
    if n == 0:
        return float("nan"), float("nan")
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def platt(truth, logit, rounds=100):
    """Slope and offset of Platt scaling, by Newton's method on the log loss with a faint ridge."""
    truth = np.asarray(truth, float)
    x = np.stack([np.asarray(logit, float), np.ones(len(truth))], 1)
    w = np.array([1.0, 0.0])
    prior = np.array([1.0, 0.0])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (p - truth) + 1e-2 * (w - prior)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        w = w - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    return float(max(w[0], 1e-3)), float(w[1])


def calibration_error(truth, probability, bins=10):
    """Expected calibration error over equal-width bins."""
    truth, probability = np.asarray(truth, float), np.asarray(probability)
    at = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        here = at == b
        if here.any():
            total += here.mean() * abs(truth[here].mean() - probability[here].mean())
    return total


def threshold(truth, score, target):
    """The threshold with the largest sum of sensitivity and specificity, of those that meet the target.

    Targets: ("sensitivity", 0.95), ("specificity", 0.95), ("balanced", None).
    """
    truth, score = np.asarray(truth, bool), np.asarray(score)
    kind, value = target
    edges = np.unique(score)
    middle = np.concatenate([edges[:1] / 2, (edges[1:] + edges[:-1]) / 2])
    sensitivity = np.array([(score[truth] >= t).mean() for t in middle])
    specificity = np.array([(score[~truth] < t).mean() for t in middle])
    allowed = np.ones(len(middle), bool)
    if kind == "sensitivity":
        allowed = sensitivity >= value
    elif kind == "specificity":
        allowed = specificity >= value
    both = np.where(allowed, sensitivity + specificity, -1.0)
    # Of equally good ones the middle one: the furthest from both sides.
    ties = np.flatnonzero(both == both.max())
    best = ties[len(ties) // 2]
    return float(middle[best])


POINTS = {
    "sensitive": ("sensitivity", 0.95),
    "balanced": ("balanced", None),
    "specific": ("specificity", 0.95),
}


def logistic(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


def by_exam(values, per_exam):
    """The largest of an exam's views, as the manifest's aggregation takes it."""
    return np.asarray(values).reshape(-1, per_exam).max(1)


def pointing(cells, truth, labels, column, input_size):
    """Share of images with a label whose strongest cell lies in its box, widened by half a cell."""
    height, width = cells.shape[2:]
    step_x, step_y = input_size[0] / width, input_size[1] / height
    hits = total = 0
    for index, image in enumerate(truth):
        wanted = [f for f in image["findings"] if column == 0 or f["code"] == labels[column]]
        if not wanted:
            continue
        row, col = divmod(int(cells[index, column].argmax()), width)
        x, y = (col + 0.5) * step_x, (row + 0.5) * step_y
        total += 1
        hits += any(
            f["box"][0] - step_x / 2 <= x <= f["box"][0] + f["box"][2] + step_x / 2
            and f["box"][1] - step_y / 2 <= y <= f["box"][1] + f["box"][3] + step_y / 2
            for f in wanted
        )
    return hits, total


def around_strongest(cells):
    """Rows and columns (first, last) of the cells that hang together with the strongest and are at least half as strong."""
    strongest = np.unravel_index(int(cells.argmax()), cells.shape)
    wanted, seen, waiting = cells >= cells[strongest] / 2, set(), [tuple(map(int, strongest))]
    while waiting:
        row, column = waiting.pop()
        if (row, column) in seen or not (0 <= row < cells.shape[0] and 0 <= column < cells.shape[1]) or not wanted[row, column]:
            continue
        seen.add((row, column))
        waiting += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    rows, columns = zip(*seen)
    return min(rows), max(rows), min(columns), max(columns)


def overlap(cells, truth, labels, column, input_size):
    """Intersection over union of the box around the strongest cells (0 to 1 in) with the best box of the truth, per image with the label."""
    step_x, step_y = input_size[0] / cells.shape[3], input_size[1] / cells.shape[2]
    out = []
    for index, image in enumerate(truth):
        boxes = [f["box"] for f in image["findings"] if column == 0 or f["code"] == labels[column]]
        if not boxes:
            continue
        top, bottom, left, right = around_strongest(cells[index, column])
        x0, y0, x1, y1 = left * step_x, top * step_y, (right + 1) * step_x, (bottom + 1) * step_y
        best = 0.0
        for x, y, width, height in boxes:
            shared = max(min(x1, x + width) - max(x0, x), 0) * max(min(y1, y + height) - max(y0, y), 0)
            best = max(best, shared / ((x1 - x0) * (y1 - y0) + width * height - shared))
        out.append(best)
    return out


def measure(setting, val, test):
    """Everything that manifest and card say, from the scores of the validation and the test split."""
    labels, per_exam = setting["labels"], setting["per_exam"]
    val_logits, _, val_truth, _ = val
    logits, cells, truth, images = test
    out = {"labels": {}, "points": {}, "n": {"val": len(val_truth) // per_exam, "test": len(truth) // per_exam}}
    scaled_val, scaled = np.empty_like(val_logits), np.empty_like(logits)
    for k, label in enumerate(labels):
        a, b = platt(val_truth[:, k], val_logits[:, k])
        scaled_val[:, k], scaled[:, k] = logistic(a * val_logits[:, k] + b), logistic(a * logits[:, k] + b)
        score, there = by_exam(scaled[:, k], per_exam), by_exam(truth[:, k], per_exam) > 0
        low, high = auc_interval(there, score)
        hits, shown = pointing(cells, images, labels, k, (setting["width"], setting["height"]))
        shares = overlap(logistic(cells), images, labels, k, (setting["width"], setting["height"]))
        out["labels"][label] = {
            "platt": (a, b), "positive": int(there.sum()), "auc": float(auc(there, score)), "auc_low": float(low),
            "auc_high": float(high), "calibration_error": float(calibration_error(truth[:, k], scaled[:, k])),
            "pointing": (hits, shown), "overlap": (float(np.mean(shares)), int(np.sum(np.array(shares) >= 0.1)), len(shares)),
            "reliability": reliability(truth[:, k], scaled[:, k]),
        }
    for name, target in POINTS.items():
        point = {}
        for k, label in enumerate(labels):
            cut = threshold(by_exam(val_truth[:, k], per_exam), by_exam(scaled_val[:, k], per_exam), target)
            cut = round(min(max(cut, 1e-6), 1 - 1e-6), 6)
            flagged, there = by_exam(scaled[:, k], per_exam) >= cut, by_exam(truth[:, k], per_exam) > 0
            point[label] = {
                "threshold": cut, "true": (int((flagged & there).sum()), int(there.sum())),
                "quiet": (int((~flagged & ~there).sum()), int((~there).sum())),
            }
        out["points"][name] = point
    # Subgroups and kinds of lesion, for the overall label at the balanced point.
    cut = out["points"]["balanced"][labels[0]]["threshold"]
    exam_score, exam_there = by_exam(scaled[:, 0], per_exam), by_exam(truth[:, 0], per_exam) > 0
    firsts = images[::per_exam]
    groups = np.array([image["group"] for image in firsts])
    out["groups"] = {}
    for group in sorted(set(groups)):
        here = groups == group
        if exam_there[here].any() and not exam_there[here].all():
            low, high = auc_interval(exam_there[here], exam_score[here])
            area = float(auc(exam_there[here], exam_score[here]))
            out["groups"][group] = (int(here.sum()), area, float(low), float(high))
    kinds = {}
    for exam in range(len(firsts)):
        views = images[exam * per_exam:(exam + 1) * per_exam]
        for kind in {f["kind"] or f["code"] for view in views for f in view["findings"]}:
            kinds.setdefault(kind, []).append(bool(exam_score[exam] >= cut))
    out["kinds"] = {kind: (sum(found), len(found)) for kind, found in sorted(kinds.items())}
    return out


def auc_interval_by(truth, score, owner, seed=0, rounds=1000):
    """95 % interval of the AUC by bootstrap over patients: all films of a patient are drawn together."""
    rng = np.random.default_rng(seed)
    truth, score = np.asarray(truth, bool), np.asarray(score)
    _, owner = np.unique(owner, return_inverse=True)
    films = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    drawn = []
    for _ in range(rounds):
        at = np.concatenate([films[k] for k in rng.integers(0, len(films), len(films))])
        if truth[at].any() and not truth[at].all():
            drawn.append(auc(truth[at], score[at]))
    return tuple(np.percentile(drawn, [2.5, 97.5]))


def reliability(truth, probability, bins=10):
    """Per bin of equal width that holds films: its edges, how many, mean probability, share that is positive."""
    truth, probability = np.asarray(truth, float), np.asarray(probability)
    at = np.minimum((probability * bins).astype(int), bins - 1)
    return [(b / bins, (b + 1) / bins, int((at == b).sum()), float(probability[at == b].mean()), float(truth[at == b].mean()))
            for b in range(bins) if (at == b).any()]

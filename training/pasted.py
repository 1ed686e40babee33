"""Lungs of a chest film, found by where they lie and how dark they are, and lesions pasted into them with exact masks. 64 px.

Simple shapes on purpose: they say where something is that was not there before, and nothing about how real disease looks.
"""

import math

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

SIDE = 64
LESIONS = ["Nodule", "Mass", "Consolidation", "Effusion", "Pneumothorax"]


def lungs_of(pictures):
    """Soft masks of the lungs, 0 to 1, of uint8 pictures of 64 px: what is dark in two ovals, where lungs are."""
    x = torch.from_numpy(np.array(pictures))[:, None].float() / 255
    smooth = functional.avg_pool2d(functional.pad(x, [2] * 4, mode="replicate"), 5, 1)
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    ovals = [((rows - 30) / 24) ** 2 + ((columns - middle) / 13) ** 2 for middle in (19, 45)]
    place = torch.sigmoid(6 * (1 - torch.minimum(*ovals)))[None, None]
    # Darker than halfway between the dark and the bright of the middle of the film.
    inner = smooth[:, :, 8:56, 6:58].flatten(2)
    dark, bright = inner.quantile(0.15, 2)[..., None, None], inner.quantile(0.85, 2)[..., None, None]
    mask = place * torch.sigmoid(8 * ((dark + bright) / 2 - smooth) / (bright - dark + 0.05))
    return functional.avg_pool2d(functional.pad(mask, [1] * 4, mode="replicate"), 3, 1)[:, 0].numpy()


def lesion(kind, lungs, rng):
    """What a lesion adds to the grey of a film (of 1), and its mask, 64 px; None where there is no lung for it."""
    inside = lungs > 0.5
    if inside.sum() < 150:
        return None
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    places = np.argwhere(inside)
    row, column = places[rng.integers(len(places))]
    rough = np.asarray(Image.fromarray(rng.normal(size=(9, 9)).astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    turn, wide = rng.uniform(0, math.pi), rng.uniform(0.7, 1.4)
    along = (rows - row) * math.cos(turn) + (columns - column) * math.sin(turn)
    across = (columns - column) * math.cos(turn) - (rows - row) * math.sin(turn)
    far = np.hypot(along * wide, across / wide)
    # The side of the film that the chosen place is on.
    half = (columns < SIDE / 2) == (column < SIDE / 2)
    if kind == "Nodule":
        shape, strength = np.exp(-(far / rng.uniform(1.2, 2.2)) ** 2), rng.uniform(0.08, 0.2)
    elif kind == "Mass":
        shape, strength = 1 / (1 + np.exp(1.5 * (far * (1 + 0.25 * rough) - rng.uniform(3, 6)))), rng.uniform(0.1, 0.25)
    elif kind == "Consolidation":
        shape, strength = np.clip(1 - far / rng.uniform(8, 15), 0, 1) ** 0.5 * np.clip(0.7 + 0.5 * rough, 0, 1) * lungs, rng.uniform(0.12, 0.3)
    elif kind == "Effusion":
        own = np.argwhere(inside & half)
        bottom, middle = np.percentile(own[:, 0], 97), own[:, 1].mean()
        outwards = np.abs(columns - middle) / 10
        level = bottom - rng.uniform(2, 14) - 4 * outwards**2 * (np.sign(columns - middle) == np.sign(middle - SIDE / 2))
        shape = lungs * half / (1 + np.exp(-1.2 * (rows - level)))
        strength = rng.uniform(0.2, 0.4)
    else:
        own = np.argwhere(inside & half)
        top, middle = np.percentile(own[:, 0], 3), own[:, 1].mean()
        edge = np.hypot((rows - top - 18) / 1.6, columns - middle) - rng.uniform(7, 11)
        shape, strength = lungs * half / (1 + np.exp(-2 * edge)) * (rows < top + rng.uniform(14, 34)), -rng.uniform(0.05, 0.15)
    added = (strength * shape).astype(np.float32)
    mask = np.abs(added) > 0.35 * abs(strength)
    return (added, mask) if mask.sum() >= 3 else None


def shown(picture, added):
    """A film (grey from 0 to 1) with what a lesion adds to it: more where the film is brighter."""
    return np.clip(picture + added * (0.4 + picture), 0, 1)


def enlarged(whole, small, changed):
    """A uint8 film of any size with what changed in its copy of 64 px (grey from 0 to 1, before and after)."""
    larger = Image.fromarray(changed.astype(np.float32) - small.astype(np.float32)).resize(whole.shape, Image.Resampling.BILINEAR)
    return (np.clip(whole / 255.0 + np.asarray(larger), 0, 1) * 255).round().astype(np.uint8)


def with_lesion(picture, lungs, rng):
    """A normal film of 64 px (grey from 0 to 1) with a lesion of any kind, its number among `LESIONS`, and the mask."""
    kind = int(rng.integers(len(LESIONS)))
    made = lesion(LESIONS[kind], lungs, rng)
    return None if made is None else (shown(picture, made[0]), kind, made[1], made[0])

#!/usr/bin/env python3
"""Golden records of decoded and windowed pixels, made by pydicom and numpy.

Usage: goldens.py FOLDER OUT.json      (FOLDER is searched for DICOM files)
Needs: pydicom numpy pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg pyjpegls, and dcmdjpeg of DCMTK

One record per file that pydicom decodes, first frame: size, sum and extremes of the stored values; a 16 x 16 grid of
means of the image as displayed (modality, VOI, polarity: grey 0 to 1, padding black); and the tensors of three input
specifications, computed here with numpy alone. Nothing of an image but these means is kept.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

GRID = 16


def stored(dataset):
    """Stored values of the first frame, cut to Bits Stored as numbers (signed where signed)."""
    pixels = dataset.pixel_array
    if int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        pixels = pixels[0]
    return pixels


def table(item, signed):
    """First value mapped, entries and bits of a LUT item (PS3.3 C.11.1.1.1)."""
    count, first, bits = item.LUTDescriptor
    count = count or 65536
    first = first - 65536 if signed and first > 32767 else first
    raw = item["LUTData"].value
    entries = np.frombuffer(raw, "<u2") if isinstance(raw, bytes) else np.asarray(raw)
    return int(first), entries[:count].astype(np.float64), int(bits)


def windowed(values, centre, width, function):
    """PS3.3 C.11.2.1.2.1 and C.11.2.1.3, scaled to 0 to 1."""
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    span = max(width - 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        line = (values - (centre - 0.5)) / span + 0.5
    line = np.where(values > centre - 0.5 + span / 2, 1.0, line)
    return np.where(values <= centre - 0.5 - span / 2, 0.0, line)


def first(value):
    return float(value[0]) if isinstance(value, pydicom.multival.MultiValue) else float(value)


def macro(dataset, keyword):
    """An item of a functional group of the first frame, else the data set itself."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if groups in dataset and dataset[groups].value and keyword in dataset[groups].value[0]:
            return dataset[groups].value[0][keyword].value[0]
    return dataset


def displayed(dataset, pixels, low=None, high=None):
    """Grey 0 (black) to 1 (white), dense tissue bright."""
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation) == 1
    rescale, voi = macro(dataset, "PixelValueTransformationSequence"), macro(dataset, "FrameVOILUTSequence")
    if "ModalityLUTSequence" in rescale:
        values = apply_modality_lut(pixels, rescale).astype(np.float64)
    else:
        slope = float(rescale.get("RescaleSlope", None) or 1)
        values = pixels.astype(np.float64) * slope + float(rescale.get("RescaleIntercept", None) or 0)
    padding = np.zeros(pixels.shape, bool)
    if dataset.get("PixelPaddingValue") is not None:
        one = int(dataset.PixelPaddingValue)
        other = int(dataset.get("PixelPaddingRangeLimit", one))
        padding = (pixels >= min(one, other)) & (pixels <= max(one, other))
    if low is not None:
        kept = values[~padding]
        black, white = (np.percentile(kept, p, method="inverted_cdf") for p in (low, high))
        grey = np.clip((values - black) / ((white - black) or 1), 0, 1)
    elif "VOILUTSequence" in voi:
        start, entries, depth = table(voi.VOILUTSequence[0], signed)
        at = np.clip(np.round(values).astype(np.int64) - start, 0, len(entries) - 1)
        grey = np.clip(entries[at] / (2**depth - 1), 0, 1)
    elif voi.get("WindowCenter") not in (None, ""):
        function = voi.get("VOILUTFunction", "LINEAR") or "LINEAR"
        grey = windowed(values, first(voi.WindowCenter), first(voi.WindowWidth), function)
    else:
        if bits > 8:
            kept = values[~padding]
            black, white = kept.min(), kept.max()
        else:
            ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1], np.float64)
            ends = ends * float(rescale.get("RescaleSlope", None) or 1) + float(rescale.get("RescaleIntercept", None) or 0)
            black, white = ends.min(), ends.max()
        grey = np.clip((values - black) / ((white - black) or 1), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    return np.where(padding, 0.0, grey)


def luminance(dataset, pixels):
    """Rec. 601 luminance, 0 to 1."""
    kind = dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        # Tables may say 16 bits and hold 8.
        if pixels.dtype != np.uint8:
            pixels = (pixels >> 8 if pixels.max() > 255 else pixels).astype(np.uint8)
    highest = 255 if pixels.dtype == np.uint8 else 2 ** int(dataset.BitsStored) - 1
    red, green, blue = (pixels[..., i].astype(np.float64) for i in range(3))
    return (0.299 * red + 0.587 * green + 0.114 * blue) / highest


def weights(outputs, start, end, size, kind):
    """Area or triangle weights, one row per output."""
    scale = (end - start) / outputs
    matrix = np.zeros((outputs, size))
    pixel = np.arange(size, dtype=np.float64)
    for output in range(outputs):
        left = start + output * scale
        if kind == "area":
            row = np.clip(np.minimum(pixel + 1, left + scale) - np.maximum(pixel, left), 0, None)
        else:
            row = np.clip(1 - np.abs(pixel + 0.5 - (left + scale / 2)) / max(scale, 1), 0, None)
        matrix[output] = row / row.sum() if row.sum() else np.eye(size)[min(int(left + scale / 2), size - 1)]
    return matrix


def resized(grey, width, height, kind, x=None, y=None):
    rows, columns = grey.shape
    x, y = x or (0, columns), y or (0, rows)
    return weights(height, *y, rows, kind) @ grey @ weights(width, *x, columns, kind).T


def tensors(dataset, pixels, grey):
    """The three specifications of `tests/it/prepare_goldens.rs`."""
    rows, columns = grey.shape
    spacing = dataset.get("PixelAspectRatio") or dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    known = spacing and float(spacing[0]) > 0 and float(spacing[1]) > 0
    tall = float(spacing[0]) / float(spacing[1]) if known else 1.0
    stretch = resized(grey, 24, 24, "area") * 255
    scale = min(24 / columns, 20 / (rows * tall))
    width, height = max(1, round(columns * scale)), max(1, round(rows * tall * scale))
    box = np.full((20, 24), 0.25)
    left, top = (24 - width) // 2, (20 - height) // 2
    box[top : top + height, left : left + width] = resized(grey, width, height, "triangle")
    scale = max(16 / columns, 16 / (rows * tall))
    used_x, used_y = 16 / scale, 16 / scale / tall
    window = displayed(dataset, pixels, 1, 99)
    x = ((columns - used_x) / 2, (columns - used_x) / 2 + used_x)
    y = ((rows - used_y) / 2, (rows - used_y) / 2 + used_y)
    crop = resized(window, 16, 16, "area", x, y)
    return {
        "stretch_area_byte": stretch,
        "letterbox_triangle_unit": box,
        "crop_percentile_mean_std": (crop - 0.5) / 0.25,
    }


def decodable(path):
    """The data set; JPEG that pydicom's plugins don't decode (12 bits, wrong scan headers) goes through DCMTK."""
    dataset = pydicom.dcmread(path, force=True)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    grey = int(dataset.get("SamplesPerPixel", 1)) == 1
    if not grey or syntax not in ("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"):
        return dataset
    bits = int(dataset.BitsStored)
    with tempfile.TemporaryDirectory() as folder:
        source, plain = pathlib.Path(folder) / "source.dcm", pathlib.Path(folder) / "plain.dcm"
        # Told that all bits are stored, DCMTK doesn't wrap what lossy coding swings beyond Bits Stored ...
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.save_as(source)
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        if subprocess.run(["dcmdjpeg", str(source), str(plain)], capture_output=True).returncode == 0:
            decoded = pydicom.dcmread(plain)
            # ... which is then held at its end, as the service does.
            held = np.minimum(decoded.pixel_array, 2**bits - 1)
            decoded.BitsStored, decoded.HighBit = bits, bits - 1
            decoded.PixelData = held.astype("<u2").tobytes()
            return decoded
    return dataset


def record(path, root):
    dataset = decodable(path)
    if int(dataset.BitsAllocated) > 16:
        raise ValueError("32-bit pixels are not decoded by the service")
    pixels = stored(dataset)
    grey_object = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
    grey = displayed(dataset, pixels) if grey_object else luminance(dataset, pixels)
    rows, columns = grey.shape
    out = {
        "file": str(path.relative_to(root)),
        "bytes_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": rows,
        "columns": columns,
        "grid": np.round(resized(grey, min(GRID, columns), min(GRID, rows), "area"), 4).ravel().tolist(),
    }
    if grey_object:
        mask = 2 ** int(dataset.BitsStored) - 1
        cells = pixels.astype(np.int64) & mask
        out["stored_sum"] = int(cells.sum())
        out["stored_low"], out["stored_high"] = int(cells.min()), int(cells.max())
        # Whole specifications only for films of the kinds that are scored: small records.
        if dataset.get("Modality") in ("CR", "DX", "MG", "RG") and min(rows, columns) >= 24:
            out["tensors"] = {k: np.round(v, 4).ravel().tolist() for k, v in tensors(dataset, pixels, grey).items()}
    return out


def main():
    root, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    records = []
    for path in sorted(p for p in root.rglob("*") if p.suffix in ("", ".dcm") or p.name.startswith("CTImage")):
        if not path.is_file() or path.name.startswith("README") or "hostile" in path.parts:
            continue
        try:
            records.append(record(path, root))
        except Exception as error:  # noqa: BLE001: whatever pydicom can't do is left to the table of reasons
            print(f"no golden for {path.name}: {type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in records)
    target.write_text("[\n" + lines + "\n]\n")
    print(f"{len(records)} records, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()

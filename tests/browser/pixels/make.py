"""Images of many kinds, and the greys that they have to have on the screen.

Writes one study of synthetic DICOM files into a folder, and `expected.json` beside them: for each SOP Instance UID what
kind it is, its columns and rows, and its greys (0 to 255, base64) as pydicom and numpy compute them from the standard.
`broken.dcm` is one more image of that study, which can't be decoded; `shapes.json` names others, of several frames and of
pixels that are not square. Nothing here knows how the viewer works.

    .venv/bin/python tests/browser/pixels/make.py OUT
"""

import base64
import json
import pathlib
import subprocess
import sys

import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

HERE = pathlib.Path(__file__).resolve()
BASE = HERE.parents[3] / "sample-dicom" / "chest-normal" / "chest-101-PA.dcm"
COLUMNS, ROWS = 160, 120
STUDY = "2.25.270000000000000000000000000000001"
SERIES = "2.25.270000000000000000000000000000002"


def picture(bits: int, signed: bool) -> np.ndarray:
    """Every part of the range: a ramp over the upper half, noise of any value below."""
    low = -(1 << (bits - 1)) if signed else 0
    high = low + (1 << bits) - 1
    generator = np.random.default_rng(bits * 2 + signed)
    ramp = np.linspace(low, high, COLUMNS * ROWS // 2).round()
    noise = generator.integers(low, high, size=COLUMNS * ROWS - ramp.size, endpoint=True)
    values = np.concatenate([ramp, noise]).reshape(ROWS, COLUMNS)
    return values.astype(np.int8 if signed and bits <= 8 else np.int16 if signed else np.uint8 if bits <= 8 else np.uint16)


def dataset(number: int, kind: str, bits: int, signed: bool = False, **attributes) -> pydicom.Dataset:
    """A file of this kind; `attributes` go in last."""
    made = pydicom.dcmread(BASE)
    made.decompress()
    for tag in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "RescaleType", "PresentationLUTShape"):
        if tag in made:
            delattr(made, tag)
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, SERIES
    made.SOPInstanceUID = f"{SERIES}.{number}"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.InstanceNumber = number
    made.PatientID, made.PatientName = "SYN-PIXELS", "SYNTHETIC^PIXELS"
    made.SeriesDescription = kind
    values = picture(bits, signed)
    made.Rows, made.Columns = ROWS, COLUMNS
    made.BitsAllocated = 8 * values.itemsize
    made.BitsStored, made.HighBit = bits, bits - 1
    made.PixelRepresentation = int(signed)
    made.PhotometricInterpretation = "MONOCHROME2"
    for name, value in attributes.items():
        setattr(made, name, value)
        if name == "PixelPaddingValue":
            made[name].VR = "SS" if signed else "US"
    stored = values.view(f"u{values.itemsize}") & ((1 << bits) - 1)
    made.PixelData = stored.astype(f"<u{values.itemsize}").tobytes()
    made["PixelData"].VR = "OW" if values.itemsize == 2 else "OB"
    return made


def table() -> Sequence:
    """A VOI LUT that a window can't imitate: a curve with a jump, over a part of the range."""
    at = np.linspace(0, 1, 2048)
    entries = (1023 * np.where(at < 0.6, at**2, at**0.5)).round().astype(np.uint16)
    item = pydicom.Dataset()
    item.LUTDescriptor = [len(entries), 700, 10]
    item["LUTDescriptor"].VR = "US"
    item.LUTExplanation = "a curve with a jump"
    item.LUTData = entries.tolist()
    item["LUTData"].VR = "US"
    return Sequence([item])


def greys(made: pydicom.Dataset) -> np.ndarray:
    """The greys of the standard: modality LUT, then VOI LUT or window, then the sense of MONOCHROME1 (PS3.3 C.11)."""
    values = made.pixel_array
    modality = apply_modality_lut(values, made)
    if "VOILUTSequence" in made:
        shown = apply_voi_lut(modality, made, prefer_lut=True) / ((1 << made.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    elif "WindowCenter" in made:
        bits, signed = made.BitsStored, made.PixelRepresentation
        ends = np.array([-(1 << (bits - 1)), (1 << (bits - 1)) - 1] if signed else [0, (1 << bits) - 1], dtype=float)
        # pydicom scales its window to the range that the values can have.
        low, high = ends * float(made.get("RescaleSlope", 1)) + float(made.get("RescaleIntercept", 0))
        shown = (apply_voi_lut(modality, made, prefer_lut=False) - low) / (high - low)
    else:
        # Eight bits are meant as they are.
        shown = modality / 255
    if made.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    out = np.clip(np.rint(255 * np.asarray(shown, dtype=float)), 0, 255).astype(np.uint8)
    if "PixelPaddingValue" in made:
        out[values == made.PixelPaddingValue] = 0
    return out


def kinds() -> list[tuple[str, pydicom.Dataset, str]]:
    """Name, file, and how its pixels are to be packed."""
    window = {"WindowCenter": "2000", "WindowWidth": "1500"}
    wished = [
        ("8 bits without a window", 8, False, {}, ""),
        ("10 bits, LINEAR", 10, False, {"WindowCenter": "400", "WindowWidth": "350"}, ""),
        ("12 bits, LINEAR", 12, False, window, ""),
        ("14 bits, LINEAR_EXACT", 14, False, {"WindowCenter": "9000", "WindowWidth": "6000", "VOILUTFunction": "LINEAR_EXACT"}, ""),
        ("16 bits, narrow window", 16, False, {"WindowCenter": "30000", "WindowWidth": "800"}, ""),
        ("12 bits signed with rescale", 12, True, {"WindowCenter": "40", "WindowWidth": "400", "RescaleSlope": "1", "RescaleIntercept": "-100"}, ""),
        ("16 bits signed", 16, True, {"WindowCenter": "-1000", "WindowWidth": "20000"}, ""),
        ("MONOCHROME1", 12, False, {**window, "PhotometricInterpretation": "MONOCHROME1"}, ""),
        ("rescale with a fraction", 12, False, {"WindowCenter": "600.5", "WindowWidth": "700", "RescaleSlope": "0.37", "RescaleIntercept": "-20.5"}, ""),
        ("VOI LUT sequence", 12, False, {"VOILUTSequence": table()}, ""),
        ("SIGMOID", 12, False, {**window, "VOILUTFunction": "SIGMOID"}, ""),
        ("padding in MONOCHROME1", 12, False, {**window, "PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 4095}, ""),
        ("JPEG-LS", 12, False, window, "jpegls"),
        ("JPEG 2000", 14, False, {"WindowCenter": "8000", "WindowWidth": "9000"}, "jpeg2000"),
        ("RLE", 16, False, {"WindowCenter": "32768", "WindowWidth": "65536"}, "rle"),
    ]
    return [(kind, dataset(number, kind, bits, signed, **attributes), packed)
            for number, (kind, bits, signed, attributes, packed) in enumerate(wished, start=1)]


def write(made: pydicom.Dataset, path: pathlib.Path, packed: str) -> None:
    """Writes the file in its transfer syntax; every one is without loss."""
    if packed == "jpeg2000":
        made.compress(JPEG2000Lossless, generate_instance_uid=False)
    if packed == "rle":
        made.compress(RLELossless, generate_instance_uid=False)
    made.save_as(path, enforce_file_format=True)
    if packed == "jpegls":
        subprocess.run(["dcmcjpls", "--uid-never", str(path), str(path)], check=True)


def broken(number: int) -> pydicom.Dataset:
    """An image of the same study that no decoder can read: JPEG 2000 whose codestream is noise."""
    made = dataset(number, "broken", 12)
    made.compress(JPEG2000Lossless, generate_instance_uid=False)
    made.PixelData = encapsulate([np.random.default_rng(1).bytes(2000)])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return made


def frames(number: int, count: int) -> tuple[pydicom.Dataset, list[np.ndarray]]:
    """An object of several frames, each with a picture of its own: a bar that moves over another grey."""
    made = dataset(number, "frames", 8)
    pictures = []
    for at in range(count):
        one = np.full((ROWS, COLUMNS), 20 * at, dtype=np.uint8)
        one[:, 10 * at : 10 * at + 10] = 255
        pictures.append(one)
    made.NumberOfFrames = count
    made.PixelData = np.stack(pictures).tobytes()
    return made, pictures


def disc(number: int, kind: str, **attributes) -> pydicom.Dataset:
    """A disc 80 columns wide and 40 rows high: round where a pixel is twice as high as wide."""
    made = dataset(number, kind, 8, **attributes)
    for tag in ("ImagerPixelSpacing", "PixelSpacing"):
        if tag in made and tag not in attributes:
            delattr(made, tag)
    down, across = np.mgrid[0:ROWS, 0:COLUMNS]
    inside = ((across + 0.5 - 80) / 40) ** 2 + ((down + 0.5 - 60) / 20) ** 2 <= 1
    made.PixelData = np.where(inside, 200, 30).astype(np.uint8).tobytes()
    return made


def shapes(folder: pathlib.Path, first: int) -> dict:
    """Images whose pixels are not all that there is to see: several frames, pixels that are not square, colour."""
    several, pictures = frames(first, 10)
    tall = disc(first + 1, "tall pixels by their ratio", PixelAspectRatio=[2, 1])
    spaced = disc(first + 2, "tall pixels by their spacing", ImagerPixelSpacing=[0.4, 0.2])
    told = {}
    colour = dataset(first + 3, "colour", 8, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0)
    halves = np.full((ROWS, COLUMNS, 3), (200, 40, 40), dtype=np.uint8)
    halves[:, COLUMNS // 2 :] = (40, 40, 220)
    colour.PixelData = halves.tobytes()
    for name, made in (("frames", several), ("colour", colour), ("ratio", tall), ("spacing", spaced)):
        made.save_as(folder / f"{name}.dcm", enforce_file_format=True)
        told[name] = {"uid": made.SOPInstanceUID, "file": f"{name}.dcm"}
    told["frames"]["greys"] = [base64.b64encode(one.tobytes()).decode("ascii") for one in pictures]
    return told


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for kind, made, packed in kinds():
        wanted = greys(made)
        path = folder / f"{made.InstanceNumber:02}.dcm"
        write(made, path, packed)
        expected[made.SOPInstanceUID] = {
            "kind": kind, "file": path.name, "columns": COLUMNS, "rows": ROWS,
            "greys": base64.b64encode(wanted.tobytes()).decode("ascii"),
        }
    broken(len(expected) + 1).save_as(folder / "broken.dcm", enforce_file_format=True)
    (folder / "expected.json").write_text(json.dumps(expected))
    (folder / "shapes.json").write_text(json.dumps(shapes(folder, len(expected) + 2)))
    print(f"{len(expected)} kinds of image in {folder}")


if __name__ == "__main__":
    main()

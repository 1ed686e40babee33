"""What the service makes of a file: its own preparation, asked through `doubleread decode-worker`.

So that training and serving are compared on real files, not on a copy of the rules.
"""

import json
import pathlib
import struct
import subprocess

import numpy as np

ANYTHING = {"allow_missing_body_part": True, "allow_missing_view": True, "refuse_lateral": False,
            "allow_for_processing": True, "allow_implants": True, "allow_spot_or_magnification": True,
            "min_rows": 16, "min_columns": 16}
LIMITS = {}


class Preparation:
    """One child that prepares files with an input specification."""

    def __init__(self, program, spec):
        self.spec = spec
        self.child = subprocess.Popen([program, "decode-worker", str(3 << 30)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, path, scope):
        """The tensor, or the reason that there is none."""
        what = {"prepare": [[self.spec, scope]]}
        request = json.dumps({"path": str(path), "limits": LIMITS, "what": what}).encode()
        self.child.stdin.write(struct.pack("<I", len(request)) + request)
        self.child.stdin.flush()
        header = self.child.stdout.read(12)
        length, body = struct.unpack("<IQ", header)
        answer, tensor = json.loads(self.child.stdout.read(length)), self.child.stdout.read(body)
        (answer,) = answer["prepared"]
        if "Err" in answer:
            return answer["Err"]["reason"]
        return np.frombuffer(tensor, "<f4").reshape(self.spec["height"], self.spec["width"])

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def wrapped(grey, path, view, age):
    """A grey picture as a chest DX file, 8 bits, bright is dense."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    known = Dataset()
    known.SOPClassUID, known.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid(entropy_srcs=[str(path)])
    known.Modality, known.BodyPartExamined, known.ViewPosition, known.PatientAge = "DX", "CHEST", view, f"{age:03}Y"
    known.PresentationIntentType, known.PatientID = "FOR PRESENTATION", "FILM"
    known.Rows, known.Columns = grey.shape
    known.SamplesPerPixel, known.PhotometricInterpretation = 1, "MONOCHROME2"
    known.BitsAllocated = known.BitsStored = 8
    known.HighBit, known.PixelRepresentation = 7, 0
    known.PixelData = grey.tobytes() + b"\0" * (grey.size % 2)
    known.file_meta = FileMetaDataset()
    known.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    known.save_as(pathlib.Path(path), enforce_file_format=True)

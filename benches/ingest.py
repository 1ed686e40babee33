"""C-STORE against the peers, interleaved: CPU per GB, throughput, latency, memory (P1 to P4, P14).

Usage: python benches/ingest.py [--rounds 2] [--objects 128] [--associations 4,16,64] [--small]
Every receiver gets the same objects from the same sender (`doubleread send`), fresh each round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).parent))
from peers import PROGRAM, Peer  # noqa: E402

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def write_objects(folder, count, rows, columns):
    """DX objects of 16-bit noise, one study each; returns their total size in bytes."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 4096, (rows, columns), dtype=np.uint16)
    for n in range(count):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DX
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = DX, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
        ds.PatientName, ds.PatientID, ds.Modality = "SYNTHETIC^BENCH", f"SYN-{n}", "DX"
        ds.Rows, ds.Columns = rows, columns
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.PixelData = np.roll(pixels, n, axis=1).tobytes()
        ds.save_as(folder / f"{n:05}.dcm", enforce_file_format=True)
    return sum(f.stat().st_size for f in folder.iterdir())


def push(peer, folder, associations):
    """Sends the folder; returns seconds and the latency of each store in milliseconds."""
    started = time.monotonic()
    done = subprocess.run(
        [str(PROGRAM), "send", str(folder), "--to", f"PEER@127.0.0.1:{peer.port}",
         "--associations", str(associations), "--json"], capture_output=True, text=True)
    seconds = time.monotonic() - started
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failed = [line for line in lines if line["status"] != 0]
    if done.returncode != 0 or failed:
        sys.exit(f"{peer.name}: {len(failed)} of {len(lines)} not stored: {done.stderr[-800:]} {failed[:2]}")
    return seconds, [line["milliseconds"] for line in lines]


def measure(name, folder, size, associations):
    # What the objects and the receiver before left to be written must not be written at this one's cost.
    os.sync()
    with Peer(name) as peer:
        before, idle_mib = peer.cpu_seconds(), peer.peak_mib()
        seconds, latencies = push(peer, folder, associations)
        time.sleep(0.3)
        cpu = peer.cpu_seconds() - before
        latencies.sort()
        return {
            "cpu_per_gb": cpu / (size / 1e9), "mb_per_s": size / 1e6 / seconds,
            "p50_ms": statistics.median(latencies), "p99_ms": latencies[int(len(latencies) * 0.99) - 1],
            "max_ms": latencies[-1], "peak_mib": peer.peak_mib(), "idle_mib": idle_mib,
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--objects", type=int, default=128)
    parser.add_argument("--associations", default="4,16,64")
    parser.add_argument("--peers", default="floor,doubleread,storescp,orthanc,pynetdicom")
    parser.add_argument("--small", action="store_true", help="8 KB objects on one association (P14)")
    arguments = parser.parse_args()
    names = arguments.peers.split(",")
    with tempfile.TemporaryDirectory(prefix="bench-objects-") as folder:
        folder = Path(folder)
        if arguments.small:
            size, settings = write_objects(folder, 300, 60, 64), [1]
        else:
            size = write_objects(folder, arguments.objects, 2500, 3000)
            settings = [int(n) for n in arguments.associations.split(",")]
        for associations in settings:
            results = {name: [] for name in names}
            for _ in range(arguments.rounds):
                for name in names:
                    results[name].append(measure(name, folder, size, associations))
            print(f"\n### {associations} associations, {len(list(folder.iterdir()))} objects, {size / 1e6:.0f} MB, "
                  f"{arguments.rounds} rounds interleaved, medians\n")
            print("| receiver | CPU s/GB | MB/s | p50 ms | p99 ms | max ms | peak MiB |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            medians = {}
            for name in names:
                m = {k: statistics.median(r[k] for r in results[name]) for k in results[name][0]}
                medians[name] = m
                print(f"| {name} | {m['cpu_per_gb']:.2f} | {m['mb_per_s']:.0f} | {m['p50_ms']:.1f} | "
                      f"{m['p99_ms']:.1f} | {m['max_ms']:.1f} | {m['peak_mib']:.0f} |")
            ours = medians.get("doubleread")
            for name, other in medians.items():
                if ours and name != "doubleread":
                    print(f"\ndoubleread against {name}: CPU {ours['cpu_per_gb'] / other['cpu_per_gb']:.2f}x, "
                          f"throughput {ours['mb_per_s'] / other['mb_per_s']:.2f}x, p99 {ours['p99_ms'] / other['p99_ms']:.2f}x")


if __name__ == "__main__":
    main()

"""The service as a whole: cost per study (P8), latency (P10), start (P12), idle (P15).

Usage: python benches/service.py GRAPHS   (a folder that `python benches/graphs.py GRAPHS` has filled)
P8: CPU of a pushed study, from the first byte to the stored AI result, against that of the bare graph under Python's
ONNX Runtime with one thread, both in turn, study by study. P10: from the instants in the database. P12: from exec to the answer of a C-ECHO.
"""

import hashlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pydicom

sys.path.insert(0, str(Path(__file__).parent))
import peers  # noqa: E402

WARM_UP = 1
STUDIES = {"dx": 33, "dx-jpeg2000": 9, "mg": 5}
MANIFEST = """
name = "{name}"
version = "1.0.0"
pathway = "{pathway}"
file = "model.onnx"
sha256 = "{sha256}"
card = "CARD.md"
trained_on = "nothing"
investigational = true
operating_point = "middle"
[graph]
input = "image"
scores = "scores"
activation = "probabilities"
batch = {{ dynamic = {{ max = 16 }} }}
[input]
preprocessing = "bench-v1"
width = {width}
height = {height}
channels = 1
layout = "nchw"
range = "unit"
resize = "area"
aspect = {{ letterbox = {{ pad = 0.0 }} }}
photometric = "bright_is_dense"
windowing = "voi"
min_oversampling = 1.5
[scope]
modalities = {modalities}
min_bits_stored = 8
min_rows = 256
min_columns = 256
[scope.quality]
clipped_max_dark_fraction = 0.95
[[labels]]
name = "abnormality"
{says}
[overall]
rule = "label"
labels = ["abnormality"]
[aggregation]
views = "maximum"
breasts = "maximum"
[[operating_points]]
name = "middle"
chosen_on = "nothing"
overall = 0.5
"""


class Graph:
    """One of `graphs.py`: as a model folder of the service, and as a bare session of one thread."""

    def __init__(self, graphs, folder, width, height, **facts):
        self.path, self.width, self.height, self.facts = Path(graphs) / folder / "model.onnx", width, height, facts
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        self.image = np.random.default_rng(1).random((1, 1, height, width), dtype=np.float32)
        self.cpu_seconds(3)

    def cpu_seconds(self, images):
        """CPU of inference of so many images, one after another."""
        started = time.process_time()
        for _ in range(images):
            self.session.run(None, {"image": self.image})
        return time.process_time() - started

    def write_model(self, folder):
        target = Path(folder) / f"{self.facts['name']}-1.0.0"
        target.mkdir(parents=True)
        data = self.path.read_bytes()
        (target / "model.onnx").write_bytes(data)
        (target / "CARD.md").write_text("Random weights, for measuring cost: trained on nothing.\n")
        sha256 = hashlib.sha256(data).hexdigest()
        (target / "manifest.toml").write_text(MANIFEST.format(sha256=sha256, width=self.width, height=self.height, **self.facts))


class Service(peers.Peer):
    """Doubleread with the duties and sections that are given."""

    def __init__(self, duties, extra):
        super().__init__("doubleread")
        self.duties, self.extra = duties, extra

    def argv(self):
        path = peers.doubleread_config(self.folder, self.port, self.duties, self.extra)
        return [str(peers.PROGRAM), "--config", str(path), "serve"]

    def query(self, sql):
        with sqlite3.connect(f"file:{self.folder}/data/doubleread.db?mode=ro", uri=True) as connection:
            return connection.execute(sql).fetchall()

    def wait_for_results(self, count):
        deadline = time.monotonic() + 300
        while self.query("SELECT count(*) FROM ai_results")[0][0] < count:
            if time.monotonic() > deadline:
                sys.exit("results did not come")
            time.sleep(0.02)


def send(port, files):
    done = subprocess.run([str(peers.PROGRAM), "send", *map(str, files), "--to", f"PEER@127.0.0.1:{port}"], capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stdout.decode() + done.stderr.decode())


def cost(service, graph, studies, done, name, reach):
    """P8 of one kind of study: pushed one by one, each followed by as much bare inference as it needed."""
    for study in studies[:WARM_UP]:
        send(service.port, study)
        done += 1
        service.wait_for_results(done)
    time.sleep(0.5)
    bare, before = 0.0, service.cpu_seconds()
    for study in studies[WARM_UP:]:
        send(service.port, study)
        done += 1
        service.wait_for_results(done)
        bare += graph.cpu_seconds(len(study))
    time.sleep(0.5)
    count = len(studies[WARM_UP:])
    cpu_ms, bare_ms = (service.cpu_seconds() - before) / count * 1000, bare / count * 1000
    print(f"P8 {name}: {cpu_ms:.0f} ms of CPU a study, bare inference {bare_ms:.0f} ms: {cpu_ms / bare_ms:.2f}x "
          f"(to reach {reach}x), {count} studies")
    return done


def cost_and_latency(graphs, films):
    densenet = Graph(graphs, "densenet121-224", 224, 224, name="bench-densenet121", pathway="chest",
                     modalities=["CR", "DX"], says='code = "abnormality"')
    resnet = Graph(graphs, "resnet18-mammo", 832, 1024, name="bench-resnet18", pathway="mammo", modalities=["MG"],
                   says='feature = "suspicious"')
    with tempfile.TemporaryDirectory() as folder:
        densenet.write_model(folder)
        resnet.write_model(folder)
        # Where a flagged image moved a model without a map is sought after the result, behind all other work: not in P8.
        extra = f'[infer]\nmodels_dir = "{folder}"\nsessions = 1\n[infer.occlusion]\nmax_passes = 0\n'
        with Service(["receive", "work"], extra) as service:
            done = cost(service, densenet, films["dx"], 0, "DX raw", 1.5)
            done = cost(service, densenet, films["dx-jpeg2000"], done, "DX JPEG 2000", 2.5)
            done = cost(service, resnet, films["mg"], done, "MG raw", 1.15)
            outcomes = service.query("SELECT DISTINCT json_extract(result, '$.outcome.result') FROM ai_results")
            if any(word not in ("normal", "abnormal") for word, in outcomes):
                sys.exit(f"not every study was scored: {outcomes}")
        with Service(["receive", "work"], extra) as service:
            for number, study in enumerate(films["dx"], 1):
                send(service.port, study)
                service.wait_for_results(number)
            rows = service.query(
                "SELECT (julianday(a.resulted_at) - julianday(i.received_at)) * 86400000, "
                "json_extract(a.result, '$.infer_ms') FROM ai_results a JOIN cases c ON c.case_id = a.case_id "
                "JOIN instances i ON i.study_instance_uid = c.study_instance_uid")
            over = statistics.median(total - infer for total, infer in rows)
            total = statistics.median(total for total, _ in rows)
            print(f"P10 idle: last store to AI result {total:.0f} ms median, inference plus {over:.0f} ms (to reach 40 ms)")


def start_and_idle():
    with Service(["receive"], "") as service:
        service.process.kill()
        service.process.wait()
        times = []
        for _ in range(5):
            started = time.monotonic()
            process = subprocess.Popen(service.argv(), stdout=service.log, stderr=service.log)
            while not peers.echo(service.port):
                time.sleep(0.005)
            times.append(time.monotonic() - started)
            process.kill()
            process.wait()
        print(f"P12 start: echo answered {statistics.median(times):.2f} s after exec, median of 5 (to reach 0.3 s)")
    with Service(["receive", "work", "web"], f'[http]\nlisten = "127.0.0.1:{peers.free_port()}"\n[infer]\nmodels_dir = "/nonexistent"\n') as service:
        time.sleep(2)
        before, started = service.cpu_seconds(), time.monotonic()
        time.sleep(60)
        share = (service.cpu_seconds() - before) / (time.monotonic() - started) * 100
        print(f"P15 idle: {share:.2f} % of a core, {service.resident_mib():.0f} MiB resident (to reach 0.5 %, 60 MB)")


def phantoms(folder, kind):
    """The studies of one kind, each a list of files; JPEG 2000 lossless where the kind says so."""
    pathway, size, seed = ("mammo", "3328x4096", 1) if kind == "mg" else ("chest", "2500x3000", 1 if kind == "dx" else 1001)
    subprocess.run([str(peers.PROGRAM), "phantom", pathway, "--count", str(STUDIES[kind]), "--seed", str(seed), "--size", size,
                    "--normal", "--out", folder], check=True, capture_output=True)
    studies = {}
    for path in sorted(Path(folder).glob("*.dcm")):
        film = pydicom.dcmread(path, stop_before_pixels=kind != "dx-jpeg2000")
        studies.setdefault(film.StudyInstanceUID, []).append(path)
        if kind == "dx-jpeg2000":
            film.compress(pydicom.uid.JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
            film.save_as(path)
    return list(studies.values())


def main():
    with tempfile.TemporaryDirectory(prefix="bench-films-") as folder:
        cost_and_latency(sys.argv[1], {kind: phantoms(f"{folder}/{kind}", kind) for kind in STUDIES})
    start_and_idle()


if __name__ == "__main__":
    main()

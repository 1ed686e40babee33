"""The service as a whole: cost per study (P8), latency (P10), start (P12), idle (P15).

Usage: python benches/service.py GRAPHS   (a folder that `python benches/graphs.py GRAPHS` has filled)
P8: CPU of a pushed study, from the first byte to the stored AI result, against that of the bare graph under Python's
ONNX Runtime with one thread. P10: from the instants in the database. P12: from exec to the answer of a C-ECHO.
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

sys.path.insert(0, str(Path(__file__).parent))
import peers  # noqa: E402

STUDIES = 24
MANIFEST = """
name = "bench-densenet121"
version = "1.0.0"
pathway = "chest"
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
preprocessing = "bench-224-v1"
width = 224
height = 224
channels = 1
layout = "nchw"
range = "unit"
resize = "area"
aspect = {{ letterbox = {{ pad = 0.0 }} }}
photometric = "bright_is_dense"
windowing = "voi"
[scope]
modalities = ["CR", "DX"]
min_bits_stored = 8
min_rows = 256
min_columns = 256
[[labels]]
name = "abnormality"
code = "abnormality"
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


def bare_cpu_ms(path, rounds=40):
    """CPU milliseconds of one inference of the graph, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).random((1, 1, 224, 224), dtype=np.float32)
    for _ in range(3):
        session.run(None, {"image": image})
    started = time.process_time()
    for _ in range(rounds):
        session.run(None, {"image": image})
    return (time.process_time() - started) / rounds * 1000


def models_folder(graphs, folder):
    target = Path(folder) / "models/bench-densenet121-1.0.0"
    target.mkdir(parents=True)
    data = (Path(graphs) / "densenet121-224/model.onnx").read_bytes()
    (target / "model.onnx").write_bytes(data)
    (target / "CARD.md").write_text("Random weights, for measuring cost: trained on nothing.\n")
    (target / "manifest.toml").write_text(MANIFEST.format(sha256=hashlib.sha256(data).hexdigest()))
    return target.parent


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


def cost_and_latency(graphs, films):
    with tempfile.TemporaryDirectory() as folder:
        extra = f'[infer]\nmodels_dir = "{models_folder(graphs, folder)}"\nsessions = 1\n'
        with Service(["receive", "work"], extra) as service:
            send(service.port, films[:4])
            service.wait_for_results(4)
            before = service.cpu_seconds()
            send(service.port, films[4:])
            service.wait_for_results(len(films))
            cpu_ms = (service.cpu_seconds() - before) / len(films[4:]) * 1000
            first = bare_cpu_ms(Path(graphs) / "densenet121-224/model.onnx")
            print(f"P8 raw DX: {cpu_ms:.0f} ms of CPU a study, bare inference {first:.0f} ms: {cpu_ms / first:.2f}x (to reach 1.5x)")
        with Service(["receive", "work"], extra) as service:
            for number, film in enumerate(films, 1):
                send(service.port, [film])
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


def main():
    with tempfile.TemporaryDirectory(prefix="bench-films-") as folder:
        subprocess.run([str(peers.PROGRAM), "phantom", "chest", "--count", str(STUDIES), "--size", "2500x3000", "--normal",
                        "--out", folder], check=True, capture_output=True)
        cost_and_latency(sys.argv[1], sorted(Path(folder).glob("*.dcm")))
    start_and_idle()


if __name__ == "__main__":
    main()

"""The receivers that ingest is measured against, each started fresh in a folder of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pynetdicom import AE

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/doubleread"
TICKS = os.sysconf("SC_CLK_TCK")

PYNETDICOM = """
import sys
from pathlib import Path
from pynetdicom import AE, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES, evt
out = Path(sys.argv[2])
def store(event):
    name = out / event.request.AffectedSOPInstanceUID
    with open(name, "wb") as file:
        file.write(event.encoded_dataset())
    return 0
ae = AE()
ae.maximum_associations = 100
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def echo(port):
    """Whether a C-ECHO is answered on the port."""
    ae = AE()
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", port)
    if not association.is_established:
        return False
    association.send_c_echo()
    association.release()
    return True


def doubleread_config(folder, port, duties=("receive",), extra=""):
    text = f"""
[service]
data_dir = "{folder}/data"
duties = {json.dumps(list(duties))}
[receive]
listen = "127.0.0.1:{port}"
[telemetry]
filter = "warn"
{extra}
"""
    path = Path(folder) / "doubleread.toml"
    path.write_text(text)
    return path


def command(name, folder, port):
    folder = Path(folder)
    if name == "doubleread":
        return [str(PROGRAM), "--config", str(doubleread_config(folder, port)), "serve"]
    if name == "floor":
        floor = max((ROOT / "target/release/deps").glob("floor-*[!.d]"), key=os.path.getmtime)
        return [str(floor), str(port), str(folder / "out")]
    if name == "orthanc":
        config = {
            "Name": "peer", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "DicomPort": port, "DicomAet": "PEER", "DicomCheckCalledAet": False, "HttpServerEnabled": False,
            "ConcurrentJobs": 1, "DicomScpTimeout": 60, "DicomThreadsCount": 100, "SaveJobs": False,
            "DicomAlwaysAllowStore": True, "UnknownSopClassAccepted": True,
        }
        (folder / "orthanc.json").write_text(json.dumps(config))
        return ["Orthanc", str(folder / "orthanc.json")]
    if name == "storescp":
        (folder / "out").mkdir(exist_ok=True)
        return ["storescp", "--fork", "--bit-preserving", "+xa", "-od", str(folder / "out"), str(port)]
    if name == "pynetdicom":
        (folder / "out").mkdir(exist_ok=True)
        return [str(ROOT / ".venv/bin/python"), "-c", PYNETDICOM, str(port), str(folder / "out")]
    raise ValueError(name)


class Peer:
    """One receiver: started on entry, killed with its folder on exit."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix=f"bench-{self.name}-", dir=os.environ.get("BENCH_DIR"))
        self.port = free_port()
        self.log = open(Path(self.folder) / "log", "w")
        started = time.monotonic()
        self.process = subprocess.Popen(
            self.argv(), stdout=self.log, stderr=self.log, start_new_session=True)
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            if self.process.poll() is not None or time.monotonic() - started > 60:
                sys.exit(f"{self.name} did not start: {(Path(self.folder) / 'log').read_text()[-2000:]}")
            time.sleep(0.01)
        time.sleep(1.0)  # let start-up work end before anything is counted
        return self

    def argv(self):
        return command(self.name, self.folder, self.port)

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_seconds(self):
        """User and system seconds of the process, its living and its ended children."""
        total = 0
        group = self.process.pid
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                total += int(fields[11]) + int(fields[12])
                if int(stat.parent.name) == group:
                    total += int(fields[13]) + int(fields[14])
        return total / TICKS

    def memory_mib(self, field):
        for line in (Path("/proc") / str(self.process.pid) / "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        return float("nan")

    def peak_mib(self):
        """Peak resident memory of the process, MiB."""
        return self.memory_mib("VmHWM")

    def resident_mib(self):
        """Resident memory of the process now, MiB."""
        return self.memory_mib("VmRSS")

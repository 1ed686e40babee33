#!/usr/bin/env python3
"""Writes docs/real-files.md: what the service does with the real files of ../shared/data. Run by `make real-files`.

Starts `target/release/doubleread serve` with its own folder and free ports, pushes every file with DCMTK's storescu
(with `doubleread send` where DCMTK can't) and reads from the database what became of it. Nothing personal is written.
"""
import collections
import contextlib
import csv
import json
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
import warnings

import pydicom

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("DOUBLEREAD_SHARED_DATA", ROOT / "../shared/data")).resolve()
PROGRAM = ROOT / "target/release/doubleread"
WAIT = 180  # seconds for the AI results of a round
JPEG, J2K = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.4.9"
# Transfer syntax -> the option of storescu that proposes it; a syntax that isn't here is not known to DCMTK's storescu.
OPTIONS = {"1.2.840.10008.1.2": "-xi", "1.2.840.10008.1.2.1": "-xe", "1.2.840.10008.1.2.2": "-xb",
           "1.2.840.10008.1.2.1.99": "-xd", "1.2.840.10008.1.2.5": "-xr", JPEG + "50": "-xy", JPEG + "51": "-xx",
           JPEG + "70": "-xs", JPEG + "80": "-xt", JPEG + "81": "-xu", J2K + "0": "-xv", J2K + "1": "-xw"}
# Classes that make a case: computed and digital radiography, mammography, for presentation and for processing.
READ_HERE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.1(\.[12](\.1)?)?$")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Service:
    """A running service in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.port, web = folder, free_port(), free_port()
        self.config = folder / "doubleread.toml"
        self.web, self.token = web, ""
        self.config.write_text(f'''[service]\ndata_dir = "{folder}/var"\n[receive]\nlisten = "127.0.0.1:{self.port}"
[completeness]\nquiet_seconds = 1\n[pipeline]\npoll_ms = 100\n[infer]\nmodels_dir = "{ROOT}/models"
[http]\nlisten = "127.0.0.1:{web}"\n[telemetry]\nfilter = "warn"\n''')
        self.process = subprocess.Popen([PROGRAM, "-c", self.config, "serve"], cwd=folder,
                                        stdout=subprocess.DEVNULL, stderr=open(folder / "log", "w"))
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                urllib.request.urlopen(f"http://127.0.0.1:{web}/health/ready", timeout=2).close()
                break
            except OSError:  # not listening yet, or not ready
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the service did not start:\n" + (folder / "log").read_text()[-2000:])
                time.sleep(0.1)
        self.token = self.sign_on()

    def sign_on(self):
        """The token of a radiographer, who sees what is said of a study."""
        made = subprocess.run([PROGRAM, "-c", self.config, "token", "--role", "radiographer"], cwd=self.folder,
                              check=True, capture_output=True, text=True)
        return made.stdout.split()[-1]

    def status(self, study):
        """What the API says of a study."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/api/studies/{study}",
                                         headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def rows(self, sql, *values):
        database = f"file:{self.folder}/var/doubleread.db?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
            return connection.execute(sql, values).fetchall()

    def archived(self, content_hash, part="archive"):
        return self.folder / "var" / part / "objects" / content_hash[:2] / content_hash[2:4] / (content_hash + ".dcm")

    def quarantined(self, uid):
        """Files of the quarantine that came under an instance UID."""
        rows = self.rows("SELECT content_hash FROM quarantine WHERE sop_instance_uid = ?", uid)
        return [self.archived(row[0], "quarantine") for row in rows]

    def send(self, *arguments):
        """`doubleread send`; one line per object."""
        done = subprocess.run([PROGRAM, "send", "--json", "--to", f"DOUBLEREAD@127.0.0.1:{self.port}", *arguments],
                              capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] or [
            {"status": None, "outcome": done.stderr.strip().splitlines()[-1]}]

    def settle(self):
        """Waits until every study was assembled and every case has its AI result."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            time.sleep(0.3)
            if not self.rows("SELECT 1 FROM jobs WHERE kind IN ('assemble', 'score') AND claimable_at IS NOT NULL"):
                return

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        done = subprocess.run([PROGRAM, "-c", self.config, "verify"], cwd=self.folder, capture_output=True)
        return done.returncode == 0


def data_set(path):
    """The bytes after the file meta information; a file without one is all data set."""
    content = path.read_bytes()
    if content[128:132] != b"DICM":
        return content
    at = 132
    while content[at:at + 2] == b"\x02\x00":
        long = content[at + 4:at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        at += 12 + int.from_bytes(content[at + 8:at + 12], "little") if long else \
            8 + int.from_bytes(content[at + 6:at + 8], "little")
    return content[at:]


def stored_data_set(path):
    """The bytes after a head that the service wrote: what it received may itself begin with group 0002."""
    content = path.read_bytes()
    return content[144 + int.from_bytes(content[140:144], "little"):]


def elements(path):
    """Every element but group lengths and padding, which DCMTK leaves out."""
    data = pydicom.dcmread(path, force=True)
    for found in [data, *(item for element in data.iterall() if element.VR == "SQ" for item in element.value)]:
        for tag in [tag for tag in found.keys() if tag.element == 0 or tag == 0xFFFCFFFC]:
            del found[tag]
    pixels = data.get("PixelData") or b""
    return [str(element) for element in data if element.tag != 0x7FE00010], pixels + b"\0" * (len(pixels) % 2)


class File:
    """One real file and what became of it."""

    def __init__(self, row):
        self.name, self.row = row["file"], row
        self.path = DATA / "dicom" / self.name
        data = pydicom.dcmread(self.path, force=True, stop_before_pixels=True)
        meta = getattr(data, "file_meta", {})
        self.syntax = str(meta.get("TransferSyntaxUID", "") or row["transfer_syntax"])
        self.class_uid = str(data.get("SOPClassUID", "") or meta.get("MediaStorageSOPClassUID", ""))
        self.uid = str(data.get("SOPInstanceUID", "") or meta.get("MediaStorageSOPInstanceUID", ""))
        self.study = str(data.get("StudyInstanceUID", "") or "")
        word = lambda uid: re.sub(r" ?(Image)? Storage.*", "", pydicom.uid.UID(uid).name) if uid else "no class"
        parts = [data.get("Modality"), data.get("BodyPartExamined"), data.get("ViewPosition"), word(self.class_uid),
                 pydicom.uid.UID(self.syntax).name.split(" (")[0] if self.syntax else "no syntax"]
        self.kind = ", ".join(re.sub(r"[^\w .,+-]", "", str(p)) for p in parts if p)
        self.sent_by = self.stored = self.says = ""
        self.score = None

    def push(self, service):
        option = OPTIONS.get(self.syntax)
        if option:
            command = ["storescu", "-R", option, "-aec", "DOUBLEREAD", "127.0.0.1", str(service.port)]
            done = subprocess.run([*command, self.path], capture_output=True, text=True, timeout=120)
            if done.returncode == 0 and self.instance(service):
                self.sent_by = f"storescu {option}"
                return
        answer = service.send(self.path)[0]
        self.sent_by = "doubleread send, " + ("storescu failed" if option else "storescu lacks the syntax")
        if answer["status"] is None:
            self.stored, self.says = "no: " + answer["outcome"], "nothing to score: the sender is told and keeps it"
        elif answer["status"] != 0:
            copies = service.quarantined(answer["sop_instance_uid"])
            same = any(stored_data_set(copy) == data_set(self.path) for copy in copies)
            where = "kept in quarantine bit for bit, " if same else "**no**: "
            self.stored = where + answer["outcome"].replace("copy kept: ", "")
            self.says = "nothing to score: the sender is told; a radiographer sees it among the refused objects"

    def instance(self, service):
        found = service.rows("SELECT content_hash, study_instance_uid FROM instances WHERE sop_instance_uid = ?",
                             self.uid)
        return found[0] if found else None

    def outcome(self, service):
        """The AI's word, or why there is none."""
        found = self.instance(service)
        if not found:
            return
        if not READ_HERE.match(self.class_uid):
            notices = service.status(found[1])["notices"]
            self.says = "; ".join(notices) or "**no notice**"
            return
        results = service.rows("SELECT a.result FROM ai_results a JOIN cases c ON c.case_id = a.case_id "
                               "WHERE c.study_instance_uid = ? AND c.superseded_at IS NULL", found[1])
        self.says = "; ".join(words_of(json.loads(result)) for result, in results) or "**no AI result**"
        self.score = next((json.loads(result)["score"] for result, in results), None)

    def compare(self, service):
        """Whether the archived data set is the source's, byte for byte."""
        found = self.instance(service)
        if not found:
            self.stored = self.stored or "**no**"
        elif stored_data_set(service.archived(found[0])) == data_set(self.path):
            self.stored = "bit for bit"
        else:  # DCMTK writes lengths anew; the same file from `doubleread send` is kept beside it as a conflict.
            service.send(self.path)
            kept = service.rows("SELECT content_hash FROM instance_conflicts WHERE sop_instance_uid = ?", self.uid)
            same = any(stored_data_set(service.archived(row[0])) == data_set(self.path) for row in kept)
            alike = elements(service.archived(found[0])) == elements(self.path)
            self.stored = "bit for bit by doubleread send; storescu wrote " + (
                "lengths or padding anew, all values equal" if alike else "other bytes") if same else "**differs**"


def words_of(result):
    word = result["outcome"]["result"]
    if word == "not_processed":
        detail = result["outcome"].get("detail", "").replace(f"{ROOT}/", "")  # no path of this machine
        return f"not scored: {REASONS.get(result['outcome']['reason'], result['outcome']['reason'])}" + (
            f" ({detail})" if detail else "")
    if word == "quality_fail":
        return "not scored, quality: " + "; ".join(dict.fromkeys(
            f"{REASONS.get(fault['reason'], fault['reason'])} ({fault.get('detail', '')})"
            for fault in result["outcome"]["faults"]))
    return f"scored: {word}, {result['score']:.3f} (threshold {result['threshold']:.3f})"


def reasons():
    """Coded reason -> the plain words that the pages show, from the source of the vocabulary."""
    text = (ROOT / "src/vocab/ai.rs").read_text()
    codes = dict(re.findall(r'^\s+(\w+) = "(\w+)",$', text, re.M))
    return {codes[name]: words for name, words in re.findall(r'Self::(\w+) => "([^"]+)"', text) if name in codes}


REASONS = reasons()
PREFACE = """# Real files

Written by `make real-files` (`scripts/real_files.py`): a service with a folder of its own, pushed at by DCMTK's
`storescu` with the option named, or by `doubleread send` where DCMTK's program does not know the transfer syntax or
fails on the file. The sources are the {count} files of `../shared/data/dicom` (`manifest.csv` there names repository
and licence); nothing of their contents is here.

Models: {models}.

**Models that were trained on phantoms say nothing about real films: the scores below show that the path works, not
what is on the film.**

- *Stored*: bit for bit means that the bytes after the file meta information are the source's. `storescu` writes some
  files anew on sending (lengths, group lengths, padding); those are compared by value, and sent once more by
  `doubleread send`, which changes nothing, for the comparison of bytes.
  What is refused for its content is compared with its copy in the quarantine, where a person sees it.
- *AI or reason*: the AI result of the file's case as the database holds it, in the words that a radiographer reads.
  Secondary captures and other modalities make no case; what is said of them is `notices` of `GET /api/studies/{{uid}}`.
- Files that say they are one object or one study are pushed at services of their own, so that each gets its answer.

Sent: {ways}. Stored: {exact} of {count} bit for bit; {kept}. Scored: {scored}.

One film in two syntaxes, scores: {twins}.
`doubleread verify` after each round (hashes of the archive, chain of events): {verify}.
"""


def rounds(files):
    """Files that say they are one object, or images of one study, go to services of their own: each gets its answer."""
    made = []
    for file in files:
        keys = {file.uid} | ({file.study} if READ_HERE.match(file.class_uid) else set())
        place = next((one for one in made if not one[0] & keys), None)
        if place is None:
            made.append(place := (set(), []))
        place[0].update(keys)
        place[1].append(file)
    return [files for _, files in made]


def push_files(files):
    sound = True
    for group in rounds(files):
        with tempfile.TemporaryDirectory() as folder:
            service = Service(pathlib.Path(folder))
            for file in group:
                file.push(service)
            service.settle()
            for file in group:
                file.outcome(service)
            for file in group:
                file.compare(service)
            sound &= service.stop()
    return sound


def push_films(folder, age):
    """How many films of a folder were sent, stored, stored bit for bit; counts by outcome; whether all is sound."""
    with tempfile.TemporaryDirectory() as place:
        service = Service(pathlib.Path(place))
        wrapped = pathlib.Path(place) / "wrapped"
        sent = service.send(DATA / "films" / folder, "--wrap-films", "--film-age", str(age), "--keep-wrapped", wrapped)
        service.settle()
        results = [json.loads(row[0]) for row in service.rows("SELECT result FROM ai_results")]
        hashes = dict(service.rows("SELECT sop_instance_uid, content_hash FROM instances"))
        stored = len(hashes)
        kept = [(service.archived(hashes[one["sop_instance_uid"]]), pathlib.Path(one["file"]))
                for one in sent if one["sop_instance_uid"] in hashes]
        exact = sum(stored_data_set(archived) == data_set(film) for archived, film in kept)
        counts = collections.Counter(re.sub(r"[,(].*", "", words_of(one)).strip() for one in results)
        return len(sent), stored, exact, counts, service.stop()


def table(head, rows):
    cell = lambda text: str(text).replace("|", "/").replace("\n", " ")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def write(files, films, sound):
    models = [tomllib.loads(path.read_text()) for path in sorted((ROOT / "models").glob("*/manifest.toml"))]
    names = ", ".join(f"{m['name']} {m['version']} (trained on {m['trained_on']})" for m in models) or "none"
    ways = collections.Counter(re.sub(r" -.*", "", file.sent_by) for file in files)
    kept = sum(file.stored.startswith("kept in quarantine") for file in files)
    unsent = sum(file.stored.startswith("no:") for file in files)
    other = len(files) - kept - unsent - sum(file.stored.startswith("bit for bit") for file in files)
    exact = sum(file.stored.startswith("bit for bit") for file in files)
    scored = [file for file in files if file.says.startswith("scored")]
    twins = [f"{a.path.stem} and {b.path.stem}: {a.score:.6f} and {b.score:.6f}" for a in scored for b in scored
             if a.name < b.name and a.study == b.study]
    text = [PREFACE.format(models=names, verify="sound" if sound else "**not sound**", count=len(files), exact=exact,
                           ways="; ".join(f"{n} by {way}" for way, n in ways.most_common()),
                           kept=f"{kept} refused and kept in quarantine bit for bit, each with the reason; "
                                f"{unsent} that can't be sent over DICOM; {other} others",
                           scored=len(scored), twins="; ".join(twins) or "none scored")]
    for folder in sorted({file.name.split("/")[0] for file in files}):
        rows = [(file.path.stem, file.kind, file.sent_by, file.stored, file.says)
                for file in files if file.name.startswith(folder + "/")]
        text.append(f"## {folder}\n\n" + table(["file", "what it is", "sent by", "stored", "AI or reason"], rows))
    text.append("## Films\n\nWrapped as DICOM (computed radiography, chest, the view of labels.csv) by `doubleread send --wrap-films`.\n")
    for name, sent, stored, same, counts, _ in films:
        refused = sum(n for words, n in counts.items() if not words.startswith("scored"))
        rows = [(words, n) for words, n in counts.most_common()]
        text.append(f"### {name}\n\n{sent} sent, {stored} stored, {same} of them bit for bit as wrapped, "
                    f"{sum(counts.values())} with an AI result; "
                    f"not scored: {refused} of {sent} ({refused / max(sent, 1):.0%}).\n\n"
                    + table(["outcome", "films"], rows))
    (ROOT / "docs/real-files.md").write_text("\n".join(text))
    print(f"docs/real-files.md: {len(files)} files, {exact} bit for bit, {len(scored)} scored")


def main():
    if not (DATA / "dicom/manifest.csv").exists():
        print("real-files: ../shared/data is not here, so docs/real-files.md is left as it is")
        return
    warnings.simplefilter("ignore")
    os.environ.setdefault("ORT_DYLIB_PATH", str(ROOT / ".runtime/libonnxruntime.so"))
    with open(DATA / "dicom/manifest.csv") as manifest:
        files = sorted((File(row) for row in csv.DictReader(manifest)), key=lambda file: file.name)
    sound = push_files(files)
    groups = [("adults (NIH)", "nih", 50), ("children (Kermany)", "kermany", 4),
              ("children, age said to be 50", "kermany", 50)]
    films = [(name, *push_films(folder, age)) for name, folder, age in groups]
    write(files, films, sound and all(film[-1] for film in films))


if __name__ == "__main__":
    main()

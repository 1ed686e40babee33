"""Every shipped model again, from films and phantoms to graphs, cards and pictures: what `make models` runs.

    python3 training/all_models.py            from the beginning
    python3 training/all_models.py --go-on    the steps that the goes before did not finish

Two chains run at once, each on one thread. What every step took goes into docs/models/how-long.md, and what it printed into
var/training/logs. Needs nothing but Python: the packages of training are its first step.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "var/training"
PYTHON = str(WORK / "venv/bin/python")
FILMS = pathlib.Path(os.environ.get("DOUBLEREAD_SHARED_DATA", ROOT.parent / "shared" / "data")) / "train"

BEFORE = {
    "Python packages": ["bash", "-c", f"python3 -m venv {WORK}/venv && {PYTHON} -m pip install --quiet --requirement training/requirements.txt"],
}
BUILD = {"release build": ["cargo", "build", "--release", "--bin", "doubleread", "--example", "phantom_batch", "--example", "wrap_films"]}


def film(model):
    return {f"film_model.py {model}": [PYTHON, "training/film_model.py", model]}


def phantom(pathway):
    return {f"train.py {pathway}, drawing its phantoms": [PYTHON, "training/train.py", pathway]}


# About equally long. What measures or draws needs the build: what the first chain begins with does not.
CHAINS = [
    film("chest-start") | film("chest-adult") | film("mammo-view") | phantom("chest") | phantom("mammo"),
    BUILD | film("chest-child"),
]
PICTURES = {
    "parity_goldens.py": [PYTHON, "training/parity_goldens.py"],
    "heat_maps.py": [PYTHON, "training/heat_maps.py"],
    "phantom_sheets.py": [PYTHON, "scripts/phantom_sheets.py"],
    "models_page.py": [PYTHON, "training/models_page.py"],
}
OF_FILMS = ("film_model.py", "parity_goldens.py")
WITHOUT_BUILD = {*BEFORE, *BUILD, *film("chest-start")}


class Record:
    """What is done, on disk after every step, so that a later go can begin where this one stopped."""

    def __init__(self, go_on):
        self.path, self.lock = WORK / "steps.json", threading.Lock()
        kept = json.loads(self.path.read_text()) if go_on and self.path.exists() else {}
        # `failed`: what steps took that did not come to their end; it counts when they do.
        self.goes, self.steps, self.failed = (kept.get(of, kind()) for of, kind in (("goes", list), ("steps", dict), ("failed", dict)))
        self.goes.append(0.0)
        self.began = time.monotonic()
        self.built = threading.Event()
        if BUILD.keys() <= self.steps.keys():
            self.built.set()

    def keep(self, name=None, step=None):
        with self.lock:
            self.goes[-1] = time.monotonic() - self.began
            if name:
                self.steps[name] = step
            self.path.write_text(json.dumps({"goes": self.goes, "steps": self.steps, "failed": self.failed}, indent=1))


def run(chain, record, failed):
    """The steps of a chain one after another, until one fails."""
    for name, command in chain.items():
        if name not in WITHOUT_BUILD:
            record.built.wait()
        if name not in WITHOUT_BUILD and BUILD.keys() & set(failed):
            return
        if name in record.steps or (name.startswith(OF_FILMS) and not FILMS.is_dir()):
            continue
        log = WORK / "logs" / (re.sub(r"\W+", "-", name) + ".log")
        began = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} {name}: begins, in {log.relative_to(ROOT)}", flush=True)
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
            # With its own children, which a clock of this process would not see.
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        before = record.failed.get(name, {"processor": 0, "clock": 0})
        step = dict(processor=before["processor"] + used.ru_utime + used.ru_stime, clock=before["clock"] + time.monotonic() - began, go=len(record.goes))
        if process.returncode:
            record.failed[name] = step
            failed.append(name)
        if name in BUILD:
            record.built.set()
        if process.returncode:
            print(f"{name}: failed ({process.returncode}); its last lines:\n" + "\n".join(log.read_text().splitlines()[-15:]), flush=True)
            return
        record.keep(name, step)
        print(f"{time.strftime('%H:%M:%S')} {name}: {step['processor']:.0f} s of the processor, {step['clock']:.0f} s by the clock", flush=True)


def page(record):
    """docs/models/how-long.md."""
    names = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    goes, total = len(record.goes), sum(step["processor"] for step in record.steps.values())
    rows = []
    for chain, steps in (("before", BEFORE), ("first", CHAINS[0]), ("second", CHAINS[1]), ("after", PICTURES)):
        for name in filter(record.steps.__contains__, steps):
            step = record.steps[name]
            where = chain if goes == 1 else f"{chain}, go {step['go']}"
            rows.append(f"| {name} | {where} | {step['processor']:.0f} | {step['clock']:.0f} |")
    clock = " and ".join(f"{go:.0f}" for go in record.goes)
    lines = ["# How long `make models` took", "",
             f"Written by `training/all_models.py`, which ran it {'in one go' if goes == 1 else f'in {goes} goes'} on {len(names)} cores "
             f"({names[0] if names else 'of no name'}): {clock} s by the clock, {total:.0f} s of the processor. The two chains ran at once; work of others on the "
             "machine is in the clock and not in the processor's seconds (user and system, with the processes that a step started). What was there "
             "already when it began (packages, a build, decoded films) was not made again.", "",
             "| step | chain | seconds of the processor | seconds by the clock |", "| --- | --- | --- | --- |", *rows, ""]
    (ROOT / "docs/models/how-long.md").write_text("\n".join(lines))
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--go-on", action="store_true", help="leave out what the goes before finished")
    arguments = parser.parse_args()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    record, failed = Record(arguments.go_on), []
    if not FILMS.is_dir():
        print(f"models: no films in {FILMS}, so the models of films are skipped")
    run(BEFORE, record, failed)
    if not failed:
        beside = [threading.Thread(target=run, args=(chain, record, failed)) for chain in CHAINS]
        for thread in beside:
            thread.start()
        for thread in beside:
            thread.join()
    if not failed:
        run(PICTURES, record, failed)
    record.keep()
    if failed:
        sys.exit(f"models: {', '.join(failed)} failed; mend it, then `python3 training/all_models.py --go-on`")
    page(record)


if __name__ == "__main__":
    main()

"""Start and growth with a long history: P12 after a kill, and P13.

Usage: python benches/million.py [--studies 1000000] [--against 10000] [--kills 5] [--rounds 200]
P12: the whole service runs on a database with that many studies and is killed (SIGKILL) while four associations store;
then from exec to the answer of a C-ECHO, once with the database in the page cache and once put out of it.
P13: the same requests, in turn, to a service with each of the two histories: a page of the worklist, a concluded film's
study by its UID over HTTP (asked for the first time, which may read the disk, and again), and the C-STORE of an 8 KB object
of a new study.
Databases are made by benches/history.py and kept in target/bench-history/.
"""

import argparse
import http.client
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import history  # noqa: E402
import peers  # noqa: E402
from ingest import write_objects  # noqa: E402

KEPT = peers.ROOT / "target/bench-history"


class House:
    """A service with a history, in the folder where that is kept."""

    def __init__(self, count):
        self.folder = KEPT / str(count)
        self.database = self.folder / "data/doubleread.db"
        if not self.database.exists():
            took = history.fill(self.database, count, KEPT)
            print(f"history of {count:,} studies made in {took:.0f} s")
        self.port, self.web_port = peers.free_port(), peers.free_port()
        self.config = peers.doubleread_config(
            self.folder, self.port, ["receive", "work", "web"],
            f'[http]\nlisten = "127.0.0.1:{self.web_port}"\n[infer]\nmodels_dir = "{peers.ROOT}/models"\n')
        self.log = open(self.folder / "log", "a")
        self.process = None

    def start(self):
        """Seconds from exec to the answer of an echo."""
        argv = [str(peers.PROGRAM), "--config", str(self.config), "serve"]
        started = time.monotonic()
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log)
        while not peers.echo(self.port):
            if self.process.poll() is not None:
                sys.exit(f"the service ended: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - started

    def kill(self):
        self.process.kill()
        self.process.wait()

    def send(self, *paths, associations=1):
        argv = [str(peers.PROGRAM), "send", *map(str, paths), "--to", f"PEER@127.0.0.1:{self.port}",
                "--associations", str(associations), "--json"]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def forget_pages(self):
        """Puts the database out of the page cache."""
        for path in self.database.parent.glob("doubleread.db*"):
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def counts(self):
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            ask = lambda sql: connection.execute(sql).fetchone()[0]  # noqa: E731
            return {"studies": ask("SELECT count(*) FROM studies"), "instances": ask("SELECT count(*) FROM instances"),
                    "events": ask("SELECT position FROM event_head")}


def start_after_kill(house, kills):
    found = house.counts()
    print(f"history: {found['studies']:,} studies, {found['instances']:,} instances, {found['events']:,} events, "
          f"{house.database.stat().st_size / 1e9:.1f} GB")
    times = {"in the page cache": [], "not in the page cache": []}
    house.start()
    for number in range(2 * kills):
        with tempfile.TemporaryDirectory(prefix="bench-objects-") as folder:
            write_objects(Path(folder), 64, 600, 800)
            before = house.counts()["instances"]
            sender = house.send(folder, associations=4)
            while house.counts()["instances"] < before + 8:
                time.sleep(0.001)
            house.kill()
            sender.kill()
            sender.wait()
        cold = number % 2 == 1
        if cold:
            house.forget_pages()
        times["not in the page cache" if cold else "in the page cache"].append(house.start())
    house.kill()
    for where, seconds in times.items():
        print(f"P12 start after kill -9, database {where}: echo answered {statistics.median(seconds):.2f} s after exec, "
              f"median of {kills}, slowest {max(seconds):.2f} s (to reach 2 s)")


class Client:
    """An administrator's requests to one service."""

    def __init__(self, house):
        self.house = house
        house.start()
        argv = [str(peers.PROGRAM), "--config", str(house.config), "token", "--role", "admin"]
        self.token = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[-1]
        self.connection = http.client.HTTPConnection("127.0.0.1", house.web_port)
        with sqlite3.connect(f"file:{house.database}?mode=ro", uri=True) as connection:
            rowids = random.Random(1).sample(range(1, connection.execute("SELECT max(rowid) FROM studies").fetchone()[0]), 1000)
            concluded_films = (  # the plus signs keep SQLite from walking all concluded films for each
                "SELECT study_instance_uid FROM cases JOIN studies USING (study_instance_uid) "
                "WHERE studies.rowid = ? AND +cases.pathway = 'chest' AND +cases.state = 'concluded'")
            found = [connection.execute(concluded_films, (rowid,)).fetchone() for rowid in rowids]
        self.studies = [row[0] for row in found if row]

    def get(self, path):
        """Milliseconds of one request."""
        started = time.monotonic()
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body[:300]}")
        return (time.monotonic() - started) * 1000

    def page(self, _):
        return self.get("/api/cases?state=first_read&limit=50")

    def study(self, number):
        return self.get(f"/api/studies/{self.studies[number % len(self.studies)]}")

    def close(self):
        self.connection.close()
        self.house.kill()


def stores(house, folder):
    """Milliseconds of each store of a folder's objects on one association."""
    output = house.send(folder).communicate()[0]
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not lines or any(line["status"] != 0 for line in lines):
        sys.exit("a store was not answered with success")
    return [line["milliseconds"] for line in lines]


def growth(large, small, rounds):
    houses = [large, small]
    clients = [Client(house) for house in houses]
    time.sleep(3)  # let what the starts found to do end before anything is timed
    taken = {name: ([], []) for name in ("worklist", "look-up", "look-up again", "durable store")}
    for number in range(rounds):
        for which, client in enumerate(clients):
            taken["worklist"][which].append(client.page(number))
            taken["look-up"][which].append(client.study(number))
            taken["look-up again"][which].append(client.study(number))
    for _ in range(max(1, rounds // 50)):
        for which, house in enumerate(houses):
            with tempfile.TemporaryDirectory(prefix="bench-objects-") as folder:
                write_objects(Path(folder), 50, 60, 64)
                taken["durable store"][which].extend(stores(house, folder))
    for client in clients:
        client.close()
    for name, (of_large, of_small) in taken.items():
        big, little = statistics.median(of_large), statistics.median(of_small)
        reach = 1.3 if name == "durable store" else 1.5
        print(f"P13 {name}: {big:.2f} ms against {little:.2f} ms, medians of {len(of_large)} in turn: "
              f"{big / little:.2f}x (to reach {reach}x)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=1_000_000)
    parser.add_argument("--against", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    large = House(arguments.studies)
    start_after_kill(large, arguments.kills)
    growth(large, House(arguments.against), arguments.rounds)


if __name__ == "__main__":
    main()

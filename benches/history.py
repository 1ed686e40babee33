"""Makes a database with a history of many studies: what the demo leaves behind, again and again, under new identifiers.

Usage: python benches/history.py FOLDER COUNT    fills FOLDER/data/doubleread.db
The template is made by the service itself: `doubleread demo`, once stopped when its cases wait for their first read,
once with every case read, concluded and posted. Each copy has its own identifiers and instants, spread over three years;
the event chain goes on through all copies and holds (`doubleread verify --events-only`). 2 % of the studies wait to be
read; nine in ten of the others were concluded by few reads. Bodies of delivered messages are left out, to save disk.
"""

import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from peers import PROGRAM, ROOT, free_port  # noqa: E402

# In the order in which rows may refer to rows.
TABLES = ("studies", "instances", "jobs", "events", "cases", "ai_results", "qa_draws", "reads", "read_authors",
          "finalised_reads", "overrules", "follow_up_orders", "outbox", "outbox_attempts")
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
HOUR = r"20\d\d-\d\d-\d\dT\d\d(?=:)"
# Of 50 copies one waits to be read; one in six is a mammogram; one in ten may be of the busier half of the demo's cases.
OPEN_IN, MAMMO_IN, BUSY_IN = 50, 6, 10
YEARS = 3
BATCH = 2_000


def demo(folder, leave_open):
    """Runs the demo in the folder until its cases wait to be read, or to its end."""
    ports = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    argv = [str(PROGRAM), "demo", "--data-dir", str(folder), "--http-listen", ports[0], "--dimse-listen", ports[1], "--record", ports[2]]
    process = subprocess.Popen(argv + ([] if leave_open else ["--exit"]), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env={"ORT_DYLIB_PATH": str(ROOT / ".runtime/libonnxruntime.so"), **os.environ})
    for line in process.stdout:
        if leave_open and line.startswith("Ctrl-C"):
            process.send_signal(signal.SIGINT)
    if process.wait() != 0:
        sys.exit("the demo, whose rows are multiplied, failed")


def templates(folder):
    """Databases with the demo's cases open, and concluded; made once."""
    opened, concluded = folder / "open.db", folder / "concluded.db"
    if not concluded.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "demo"
        shutil.rmtree(data, ignore_errors=True)
        demo(data, leave_open=True)
        shutil.copy(data / "doubleread.db", opened)
        demo(data, leave_open=False)
        shutil.copy(data / "doubleread.db", concluded)
        shutil.rmtree(data)
    return opened, concluded


class Study:
    """The rows of one study, cut where something differs from copy to copy."""

    def __init__(self, connection, study):
        (self.pathway, self.case), = connection.execute(
            "SELECT pathway, case_id FROM cases WHERE study_instance_uid = ?", (study,))
        where = {"studies": "study_instance_uid = :study", "instances": "study_instance_uid = :study",
                 "jobs": "subject IN (:study, :case)", "cases": "case_id = :case",
                 "events": "case_id = :case ORDER BY position",
                 "outbox_attempts": "message_id IN (SELECT message_id FROM outbox WHERE case_id = :case)"}
        self.rows = []
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table} WHERE {where.get(table, 'case_id = :case')}",
                                        {"study": study, "case": self.case})
            columns = [c[0] for c in cursor.description]
            self.rows += [(table, columns, row) for row in cursor]
        instances = [dict(zip(c, r)) for t, c, r in self.rows if t == "instances"]
        patient = next(dict(zip(c, r)) for t, c, r in self.rows if t == "studies")
        self.rows = [(t, c, tuple("{}" if t == "outbox" and n == "body" else v for n, v in zip(c, r))) for t, c, r in self.rows]
        users = {user for user, in connection.execute("SELECT user_id FROM users")}
        text = "\x1f".join(v for _, _, row in self.rows for v in row if isinstance(v, str))
        self.uuids = sorted(set(re.findall(UUID, text)) - users)
        self.uids = sorted({i[k] for i in instances for k in ("sop_instance_uid", "series_instance_uid")} | {study})
        self.hashes = sorted({i["content_hash"] for i in instances})
        self.named = {"P": patient["patient_id"], "A": patient["accession_number"]}
        self.hours = sorted(set(re.findall(HOUR, text)))
        self.positions = [dict(zip(c, r))["position"] for t, c, r in self.rows if t == "events"]
        keys = self.uuids + self.uids + self.hashes + [v for v in self.named.values() if v] + self.hours
        keys += [f'"position":{p}}}' for p in self.positions]
        finder = re.compile("(" + "|".join(re.escape(k) for k in sorted(set(keys), key=len, reverse=True)) + ")")
        self.pieces = finder.split(text)

    def copy(self, number, started, position, previous):
        """Rows of copy `number`, whose events follow `position` with hash `previous`; and the new end of the chain."""
        new = {}
        for n, old in enumerate(self.uuids):
            stamp = f"{0x01800000_0000 + number:012x}"
            new[old] = f"{stamp[:8]}-{stamp[8:]}-7{n:03x}-8000-{number * 2_654_435_761 % 2**48:012x}"
        for n, old in enumerate(self.uids):
            new[old] = f"2.25.{10**30 + number * 100 + n}"
        for n, old in enumerate(self.hashes):
            new[old] = hashlib.sha256(b"%d.%d" % (number, n)).hexdigest()
        for letter, old in self.named.items():
            if old:
                new[old] = f"SYN-{letter}-{number:09}"
        for old in self.hours:
            shifted = started + (datetime.fromisoformat(old + ":00") - datetime.fromisoformat(self.hours[0] + ":00"))
            new[old] = shifted.strftime("%Y-%m-%dT%H")
        places = {old: position + n for n, old in enumerate(self.positions, 1)}
        new.update({f'"position":{old}}}': f'"position":{place}}}' for old, place in places.items()})
        pieces = self.pieces.copy()
        pieces[1::2] = [new[old] for old in pieces[1::2]]
        texts = iter("".join(pieces).split("\x1f"))
        for table, columns, old in self.rows:
            row = [next(texts) if isinstance(v, str) else v for v in old]
            if table == "events":
                row[0] = places[old[0]]
                row[columns.index("prev_hash")] = previous
                previous = hashlib.sha256(f"{previous}\n{row[columns.index('sealed')]}".encode()).hexdigest()
                row[columns.index("hash")] = previous
            elif table == "outbox":
                at = columns.index("event_position")
                row[at] = places[old[at]]
            yield table, row
        self.end = position + len(places), previous


def studies_of(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        all_of = [Study(connection, study) for study, in connection.execute("SELECT study_instance_uid FROM studies")]
    all_of.sort(key=lambda study: len(study.rows))
    return {pathway: [s for s in all_of if s.pathway == pathway] for pathway in ("chest", "mammo")}


def fill(target, count, folder):
    """Makes `target` a database of `count` studies; gives the seconds that took."""
    began = time.monotonic()
    opened, concluded = templates(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(concluded, target)
    sets = {True: studies_of(opened), False: studies_of(concluded)}
    connection = sqlite3.connect(target, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;")
    indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    insert = {t: f"INSERT INTO {t} VALUES ({', '.join('?' * len(connection.execute(f'SELECT * FROM {t} LIMIT 0').description))})"
              for t in TABLES}
    end = connection.execute("SELECT position, hash FROM event_head").fetchone()
    first = datetime.now() - timedelta(days=365 * YEARS)
    waiting = {t: [] for t in TABLES}
    for number in range(count):
        of = sets[number % OPEN_IN == 0]["mammo" if number // OPEN_IN % MAMMO_IN == 0 else "chest"]
        study = of[number // BUSY_IN % (len(of) if number % BUSY_IN == 0 else len(of) // 2)]
        started = first + timedelta(days=365 * YEARS * number / count)
        for table, row in study.copy(number, started, *end):
            waiting[table].append(row)
        end = study.end
        if number % BATCH == BATCH - 1 or number == count - 1:
            connection.execute("BEGIN")
            for table, rows in waiting.items():
                connection.executemany(insert[table], rows)
                rows.clear()
            connection.execute("COMMIT")
    connection.execute("UPDATE event_head SET position = ?, hash = ?", end)
    for _, sql in indexes:
        connection.execute(sql)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return time.monotonic() - began


if __name__ == "__main__":
    where = Path(sys.argv[1])
    took = fill(where / "data/doubleread.db", int(sys.argv[2]), ROOT / "target/bench-history")
    size = (where / "data/doubleread.db").stat().st_size
    print(f"{sys.argv[2]} studies in {took:.0f} s, {size / 1e9:.2f} GB")

"""How long the worklist takes with many cases.

Usage: python benches/worklist.py [--studies 100000] [--rounds 20] [--program target/release/doubleread]
A service over a history of that many studies (benches/history.py, kept in target/bench-history/) is asked for the start page, the
pages of the worklist and searches by patient, as a reader; medians and slowest in milliseconds, from request to the last byte.
"""

import argparse
import http.client
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import million  # noqa: E402
import peers  # noqa: E402


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--studies", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--program", default="target/release/doubleread")
    asked = arguments.parse_args()
    peers.PROGRAM = peers.ROOT / asked.program
    house = million.House(asked.studies)
    house.start()
    try:
        argv = [str(peers.PROGRAM), "--config", str(house.config), "token", "--role", "reader"]
        token = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[-1]
        with sqlite3.connect(f"file:{house.database}?mode=ro", uri=True) as connection:
            cases = connection.execute("SELECT count(*) FROM cases").fetchone()[0]
            name, patient, accession = connection.execute(
                "SELECT patient_name, patient_id, accession_number FROM studies ORDER BY rowid DESC LIMIT 1").fetchone()
        print(f"{cases:,} cases, {asked.program}")
        part = (name or "").split("^")[0][:4]
        pages = {
            "start page": "/",
            "to be read": "/worklist",
            "concluded": "/worklist?state=done",
            "search by part of a name": f"/worklist?q={part}",
            "search by a name that nobody has": "/worklist?q=qqqq",
            "search by patient ID": f"/worklist?q={patient or 'none'}",
            "search by accession number": f"/worklist?q={accession or 'none'}",
        }
        line = http.client.HTTPConnection("127.0.0.1", house.web_port)
        for words, path in pages.items():
            taken = []
            for _ in range(asked.rounds):
                started = time.monotonic()
                line.request("GET", path, headers={"Authorization": f"Bearer {token}"})
                answer = line.getresponse()
                body = answer.read()
                if answer.status != 200:
                    sys.exit(f"{path}: {answer.status} {body[:300]}")
                taken.append((time.monotonic() - started) * 1000)
            print(f"{words}: median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms (to reach 300 ms)")
    finally:
        house.kill()


if __name__ == "__main__":
    main()

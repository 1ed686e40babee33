"""Runs `doubleread model check` on model folders and prints parity, time and memory as a table of docs/models-of-others.md.

    python training/examples/check.py target/release/doubleread FOLDER ...

One session (infer.sessions=1) with one thread. Memory is the largest resident set of the whole process.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

program, folders = sys.argv[1], sys.argv[2:]
print("| model | input | vectors, largest difference to PyTorch | an image or exam | largest memory |")
print("| --- | --- | --- | --- | --- |")
for folder in folders:
    with tempfile.TemporaryFile("w+") as out:
        command = [program, "--data-dir", tempfile.gettempdir(), "--set", "infer.sessions=1", "model", "check", folder]
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        out.seek(0)
        text = out.read()
    if status:
        sys.exit(f"{folder}: {text}")
    shape = re.search(r"input (.*)", text).group(1)
    count, difference, ms = re.search(r"(\d+) self-test vectors.*difference (\S+), (\S+) ms", text).groups()
    print(f"| {pathlib.Path(folder).name} | {shape} | {count}, {difference} | {ms} ms | {usage.ru_maxrss / 1024:.0f} MB |")

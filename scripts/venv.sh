#!/usr/bin/env bash
# Makes .venv with the Python peers of the tests, at pinned versions; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=$(sha256sum tests/requirements.txt | cut -c1-64)
[ -f .venv/wanted ] && [ "$(cat .venv/wanted)" = "$wanted" ] && exit 0
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  echo "python3-venv is missing, so the tests with Python peers are skipped"
  exit 0
fi
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
echo "$wanted" > .venv/wanted

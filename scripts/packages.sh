#!/usr/bin/env bash
# Installs the Debian packages that the tests use as peers: DCMTK, PostgreSQL, dciodvfy, strace, Chromium.
# Without root it says in one line what is missing; the tests that need it then skip and say so.
set -euo pipefail
declare -A needed=([storescu]=dcmtk [dciodvfy]=dicom3tools [strace]=strace [chromium]=chromium)
missing=()
for tool in "${!needed[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${needed[$tool]}")
done
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
[ "${#missing[@]}" -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "not root, so these Debian packages stay missing and their tests are skipped: ${missing[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

#!/usr/bin/env bash
# Runs the Playwright tests (tests/browser) against the debug build; needs Node, npm and Debian's Chromium.
# Arguments go to Playwright's runner. Without a browser it says so in one line and skips; REQUIRE_PEERS=1 forbids that.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"
for tool in node npm chromium; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is missing, so the browser tests are skipped"
    [ "${REQUIRE_PEERS:-}" = 1 ] && exit 1
    exit 0
  fi
done
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --no-audit --no-fund --ignore-scripts
fi
CHROMIUM=$(command -v chromium) exec npx playwright test "$@"

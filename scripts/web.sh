#!/usr/bin/env bash
# Builds the page assets into web/dist (which git ignores and the binary embeds); needs Node and npm.
# Does nothing when web/dist is newer than its sources.
set -euo pipefail
cd "$(dirname "$0")/../web"
if [ -f dist/dark.css ] && [ -z "$(find package-lock.json build.mjs src -newer dist/dark.css -print -quit)" ]; then
  exit 0
fi
npm ci --silent --no-audit --no-fund --omit=optional --ignore-scripts
node build.mjs
echo "web: assets are in web/dist"

#!/usr/bin/env bash
# Builds the page assets into web/dist (which git ignores and the binary embeds); needs Node (20.19 or later) and npm.
# Optional packages are part of it: the bundler and the compiler are native programs that npm lists as optional.
# Does nothing when web/dist is newer than its sources.
set -euo pipefail
cd "$(dirname "$0")/../web"
if [ -f dist/dark.css ] && [ -z "$(find package-lock.json tsconfig.json build.mjs bundle.mjs src -newer dist/dark.css -print -quit)" ]; then
  exit 0
fi
npm ci --silent --no-audit --no-fund --ignore-scripts
node build.mjs
echo "web: assets are in web/dist"

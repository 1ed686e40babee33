#!/usr/bin/env bash
# Trains the models of films on two cores: adults, and what their nets begin with, beside children and mammograms.
# Usage: film_models.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
if [ ! -d "${DOUBLEREAD_SHARED_DATA:-../shared/data}/train" ]; then
  echo "models: no films in ../shared/data, so the models of films are skipped"
  exit 0
fi
{ "$python" training/film_model.py chest-child && "$python" training/film_model.py mammo-view; } &
beside=$!
"$python" training/film_model.py chest-start
"$python" training/film_model.py chest-adult
wait "$beside"

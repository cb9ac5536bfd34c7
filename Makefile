# Everything a fresh machine needs: make demo, make test.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.9
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := $(shell grep '^torch==' requirements.txt)

SCALE ?= small
TASKS ?= mri,seismic
PARTS ?= tables,curves,audits
SEEDS ?=
JOBS ?=
LAUNCHER ?=
STUDY ?=
CHOSEN = $(if $(STUDY),--study $(STUDY),--scale $(SCALE) $(if $(SEEDS),--seeds $(SEEDS)))

.PHONY: help setup develop lock demo reproduce-tables tables test test-all bench scaling lint docs clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Create .venv with the locked requirements

# torch is taken as the machine has it; the second time it only adds the CUDA parts that its build pins itself.
$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Installing $$(grep -c '^[a-zA-Z].*==' $<) packages and PyTorch into $(VENV): some minutes without a word" \
		"(1.2 on two cores with the packages near by), 1.5 GB, and several more where PyTorch's build is for CUDA."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps $(TORCH)
	$(PIP) --require-hashes --no-deps -r requirements.lock
	$(PIP) $(TORCH)
	$(PIP) --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $@
	@echo "Done. In this shell: source $(VENV)/bin/activate"

develop: $(VENV)/.developed ## The same with what tests, launchers and Optuna need

$(VENV)/.developed: $(VENV)/.installed requirements-dev.lock
	$(PIP) --require-hashes --no-deps -r requirements-dev.lock
	touch $@

lock: ## Bring the lock files in line with requirements*.txt (UPGRADE=1: newest versions of what these leave open)
	test -x build/lock/bin/uv || { $(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet $(UV); }
	build/lock/bin/uv pip compile --quiet $(if $(UPGRADE),--upgrade) requirements-dev.txt -o requirements-dev.lock
	build/lock/bin/uv pip compile --quiet $(if $(UPGRADE),--upgrade) requirements.txt \
		-c requirements-dev.lock -o requirements.lock
	build/lock/bin/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --no-deps requirements-peers.txt \
		-o requirements-peers.lock

demo: setup ## Train a jittered MRI network on embedded data, attack it, show the table (2 minutes on 2 cores)
	$(BIN)/python run.py task=mri strategy=jitter sigma=0.01

reproduce-tables: $(if $(LAUNCHER),develop,setup) ## Run what the tables lack, then rebuild them (SCALE= SEEDS=0,1,2 JOBS= TASKS=mri,seismic PARTS= LAUNCHER= STUDY=)
	$(BIN)/python scripts/tables.py run $(CHOSEN) $(if $(STUDY),,--tasks $(TASKS) --parts $(PARTS)) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(LAUNCHER),--launcher $(LAUNCHER))

tables: setup ## Rebuild results/ from the committed rows and finished runs, in seconds (STUDY=my_study.yaml: your own)
	$(BIN)/python scripts/tables.py build $(CHOSEN)

test: develop lint ## Lint, check types and run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: setup build/peers/.installed ## Measure speed and memory beside other implementations (75 quiet minutes)
	$(BIN)/python -m scripts.benchmarks.bench
	$(BIN)/python -m scripts.benchmarks.peers

# Beside the environment, without what these packages need in turn: the environment has it.
build/peers/.installed: requirements-peers.lock | setup
	rm -rf build/peers
	$(PIP) --no-deps --require-hashes --target build/peers -r requirements-peers.lock
	touch $@

scaling: setup ## Measure how time and memory grow, and fit a cost model (15 quiet minutes)
	$(BIN)/python -m scripts.benchmarks.scaling

test-all: test ## The tests, a ray cluster, a paper's table through submitit and killed twice, 100 kills, ten minutes of damaged input for every reader (two hours)
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m scripts.reliability.faults
	$(BIN)/python -m scripts.reliability.fuzz

lint: develop ## Lint, check types and docstrings only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/pydoclint run.py sgdj scripts tests
	$(BIN)/python -m pytest --noconftest tests/test_docstrings.py
	$(BIN)/mypy

docs: develop ## Make the site of the documentation in build/docs; a warning or a dead link is an error
	$(BIN)/python -m scripts.pages build/pages
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "open $(CURDIR)/build/docs/index.html"

clean: ## Remove the environment, caches and generated data; run directories stay
	rm -rf $(VENV) data build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

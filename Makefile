# Radiolith. `make` alone lists the targets. Needs Python 3.11+ and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := codec config dicom models service tests
INSTALLED := $(VENV)/.installed
DEVELOP := $(VENV)/.installed-develop
PYTEST := $(BIN)/pytest -n auto --dist loadfile
DATA ?= ../shared/data/test
RUNS ?= 100000

.DEFAULT_GOAL := help
.PHONY: help install develop demo test test-slow test-faults fuzz lint format typecheck bench clean distclean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON): name one, as in 'make PYTHON=/opt/bin/python3.12'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Radiolith needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable .
	@touch $@

$(DEVELOP): $(INSTALLED)
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

install: $(INSTALLED)  ## Make .venv and the command .venv/bin/radiolith
	@echo "installed: $(BIN)/radiolith"

develop: $(DEVELOP)  ## Also install what tests, lint and benchmarks need

demo: $(INSTALLED)  ## Start an archive, send it real studies, get them back, compare every byte
	@$(BIN)/python -m service.demo

test: $(DEVELOP)  ## Run the quick tests (some minutes)
	$(PYTEST) -m 'not slow and not faults'

test-slow: $(DEVELOP)  ## Run the long ones: sweeps over all files, many kills
	$(PYTEST) -m 'slow and not faults'

test-faults: $(DEVELOP)  ## Run the attacks on every promise of docs/threats.md (hours)
	$(PYTEST) -m faults --timeout 14400 --log-level INFO -rP

fuzz: $(DEVELOP)  ## Fuzz what strangers' bytes reach, RUNS cases each (TARGETS names some)
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz --runs $(RUNS) $(TARGETS)

lint: $(DEVELOP)  ## Check style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(DEVELOP)  ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(DEVELOP)  ## Check types (mypy --strict)
	$(BIN)/mypy --strict $(PACKAGES)

bench: $(DEVELOP)  ## Compare our codec with its peers on DATA=DIR
	$(BIN)/radiolith bench codec $(DATA) --json bench.json

clean:  ## Remove caches and build outputs
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .demo .fuzz bench.json
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Also remove the environment
	rm -rf $(VENV)

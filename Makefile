# `make run` on a machine with Python 3.11 or newer and make; `make help` lists the rest.
PYTHON ?= python3
PORT ?= 8000
DEMO ?= 1
WORKERS ?= 2
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
EXTRA := .venv/.extras
# No pip of any age may ask for a newer one, or stop at a question.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 $(BIN)/python -m pip -qq
export PORT
# Some images forbid it; then each process compiles all of the code again, which is half of the time of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test check audit bench openapi migrations clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  variables: PORT= DATABASE_URL= VALKEY_URL= LIMITS=0 DEMO=0 EXTRAS=1 WEB_WORKERS= WORKERS= (of tests)'

install: $(RUNTIME) $(if $(EXTRAS),$(EXTRA)) ## make the environment only; EXTRAS=1 for SMS providers and S3
	@echo 'The command is $(CURDIR)/$(BIN)/volunteer-api' >&2

run: $(RUNTIME) $(if $(EXTRAS),$(EXTRA)) ## serve on 127.0.0.1:8000 with the demo district
	@exec $(BIN)/volunteer-api serve $(if $(filter 0,$(DEMO)),--no-demo,--demo)

test: $(DEV) ## run every test on SQLite and PostgreSQL, in parallel
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: $(DEV) ## lint, types, import law, contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/volunteer-api openapi --check

audit: $(BIN)/python ## look all pins up in the list of known faults (needs the network)
	@$(BIN)/python -m venv .venv/audit
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/audit/bin/python -m pip -qq install pip-audit
	@.venv/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/dev.txt

bench: $(DEV) ## print the figures of README, as ratios of this machine
	@$(BIN)/python -m benchmarks

openapi: $(DEV) ## write openapi.json anew
	@$(BIN)/volunteer-api openapi

clean: ## remove the environment and the caches; the data in var/ stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The pins are made by: uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
#   --no-annotate, of pyproject.toml and flit_core for runtime.txt, of pyproject.toml with --all-extras for dev.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11' >&2; exit 2; }
	@$(PYTHON) -m venv .venv

$(RUNTIME): requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo 'Installing the dependencies' >&2
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(MAKE) --no-print-directory .package
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo 'Installing the dependencies of the tests' >&2
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(MAKE) --no-print-directory .package
	@touch $@ $(RUNTIME)

$(EXTRA): requirements/extras.txt | $(RUNTIME)
	@echo 'Installing the extras' >&2
	@$(PIP) install --require-hashes -r requirements/extras.txt
	@touch $@

.PHONY: .package
.package:
	@$(PIP) install --no-deps --no-build-isolation -e .

# Python 3.11 or newer and Make are all that must be there; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-fast chaos lint format lock reference bench clean

help: ## what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"sitehub needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}: say make PYTHON=/path/to/python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 can't make a virtual environment: install its venv package (Debian: python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt || { echo "the first set-up needs a network, to fetch the packages named in requirements/: connect and say make again"; exit 1; }
	@touch $@

define install
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/build.txt -r requirements/$(1).txt || { echo "the packages named in requirements/$(1).txt could not be fetched: connect to a network and say make again"; exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@mkdir -p .build && ln -sfn .. .build/sitehub
	@touch $@
endef

$(VENV)/run.stamp: $(VENV)/python.stamp pyproject.toml requirements/run.txt requirements/build.txt
	$(call install,run)

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(call install,dev)

setup: $(VENV)/run.stamp ## install what running needs into .venv
setup-dev: $(VENV)/dev.stamp ## install what tests and lint need too

run: setup ## Kafka, PostgreSQL, stand-in targets, two workers and a feed of real places; Ctrl-C stops all
	@$(BIN)/sitehub up

test: setup-dev ## every test, those on the real Kafka too
	@$(BIN)/pytest

test-fast: setup-dev ## the tests that need no broker and no database
	@$(BIN)/pytest --ignore=tests/broker --ignore=tests/postgres

chaos: setup-dev ## faults under load for SECONDS=300, with a SEED= to repeat a run
	@$(BIN)/python -m sitehub.tests.broker.chaos --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED))

lint: setup-dev ## ruff, mypy, the contracts of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy -p sitehub
	@$(BIN)/lint-imports

format: setup-dev ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup-dev ## write requirements/ anew from pyproject.toml
	@for set in core: run:--extra=run dev:--all-extras; do \
	  $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet $${set#*:} --output-file requirements/$${set%%:*}.txt >/dev/null; done
	@for set in build uv; do \
	  $(BIN)/uv pip compile requirements/$$set.in --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements/$$set.txt >/dev/null; done

reference: setup-dev ## write docs/configuration.md anew from the models in settings/
	@$(BIN)/python -m sitehub.settings.reference docs/configuration.md

BENCHMARKS := batch_sync throughput workers latency recovery takeover sites clients profile delivery catch_up call_latency read_model handler

bench: setup-dev ## the benchmarks, one after the other; most of an hour
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m sitehub.bench.$$name; done

clean: ## remove what set-up and runs made
	rm -rf .venv .build .sitehub build *.egg-info

.DEFAULT:
	@echo "there is no target '$@': make help lists them" >&2; exit 2

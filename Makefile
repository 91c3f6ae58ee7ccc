# chat-moderation: `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
ENV := .venv
RUN := $(ENV)/bin/python
# in no lock: which build is right depends on the machine (docs/transformer.md)
TORCH := torch==2.13.0
SYSTEM := chromium postgresql redis-server wrk fonts-noto-color-emoji
export UV_COMPILE_BYTECODE := 1
export VIRTUAL_ENV := $(CURDIR)/$(ENV)
ifdef FRESH
export CHATMOD_FRESH := $(FRESH)
endif

.DEFAULT_GOAL := help
.PHONY: help run train serve ui test transformer lint format ci audit fuzz bench lock system clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

run: $(ENV)/.ready ## train if anything changed, then serve API, chat and MLflow (FRESH=1 trains anew)
	@exec $(RUN) -m workflow up

train: $(ENV)/.ready ## download, preprocess, train, evaluate and register
	@exec $(RUN) -m workflow run

serve: $(ENV)/.ready ## serve the API alone, with the bundle trained last
	@exec $(RUN) -m workflow up --only api

ui: $(ENV)/.ready ## serve the chat alone
	@exec $(RUN) -m workflow up --only ui

test: $(ENV)/.ready $(ENV)/.torch system ## run all tests
	$(RUN) -m pytest

transformer: $(ENV)/.torch ## add what fine-tunes a transformer: torch, transformers, ONNX

lint: $(ENV)/.ready ## ruff, mypy, import-linter
	$(ENV)/bin/ruff check .
	$(ENV)/bin/ruff format --check .
	$(ENV)/bin/mypy
	$(ENV)/bin/lint-imports

format: $(ENV)/.ready ## let ruff mend what it can
	$(ENV)/bin/ruff check --fix . && $(ENV)/bin/ruff format .

ci: lint test ## what CI runs

audit: $(ENV)/.ready ## look the pinned requirements up among the known vulnerabilities (asks the network)
	for each in requirements/*.lock; do $(ENV)/bin/pip-audit --strict --disable-pip --require-hashes -r $$each || exit 1; done

fuzz: $(ENV)/.ready ## send nonsense to a real server and watch it live (REQUESTS=100000 SEED=1)
	$(RUN) -m tests.fuzz --requests $(or $(REQUESTS),100000) --seed $(or $(SEED),1)

bench: $(ENV)/.ready ## every benchmark, one after the other
	for each in benchmarks/[a-z]*.py; do $(RUN) -m benchmarks.$$(basename $$each .py) || exit 1; done

lock: $(ENV)/.ready ## resolve the pinned requirements anew
	requirements/lock.sh $(ENV)/bin/uv

system: # Debian packages that the tests need
	@missing=$$(for each in $(SYSTEM); do dpkg -s $$each >/dev/null 2>&1 || echo $$each; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "the tests need: sudo apt-get install" $$missing; exit 1; fi

clean: ## remove environment and everything that was trained
	rm -rf $(ENV) .chatmod

$(ENV)/.ready: pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: set PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv $(ENV) >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv --clear $(ENV); \
	  else echo "the environment needs: sudo apt-get install python3-venv"; exit 1; fi; }
	@echo "making the environment ($(ENV))"
	@$(RUN) -m pip install -q --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements/dev.lock)"
	@$(ENV)/bin/uv pip sync -q --require-hashes requirements/dev.lock
	@$(ENV)/bin/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# beside the default environment, whose sync would take it away again: hence after it
$(ENV)/.torch: $(ENV)/.ready requirements/transformer.lock
	@echo "adding torch and transformers ($(ENV))"
	@$(RUN) -m pip install -q --disable-pip-version-check $(TORCH)
	@$(ENV)/bin/uv pip install -q --require-hashes -r requirements/transformer.lock
	@touch $@

# Guard's two commands: `make demo` and `make test`. Both create the environment they need, and so do the others.
#
# torch is needed by `make test` alone (the recipe that trains the guard). constraints.txt pins its version; where the
# network offers only the CUDA build under that version (several GB), pass PyTorch's own CPU index, named on its
# "Get Started" page:  make test PIP_ARGS="--extra-index-url <index of PyTorch CPU builds>"

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
UPSTREAM ?= https://api.openai.com/v1
PORT ?= 8080
# One environment for clients that get along: litellm holds openai below 3, its proxy much else.
CLIENTS ?= .venv-clients
MINUTES ?= 3

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo serve test fast clients fuzz soak format clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.demo ## see Guard in front of a stand-in LLM API, then end
	@$(BIN)/guard demo

serve: $(VENV)/.demo ## put Guard in front of UPSTREAM and stay up
	@$(BIN)/guard serve --upstream "$(UPSTREAM)" --port $(PORT)

# EXTENT=--all runs the long simulations and trainings too, and JOBS=1 one test after another, as CI does.
test: $(VENV)/.test ## install everything and run the checks
	@$(BIN)/python -m tests.check $(EXTENT) $(JOBS:%=--jobs %)

fast: $(VENV)/.test ## the quick ones of them
	@$(BIN)/python -m tests.check --fast $(JOBS:%=--jobs %)

clients: $(VENV)/.test $(CLIENTS)/openai2/.made $(CLIENTS)/openai3/.made $(CLIENTS)/litellm/.made $(CLIENTS)/inspect/.made ## run the official clients and LiteLLM's proxy against Guard
	@GUARD_CLIENTS_ENVIRONMENTS="$(abspath $(CLIENTS))" $(BIN)/python -m pytest -m clients tests/clients integrations/litellm integrations/inspect

fuzz: $(VENV)/.test ## send ten thousand hostile requests, and those that the OpenAPI document allows
	@$(BIN)/python -m pytest -m corpus tests/fuzz

soak: $(VENV)/.test ## put load on Guard for MINUTES, with faults injected
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

format: $(VENV)/.test ## put the code into shape
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean: ## remove the environments and what tools left behind
	rm -rf $(VENV) $(CLIENTS) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Guard needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Guard into $(VENV) (about a minute the first time)"
	@$(INSTALL) -e '.[cpu,ocr,demo]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Guard and its test environment into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)' || \
		echo "torch comes first: a CPU build is enough (the head of Makefile says how to get one)"
	@$(INSTALL) torch
	@$(INSTALL) -e '.[cpu,ocr,demo,train,test]'
	@touch $@ $(VENV)/.demo

$(CLIENTS)/%/.made: tests/clients/environments/%.txt
	@echo "Installing clients into $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r $<
	@touch $@

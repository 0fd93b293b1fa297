# The everyday commands. Everything is installed into .venv; the system is left alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What tests start by the hundred is compiled once.
unexport PYTHONDONTWRITEBYTECODE

# Which Slurm, such as 26.05; empty: this machine's own.
SLURM ?=

# Its random walks take four times as long where each branch is counted, and the core's other tests come to each.
MACHINE := tests/core/test_machine.py
# By name: of two that overlap pytest takes but one.
REST := $(filter-out tests/core/ tests/__pycache__/,$(wildcard tests/*/)) $(wildcard tests/test_*.py)

# What it warns of is an error: a link that leads nowhere, a page that no list has.
SPHINX := PYTHONPATH=docs $(BIN)/sphinx-build -q -W --keep-going -c docs -d .docs/doctrees

# pip, with a line that tells how far it is in place of some hundred (in a file: no more than its end); all that it said if it fails.
# About 160 packages.
SHELL := /bin/bash
comma := ,
define installed
set -o pipefail; live=0; [ ! -t 1 ] || live=1; $(BIN)/pip install -e '$(1)' 2>&1 | tee $(VENV)/install.log | awk -v width=30 -v live=$$live ' \
  function bar(share, what,  i, drawn) { if (!live && share < 1) return; if (share > 1) share = 1; for (i = 0; i < width; i++) drawn = drawn (i < share * width ? "#" : "."); \
    printf "\r    [%s] %-42.42s", drawn, what; fflush() } \
  /^ *(Collecting|Requirement already)/ { bar(0.8 * ++n / 160, $$1 == "Collecting" ? "fetching " $$2 : "has " $$4) } \
  /^ *Downloading/ { bar(0.8 * n / 160, "downloading " $$NF " " $$(NF-1)) } \
  /^Installing collected/ { bar(0.85, "unpacking; this takes a minute") } \
  END { bar(1, "done"); print "" }' || { tail -n 40 $(VENV)/install.log; exit 1; }
endef

.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test test-fast test-slurm cluster-up cluster-down bench bench-far bench-scale bench-estimates soak pictures docs man .docs/source check format

help: ## list these
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## run a real experiment, start to end, in .demo
	@$(BIN)/runexp demo .demo

demo-clean: ## end the demo's daemon, and remove .demo
	@[ ! -e .demo/home/run/runexpd.sock ] || RUNEXP_HOME=.demo/home $(BIN)/runexp daemon stop || true
	rm -rf .demo

test: $(VENV)/.dev ## run all tests, the real torchtune and inspect-ai included; the core's own cover each branch of it
	$(BIN)/pytest tests/core --ignore=$(MACHINE) -n 2 --dist loadgroup --cov=runexpd.core --cov-branch --cov-report=term:skip-covered --cov-fail-under=100
	$(BIN)/pytest $(MACHINE) $(REST) -n 6 --dist loadgroup

test-fast: $(VENV)/.dev ## run those that need neither torch nor Slurm, whole experiments nor many tries
	$(BIN)/pytest -m "not real and not long" -n 5 --dist worksteal --ignore=tests/e2e --ignore=tests/hostile

test-slurm: $(VENV)/.dev ## run those with a real Slurm; SLURM=20.11, 24.11 or 26.05: with that one, in a Debian of its own (as root)
	@$(PYTHON) tests/cluster/roots.py $(SLURM)
	RUNEXP_SLURM=$(SLURM) $(BIN)/pytest -m real -n 2 --dist loadgroup tests/cluster tests/clusters tests/e2e/test_on_slurm.py tests/e2e/test_sites_on_slurm.py

cluster-up: ## bring up a real Slurm with sshd in .cluster, to try things out (as root: installs Debian's packages); SLURM=26.05: that one
	@$(PYTHON) tests/cluster/cluster.py up .cluster --slurm "$(SLURM)"

cluster-down: ## take it down
	@$(PYTHON) tests/cluster/cluster.py down .cluster

bench: $(VENV)/.dev ## print the figures that are promised, on a test cluster (about ten minutes)
	@for bench in phases submission many; do PYTHONPATH=tests:tests/cluster $(BIN)/python tests/bench/$$bench.py || exit; done

bench-far: $(VENV)/.dev ## print what distance costs: the same behind a delaying proxy (half an hour; FAR="--rtt 200 --row shards" for less)
	@PYTHONPATH=tests:tests/cluster $(BIN)/python tests/bench/far.py $(FAR)

bench-scale: $(VENV)/.dev ## print what an event, a start and a quiet minute cost as things grow (a quarter of an hour, no Slurm needed)
	@for bench in scale following large beside watching; do PYTHONPATH=tests:tests/cluster $(BIN)/python tests/bench/$$bench.py || exit; done

bench-estimates: $(VENV)/.dev ## print what estimates at half-time are worth (a minute or two)
	@PYTHONPATH=tests:tests/bench $(BIN)/python tests/bench/estimates.py

soak: $(VENV)/.dev ## print what ten minutes of thousands of events each leave in memory (SOAK="--minutes 2" for less, no Slurm needed)
	@PYTHONPATH=tests:tests/cluster $(BIN)/python tests/bench/soak.py $(SOAK)

pictures: $(VENV)/.dev ## make the README's pictures anew, of a demo in .demo-pictures (wants chromium)
	@$(BIN)/python docs/pictures/make.py .demo-pictures docs/pictures

docs: .docs/source ## make the site, in .docs/site
	@$(SPHINX) -b html .docs/source .docs/site
	@echo '<meta http-equiv="refresh" content="0; url=docs/index.html">' > .docs/site/index.html
	@echo "see .docs/site/index.html"

man: .docs/source ## make a manual page for each command, in .docs/man; see one: man -M .docs/man runexp-run
	@$(SPHINX) -b man .docs/source .docs/man/man1
	@echo "see: man -M .docs/man runexp"

.docs/source: $(VENV)/.docs
	@PYTHONPATH=docs $(BIN)/python -m reference . $@

check: $(VENV)/.dev ## formatter, linter, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "==> installing runexp, torchtune and inspect-ai into $(VENV): 2 GB, or 6 with PyPI's torch for CUDA; some minutes the first time"
	@$(call installed,.[jobs])
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "==> installing runexp and what its tests need into $(VENV): 2 GB, or 6 with PyPI's torch for CUDA; some minutes the first time"
	@$(call installed,.[jobs$(comma)dev])
	@touch $@ $(VENV)/.demo $(VENV)/.docs

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	@echo "==> installing runexp and what its documentation is made with into $(VENV)"
	@$(call installed,.[docs])
	@touch $@

# Debian keeps the venv module in a package of its own.
$(VENV)/bin/python:
	@$(PYTHON) -m venv --help >/dev/null 2>&1 && $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "error: $(PYTHON) has no venv module; hint: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

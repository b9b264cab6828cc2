# Everything a user runs. Each target first makes .venv if it is missing or older than its list of dependencies.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Your own data: make report EVENTS=my_log.csv, or another source: make report DATA=... . RUN names the artefact folder.
DATA ?=
EVENTS ?=
READING ?=
RUN ?=
# What to serve.
FOLDER ?= data/processed/$(or $(RUN),complete_journey)/live
# Which of benchmarks/ to run.
NAME ?= complete_journey

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help report test lab serve benchmark pins

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 18
	@echo '  EVENTS=my_log.csv (and READING=..., how it is read), DATA=source and RUN=name choose other data for the report; PYTHON=... another interpreter.'

report: $(READY)  ## run the notebooks that are out of date, and write reports/
	@$(BIN)/python -m recolab.report --data "$$DATA" --events "$$EVENTS" --reading "$$READING" --run "$$RUN"

test: $(READY)  ## lint, types, floors, tests, and every notebook on tiny sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadgroup

lab: $(READY)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

serve: $(READY)  ## serve FOLDER, written by recolab.live.ship, on port 8000; RECOLAB_API_KEY is asked of who writes
	@$(BIN)/python -m recolab.service "$(FOLDER)"

benchmark: $(READY)  ## measure one claim anew: NAME=complete_journey (half an hour), zoo (an hour), ...
	@$(BIN)/python -m benchmarks.$(NAME)

pins: $(READY)  ## write constraints.txt anew from .venv
	@{ head -1 constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==' | sed 's/+cpu$$//'; } > $(VENV)/pins
	@mv $(VENV)/pins constraints.txt && touch $(READY)

# The stamp comes last: an installation that was interrupted is done again.
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "recolab needs Python 3.11 or newer, and '$(PYTHON)' is not: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@touch $@

# Threads that wait shall give their core away: spinning, training is three times slower beside any other busy program.
OMP_WAIT_POLICY ?= passive

export DATA EVENTS READING RUN OMP_WAIT_POLICY

# Every target sets up what it needs first, and is quick about it when that is already there.
# It takes Python 3.11 or newer, make and a POSIX shell; nothing here needs root.

MODELS ?= full
BENCH ?= full
PYTEST_ARGS ?=
PYTHON ?=

VENV := .venv
BIN := $(VENV)/bin
HASH := $(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-input -c constraints.txt
DONE = @rm -f $(basename $@).* && touch $@

ifeq ($(MODELS),classical)
RUN_STAMP := $(VENV)/base.$(HASH)
TEST_STAMP := $(VENV)/base-dev.$(HASH)
else
RUN_STAMP := $(VENV)/models.$(HASH)
TEST_STAMP := $(VENV)/all.$(HASH)
endif
BENCH_STAMP := $(VENV)/all.$(HASH)

export PORT HOST DATA_DIR BENCH

.PHONY: help run test lint format bench bench-vision bench-search bench-api bench-extract clean

help:
	@echo "make run      start everything (PORT=9000, DATA_DIR=/path; MODELS=classical leaves torch out)"
	@echo "make test     run the tests (PYTEST_ARGS='-k name')"
	@echo "make lint     check style and types"
	@echo "make format   put the code in order"
	@echo "make bench    measure (BENCH=quick; bench-vision, bench-search, bench-api, bench-extract for one part)"
	@echo "make clean    remove the virtual environment and the caches; your data stays"

run: $(RUN_STAMP)
	@exec $(BIN)/python manage.py up

test: $(TEST_STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

format: $(TEST_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_STAMP)
	@$(BIN)/python -m tests.benchmarks

bench-vision bench-search bench-api bench-extract: $(BENCH_STAMP)
	@$(BIN)/python -m tests.benchmarks $(@:bench-%=%)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# --- what is installed; the stamps carry a sum of both files, so a change of either installs again --------

$(VENV)/base.$(HASH): | $(BIN)/pip
	@echo "Installing Geolocator without the learned models; the first time takes about a minute."
	$(INSTALL) -e .
	$(DONE)

$(VENV)/models.$(HASH): | $(BIN)/pip
	@echo "Installing Geolocator; the first time downloads about 1 GB (MODELS=classical: 150 MB)."
	$(INSTALL) -e '.[models]'
	$(DONE)

$(VENV)/base-dev.$(HASH): | $(BIN)/pip
	$(INSTALL) -e '.[dev]'
	$(DONE)

$(VENV)/all.$(HASH): | $(BIN)/pip
	$(INSTALL) -e '.[models,research,dev]'
	$(DONE)

$(BIN)/pip:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    "$$python" -c 'import venv, ensurepip' 2>/dev/null || { lacking=$$python; continue; }; \
	    echo "Making a virtual environment with $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	done; \
	if [ -n "$$lacking" ]; then \
	    echo "error: $$lacking has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; \
	else \
	    echo "error: Python 3.11 or newer is needed, found: $$(python3 --version 2>&1 || true)" >&2; \
	    echo "Install it from https://www.python.org/downloads/, or name it: make run PYTHON=/path/to/python3.12" >&2; \
	fi; \
	exit 1

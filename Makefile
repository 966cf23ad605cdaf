# The two commands of a new user:  make demo  (a trained model and a report)  and  make test  (all checks and tests).
VENV ?= .venv
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install -c constraints.txt -e

.PHONY: demo test lint docs clean

demo: $(VENV)/.installed
	$(BIN)/prioria demo --out demo --overwrite

# pytest comes last, so that its verdict is the last line.
test: export OMP_NUM_THREADS := 1
test: lint docs
	$(BIN)/pip check
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning docs docs/_build

clean:
	rm -rf $(VENV) docs/_build

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) '.[dev]'
	touch $@ $(VENV)/.installed

$(BIN)/pip:
	$(or $(PYTHON),$(error prioria needs Python 3.11 or newer; set PYTHON to one)) -m venv $(VENV)

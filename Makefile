# The two commands of a new user:  make demo  (a trained model and a report)  and  make test  (all checks and tests).
VENV ?= .venv
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install -c constraints.txt -e

.PHONY: demo test lint pages docs clean

demo: $(VENV)/.installed
	$(BIN)/prioria demo --out demo --overwrite

# pytest comes last, so that its verdict is the last line.
test: export OMP_NUM_THREADS := 1
test: lint pages
	$(BIN)/pip check
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/pyright --pythonpath $(BIN)/python

# Without executing the gallery, whose quick programs are tests: for CI.
pages: $(VENV)/.installed-dev
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning -D plot_gallery=0 docs docs/_build

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning docs docs/_build

clean:
	rm -rf $(VENV) docs/_build docs/examples

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) '.[ui]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) '.[dev]'
	touch $@ $(VENV)/.installed

$(BIN)/pip:
	$(or $(PYTHON),$(error prioria needs Python 3.11 or newer; set PYTHON to one)) -m venv $(VENV)

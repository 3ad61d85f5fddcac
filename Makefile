# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow check bench clean

# The main job: train three variants of the phantom base, publish them to an embedded Hub, compare them.
# ONCE=1 ends after one comparison; other options: ARGS="--image scan.png --question 'What is seen?'"
demo: $(READY)
	$(BIN)/medzoo demo $(if $(ONCE),--once) $(ARGS)

test: $(READY)
	$(BIN)/pytest $(ARGS)

# Browser, whole chains, kill and resume.
test-slow: $(READY)
	$(BIN)/pytest -m slow $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Ratios of this machine, in one run each, printed and written into bench.json; only some: ARGS="training"
bench: $(READY)
	$(BIN)/python -m tests.benchmarks bench.json $(ARGS)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) .demo build dist *.egg-info bench.json

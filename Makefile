# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
GPU := .venv-gpu
VLLM := .venv-vllm

.PHONY: demo test test-slow test-vllm test-vllm-here check soak bench gpu gpu-here clean

# The main job: train three variants of the phantom base, publish them to an embedded Hub, compare them.
# ONCE=1 ends after one comparison; other options: ARGS="--image scan.png --question 'What is seen?'"
demo: $(READY)
	$(BIN)/medzoo demo $(if $(ONCE),--once) $(ARGS)

# A process a core, each with one thread; a file's tests stay together.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# Browser, whole chains, kill and resume.
test-slow: $(READY)
	$(BIN)/pytest -m slow $(ARGS)

# Against a real vLLM on the CPU, in an environment of its own (Python 3.11, 2.5 GB), which is made the first
# time.
test-vllm:
	@if command -v python3.11 > /dev/null; then $(MAKE) test-vllm-here; else echo "no Python 3.11 here: skipped"; fi

test-vllm-here: $(READY) $(VLLM)/.ready
	MEDZOO_VLLM=$(abspath $(VLLM))/bin/python $(BIN)/pytest tests/vllm -s $(ARGS)

$(VLLM)/.ready: tests/vllm/make_env.sh tests/vllm/constraints.txt
	sh tests/vllm/make_env.sh $(VLLM)
	touch $@

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Thousands of requests to adapters that can each say one word only, with all that can go wrong; judged word by
# word. Other bounds: ARGS="REQUESTS SECONDS"
soak: $(READY)
	$(BIN)/python -m tests.serving.soak $(ARGS)

# Ratios of this machine, in one run each, printed and written into bench.json; only some: ARGS="training"
bench: $(READY)
	$(BIN)/python -m tests.benchmarks bench.json $(ARGS)

# Where there is a GPU: every GPU test, and training a LLaVA of 7 billion random weights, into gpu.json. The
# environment takes torch from PYTHON where that has one (a machine's own torch fits its GPU), else from pip.
# Where all packages are there already the last two lines of gpu-here do without it.
gpu:
	@if nvidia-smi -L 2>/dev/null; then $(MAKE) gpu-here; else echo "no GPU here: skipped"; fi

gpu-here: $(GPU)/.ready
	$(GPU)/bin/python -c "import torch; torch.zeros(1, device='cuda')"
	$(GPU)/bin/python -m pytest -m gpu $(ARGS)
	$(GPU)/bin/python -m tests.gpu gpu.json

# A link to PYTHON's packages, not --system-site-packages: PYTHON may be of a virtual environment itself.
$(GPU)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(GPU)
	$(PYTHON) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $$($(GPU)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/parent.pth
	grep -v '^torch==' constraints.txt > $(GPU)/constraints.txt
	$(GPU)/bin/python -m pip install --quiet --constraint $(GPU)/constraints.txt --editable '.[dev]'
	touch $@

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) $(GPU) $(VLLM) .demo build dist *.egg-info bench.json gpu.json

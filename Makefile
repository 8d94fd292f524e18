# make run: the whole night on the embedded data.   make test: every test.   Both make the environment first.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help env run check format test bench lock clean

help:
	@echo "make run      the whole nightly flow on the embedded data set"
	@echo "make test     every test            make check   format, lint, types, imports"
	@echo "make env      the environment alone, in .venv"
	@echo "make format   format the code       make lock    pin the newest versions in the ranges"
	@echo "make bench    the measured figures of README and docs, again (folds needs MovieLens 100K)"

env: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: Overnight needs Python 3.11. Install it, or name it with make PYTHON=..."; exit 2; }
	@echo "Making the environment in .venv (a few minutes, once) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo 'import sys; sys.path.insert(0, "$(CURDIR)")  # our generic names come before anybody else'"'"'s' > .venv/lib/python3.11/site-packages/overnight-first.pth
	@touch $@

run: env
	@$(BIN)/overnight run --config overnight.toml

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -p no:xdist tests/test_imports.py

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# One thread each: the tests share two cores, and the results do not depend on the number of threads.
test: env
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadgroup

bench: env
	$(BIN)/python -m bench.night
	$(BIN)/python -m bench.folds

lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --upgrade setuptools wheel
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[dev]'
	{ sed -n '/^#/p' requirements.lock; .venv-lock/bin/python -m pip freeze --all --exclude-editable | grep -vE '^pip==' | sed 's/+cpu$$//'; } > requirements.lock.tmp
	mv requirements.lock.tmp requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv var .mypy_cache .pytest_cache .ruff_cache

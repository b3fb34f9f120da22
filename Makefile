# Two commands matter: `make run` and `make test`. Both do all of the set-up on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test check format bench screenshots setup setup-test clean

help:
	@echo "make run          open the window on the sample photos (without a display: label them and write a CSV)"
	@echo "make test         run the tests, as CI does"
	@echo "make check        format, lint, types, import contracts"
	@echo "make bench        measure speed against named alternatives"
	@echo "make screenshots  take the pictures of the README from the running program"

setup:
	@$(PYTHON) tools/setup_env.py

setup-test:
	@$(PYTHON) tools/setup_env.py --extra test

run: setup
	@$(BIN)/python tools/run.py

test: setup-test
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest $(ARGS)

check: setup-test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/check_walls.py

format: setup-test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-test
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m benchmarks $(ARGS)

screenshots: setup-test
	@$(BIN)/python tools/screenshots.py $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Forwards only: every target is one command that also works by itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: help setup demo test test-gpu bench smoke lint types doctor wheel

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## make .venv and build the package into it (again only when needed)
	@tools/setup.sh

demo: setup  ## scenes -> features -> evaluation -> report; DATA=folder takes your images, DEMO="..." adds options
	@$(BIN)/rsir demo $(if $(DATA),--data "$(DATA)") $(DEMO) || [ $$? -eq 3 ]  # 3: done, some images unreadable

test: setup  ## all tests
	@$(BIN)/python -m pytest $(ARGS)

test-gpu: setup  ## the tests that need a CUDA device
	@$(BIN)/python -m pytest -m gpu $(ARGS)

bench: setup  ## benchmarks beside their peers
	@$(BIN)/python -m pytest benchmarks --benchmark-enable $(ARGS)

smoke: setup  ## the benchmarks once, untimed: their answers must be right
	@$(BIN)/python -m pytest -q benchmarks

lint: setup  ## style of Python, C++ and CUDA
	@tools/lint.sh

types: setup  ## mypy --strict
	@$(BIN)/mypy

doctor: setup  ## versions, devices, weights
	@$(BIN)/rsir doctor

wheel: setup  ## build dist/*.whl
	@$(BIN)/python -m pip wheel . --no-deps --no-build-isolation --wheel-dir dist

# Forwards only: every target is one command that also works by itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: help setup demo test test-gpu test-kernels test-aarch64 sanitize faults bench bench-sweep bench-stability \
	bench-evaluation bench-extraction bench-growth bench-archive bench-tiling smoke lint types schemas doctor wheel

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup:  ## make .venv and build the package into it (again only when needed)
	@tools/setup.sh

demo: setup  ## scenes -> features -> evaluation -> report; DATA=folder takes your images, DEMO="..." adds options
	@$(BIN)/rsir demo $(if $(DATA),"$(DATA)") $(DEMO) || [ $$? -eq 3 ]  # 3: done, some images unreadable

test: setup  ## all tests
	@$(BIN)/python -m pytest $(ARGS)

test-gpu: setup  ## the tests that need a CUDA device
	@$(BIN)/python -m pytest -m gpu $(ARGS)

test-kernels:  ## the C++ tests of the kernels; no Python
	@tools/test_kernels.sh $(or $(ARGS),native)

sanitize:  ## the C++ tests under AddressSanitizer, UBSan and ThreadSanitizer
	@tools/test_kernels.sh $(or $(ARGS),asan tsan)

faults: setup  ## plant faults into the kernels: does a test catch each? some ten minutes, and only what is not known
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/kernels/simt/faults.py $(ARGS)

test-aarch64:  ## the C++ tests cross-built for AArch64, run by qemu-user with and without dotprod
	@tools/test_kernels.sh aarch64

bench: setup  ## every case beside its peers and the machine's limits; ARGS="--help" lists options
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-sweep: setup  ## query counts 1 to 4096, k 10 and 100, beside the fastest peers; ARGS="--longest-call 60 --minutes 240" leaves less out
	@$(BIN)/python benchmarks/sweep.py $(ARGS)

bench-stability: setup  ## whose answers change with batch size, threads and instruction set
	@$(BIN)/python benchmarks/stability.py $(ARGS)

bench-evaluation: setup  ## 31,500 x 31,500 to mAP and ANMRR: time and memory
	@$(BIN)/python benchmarks/evaluation.py $(ARGS)

bench-extraction: setup  ## JPEG files to features by every engine; ARGS="--accuracy UCMerced_LandUse" adds mAP
	@$(BIN)/python benchmarks/extraction.py $(ARGS)

bench-growth: setup  ## time against rows and queries: evaluation, searches, codes; fitted exponents
	@$(BIN)/python benchmarks/growth.py $(ARGS)

bench-archive: setup  ## an archive's life and filtered searches beside LanceDB, DuckDB and faiss; ARGS="--rows 100000" is quick
	@$(BIN)/python benchmarks/archive.py $(ARGS)

bench-tiling: setup  ## tiles of rasters beside a loop of rasterio; ARGS="--data FOLDER... --large" takes your files, and 36,000 x 18,000
	@$(BIN)/python benchmarks/tiling.py $(ARGS)

smoke: setup  ## the benchmarks once, untimed: their answers must be right
	@$(BIN)/python -m pytest -q benchmarks $(ARGS)

lint: setup  ## style of Python, C++ and CUDA
	@tools/lint.sh

types: setup  ## mypy --strict, and the stubs of the compiled modules
	@tools/types.sh

schemas: setup  ## write docs/schemas: the JSON Schema of every result.json
	@$(BIN)/python -m rsir_fast.protocols.schemas docs/schemas

doctor: setup  ## versions, devices, weights
	@$(BIN)/rsir doctor

wheel: setup  ## build dist/*.whl
	@$(BIN)/python -m pip wheel . --no-deps --no-build-isolation --wheel-dir dist

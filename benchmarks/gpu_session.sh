#!/usr/bin/env bash
# What to run on a machine with a CUDA device, in one go and without network: build, tests, sanitizer, timings.
#
#   benchmarks/gpu_session.sh OUT [build] [test] [sanitize] [time]      by default all four, within nine minutes
#
# OUT receives logs, results.json and results.md. Needs nvcc, and in PYTHON (by default python3): torch,
# scikit-build-core, pybind11, cmake, ninja, pytest, pytest-timeout, pytest-benchmark, hypothesis. Installs into
# OUT.site beside OUT, nowhere else. RSIR_CUDA_ARCHS: by default that of the device. TESTS: what pytest gets;
# SANITIZE, RACES: its -k for the sanitizer; CASES: parts of
# the names of the cases to time.
set -uo pipefail
cd "$(dirname "$0")/.."

out=${1:?expected a folder for the results: benchmarks/gpu_session.sh OUT [build] [test] [sanitize] [time]}
shift
parts=${*:-build test sanitize time}
python=${PYTHON:-python3}
mkdir -p "$out"
out=$(cd "$out" && pwd)
site=${SITE:-$out.site}
export PYTHONPATH=$site PYTHONUNBUFFERED=1
export PATH=$PATH:/usr/local/cuda/bin
failed=0

part() {  # name, command...: runs it with a log, tells how long it took
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" >"$out/$name.log" 2>&1
    local status=$?
    tail -n "${TAIL:-6}" "$out/$name.log" | cut -c 1-180
    echo "== $name: exit $status, $((SECONDS - start)) s"
    if [ "$status" -ne 0 ]; then failed=1; fi
}

build() {
    local capability
    capability=$("$python" -c 'import torch; print("%d%d" % torch.cuda.get_device_capability())') || return
    if [ "$capability" = 90 ]; then capability=90a; fi  # the instructions of Hopper alone
    RSIR_CUDA_ARCHS=${RSIR_CUDA_ARCHS:-$capability-real} \
        CMAKE_ARGS="-DRSIR_CUDA=ON" \
        "$python" -m pip install --no-build-isolation --no-deps --no-index --upgrade --target "$site" . &&
        "$python" -c 'from rsir_fast.ops import _dispatch; print(_dispatch.cuda().build_info())'
}

tests() {
    # shellcheck disable=SC2086
    "$python" -m pytest -q -m gpu -p no:cacheprovider ${TESTS:-tests/ops}
}

sanitize() {  # $1: memcheck or racecheck, $2: which tests
    # A part of the tests: the sanitizer runs a hundred times slower.
    compute-sanitizer --tool "$1" --error-exitcode 9 --target-processes all \
        "$python" -m pytest -q -m gpu -x -p no:cacheprovider tests/ops -k "$2"
}

for name in $parts; do
    case $name in
        build) part build build ;;
        test) TAIL=${TAIL:-15} part test tests ;;
        sanitize)
            part memcheck sanitize memcheck "${SANITIZE:-cuda and not certified and not answers and not bits}"
            part racecheck sanitize racecheck "${RACES:-cuda_bytes or cuda_unaligned or cuda_bits_of_hostile}"
            ;;
        time) TAIL=60 part time "$python" benchmarks/gpu_session.py "$out" ${CASES:-} ;;
        *)
            echo "gpu_session: expected build, test, sanitize or time, got '$name'" >&2
            exit 2
            ;;
    esac
done
exit $failed

#!/usr/bin/env bash
# What to run on a machine with a CUDA device, in one go, without network, within nine minutes.
#
#   benchmarks/gpu_session.sh OUT [smoke] [time] [test] [extract] [tma] [memcheck] [racecheck]   by default all, in this order
#
# Each stage has its own limit, 500 s in all; what it prints is in OUT/session.log as it comes, and beside it
# results.json and results.md, written after every case, and extraction.json. A stage that fails or runs out of time does
# not keep the next from its turn. The exit status is 0 only if all went well.
#
# SITE: a folder made by tools/gpu_prebuild.sh, so that no device time goes into compiling. Without it, or where its
# modules cannot be loaded, the package is first built into OUT.site (a minute or two more; needs nvcc, cmake, ninja,
# pybind11). PYTHON: by default python3, with torch, pytest, pytest-timeout, pytest-benchmark, hypothesis; images
# to features (extract, and its tests) take pydantic, simplejpeg, torchvision and pyarrow as well, and are left out
# without. TESTS: what pytest gets. CASES: parts of the names of the cases to time. LIMITS: other limits, as
# "smoke=30 time=90".
set -uo pipefail
cd "$(dirname "$0")/.."

out=${1:?expected a folder for the results: benchmarks/gpu_session.sh OUT [smoke] [time] [test] [extract] [tma] [memcheck] [racecheck]}
shift
stages=${*:-smoke time test extract tma memcheck racecheck}
python=${PYTHON:-python3}
mkdir -p "$out"
out=$(cd "$out" && pwd)
site=$(realpath -m "${SITE:-$out.site}")
log=$out/session.log
export PYTHONPATH=$site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PATH=$PATH:/usr/local/cuda/bin
export RSIR_CUDA_RATES=$site/cuda_rates
failed=0
declare -A limit=([build]=240 [smoke]=60 [time]=150 [test]=110 [extract]=20 [tma]=40 [memcheck]=60 [racecheck]=60)
for pair in ${LIMITS:-}; do limit[${pair%%=*}]=${pair#*=}; done
for stage in $stages; do
    if [[ ! -v limit[$stage] ]]; then
        echo "gpu_session: expected smoke, time, test, extract, tma, memcheck or racecheck, got '$stage'" >&2
        exit 2
    fi
done

say() { echo "== $*" | tee -a "$log"; }

stage() {  # name, command...: runs it within its limit, with its output in the log
    local name=$1 start=$SECONDS from status
    shift
    say "$name: $*"
    from=$(($(wc -l <"$log") + 1))
    timeout --kill-after=3 "${limit[$name]}" "$@" >>"$log" 2>&1
    status=$?
    tail -n "+$from" "$log" | tail -n "${TAIL:-12}" | cut -c 1-180
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        say "$name: out of time, ${limit[$name]} s"
    else
        say "$name: exit $status, $((SECONDS - start)) of ${limit[$name]} s"
    fi
    if [ "$status" -ne 0 ]; then failed=1; fi
    return "$status"
}

loads() { "$python" -c 'from rsir_fast import _cpu, _cuda; print(_cuda.build_info())' >>"$log" 2>&1; }

extraction_tests() {  # where its packages are: a file that cannot be imported would keep all others from running
    if "$python" -c 'import rsir_fast.extraction.encode, rsir_fast.encoders.load, pyarrow' >>"$log" 2>&1; then
        echo tests/extraction/test_{graph,overlap,full_precision}.py
    fi
}

sanitize() {  # name: that of the tool; only the package's kernels, in which it looks at every access
    local filter=()
    if compute-sanitizer --help 2>/dev/null | grep -q -- --kernel-regex; then filter=(--kernel-regex kns=rsir); fi
    stage "$1" compute-sanitizer --tool "$1" "${filter[@]}" --error-exitcode 9 \
        "$python" benchmarks/gpu_tiny.py hamming_many certified _ranks
}

date -u '+== %F %T UTC' >"$log"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >>"$log" 2>&1
if ! loads; then
    site=$out.site
    export PYTHONPATH=$site RSIR_CUDA_RATES=$site/cuda_rates
    if ! loads; then stage build env PYTHON="$python" tools/gpu_prebuild.sh "$site"; fi
fi
for name in $stages; do
    case $name in
        smoke) stage smoke "$python" benchmarks/gpu_tiny.py ;;
        # shellcheck disable=SC2086
        time) TAIL=60 stage time "$python" benchmarks/gpu_session.py "$out" ${CASES:-} ;;
        # shellcheck disable=SC2086
        test) stage test "$python" -m pytest -v -m gpu -p no:cacheprovider ${TESTS:-tests/ops $(extraction_tests)} ;;
        extract) TAIL=20 stage extract "$python" benchmarks/gpu_extraction.py "$out" ;;
        # By itself, as it has never run: a kernel that fails takes the rest of its process with it.
        tma) TAIL=30 stage tma bash -c '"$0" benchmarks/gpu_tiny.py tma && "$0" benchmarks/gpu_session.py "$1/tma" tma' \
            "$python" "$out" ;;
        *) sanitize "$name" ;;
    esac
done
say "in all: $([ $failed -eq 0 ] && echo passed || echo FAILED), $SECONDS s"
exit $failed

#!/usr/bin/env bash
# mypy --strict of the package, and its stubs of the compiled modules beside what was compiled.
# Where rsir_fast was built without CUDA, the stub of _cuda is left out, or the check fails if CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

"$bin/mypy"
modules=(rsir_fast._cpu)
if "$bin/python" -c 'import sys, rsir_fast.base.compiled as c; sys.exit(not c.has_cuda())'; then
    modules+=(rsir_fast._cuda)
else
    echo "types: the stub of rsir_fast._cuda is NOT CHECKED: built without a CUDA compiler" >&2
    [ "${CI:-}" != true ] || exit 1
fi
# A class of pybind11 has a metaclass that no stub can name; its members are compared all the same.
"$bin/python" -m mypy.stubtest --allowlist <(echo "rsir_fast._cpu.RelevantRanks") "${modules[@]}"

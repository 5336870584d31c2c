#!/usr/bin/env bash
# The C++ tests of the kernels, without Python, built and run: tools/test_kernels.sh native | asan | tsan | aarch64 ...
# Short forms, of CI: native-short has fewer sizes, asan-host and tsan-host leave the CUDA kernels out.
# aarch64 is cross-built and run by qemu; where its two packages are missing it is skipped, or fails if CI=true.
set -euo pipefail
cd "$(dirname "$0")/../tests/kernels"
export PATH="$PWD/../../.venv/bin:$PATH"

for tool in cmake ninja; do
    command -v "$tool" >/dev/null || {
        echo "test_kernels: expected cmake (3.25 or newer) and ninja, found no $tool. Run make setup, or install them." >&2
        exit 1
    }
done
for preset; do
    if [ "$preset" = aarch64 ]; then
        missing=()
        command -v aarch64-linux-gnu-g++ >/dev/null || missing+=(g++-aarch64-linux-gnu)
        command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
        if [ ${#missing[@]} -gt 0 ]; then
            echo "test_kernels: aarch64 NOT TESTED, missing: ${missing[*]}. Debian, Ubuntu: apt-get install ${missing[*]}" >&2
            [ "${CI:-}" != true ] || exit 1
            continue
        fi
    fi
    cmake --workflow --preset "$preset"
done

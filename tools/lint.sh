#!/usr/bin/env bash
# Style of all sources; changes nothing. To fix: ruff check --fix, ruff format, clang-format -i.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

"$bin/ruff" check python tests benchmarks tools
"$bin/ruff" format --check --quiet python tests benchmarks tools
find csrc tests/kernels -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | sort | xargs "$bin/clang-format" --dry-run -Werror
# House rule: small files.
find python tests benchmarks csrc tools -type f \
    \( -name '*.py' -o -name '*.pyi' -o -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.j2' -o -name '*.css' \) |
    xargs wc -l | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines, expected at most 400"; bad = 1 } END { exit bad }'

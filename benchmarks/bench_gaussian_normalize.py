from __future__ import annotations

from parametrize import in_all_cases


@in_all_cases("gaussian_normalize", "gaussian_normalize_into")
def bench_gaussian_normalize(benchmark, bench, case, peer):
    bench(benchmark, case, peer)

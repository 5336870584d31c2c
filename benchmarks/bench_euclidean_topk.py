from __future__ import annotations

from parametrize import in_all_cases


@in_all_cases("euclidean_topk")
def bench_euclidean_topk(benchmark, bench, case, peer):
    bench(benchmark, case, peer)

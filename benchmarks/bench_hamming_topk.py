from __future__ import annotations

from parametrize import in_all_cases


@in_all_cases("hamming_topk")
def bench_hamming_topk(benchmark, bench, case, peer):
    bench(benchmark, case, peer)

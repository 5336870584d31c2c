from __future__ import annotations

from parametrize import in_all_cases


@in_all_cases("pack_codes")
def bench_pack_codes(benchmark, bench, case, peer):
    bench(benchmark, case, peer)

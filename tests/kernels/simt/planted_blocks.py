"""Faults in the search of a database whose rows lie in several blocks."""

from __future__ import annotations

from fault import Fault

BLOCKS = [
    Fault(
        "the k-th distance bounded by fewer rows",
        "../cpu/shared_bounds.cpp",
        "if (nearest.size() == k_) own",
        "if (nearest.size() + 1 >= k_ && !nearest.empty()) own",
        "test_shared_bounds: the_kth_smallest_of_all_parts",
    ),
    Fault(
        "the nearest that is proven given up for one farther away",
        "../cpu/shared_bounds.cpp",
        "if (squared >= nearest.front()) continue;",
        "if (squared <= nearest.front()) continue;",
        "test_shared_bounds: the_kth_smallest_of_all_parts",
    ),
    Fault(
        "a distance proven without the residuals of both",
        "../cpu/candidates.cpp",
        "(radius + radius_) * (radius + radius_)) * kRounding",
        "0.0) * kRounding",
        "test_certify_bound: residuals_along_the_difference",
    ),
    Fault(
        "answers named by their places in the block",
        "../cpu/decision.cpp",
        "block.first + rows[i]",
        "rows[i]",
        "test_certified_topk: many_blocks",
    ),
    Fault(
        "rows without a bound named by their places in the block",
        "../cpu/certified_topk.cpp",
        "static_cast<std::uint32_t>(block.first) + row",
        "row",
        "test_certified_topk: many_blocks",
    ),
    Fault(
        "blocks of a dense pass begun at each other's places",
        "../cpu/dense_topk.cpp",
        "place += block.allowed.count();",
        "",
        "test_allowed_topk: every_share_at_every_offset",
    ),
]

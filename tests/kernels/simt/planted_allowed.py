"""Faults in what keeps rows that are not allowed out of a search on the CPU."""

from __future__ import annotations

from fault import Fault

ALLOWED = [
    Fault(
        "rows that are not allowed bound the k-th distance",
        "../cpu/allowed_panels.cpp",
        "? 0.0f : std::numeric_limits<float>::infinity()",
        "? 0.0f : 0.0f",
        "test_allowed_topk: every_share_at_every_offset",
    ),
    Fault(
        "a panel with one allowed row left out",
        "../cpu/allowed_panels.cpp",
        "if (rows == 0) continue;",
        "if ((rows & (rows - 1)) == 0) continue;",
        "test_allowed_topk: every_share_at_every_offset",
    ),
    Fault(
        "rows without a bound decided though they are not allowed",
        "../cpu/certified_topk.cpp",
        "rows.among(sidecar.wild, sidecar.wild_count)",
        "{sidecar.wild, sidecar.wild + sidecar.wild_count}",
        "test_allowed_topk: equal_and_wild_rows",
    ),
    Fault(
        "bits taken from the start of a byte",
        "../allowed.h",
        "found >>= shift;\n            if (shift > 0)",
        "if (shift > 0)",
        "test_allowed: words_and_counts_at_every_offset",
    ),
    Fault(
        "the stretch behind an empty one passed over",
        "../cpu/allowed_rows.cpp",
        "row = stretch * kStretch;\n    }",
        "row = (stretch + 1) * kStretch;\n    }",
        "test_allowed_topk: allowed_rows_by_their_places",
    ),
    Fault(
        "Hamming's first limit counted from codes that are not allowed",
        "../cpu/hamming_topk.cpp",
        "query.sliced(), mask.bits(from), hits + found",
        "query.sliced(), nullptr, hits + found",
        "test_hamming_topk: nearest_codes_are_not_allowed",
    ),
    Fault(
        "codes that are not allowed offered by the scan of planes",
        "../cpu/hamming_topk_sliced.h",
        "if (kMasked) near",
        "if (false) near",
        "test_hamming_topk: nearest_codes_are_not_allowed",
    ),
    Fault(
        "a group of codes passed over whose first 64 are not allowed",
        "../cpu/hamming_topk_allowed.cpp",
        "if (any == 0) groups_",
        "if (words[0] == 0) groups_",
        "test_hamming_topk: nearest_codes_are_not_allowed",
    ),
    Fault(
        "codes that were copied named by their places in the copy",
        "../cpu/hamming_topk.cpp",
        "*id = numbers[static_cast<std::size_t>(*id)];",
        "static_cast<void>(numbers);",
        "test_hamming_topk: allowed_codes",
    ),
    Fault(
        "rows near the query offered though they are not allowed",
        "../cpu/hamming_topk.cpp",
        "if (search.allowed.has(row + hit->row)) selector",
        "selector",
        "test_hamming_topk: nearest_codes_are_not_allowed",
    ),
]

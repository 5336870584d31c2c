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
        "= rows != 0;",
        "= (rows & (rows - 1)) != 0;",
        "test_allowed_topk: every_share_at_every_offset",
    ),
    Fault(
        "rows without a bound decided though they are not allowed",
        "../cpu/certified_topk.cpp",
        "rows.all() ? sidecar.wild : rows.among(sidecar.wild)",
        "sidecar.wild",
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
]

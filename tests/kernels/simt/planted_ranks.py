"""Faults in what takes each pair of rows once: the ranks of relevant items, and searches of rows for themselves."""

from __future__ import annotations

from fault import Fault

RANKS = [
    Fault(
        "a bound without the roundings of the sums",
        "../cpu/single_product.h",
        "1.02 * 0x1p-24",
        "0.001 * 0x1p-24",
        "test_single_product: distances_are_within_their_bound",
    ),
    Fault(
        "a distance above all marks that it was compared with placed before the next",
        "../cpu/single_product_avx512.cpp",
        "static_cast<__mmask16>(is_open | is_below)",
        "is_open",
        "test_single_product: a_distance_is_placed_between_two_marks_or_left_open",
    ),
    Fault(
        "marks that end in a bucket taken for such that end before it",
        "../cpu/rank_marks.cpp",
        "bucket_of(distance_from_bits(*mark) + window)) + 1]",
        "bucket_of(distance_from_bits(*mark) + window))]",
        "test_relevant_ranks: many_rows",
    ),
    Fault(
        "marks counted among the others",
        "../cpu/rank_marks.cpp",
        "if ((member != last && *member == ids[at]) || ids[at] == extra) continue;",
        "if (member == nullptr && last == nullptr && ids[at] == extra) continue;",
        "test_relevant_ranks: queries_that_are_rows",
    ),
    Fault(
        "equal distances ordered without their ids",
        "../cpu/rank_marks.cpp",
        "(std::upper_bound(mark, end, bits) - mark), id)",
        "(std::upper_bound(mark, end, bits) - mark), 0 * id)",
        "test_relevant_ranks: many_rows",
    ),
    Fault(
        "a pair of blocks counted for one of them",
        "../cpu/rank_blocks.cpp",
        "is_both = y.first_query >= 0 && !is_diagonal;",
        "is_both = false;",
        "test_relevant_ranks: queries_that_are_rows",
    ),
    Fault(
        "a tile on the diagonal left out",
        "../cpu/rank_blocks.cpp",
        "if (is_diagonal && j + across <= i) break;",
        "if (is_diagonal && j <= i) break;",
        "test_relevant_ranks: queries_that_are_rows",
    ),
    Fault(
        "the other half of a square of relevant items not measured",
        "../cpu/mark_keys.cpp",
        "if (group.is_square && before + r < own + i) return;",
        "if (group.is_square && before + r <= own + i) return;",
        "test_relevant_ranks: queries_that_are_rows",
    ),
    Fault(
        "products tested by the bounds of one side",
        "../cpu/self_scan.cpp",
        "if (x != y) test_y(x, y, sums.data(), width);",
        "",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "the bound of a row as a query never renewed",
        "../cpu/self_scan.cpp",
        "own.tighten();\n        renew(query);",
        "own.tighten();",
        "test_self_scan: equal_and_wild_rows",
    ),
    Fault(
        "candidates left in the order in which they came",
        "../cpu/self_scan.cpp",
        "search(row).sort();",
        "",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "a distance taken over from another row",
        "../cpu/decision.cpp",
        "std::lower_bound(other.rows.begin(), other.rows.end(), first_ + j);",
        "other.rows.begin() + (first_ + j) % 1;",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "infinite distances placed before marks that are infinite",
        "../cpu/single_product_common.h",
        "next > high[i] ?",
        "next >= high[i] ?",
        "test_single_product: a_distance_is_placed_between_two_marks_or_left_open",
    ),
    Fault(
        "distances placed sixteen at a time without their error",
        "../cpu/single_product_avx512.cpp",
        "_mm512_maskz_loadu_ps(there, high + i)",
        "_mm512_maskz_loadu_ps(there, high == nullptr ? high : low + i)",
        "test_single_product: a_distance_is_placed_between_two_marks_or_left_open",
    ),
    Fault(
        "two threads count for one query",
        "../cpu/rank_blocks.cpp",
        "const auto lock = marks_.lock(query);",
        "",
        "test_relevant_ranks: queries_that_are_rows",
        sanitizer="thread",
    ),
    Fault(
        "ranks behind the query's own item left as they were",
        "../cpu/ranked_hits.cpp",
        "return rank - 1;",
        "return rank;",
        "test_ranked_hits: lists_of_every_length",
    ),
    Fault(
        "a rank that is the limit not counted",
        "../cpu/ranked_hits.cpp",
        "std::upper_bound(first, end, limits[j])",
        "std::lower_bound(first, end, limits[j])",
        "test_ranked_hits: lists_of_every_length",
    ),
]

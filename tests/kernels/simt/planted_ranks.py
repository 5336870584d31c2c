"""Faults in what takes each pair of rows once: the ranks of relevant items, and searches of rows for themselves."""

from __future__ import annotations

from fault import Fault

RANKS = [
    Fault(
        "a bound without the roundings of the sums",
        "../cpu/single_product.h",
        "return 1.02 * (static_cast<double>(chunk)",
        "return 0.001 * (static_cast<double>(chunk)",
        "test_single_product: distances_are_within_their_bound",
    ),
    Fault(
        "a distance between three marks placed by two",
        "../cpu/rank_marks.cpp",
        "begun - ended > 2 ||",
        "begun - ended > 9 ||",
        "test_relevant_ranks: many_rows",
    ),
    Fault(
        "the first bucket taken for one like the others",
        "../cpu/rank_marks.cpp",
        "|| bucket == 0 ||",
        "||",
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
        "return std::lower_bound(from, to, static_cast<std::uint32_t>(key_id(key))) - rows;",
        "return std::min(from, to) - rows;",
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
        "i < count && x != y; ++i",
        "i < 0; ++i",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "a row that has overflowed takes candidates all the same",
        "../cpu/self_scan.cpp",
        "if (search(query).overflowed()) return;",
        "",
        "test_self_scan: rows_that_are_all_alike",
    ),
    Fault(
        "products tested by the numbers of another row of the panel",
        "../cpu/certify_avx512.cpp",
        "return _mm512_loadu_ps(all + 16 * panel); };",
        "return _mm512_set1_ps(all[16 * panel]); };",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "rows to be measured left in the order in which they came",
        "../cpu/decision.cpp",
        "if (!std::is_sorted(rows.begin(), rows.end())) std::sort(rows.begin(), rows.end());",
        "(void)rows;",
        "test_self_scan: columns_of_several_chunks",
    ),
    Fault(
        "a distance taken over from another row",
        "../cpu/decision.cpp",
        "std::lower_bound(other.rows.begin(), other.rows.end(), first_ + j);",
        "other.rows.begin() + (first_ + j) % 1;",
        "test_self_scan: columns_of_several_chunks",
    ),
    Fault(
        "infinite distances placed before marks that are infinite",
        "../cpu/single_product_common.h",
        "(bits < kInfinity)",
        "(bits <= kInfinity)",
        "test_single_product: a_distance_is_placed_between_two_marks_or_left_open",
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

"""Faults in searches of rows for themselves, by super-blocks too: products taken once and tested twice."""

from __future__ import annotations

from fault import Fault

SELF = [
    Fault(
        "products tested by the bounds of one side",
        "../cpu/self_scan.cpp",
        "i < count && !is_same; ++i",
        "i < 0; ++i",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "a row that has overflowed takes candidates all the same",
        "../cpu/self_scan.cpp",
        "if (search.overflowed()) return;",
        "",
        "test_self_scan: rows_that_are_all_alike",
    ),
    Fault(
        "no room for the rows that fill the last tile",
        "../cpu/self_scan.cpp",
        "(block.end - block.first + subset_ - 1) / subset_ * subset_;",
        "block.end - block.first;",
        "test_self_scan: rows_that_are_all_alike",
    ),
    Fault(
        "each block multiplied by the codes of the first",
        "../cpu/self_scan.cpp",
        "(row - block.rows->first) / subset_",
        "(row - block.first) / subset_",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "pairs forgotten that were left when candidates had outgrown the memory",
        "../cpu/self_scan.cpp",
        "if (pairs.empty()) break;",
        "break;",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "what was found beside the super-blocks before forgotten",
        "../cpu/decision.cpp",
        "operands_.is_continued && i < place",
        "false && i < place",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "rows without a bound measured once more beside every super-block",
        "../cpu/self_search.cpp",
        "return decide(some, {});",
        "return decide(some, wild_);",
        "test_self_scan: equal_and_wild_rows",
    ),
    Fault(
        "a row forgotten to have overflowed beside a super-block before",
        "../cpu/self_search.cpp",
        "overflowed_[static_cast<std::size_t>(row)] = 1;",
        "overflowed_[static_cast<std::size_t>(row)] = 0;",
        "test_self_scan: equal_and_wild_rows",
    ),
    Fault(
        "the last rows not compared with a super-block",
        "../cpu/self_search.cpp",
        "next = own.end; next < n_ &&",
        "next = own.end; next + plan_.beside < n_ &&",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "the nearest distance of before taken for the k-th",
        "../cpu/self_search.cpp",
        "(row + 1) * operands_.k - 1;",
        "row * operands_.k;",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "what nobody has found yet taken for neighbours",
        "../cpu/self_search.cpp",
        "std::fill_n(ids_, n_ * operands_.k, -1);",
        "std::fill_n(ids_, n_ * operands_.k, 0);",
        "test_self_scan: every_kind_of_numbers",
    ),
    Fault(
        "super-blocks that take more than their memory",
        "../cpu/self_search.cpp",
        "(live - beside) / SelfScan::kUnit",
        "live / SelfScan::kUnit",
        "test_self_scan: rows_at_a_time_follow_the_memory",
    ),
]

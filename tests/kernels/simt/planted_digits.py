"""Faults in what places pairs by the sums of digits: ranks on a device."""

from __future__ import annotations

from fault import Fault

DIGITS = [
    Fault(
        "a window without the products of digits that are left out",
        "digits.cu",
        "0x1p-6 * tail * tail",
        "0x1p-9 * tail * tail",
        "test_cuda_digits: the_bound_is_nearly_reached",
    ),
    Fault(
        "a last digit of 128",
        "digits.cu",
        "((code + 128) & 255) - 128",
        "((code + 127) & 255) - 127",
        "test_cuda_digits: every_distance_lies_in_its_interval",
    ),
    Fault(
        "a row with a NaN bounded like the others",
        "digits.cu",
        "ordinary && value <= kMostValue;  // false for NaN",
        "ordinary && !(value > kMostValue);",
        "test_cuda_digits: rows_without_digits",
    ),
    Fault(
        "an interval without the rounding of a distance",
        "digits.cuh",
        "7 * 0x1p-24f",
        "0x1p-26f",
        "test_cuda_digits: every_size_of_numbers",
    ),
    Fault(
        "digits copied over while the products before still read them",
        "digit_product_sm90.cu",
        "wait_products<0>();",
        "wait_products<1>();",
        "test_cuda_placed_ranks: tiles_and_strips",
    ),
    Fault(
        "copies of digits that warps have not done reading",
        "digit_product.cu",
        "__syncthreads();  // the other stage has been read, too",
        "__syncwarp();",
        "test_cuda_placed_ranks: tiles_and_strips",
    ),
    Fault(
        "products of a new tile added to the last one's",
        "digit_product_sm90.cu",
        "part > 0 || first > 0 || round > 0",
        "true",
        "test_cuda_placed_ranks: tiles_and_strips",
    ),
    Fault(
        "the least of the digits' sums left out",
        "digits.cuh",
        "s1 + (s2 >> 8)",
        "s1 + 0 * s2",
        "test_cuda_digits: every_distance_lies_in_its_interval",
    ),
    Fault(
        "distances of a later strip by the scales of the first",
        "digit_product.cuh",
        "product.queries.unit[product.first_query + row]",
        "product.queries.unit[row]",
        "test_cuda_placed_ranks: tiles_and_strips",
    ),
    Fault(
        "open pairs counted by some lanes after others have added to them",
        "placed_ranks.cu",
        "__syncwarp();  // nobody adds to it before all have read it",
        "",
        "test_cuda_placed_ranks: tiles_and_strips",
    ),
    Fault(
        "a relevant item counted before itself",
        "placed_ranks.cu",
        "if (++place == count) continue;",
        "if (place == count) continue;",
        "test_cuda_placed_ranks: sizes_and_classes",
    ),
    Fault(
        "what fills a group of open pairs up counted as an item",
        "placed_ranks.cu",
        "if (!pair.leader || item == kNoItem) continue;",
        "if (!pair.leader) continue;",
        "test_cuda_placed_ranks: sizes_and_classes",
    ),
    Fault(
        "open pairs that had no room forgotten",
        "placed_ranks.cu",
        "if (*placing.found > placing.room) placing.state->stopped = 1;",
        "if (*placing.found > placing.room + 8) placing.state->stopped = 1;",
        "test_cuda_placed_ranks: too_many_open",
    ),
    Fault(
        "a distance that may be either side of a relevant one placed",
        "placed_ranks.cu",
        "if (mine.marks[place] <= interval.high) {",
        "if (mine.marks[place] <= distances[e]) {",
        "test_cuda_placed_ranks: distances_that_are_close",
    ),
    Fault(
        "lists of other items measured by those of the first",
        "relevant_ranks.cu",
        "alike = alike && marks.lists[begin + j].first == marks.lists[begin].first &&",
        "alike = alike &&",
        "test_cuda_relevant_ranks: lists_of_the_same_items",
    ),
    Fault(
        "own items of lists that are measured together left out",
        "relevant_ranks.cu",
        "alike ? list.members : 0",
        "alike ? list.marks : 0",
        "test_cuda_relevant_ranks: lists_of_the_same_items",
    ),
]

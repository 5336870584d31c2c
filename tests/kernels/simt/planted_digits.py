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
]

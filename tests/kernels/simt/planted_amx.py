"""Faults in the tiles of AMX and the model of its instructions, and in what AVX-512 does for both."""

from __future__ import annotations

from fault import Fault

TILES = "../cpu/certify_tiles.h"
SUMS = "test_amx: sums_of_tiles_are_exact"
REFUSED = "test_amx_refused: refused_tiles_leave_the_work_to_avx512"

AMX = [
    Fault(
        "codes of a query in another order than those of a row",
        TILES,
        "high = high_bytes(two[0], two[1])",
        "high = high_bytes(two[1], two[0])",
        SUMS,
    ),
    Fault("low bytes multiplied as if they had signs", TILES, "dot_uu<3, 5, 7>()", "dot_ss<3, 5, 7>()", SUMS),
    Fault(
        "high bytes of rows multiplied as if they had no signs", TILES, "dot_us<2, 5, 6>()", "dot_uu<2, 5, 6>()", SUMS
    ),
    Fault(
        "low bytes of a row taken for its high ones",
        TILES,
        "high = high_bytes(one, two), low = low_bytes(one, two)",
        "high = high_bytes(one, two), low = high_bytes(two, one)",
        SUMS,
    ),
    Fault("mixed products at the wrong place", TILES, "parts[2][i]) << 8", "parts[2][i]) << 7", SUMS),
    Fault(
        "a later segment of a row multiplied with the first of the query",
        TILES,
        "* block + first * 2 * kTileBytes",
        "* block",
        SUMS,
    ),
    Fault(
        "sums of a panel that go on with those of the one before",
        TILES,
        "std::memset(sums, 0",
        "if (g == 0) std::memset(sums, 0",
        SUMS,
    ),
    Fault(
        "the second panel's sums sought behind queries that are not there",
        TILES,
        "is_full ? 2 * kSums : kSums",
        "2 * kSums",
        SUMS,
    ),
    Fault("sums begun without a zero", TILES, "if (Q > 1 && G > 1) Tiles::zero<3>();", "", SUMS),
    Fault(
        "rows that search themselves: sums of before forgotten",
        TILES,
        "if (Q > 1 && G > 1) Tiles::load<3>(across, row);",
        "if (Q > 1 && G > 1) Tiles::zero<3>();",
        SUMS,
    ),
    Fault(
        "rows that search themselves: later steps multiplied with the first of the query",
        TILES,
        "codes + first / kTile * kTileBytes",
        "codes",
        SUMS,
    ),
    Fault(
        "rows that search themselves: later chunks of int16 codes multiplied with the first",
        TILES,
        "* block + chunk * 2 * kTileBytes",
        "* block",
        SUMS,
    ),
    Fault(
        "of two queries that found a row one forgotten",
        TILES,
        "any &= any - 1",
        "any = 0",
        "test_certify: int8_tiles_are_the_integer_model",
    ),
    Fault("tiles kept after the task", TILES, "    Tiles::release();\n}\n\ntypedef", "}\n\ntypedef", SUMS),
    Fault(
        "a panel read beyond its last step",
        TILES,
        "chunk < whole ? panel",
        "chunk <= whole ? panel",
        "test_certify: int8_tiles_are_the_integer_model",
    ),
    Fault(
        "rows stored as code + 128 not corrected",
        TILES,
        "_mm512_set1_epi32(numbers.start[at])",
        "_mm512_setzero_si512()",
        "test_certify: int8_tiles_are_the_integer_model",
    ),
    Fault(
        "rows tested with the numbers of another panel",
        TILES,
        "const RowTest test(panels, chosen[g], ",
        "const RowTest test(panels, chosen[0], ",
        "test_certify: int16_tiles_are_the_integer_model",
    ),
    Fault(
        "codes of small sets of queries stored for tiles, and read by avx512",
        TILES,
        "if (count <= kFew) return certify_avx512.int16.store_query",
        "if (count < kFew) return certify_avx512.int16.store_query",
        "test_certify: int16_tiles_are_the_integer_model",
    ),
    Fault(
        "a model whose unsigned bytes have signs",
        "../../../tests/kernels/amx_model.h",
        "static_cast<ByteB>(right",
        "static_cast<std::int8_t>(right",
        "test_amx: the_model_multiplies_as_the_manual_says",
    ),
    Fault(
        "a model whose bytes of B lie in columns",
        "../../../tests/kernels/amx_model.h",
        "right.bytes[k][4 * n + i]",
        "right.bytes[4 * (k % 4) + i][n]",
        "test_amx: the_model_multiplies_as_the_manual_says",
    ),
    Fault(
        "tiles used though the system refuses them",
        "../cpu/certify_amx.cpp",
        "kRequest, kTileData) == 0",
        "kRequest, kTileData) != 0",
        REFUSED,
    ),
    Fault(
        "a search by tiles that are not ready",
        "../cpu/certify.cpp",
        "if (amx_ready()) return certify_amx;",
        "if (amx_ready() || isa == Isa::amx) return certify_amx;",
        REFUSED,
    ),
    Fault(
        "the last radii within a bound left out",
        "../cpu/certify_avx512.h",
        "(1 << held) - 1",
        "0 * held",
        "test_certify: widest_and_filter_are_their_models",
    ),
    Fault(
        "ids that did not fit into a gather forgotten",
        "../cpu/certify_avx512.h",
        "        _mm512_storeu_si512(wanted, _mm512_loadu_si512(wanted + 16));\n",
        "",
        "test_certify: widest_and_filter_are_their_models",
    ),
    Fault(
        "fewer than k values below the one that was selected",
        "../cpu/certify_common.h",
        "below += values[i] <= limit",
        "below += values[i] <= limit || i % 16 == 0",
        "test_certify: select_is_between_the_kth_and_what_it_allows",
    ),
]

"""Faults planted into the CUDA kernels, each of which a named test must catch: `make faults` builds and runs them.

A copy of the sources is built once; then each fault is put in, its test built and run, and the fault taken out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
KERNELS = Path("csrc/kernels/cuda")


class Fault(NamedTuple):
    what: str
    file: str
    old: str
    new: str
    test: str
    """program: name of the test that must fail"""
    sanitizer: str = "address,undefined"
    """Under which it must: ``"thread"`` where only ThreadSanitizer is sure to see it."""


FAULTS = [
    Fault(
        "missing barrier between the steps of a sort",
        "select.cuh",
        "step /= 2) {\n            __syncthreads();",
        "step /= 2) {",
        "test_cuda_select: depths_and_lengths",
    ),
    Fault(
        "candidates dropped where there is no room",
        "select.cuh",
        "if (place >= capacity) return false;",
        "if (place >= capacity) return true;",
        "test_cuda_select: nearest_last",
    ),
    Fault(
        "the last of the keys left out",
        "select.cuh",
        "i < m ? keys[i] : kNoKey",
        "i < m - 1 ? keys[i] : kNoKey",
        "test_cuda_select: depths_and_lengths",
    ),
    Fault(
        "ties broken by the larger id",
        "select.cuh",
        "(Key{distance} << 32) | id",
        "(Key{distance} << 32) | ~id",
        "test_cuda_hamming_topk: all_equal",
    ),
    Fault(
        "a query's bits beyond the last counted",
        "hamming_topk.cu",
        "const std::uint64_t mask = w == words - 1 ? problem.mask : ~std::uint64_t{0};",
        "const std::uint64_t mask = ~std::uint64_t{0};",
        "test_cuda_hamming_topk: sizes_queries_parts",
    ),
    Fault(
        "more items a thread than bits that say which are left: a shift overflows",
        "hamming_topk.cu",
        "kItemsOf = kQueries == 1 ? 8 : 4",
        "kItemsOf = 8",
        "test_cuda_hamming_topk: sizes_queries_parts",
    ),
    Fault(
        "pushes go on before the new limit is written",
        "select.cuh",
        "*limit = keys[k - 1];\n        }\n        __syncthreads();",
        "*limit = keys[k - 1];\n        }",
        "test_cuda_select: nearest_last",
        "thread",
    ),
    Fault(
        "a query's columns beyond its words not 0",
        "hamming_pass.cuh",
        "w >= words ? 0 : w == words - 1",
        "w == words - 1",
        "test_cuda_hamming_many: tile_edges",
    ),
    Fault(
        "items beyond the end taken for items",
        "hamming_pass.cuh",
        " && i / 2 * 8 + i % 2 < room",
        "",
        "test_cuda_hamming_many: tile_edges",
    ),
    Fault(
        "no barrier between a tile's stores and its products",
        "hamming_pass.cuh",
        "__syncthreads();  // this tile",
        "// this tile",
        "test_cuda_hamming_many: several_tiles",
    ),
    Fault(
        "the next tile overwrites the one that is multiplied",
        "hamming_many_sm90.cu",
        "return round % 2 * places.words",
        "return 0 * places.words",
        "test_cuda_hamming_many: several_tiles",
    ),
    Fault(
        "items as far as the limit left out, also those with a smaller id",
        "hamming_pass.cuh",
        "if (key_of(i) < limit &&",
        "if (key_of(i) >> 32 < limit >> 32 &&",
        "test_cuda_hamming_many: all_equal",
    ),
    Fault(
        "binary products that a device only emulates",
        "hamming_many.cu",
        "major == 8",
        "major >= 8",
        "test_cuda_hamming_many: refused_and_empty",
    ),
    Fault(
        "binary products of a warp: the next tile overwrites the one that is multiplied",
        "hamming_many_sm80.cu",
        "return round % 2 * places.columns",
        "return 0 * places.columns",
        "test_cuda_hamming_many: several_tiles",
    ),
    Fault(
        "binary products of a warp: an item's bits beyond the last counted",
        "hamming_many_sm80.cu",
        "word &= mask_of(pass.problem, places.words, w);",
        "",
        "test_cuda_hamming_many: tile_edges",
    ),
    Fault(
        "binary products of a warp: what lies beside an odd last word counted",
        "hamming_many_sm80.cu",
        "column = {{word, 0}};",
        "column.words[0] = word;",
        "test_cuda_hamming_many: tile_edges",
    ),
    Fault(
        "binary products of a warp: an odd last column left out",
        "hamming_many_sm80.cu",
        "if (column < places.columns) multiply_columns<1, false>",
        "if (false) multiply_columns<1, false>",
        "test_cuda_hamming_many: tile_edges",
    ),
    Fault(
        "binary products of a warp: items as far as the limit left out",
        "hamming_many_sm80.cu",
        "above = -1 - worst_of(pass, query + 8 * i)",
        "above = -worst_of(pass, query + 8 * i)",
        "test_cuda_hamming_many: all_equal",
    ),
    Fault(
        "a query with too many keys answered from those that were kept",
        "hamming_many.cu",
        "if (appended > kept) failed[query] = 1;",
        "",
        "test_cuda_hamming_many: overflow",
    ),
    Fault(
        "one element too many at the end of a row",
        "gaussian_rows.cuh",
        "if (kWhole || r * kWarp < left) sum +=",
        "if (kWhole || r * kWarp <= left) sum +=",
        "test_cuda_gaussian_normalize: rows_of_all_lengths",
    ),
    Fault(
        "the last elements of a column read in rounds left out",
        "gaussian_columns.cu",
        "for (; i < chains.size; i += step) add",
        "for (; i < chains.size - step; i += step) add",
        "test_cuda_gaussian_columns: sizes_of_all_types",
    ),
    Fault(
        "lanes of a column folded in another order",
        "gaussian_columns.cu",
        "lane + kLeft * d",
        "lane + kWarp / 2 / kLeft * d",
        "test_cuda_gaussian_columns: sizes_of_all_types",
    ),
    Fault(
        "a constant column's mean left rounded",
        "gaussian_columns.cu",
        "bool constant = isfinite(first);",
        "bool constant = false;",
        "test_cuda_gaussian_columns: constant_columns",
    ),
    Fault(
        "four columns at a time from where they are not aligned",
        "gaussian_columns.cu",
        "d % 4 == 0 && whole(features",
        "d % 4 == 0 || whole(features",
        "test_cuda_gaussian_columns: in_place",
    ),
    Fault(
        "lanes folded in another order",
        "lanes.cuh",
        "for (int half = kWarp / 2; half >= 1; half /= 2)",
        "for (int half = 1; half < kWarp; half *= 2)",
        "test_cuda_gaussian_normalize: sums_of_large_numbers",
    ),
    Fault(
        "a row copied before all of it is there",
        "sidecar.cu",
        "    __syncwarp();\n    copy_row",
        "    copy_row",
        "test_cuda_sidecar: scales",
        "thread",
    ),
    Fault(
        "columns of a copy beyond the end not 0",
        "sidecar.cu",
        "ordinary && i + e < d ?",
        "ordinary ?",
        "test_cuda_sidecar: rows_of_all_lengths",
    ),
    Fault(
        "a scale that knows nothing of a row's last element",
        "sidecar.cu",
        "i < d; i += kTeam) {\n        const double value = fabs",
        "i < d - 1; i += kTeam) {\n        const double value = fabs",
        "test_cuda_sidecar: scales",
    ),
    Fault(
        "rows normalised, and copied as they were before",
        "sidecar.cu",
        "{ to[i] = kept[i] = value; }",
        "{ to[i] = value; kept[i] = held(matrix[index * d + i]); }",
        "test_cuda_sidecar: rows_of_all_lengths",
    ),
    Fault(
        "rows beyond the end are read",
        "euclidean_topk.cu",
        "sides.database + min(first_row + r + 0LL, sides.n - 1LL) * sides.d",
        "sides.database + (first_row + r) * sides.d",
        "test_cuda_euclidean_topk: sizes_queries_parts",
    ),
    Fault(
        "NaN as the processor makes it, not the one quiet NaN",
        "canonical.cuh",
        "return isnan(rounded) ? kQuietNaN : __float_as_uint(rounded);",
        "return __float_as_uint(rounded);",
        "test_cuda_euclidean_topk: all_keys",
    ),
    Fault(
        "codes of eight values packed from the wrong end",
        "pack_codes.cu",
        "<< j;",
        "<< (7 - j);",
        "test_cuda_pack_codes: codes_of_all_lengths",
    ),
    Fault(
        "the product begins before its copies have arrived",
        "certify_product.cu",
        "wait_copies<kStages - 2>();",
        "wait_copies<kStages - 1>();",
        "test_cuda_certified_topk: tile_edges",
    ),
    Fault(
        "no barrier between a stage's copies and its products",
        "certify_product.cu",
        "        __syncthreads();\n        tile.copy_stage",
        "        tile.copy_stage",
        "test_cuda_certified_topk: long_rows",
        "thread",
    ),
    Fault(
        "a stage overwritten while the other warpgroup still multiplies it",
        "certify_product_sm90.cu",
        "wait_products<1>();\n        tile.copy_stage<kStages>(round + kStages - 2);",
        "wait_products<3>();\n        tile.copy_stage<kStages>(round + kStages - 2);",
        "test_cuda_certified_topk: long_rows",
    ),
    Fault(
        "the last products not waited for",
        "certify_product_sm90.cu",
        "wait_products<0>();",
        "wait_products<1>();",
        "test_cuda_certified_topk: tile_edges",
    ),
    Fault(
        "padding of the last tile taken for items",
        "certify_product.cuh",
        "item < product.n ? key : kNoKey",
        "key",
        "test_cuda_certified_topk: tile_edges",
    ),
    Fault(
        "survivors overwrite candidates that are yet to be read",
        "certify.cu",
        "        __syncthreads();  // survivors are written below what has been read\n",
        "",
        "test_cuda_certified_topk: several_phases",
    ),
    Fault(
        "a query with too many candidates answered from those that were kept",
        "certify.cu",
        "if (counts[query] > kept) failed[query] = 1;",
        "",
        "test_cuda_certified_topk: overflow_and_wild_queries",
    ),
    Fault(
        "answers for queries that are only padding",
        "certify_stream.cu",
        "if (pair.leader && pair.query < product.q) {",
        "if (pair.leader) {",
        "test_cuda_certified_topk: few_queries",
    ),
    Fault(
        "the last codes of a row left out",
        "certify_stream.cu",
        "i < width - lane * kChunk;",
        "i < width - lane * kChunk - kWarp * kChunk;",
        "test_cuda_certified_topk: few_queries",
    ),
    Fault(
        "the bound without the residuals of the copies",
        "certify.cu",
        "+ 2 * residuals;",
        "+ 0 * residuals;",
        "test_cuda_certified_topk: copies_that_hide_the_order",
    ),
    Fault(
        "the bound without the error of the sum",
        "certify.cu",
        "/ 16.0 * 0x1p-18) + 0x1p-20;",
        "* 0.0);",
        "test_cuda_certified_topk: sums_that_hide_the_order",
    ),
]


def copy_sources(to: Path) -> None:
    for folder in ("csrc", "tests/kernels"):
        shutil.copytree(ROOT / folder, to / folder)


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RSIR_TEST_REDUCED": "1"}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def must(command: list[str | Path], folder: Path) -> None:
    done = run(command, folder)
    if done.returncode != 0:
        raise SystemExit(f"faults: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def configure(folder: Path, sanitizer: str) -> Path:
    """Return the build folder for a sanitizer."""
    build = folder / sanitizer.partition(",")[0]
    options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1"]
    options += [f"-DRSIR_SANITIZE={sanitizer}"]
    must(["cmake", "-S", folder / "tests/kernels", "-B", build, "-G", "Ninja", *options], folder)
    return build


def fails(folder: Path, build: Path, test: str) -> bool:
    """Build the test's program and run the test."""
    program, _, name = test.partition(": ")
    must(["cmake", "--build", build, "--target", program], folder)
    return run([build / "simt" / program, name], folder).returncode != 0


def main() -> int:
    chosen = [fault for fault in FAULTS if not sys.argv[1:] or any(part in fault.what for part in sys.argv[1:])]
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_sources(folder)
        builds = {sanitizer: configure(folder, sanitizer) for sanitizer in {fault.sanitizer for fault in chosen}}
        for test, sanitizer in sorted({(fault.test, fault.sanitizer) for fault in chosen}):
            if fails(folder, builds[sanitizer], test):
                raise SystemExit(f"faults: {test} fails without any fault")
        for fault in chosen:
            path = folder / KERNELS / fault.file
            whole = path.read_text()
            if whole.count(fault.old) == 0:
                raise SystemExit(f"faults: {fault.file} holds no {fault.old!r}: bring the list up to date")
            path.write_text(whole.replace(fault.old, fault.new))
            caught = fails(folder, builds[fault.sanitizer], fault.test)
            path.write_text(whole)
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {fault.what}  [{fault.test}]", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The faults of the product whose tiles are copied by the tensor memory accelerator."""

from __future__ import annotations

from fault import Fault

BULK = [
    Fault(
        "a stage multiplied before its bytes have come",
        "certify_product_bulk.cu",
        "            turns.wait_full();\n",
        "",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "a stage multiplied in the phase before its own",
        "certify_product_bulk.cu",
        "wait_barrier(full + stage * 8, parity); }",
        "wait_barrier(full + stage * 8, parity ^ 1); }",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "a stage copied over that is yet to be read",
        "certify_product_bulk.cu",
        "            turns.wait_empty();\n",
        "",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "a stage given back while its products are under way",
        "certify_product_bulk.cu",
        "wait_products<1>();",
        "wait_products<2>();",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "copies to a stage that only the other block of the cluster still reads",
        "certify_product_bulk.cu",
        "if (lane < kCluster) arrive(empty + read * 8, lane);",
        "if (lane < kCluster) arrive(empty + read * 8, static_cast<int>(blockIdx.x) % kCluster);",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "a stage given back by a warp whose lanes have not all read it",
        "certify_product_bulk.cu",
        "release(int read) const {\n        __syncwarp();\n",
        "release(int read) const {\n",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "fewer bytes expected of a stage than come",
        "certify_product_bulk.cu",
        "expect_bytes(full + stage * 8, kStageBytes);",
        "expect_bytes(full + stage * 8, kStageBytes - kLineBytes * 128);",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "more bytes expected of a stage than come",
        "certify_product_bulk.cu",
        "expect_bytes(full + stage * 8, kStageBytes);",
        "expect_bytes(full + stage * 8, kStageBytes + 16);",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "half of the items copied twice",
        "certify_product_bulk.cu",
        "static_cast<int>(blockIdx.x) % kCluster) * kHalfItems",
        "0) * kHalfItems",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "barriers used that the other block has not begun",
        "certify_product_bulk.cu",
        "if (threadIdx.x == 0) turns.begin();\n    __syncwarp();\n    meet_cluster();",
        "if (threadIdx.x == 0) turns.begin();\n    __syncthreads();",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "a block that ends while the other copies to it",
        "certify_product_bulk.cu",
        "    __syncwarp();\n    meet_cluster();\n}",
        "}",
        "test_cuda_certified_bulk: tiles_and_clusters",
    ),
    Fault(
        "items' terms read while a warp is yet to write them",
        "certify_product_bulk.cu",
        "        meet_warpgroup(group);\n",
        "",
        "test_cuda_certified_bulk: several_clusters",
        "thread",
    ),
    Fault(
        "items' terms of the next tile written while another warp tests this one",
        "certify_product_bulk.cu",
        "[which ^= 1]",
        "[which]",
        "test_cuda_certified_bulk: several_clusters",
        "thread",
    ),
    Fault(
        "hits lost for which a warp had no room",
        "certify_product_bulk.cu",
        "screen(first, first + columns) < kRoom)",
        "screen(first, first + columns) >= 0)",
        "test_cuda_certified_bulk: rows_full_of_hits",
    ),
    Fault(
        "tiles passed over by their last items alone",
        "certify_product_bulk.cu",
        "none = none && !is_allowed(product.allowed, item);",
        "none = !is_allowed(product.allowed, item);",
        "test_cuda_certified_bulk: tiles_passed_over",
    ),
]

// All distances between some rows and others, as near as the sums of their digits say (digits.h).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/digits.h"

namespace rsir::cuda {

struct DigitProduct {
    Digits queries, items;
    std::int64_t first_query;              // a multiple of kDigitTile
    std::int64_t query_tiles, item_tiles;  // of kDigitTile rows; all items from the first on
    float* near;                           // [query_tiles * kDigitTile, stride]: A
    std::int64_t stride;                   // even
    const std::int64_t* stopped;           // not 0: nothing is wanted any more
};

// Whether the current device has the instructions (sm_80 and newer), and this build code for them.
cudaError_t digit_product_runs(bool* runs);

cudaError_t multiply_digits(const DigitProduct& product, cudaStream_t stream);
// sm_90a only.
cudaError_t multiply_digits_sm90(const DigitProduct& product, cudaStream_t stream);

}  // namespace rsir::cuda

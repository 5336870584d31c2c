// bfloat16 of CUDA for the host of simt.h.
#pragma once

#include "cuda_runtime_api.h"

struct __nv_bfloat16 {
    std::uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) { return __uint_as_float(std::uint32_t{value.bits} << 16); }

// Element types that the device ops accept.
#pragma once

namespace rsir::cuda {

enum class FloatType { float16, bfloat16, float32, float64 };

}  // namespace rsir::cuda

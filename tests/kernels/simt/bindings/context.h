// The host's twin of csrc/bindings/context.h.
#pragma once

#include "cuda_runtime_api.h"

namespace rsir::bindings {

inline bool has_context(int device) { return simt::contexts().count(device) != 0; }

}  // namespace rsir::bindings

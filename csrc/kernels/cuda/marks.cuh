// Places among sorted marks (relevant_ranks.h).
#pragma once

#include "kernels/cuda/select.cuh"

namespace rsir::cuda {

// How many of the sorted keys are no larger; top: the largest power of two up to `count`, or a larger one.
__device__ inline int count_up_to(const Key* keys, int count, int top, Key key) {
    int below = 0;
    for (int step = top; step > 0; step /= 2) {
        if (below + step <= count && keys[below + step - 1] <= key) below += step;
    }
    return below;
}

}  // namespace rsir::cuda

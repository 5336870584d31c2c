#include "bindings/current_device.h"
#include "device_tests.h"
#include "kernels/cuda/launch.cuh"

using namespace rsir;
using namespace rsir::test;
using rsir::bindings::CurrentDevice;

namespace {

__global__ void ends_kernel(std::size_t bytes) {
    if (threadIdx.x == 0) {
        auto* shared = cuda::dynamic_shared<unsigned char>();
        shared[0] = shared[bytes - 1] = 1;
    }
}

cudaError_t launch_with(std::size_t bytes) { return cuda::launch(ends_kernel, 1, 32, bytes, nullptr, bytes); }

}  // namespace

// What a wide launch has been allowed stays allowed when a narrower one comes between, as that of another thread may.
TEST(the_largest_that_a_kernel_can_ask) {
    const auto allowed = [] {
        cudaFuncAttributes attributes = {};
        CHECK(cudaFuncGetAttributes(&attributes, ends_kernel) == cudaSuccess);
        return attributes.maxDynamicSharedSizeBytes;
    };
    CHECK(launch_with(1000) == cudaSuccess && allowed() == 48 * 1024);
    CHECK(launch_with(56000) == cudaSuccess && allowed() == simt::device().shared_bytes_per_block);
    CHECK(launch_with(65536) == cudaSuccess && allowed() == simt::device().shared_bytes_per_block);
}

TEST(an_error_is_told_once) {
    CHECK(launch_with(300 * 1024) == cudaErrorInvalidValue);
    CHECK(launch_with(1000) == cudaSuccess);
}

TEST(a_device_that_is_not_used_stays_unused) {
    simt::contexts().clear();
    {
        const CurrentDevice current(0);
    }  // it is the current one
    CHECK(simt::contexts().empty());
    {
        const CurrentDevice current(3);
    }
    CHECK(simt::contexts() == std::set<int>{3});
    cudaSetDevice(0);
    {
        const CurrentDevice current(3);
        int now = 0;
        CHECK(cudaGetDevice(&now) == cudaSuccess && now == 3);
    }
    int now = 3;
    CHECK(cudaGetDevice(&now) == cudaSuccess && now == 0);
    simt::contexts().clear();
}

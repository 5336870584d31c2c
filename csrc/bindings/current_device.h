#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "bindings/context.h"

namespace rsir::bindings {

// Makes a device the current one, for launches on a stream of its, and the caller's again afterwards. But a device that
// this process does not use stays unused: a new thread's current one is device 0, also of a rank that uses another.
class CurrentDevice {
  public:
    explicit CurrentDevice(int device) : device_(device) {
        check(cudaGetDevice(&saved_));
        if (saved_ != device_) check(cudaSetDevice(device_));
    }
    ~CurrentDevice() {
        if (saved_ != device_ && has_context(saved_)) cudaSetDevice(saved_);
    }
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;

    static void check(cudaError_t error) {
        if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
    }

  private:
    int device_, saved_ = 0;
};

}  // namespace rsir::bindings

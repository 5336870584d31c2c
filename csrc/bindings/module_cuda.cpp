// rsir_fast._cuda: table of contents. Built only where a CUDA compiler is found.
#include <stdexcept>

#include "bindings/bindings.h"
#include "kernels/cuda/pack_codes.cuh"

namespace rsir::bindings {
namespace {

cuda::FloatType float_type(const std::string& name) {
    if (name == "float16") return cuda::FloatType::float16;
    if (name == "bfloat16") return cuda::FloatType::bfloat16;
    if (name == "float32") return cuda::FloatType::float32;
    if (name == "float64") return cuda::FloatType::float64;
    throw std::invalid_argument("expected a floating dtype, got '" + name + "'");
}

// Launches on the device that owns `stream`'s tensors and restores the caller's current device.
class CurrentDevice {
  public:
    explicit CurrentDevice(int device) {
        check(cudaGetDevice(&saved_));
        check(cudaSetDevice(device));
    }
    ~CurrentDevice() { cudaSetDevice(saved_); }
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;

    static void check(cudaError_t error) {
        if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
    }

  private:
    int saved_ = 0;
};

py::dict build_info() {
    py::dict info;
    info["version"] = RSIR_VERSION;
    info["cuda"] = RSIR_CUDA_VERSION;
    info["architectures"] = RSIR_CUDA_ARCHITECTURES;
    return info;
}

void pack_codes(std::uintptr_t values, std::int64_t n, std::int64_t b, const std::string& dtype, std::uintptr_t codes,
                int device, std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::pack_codes(pointer<const void>(values), type, n, b, pointer<std::uint8_t>(codes),
                                          pointer<CUstream_st>(stream)));
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    m.doc() = "CUDA kernels of rsir_fast (private: use rsir_fast.ops).";
    m.def("build_info", &build_info);
    m.def("pack_codes", &pack_codes);
}

}  // namespace rsir::bindings

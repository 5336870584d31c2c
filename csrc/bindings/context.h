// What only CUDA's driver knows. tests/kernels/simt has the same for the host.
#pragma once

#include <dlfcn.h>

namespace rsir::bindings {

// Whether this process uses the device: cudaSetDevice on one that it does not makes a context of some hundred MB there.
// True where the driver cannot be asked.
inline bool has_context(int device) {
    using GetState = int (*)(int device, unsigned* flags, int* active);
    static const auto get_state = [] {
        void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);  // the runtime has loaded it
        return driver == nullptr ? nullptr : reinterpret_cast<GetState>(dlsym(driver, "cuDevicePrimaryCtxGetState"));
    }();
    unsigned flags = 0;
    int active = 1;
    return get_state == nullptr || get_state(device, &flags, &active) != 0 || active != 0;
}

}  // namespace rsir::bindings

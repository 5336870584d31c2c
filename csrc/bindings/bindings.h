// Shared by the binding files. Python has checked shapes and dtypes.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

namespace rsir::bindings {

namespace py = pybind11;

template <class T>
T* pointer(std::uintptr_t address) {
    return reinterpret_cast<T*>(address);
}

}  // namespace rsir::bindings

// Shared by the binding files: addresses in, status out. Python has checked shapes, dtypes and contiguity.
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

// An argument that is memory: an array, or the address of one.
#pragma once

#include <type_traits>

#include "bindings/bindings.h"

namespace rsir::bindings {

// Asking an array for its buffer takes a tenth of the time that Python needs to tell its address. The array is alive
// as long as the call that it is an argument of; it must be contiguous, and writable unless T is const.
template <class T>
struct Memory {
    T* data;
};

}  // namespace rsir::bindings

namespace pybind11::detail {

template <class T>
constexpr auto memory_name() {
    if constexpr (std::is_same_v<T, float>)
        return const_name("memory[float32]");
    else if constexpr (std::is_same_v<T, double>)
        return const_name("memory[float64]");
    else if constexpr (std::is_same_v<T, std::uint8_t>)
        return const_name("memory[uint8]");
    else if constexpr (std::is_same_v<T, std::int32_t>)
        return const_name("memory[int32]");
    else if constexpr (std::is_same_v<T, std::int64_t>)
        return const_name("memory[int64]");
    else {
        static_assert(std::is_void_v<T>);
        return const_name("memory");
    }
}

template <class T>
struct type_caster<rsir::bindings::Memory<T>> {
    // What a docstring calls it: tests/test_compiled_stubs.py compares it with _cpu.pyi.
    PYBIND11_TYPE_CASTER(rsir::bindings::Memory<T>, memory_name<std::remove_const_t<T>>());

    bool load(handle source, bool) {
        if (PyLong_Check(source.ptr())) {
            value.data = static_cast<T*>(PyLong_AsVoidPtr(source.ptr()));
            if (PyErr_Occurred() != nullptr) throw error_already_set();
            return true;
        }
        Py_buffer view;
        if (PyObject_GetBuffer(source.ptr(), &view, std::is_const_v<T> ? PyBUF_SIMPLE : PyBUF_WRITABLE) != 0) {
            throw error_already_set();
        }
        value.data = static_cast<T*>(view.buf);
        PyBuffer_Release(&view);
        return true;
    }
};

}  // namespace pybind11::detail

// What every kernel needs besides its data: threads, instruction set, and a way to be interrupted.
#pragma once

namespace rsir {

enum class Status { ok, interrupted };

enum class Isa { scalar, neon, avx2, avx512, amx };

struct Context {
    int threads = 1;
    Isa isa = Isa::scalar;
    // Polled every few milliseconds, on the calling thread only; true stops the kernel, whose outputs are then
    // unspecified.
    bool (*interrupted)() = nullptr;
    // Where not null, receives the name of the instruction set, told by the code that was compiled for it.
    const char** ran = nullptr;

    void report(const char* name) const {
        if (ran != nullptr) *ran = name;
    }
};

}  // namespace rsir

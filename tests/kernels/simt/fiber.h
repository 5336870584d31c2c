// Switching stacks: what simt.cpp makes threads of. On x86-64 in a dozen instructions, as a block's threads meet often;
// elsewhere by ucontext, whose every switch asks the kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace simt {

#if defined(__x86_64__)

struct Context {
    void* stack_pointer = nullptr;
};

// Keeps what a function must keep, on the stack of `from`, and goes on where `to` stopped. Weak: in several files.
extern "C" void simt_switch(Context* from, Context* to);
asm(R"(
    .text
    .weak simt_switch
    .type simt_switch, @function
simt_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size simt_switch, .-simt_switch
)");

// `main` must never return.
inline void make_context(Context& context, unsigned char* stack, std::size_t bytes, void (*main)()) {
    auto top = reinterpret_cast<std::uintptr_t>(stack + bytes) & ~std::uintptr_t{15};
    auto* slots = reinterpret_cast<void**>(top) - 8;  // six registers, where to go, nowhere to return to
    for (int i = 0; i < 8; ++i) slots[i] = nullptr;
    slots[6] = reinterpret_cast<void*>(main);
    context.stack_pointer = slots;
}

inline void switch_context(Context& from, Context& to) { simt_switch(&from, &to); }

#else

struct Context {
    ucontext_t context;
};

inline void make_context(Context& context, unsigned char* stack, std::size_t bytes, void (*main)()) {
    getcontext(&context.context);
    context.context.uc_stack.ss_sp = stack;
    context.context.uc_stack.ss_size = bytes;
    context.context.uc_link = nullptr;
    makecontext(&context.context, main, 0);
}

inline void switch_context(Context& from, Context& to) { swapcontext(&from.context, &to.context); }

#endif

}  // namespace simt

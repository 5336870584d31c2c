// Tiles that the system refuses: in a process of its own whose every request for them fails, by a filter of system
// calls as containers have them. Also where the processor has none: what is asked is the system.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "check.h"
#include "kernels/cpu/certify.h"
#include "kernels/cpu/isa.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// From now on arch_prctl fails with EACCES; false if the system takes no filter.
bool refuse_tiles() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{4, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST(refused_tiles_leave_the_work_to_avx512) {
    const pid_t child = fork();  // nothing has asked before
    if (child == 0) {
        if (!refuse_tiles()) _exit(2);
        const bool is_refused = syscall(SYS_arch_prctl, 0x1023, 18) == -1 && errno == EACCES;
        const bool is_left = !amx_ready() && &certify_for(Isa::amx) == &certify_for(Isa::avx512);
        _exit(is_refused && is_left ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        std::printf("       not run: this system takes no filter of system calls\n");
        return;
    }
    CHECK(status == 0);
}

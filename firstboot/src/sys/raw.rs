//! Owns the system call instruction and the numbers of the calls that the engine makes. Everything
//! here is unsafe; [`super`] makes it safe.

#![expect(
    unsafe_code,
    reason = "a static program without a libc has nobody else to make its system calls"
)]

use core::arch::asm;

/// Numbers of system calls (Linux: `arch/x86/entry/syscalls/syscall_64.tbl`).
#[cfg(target_arch = "x86_64")]
pub(super) mod number {
    pub(crate) const READ: usize = 0;
    pub(crate) const WRITE: usize = 1;
    pub(crate) const CLOSE: usize = 3;
    pub(crate) const LSEEK: usize = 8;
    pub(crate) const MMAP: usize = 9;
    pub(crate) const SOCKET: usize = 41;
    pub(crate) const GETPID: usize = 39;
    pub(crate) const CONNECT: usize = 42;
    pub(crate) const SETSOCKOPT: usize = 54;
    pub(crate) const CLONE: usize = 56;
    pub(crate) const EXECVE: usize = 59;
    pub(crate) const WAIT4: usize = 61;
    pub(crate) const KILL: usize = 62;
    pub(crate) const FSYNC: usize = 74;
    pub(crate) const GETPPID: usize = 110;
    pub(crate) const SETSID: usize = 112;
    pub(crate) const PRCTL: usize = 157;
    pub(crate) const CLOCK_GETTIME: usize = 228;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const OPENAT: usize = 257;
    pub(crate) const MKDIRAT: usize = 258;
    pub(crate) const UNLINKAT: usize = 263;
    pub(crate) const RENAMEAT: usize = 264;
    pub(crate) const FCHMODAT: usize = 268;
    pub(crate) const PPOLL: usize = 271;
    pub(crate) const DUP3: usize = 292;
    pub(crate) const GETRANDOM: usize = 318;
    pub(crate) const MEMFD_CREATE: usize = 319;
    pub(crate) const STATX: usize = 332;
    pub(crate) const PIDFD_OPEN: usize = 434;
}

/// Numbers of system calls (Linux: `include/uapi/asm-generic/unistd.h`).
#[cfg(target_arch = "aarch64")]
pub(super) mod number {
    pub(crate) const READ: usize = 63;
    pub(crate) const WRITE: usize = 64;
    pub(crate) const CLOSE: usize = 57;
    pub(crate) const LSEEK: usize = 62;
    pub(crate) const MMAP: usize = 222;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const CONNECT: usize = 203;
    pub(crate) const SETSOCKOPT: usize = 208;
    pub(crate) const CLONE: usize = 220;
    pub(crate) const EXECVE: usize = 221;
    pub(crate) const WAIT4: usize = 260;
    pub(crate) const KILL: usize = 129;
    pub(crate) const FSYNC: usize = 82;
    pub(crate) const FCHMODAT: usize = 53;
    pub(crate) const GETPID: usize = 172;
    pub(crate) const GETPPID: usize = 173;
    pub(crate) const SETSID: usize = 157;
    pub(crate) const PRCTL: usize = 167;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const OPENAT: usize = 56;
    pub(crate) const MKDIRAT: usize = 34;
    pub(crate) const UNLINKAT: usize = 35;
    pub(crate) const PPOLL: usize = 73;
    pub(crate) const DUP3: usize = 24;
    pub(crate) const RENAMEAT: usize = 38;
    pub(crate) const GETRANDOM: usize = 278;
    pub(crate) const MEMFD_CREATE: usize = 279;
    pub(crate) const STATX: usize = 291;
    pub(crate) const PIDFD_OPEN: usize = 434;
}

/// Makes a system call; a negative answer is an error number.
///
/// # Safety
/// Arguments that are addresses must be valid for what the call does with them.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn call6(number: usize, arguments: [usize; 6]) -> isize {
    let answer;
    // SAFETY: the kernel changes rax, rcx and r11 and nothing else; what it does to memory is the
    // caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    answer
}

/// Makes a system call; a negative answer is an error number.
///
/// # Safety
/// Arguments that are addresses must be valid for what the call does with them.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn call6(number: usize, arguments: [usize; 6]) -> isize {
    let answer;
    // SAFETY: the kernel changes x0 and nothing else; what it does to memory is the caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] as isize => answer,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack)
        );
    }
    answer
}

/// Makes a system call of at most four arguments. One place for all of them is less code.
///
/// # Safety
/// Arguments that are addresses must be valid for what the call does with them.
#[inline(never)]
pub(super) unsafe fn call(a: usize, b: usize, c: usize, d: usize, number: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call6(number, [a, b, c, d, 0, 0]) }
}

/// `CLONE_VM` and `CLONE_VFORK`: memory is shared, and the parent waits until the child has its own or
/// has ended; then `SIGCHLD` is sent.
const SHARED: usize = 0x100 | 0x4000 | 0x11;

/// Makes a process that begins with `begin(argument)` on a stack that ends at `top`; gives its id, to
/// the parent alone.
///
/// # Safety
/// The stack must be aligned to 16 bytes, large enough, and used by nobody else until the call
/// returns; `begin` must change nothing in memory but that stack.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone(top: usize, begin: extern "C" fn(usize) -> !, argument: usize) -> isize {
    let answer;
    // SAFETY: in the parent the kernel changes rax, rcx and r11 and nothing else. The child never comes
    // to the end of this block, and its stack is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            "test eax, eax",
            "jnz 2f",
            "mov rdi, r8",
            "call r9",
            "2:",
            inlateout("rax") number::CLONE as isize => answer,
            in("rdi") SHARED,
            in("rsi") top,
            in("r8") argument,
            in("r9") begin,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    answer
}

/// Makes a process that begins with `begin(argument)` on a stack that ends at `top`; gives its id, to
/// the parent alone.
///
/// # Safety
/// The stack must be aligned to 16 bytes, large enough, and used by nobody else until the call
/// returns; `begin` must change nothing in memory but that stack.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn clone(top: usize, begin: extern "C" fn(usize) -> !, argument: usize) -> isize {
    let answer;
    // SAFETY: in the parent the kernel changes x0 and nothing else. The child never comes to the end of
    // this block, and its stack is the caller's promise.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x5",
            "blr x6",
            "2:",
            in("x8") number::CLONE,
            inlateout("x0") SHARED as isize => answer,
            in("x1") top,
            in("x5") argument,
            in("x6") begin,
            options(nostack)
        );
    }
    answer
}

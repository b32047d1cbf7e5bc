//! Owns the static executable: the first instructions, the memory functions that the compiler calls,
//! and the end after a panic. Built by `builder/plan/build.rs`, never by cargo: it has no libc.
#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "an executable without a libc begins with a stack and nothing else"
)]

use core::arch::global_asm;
use core::panic::PanicInfo;

use firstboot::launch::{self, Task};
use firstboot::program::{BASE, BEGIN_AT, SIZES_AT};
use firstboot::sys;

// The stack holds the count of arguments, their addresses, NULL, the environment's addresses, NULL
// (System V ABI, "Initial Stack and Register State"). The memory functions are written out because a
// compiler may turn a loop that copies into a call of the function that it is in.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    "ud2",
    ".globl memcpy",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".globl memmove",
    "memmove:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "cmp rdi, rsi",
    "jbe 1f",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "1:",
    "rep movsb",
    "cld",
    "ret",
    ".globl memset",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".globl bcmp",
    "bcmp:",
    ".globl memcmp",
    "memcmp:",
    "xor eax, eax",
    "mov rcx, rdx",
    "test rcx, rcx",
    "je 2f",
    "repe cmpsb",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2:",
    "ret",
    begin = sym begin,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x0, sp",
    "bl {begin}",
    "brk 1",
    ".globl memcpy",
    "memcpy:",
    ".globl memmove",
    "memmove:",
    "mov x3, x0",
    "cmp x0, x1",
    "b.hi 2f",
    "1: cbz x2, 9f",
    "ldrb w4, [x1], 1",
    "strb w4, [x3], 1",
    "sub x2, x2, 1",
    "b 1b",
    "2: cbz x2, 9f",
    "sub x2, x2, 1",
    "ldrb w4, [x1, x2]",
    "strb w4, [x3, x2]",
    "b 2b",
    "9: ret",
    ".globl memset",
    "memset:",
    "mov x3, x0",
    "3: cbz x2, 9b",
    "strb w1, [x3], 1",
    "sub x2, x2, 1",
    "b 3b",
    ".globl bcmp",
    "bcmp:",
    ".globl memcmp",
    "memcmp:",
    "mov x3, x0",
    "4: mov w0, wzr",
    "cbz x2, 9b",
    "ldrb w4, [x3], 1",
    "ldrb w5, [x1], 1",
    "sub x2, x2, 1",
    "subs w0, w4, w5",
    "b.eq 4b",
    "ret",
    begin = sym begin,
);

extern "C" fn begin(stack: *const *const u8) -> ! {
    // SAFETY: the first word of the stack is the number of arguments; their addresses follow it, and
    // NULL follows those.
    let (count, first) = unsafe { (*stack.cast::<usize>(), *stack.add(2)) };
    // SAFETY: an argument is at least its NUL.
    let is_report = count > 1 && unsafe { *first } == b'r';
    let task = if is_report { Task::Report } else { Task::Launch };
    let word = |at: usize| {
        let address = core::ptr::with_exposed_provenance::<usize>(BASE + at);
        // SAFETY: the kernel mapped the ELF file's headers at its base (link.ld).
        unsafe { *address }
    };
    let begin = word(BEGIN_AT);
    let address = core::ptr::with_exposed_provenance::<u8>(begin);
    // SAFETY: the segment, as large as its header says, is mapped and is never written to.
    let program = unsafe { core::slice::from_raw_parts(address, BASE + word(SIZES_AT[0]) - begin) };
    sys::exit(launch::run(program, task))
}

/// Nothing that is read can lead here; if a mistake of ours does, systemd and the journal see it.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    sys::exit(70)
}

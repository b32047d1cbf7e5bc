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
    ".globl strlen",
    "strlen:",
    "xor eax, eax",
    "3:",
    "cmp byte ptr [rdi + rax], 0",
    "je 4f",
    "inc rax",
    "jmp 3b",
    "4:",
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
    ".globl strlen",
    "strlen:",
    "mov x3, x0",
    "mov x0, xzr",
    "5: ldrb w4, [x3], 1",
    "cbz w4, 6f",
    "add x0, x0, 1",
    "b 5b",
    "6: ret",
    begin = sym begin,
);

/// What an argument or a variable of the environment says.
///
/// # Safety
/// `stack` must be the stack that the kernel gave, and `index` below the number of its words.
unsafe fn string(stack: *const *const u8, index: usize) -> Option<&'static [u8]> {
    // SAFETY: the caller's promise.
    let address = unsafe { *stack.add(index) };
    if address.is_null() {
        return None;
    }
    // SAFETY: the kernel's strings end with NUL and stay where they are.
    Some(unsafe { core::ffi::CStr::from_ptr(address.cast()) }.to_bytes())
}

extern "C" fn begin(stack: *const *const u8) -> ! {
    // SAFETY: the first word of the stack is a number.
    let count = unsafe { *stack.cast::<usize>() };
    // SAFETY: arguments follow the count, and NULL follows them.
    let task = match unsafe { string(stack, 1 + count.min(1)) } {
        None | Some(b"launch") => Task::Launch,
        Some(b"report") => Task::Report,
        Some(_) => sys::exit(launch::BAD_INPUT),
    };
    let mut endpoint: &[u8] = b"";
    let mut index = count + 2;
    // SAFETY: the environment follows the arguments' NULL and ends with NULL.
    while let Some(variable) = unsafe { string(stack, index) } {
        if let Some(value) = variable.strip_prefix(b"VMIMAGE_ENDPOINT=") {
            endpoint = value;
        }
        index += 1;
    }
    match launch::own_file() {
        Some(file) => sys::exit(launch::run(file, task, endpoint)),
        None => sys::exit(launch::BAD_INPUT),
    }
}

/// Nothing that is read can lead here; if a mistake of ours does, systemd and the journal see it.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    sys::exit(70)
}

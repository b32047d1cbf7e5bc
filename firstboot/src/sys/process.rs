//! Owns processes: splitting this one, and starting, watching and ending programs. Must not know what
//! they are for.

use super::raw::{call, clone, number};
use super::{Errno, Fd, checked, exit, fd};

/// Splits this process; `None` in the child, which ends when its parent does.
pub fn fork() -> Result<Option<i32>, Errno> {
    // SIGCHLD, and nothing shared.
    // SAFETY: there is one thread, and the child gets a copy of all memory.
    match checked(unsafe { call(17, 0, 0, 0, number::CLONE) })? {
        0 => Ok(None),
        child => Ok(Some(child as i32)),
    }
}

/// Lets the kernel kill this process when its parent ends.
pub fn end_with_parent() {
    // PR_SET_PDEATHSIG, SIGKILL.
    // SAFETY: no address.
    unsafe { call(1, 9, 0, 0, number::PRCTL) };
}

/// This process's id, as its children see it.
pub fn own_id() -> usize {
    // SAFETY: no address.
    unsafe { call(0, 0, 0, 0, number::GETPID) as usize }
}

/// The parent's id.
pub fn parent() -> usize {
    // SAFETY: no address.
    unsafe { call(0, 0, 0, 0, number::GETPPID) as usize }
}

/// Kills a process, or with a negative number a group.
pub fn kill(process: i32) {
    // SAFETY: no address. SIGKILL.
    unsafe { call(fd(process), 9, 0, 0, number::KILL) };
}

/// A descriptor that can be read when the process has ended.
pub fn watch(process: i32) -> Result<Fd, Errno> {
    // SAFETY: no address.
    checked(unsafe { call(fd(process), 0, 0, 0, number::PIDFD_OPEN) }).map(|fd| fd as Fd)
}

/// Waits for a child; gives its exit status, or 128 and the signal that ended it.
pub fn reap(process: i32) -> u8 {
    let mut status = [0_u32; 1];
    // SAFETY: four writable bytes.
    unsafe {
        call(
            fd(process),
            status.as_mut_ptr().expose_provenance(),
            0,
            0,
            number::WAIT4,
        )
    };
    match status[0] & 0x7f {
        0 => (status[0] >> 8) as u8,
        signal => 128 + signal as u8,
    }
}

/// The most arguments that a program is run with.
pub const ARGUMENTS_AT_MOST: usize = 256;

/// Exit status of a program that is not there, as shells and `env` have it.
pub const NOT_FOUND: u8 = 127;

/// What a new process is to become.
struct Birth<'b> {
    arguments: [&'b [u8]; 2],
    files: [Fd; 3],
}

/// Starts a program with these arguments one after the other, each with NUL, the first of which is its
/// path; with no environment, in a session of its own, with these files as its standard input, output
/// and error. One that cannot be run, as beyond [`ARGUMENTS_AT_MOST`], ends with [`NOT_FOUND`].
///
/// Nothing is copied for it, as `fork` would, and this process waits until it has its own memory.
pub fn spawn(arguments: [&[u8]; 2], files: [Fd; 3]) -> Result<i32, Errno> {
    let birth = Birth { arguments, files };
    // A quarter of it holds the addresses of all arguments.
    let mut stack = [0_u128; 2 * ARGUMENTS_AT_MOST];
    let top = stack.as_mut_ptr_range().end.expose_provenance();
    let birth = core::ptr::from_ref(&birth).expose_provenance();
    // SAFETY: the stack is nobody else's, large enough for `be_born` and what it calls, and lives, as
    // what is born does, until the new process has memory of its own: before that, this call does not
    // return.
    checked(unsafe { clone(top, be_born, birth) }).map(|child| child as i32)
}

/// What the new process does, in memory that it shares: only its own stack is written to.
extern "C" fn be_born(birth: usize) -> ! {
    // SAFETY: `spawn` has handed on the address of this, which lives until this process has its own
    // memory.
    let birth = unsafe { &*core::ptr::with_exposed_provenance::<Birth<'_>>(birth) };
    // SAFETY: no address.
    unsafe { call(0, 0, 0, 0, number::SETSID) };
    // Whatever descriptors the files have: those of one process need not follow each other.
    for (standard, file) in (0..).zip(birth.files) {
        // SAFETY: no address.
        unsafe { call(fd(file), standard, 0, 0, number::DUP3) };
    }
    execute(birth.arguments);
    exit(NOT_FOUND)
}

/// Turns this process into a program. Returns only if that fails.
fn execute(arguments: [&[u8]; 2]) {
    let mut vector = [0_usize; ARGUMENTS_AT_MOST];
    let mut count = 0;
    let mut is_begin = true;
    for part in arguments {
        for byte in part {
            // The last place stays NULL.
            if is_begin && count + 1 < ARGUMENTS_AT_MOST {
                vector[count] = core::ptr::from_ref(byte).expose_provenance();
                count += 1;
            }
            is_begin = *byte == 0;
        }
    }
    if is_begin && count + 1 < ARGUMENTS_AT_MOST {
        let nothing = vector.as_ptr().wrapping_add(count).expose_provenance();
        // SAFETY: every string ends with NUL, both vectors with NULL.
        unsafe {
            call(
                vector[0],
                vector.as_ptr().expose_provenance(),
                nothing,
                0,
                number::EXECVE,
            )
        };
    }
}

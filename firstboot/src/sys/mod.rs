//! Owns what the engine asks of the kernel, made safe: files, sockets, time, memory. Must not know what
//! it is for.

#![expect(
    unsafe_code,
    reason = "system calls take addresses; each block says why its own are valid"
)]

mod process;
mod raw;

pub use process::{
    ARGUMENTS_AT_MOST, NOT_FOUND, end_with_parent, fork, kill, own_id, parent, reap, spawn, watch,
};
use raw::{call, call6, number};

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

impl Errno {
    /// No such file or directory.
    pub const NOT_FOUND: Self = Self(2);
    /// It is there already.
    pub const EXISTS: Self = Self(17);
    /// No space is left.
    pub const NO_SPACE: Self = Self(28);
}

/// A file descriptor; closed by whoever opened it.
pub type Fd = i32;

/// Opens for reading.
pub const READ: usize = 0;
/// Makes a file, or empties one that exists, for writing.
pub const CREATE: usize = 0o1101;
/// Makes a file, or adds to one that exists.
pub const APPEND: usize = 0o2101;
/// Not handed on to programs that are run.
const CLOSE_ON_EXEC: usize = 0o200_0000;
const AT_FDCWD: usize = -100_isize as usize;

#[inline(never)]
fn checked(answer: isize) -> Result<usize, Errno> {
    usize::try_from(answer).map_err(|_negative| Errno(answer.unsigned_abs() as u16))
}

fn fd(fd: Fd) -> usize {
    fd as usize
}

/// The address of a path, which must end with NUL.
fn path(path: &[u8]) -> Result<usize, Errno> {
    // A NUL before the end only makes it another path.
    if path.ends_with(b"\0") {
        Ok(path.as_ptr().expose_provenance())
    } else {
        Err(Errno(22))
    }
}

/// Opens a file; one that is made has this mode. As everywhere here, the path ends with NUL.
pub fn open(name: &[u8], how: usize, mode: u16) -> Result<Fd, Errno> {
    let name = path(name)?;
    let flags = how | CLOSE_ON_EXEC;
    // SAFETY: the path ends with NUL and outlives the call.
    let answer = unsafe { call(AT_FDCWD, name, flags, mode.into(), number::OPENAT) };
    checked(answer).map(|fd| fd as Fd)
}

/// Closes a descriptor.
pub fn close(which: Fd) {
    // SAFETY: no address.
    unsafe { call(fd(which), 0, 0, 0, number::CLOSE) };
}

/// Reads once.
pub fn read(from: Fd, into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is writable for its length.
    checked(unsafe {
        call(
            fd(from),
            into.as_mut_ptr().expose_provenance(),
            into.len(),
            0,
            number::READ,
        )
    })
}

/// Reads to the end, or until the buffer is full; gives how much there was.
pub fn read_all(from: Fd, into: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < into.len() {
        match read(from, &mut into[done..])? {
            0 => break,
            some => done += some,
        }
    }
    Ok(done)
}

/// Writes everything.
pub fn write_all(to: Fd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the buffer is readable for its length.
        let answer = unsafe {
            call(
                fd(to),
                bytes.as_ptr().expose_provenance(),
                bytes.len(),
                0,
                number::WRITE,
            )
        };
        bytes = bytes.get(checked(answer)?..).unwrap_or_default();
    }
    Ok(())
}

/// Goes to a place from the beginning, or with `from_end` back from the end.
pub fn seek(which: Fd, offset: isize, from_end: bool) -> Result<usize, Errno> {
    let whence = if from_end { 2 } else { 0 };
    // SAFETY: no address.
    checked(unsafe { call(fd(which), offset as usize, whence, 0, number::LSEEK) })
}

/// Waits until what was written is on the disk.
pub fn sync(which: Fd) -> Result<(), Errno> {
    // SAFETY: no address.
    checked(unsafe { call(fd(which), 0, 0, 0, number::FSYNC) }).map(drop)
}

/// Gives a file another name, whether that is taken or not.
pub fn rename(from: &[u8], to: &[u8]) -> Result<(), Errno> {
    let (from, to) = (path(from)?, path(to)?);
    // SAFETY: both paths end with NUL and outlive the call.
    checked(unsafe { call(AT_FDCWD, from, AT_FDCWD, to, number::RENAMEAT) }).map(drop)
}

/// Removes a file.
pub fn remove(name: &[u8]) -> Result<(), Errno> {
    let name = path(name)?;
    // SAFETY: the path ends with NUL and outlives the call.
    checked(unsafe { call(AT_FDCWD, name, 0, 0, number::UNLINKAT) }).map(drop)
}

/// Makes a directory; one that is there is as good.
pub fn make_directory(name: &[u8], mode: u16) -> Result<(), Errno> {
    let name = path(name)?;
    // SAFETY: the path ends with NUL and outlives the call.
    let answer = unsafe { call(AT_FDCWD, name, mode.into(), 0, number::MKDIRAT) };
    match checked(answer) {
        Ok(_) | Err(Errno::EXISTS) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Type and permission bits of what is at a path, following links.
pub fn mode(name: &[u8]) -> Result<u16, Errno> {
    let name = path(name)?;
    let mut answer = [0_u32; 64];
    // STATX_MODE and STATX_TYPE.
    let arguments = [
        AT_FDCWD,
        name,
        0,
        3,
        answer.as_mut_ptr().expose_provenance(),
        0,
    ];
    // SAFETY: the path ends with NUL; `struct statx` has 256 bytes, which is what `answer` has.
    checked(unsafe { call6(number::STATX, arguments) })?;
    // stx_mode lies at 28 (statx(2)).
    Ok(answer[7] as u16)
}

/// Sets the permission bits of a file.
pub fn set_mode(name: &[u8], mode: u16) -> Result<(), Errno> {
    let name = path(name)?;
    // SAFETY: the path ends with NUL and outlives the call.
    checked(unsafe { call(AT_FDCWD, name, mode.into(), 0, number::FCHMODAT) }).map(drop)
}

/// A file in memory that no path leads to.
pub fn memory_file() -> Result<Fd, Errno> {
    // SAFETY: the name is a C string literal.
    let answer = unsafe {
        call(
            c"vmimage".as_ptr().expose_provenance(),
            1,
            0,
            0,
            number::MEMFD_CREATE,
        )
    };
    checked(answer).map(|fd| fd as Fd)
}

/// Zeroed memory for the rest of the process's life; touched pages alone count.
pub fn memory(bytes: usize) -> &'static mut [u8] {
    // Private and anonymous, readable and writable.
    // SAFETY: a new mapping is nobody else's.
    let answer = unsafe { call6(number::MMAP, [0, bytes, 3, 0x22, usize::MAX, 0]) };
    match checked(answer) {
        // SAFETY: the kernel gave `bytes` zeroed bytes at this address, for ever, to this call alone.
        Ok(address) => unsafe {
            core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(address), bytes)
        },
        Err(_) => exit(71),
    }
}

/// Ends the process.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: no address.
        unsafe { call(status.into(), 0, 0, 0, number::EXIT_GROUP) };
    }
}

/// Which clock is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// UTC, which chrony may step.
    Real = 0,
    /// Since boot, suspension included.
    Boot = 7,
}

/// The time in milliseconds.
pub fn now_ms(clock: Clock) -> u64 {
    let mut time = [0_u64; 2];
    // SAFETY: `struct timespec` is two 64-bit words.
    unsafe {
        call(
            clock as usize,
            time.as_mut_ptr().expose_provenance(),
            0,
            0,
            number::CLOCK_GETTIME,
        )
    };
    time[0] * 1_000 + time[1] / 1_000_000
}

/// 64 random bits.
pub fn random() -> u64 {
    let mut bits = [0_u64; 1];
    // SAFETY: eight writable bytes. It cannot fail for so few.
    unsafe {
        call(
            bits.as_mut_ptr().expose_provenance(),
            8,
            0,
            0,
            number::GETRANDOM,
        )
    };
    bits[0]
}

/// Waits until a descriptor can be read, or the time is over; says whether it can.
pub fn wait_for(which: Fd, milliseconds: u64) -> bool {
    // `struct pollfd`: the descriptor, 16 bits of what is wanted (POLLIN), 16 of what is. A negative
    // descriptor is passed over.
    let mut polled = [u64::from(which as u32) | 1 << 32];
    let mut time = [milliseconds / 1_000, milliseconds % 1_000 * 1_000_000];
    let (polled_at, time_at) = (
        polled.as_mut_ptr().expose_provenance(),
        time.as_mut_ptr().expose_provenance(),
    );
    // SAFETY: one writable `struct pollfd`, and one `struct timespec`, into which the kernel writes what
    // is left of it.
    unsafe { call(polled_at, 1, time_at, 0, number::PPOLL) };
    polled[0] >> 48 != 0
}

/// Lets time pass.
pub fn pause(milliseconds: u64) {
    wait_for(-1, milliseconds);
}

/// A family and its socket address, as the kernel wants it.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    family: usize,
    bytes: [u8; 28],
    length: usize,
}

impl Address {
    /// Of IPv4.
    pub const fn v4(address: [u8; 4], port: u16) -> Self {
        let mut bytes = [0; 28];
        let port = port.to_be_bytes();
        (bytes[0], bytes[2], bytes[3]) = (2, port[0], port[1]);
        [bytes[4], bytes[5], bytes[6], bytes[7]] = address;
        Self {
            family: 2,
            bytes,
            length: 16,
        }
    }

    /// `fd00:ec2::254`, where EC2's metadata service is in IPv6, port 80.
    pub const fn metadata_v6() -> Self {
        let mut bytes = [0; 28];
        (bytes[0], bytes[3]) = (10, 80);
        (bytes[8], bytes[10], bytes[11], bytes[22], bytes[23]) = (0xfd, 0x0e, 0xc2, 0x02, 0x54);
        Self {
            family: 10,
            bytes,
            length: 28,
        }
    }
}

/// Connects; that, and each reading and writing, may take so many seconds.
pub fn connect(to: &Address, seconds: u64) -> Result<Fd, Errno> {
    // A stream that is not handed on.
    // SAFETY: no address.
    let socket =
        checked(unsafe { call(to.family, 1 | CLOSE_ON_EXEC, 0, 0, number::SOCKET) })? as Fd;
    let time = [seconds, 0];
    // SO_RCVTIMEO and SO_SNDTIMEO of SOL_SOCKET.
    for option in [20, 21] {
        let arguments = [
            fd(socket),
            1,
            option,
            time.as_ptr().expose_provenance(),
            16,
            0,
        ];
        // SAFETY: `struct timeval` is two 64-bit words. Without it the connection is as good.
        unsafe { call6(number::SETSOCKOPT, arguments) };
    }
    let address = to.bytes.as_ptr().expose_provenance();
    // SAFETY: the address is readable for its length.
    match checked(unsafe { call(fd(socket), address, to.length, 0, number::CONNECT) }) {
        Ok(_) => Ok(socket),
        Err(error) => {
            close(socket);
            Err(error)
        }
    }
}

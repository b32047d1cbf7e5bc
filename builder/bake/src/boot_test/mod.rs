//! Owns the boot test: a disk started in QEMU under UEFI, and what it showed. Must not write to the
//! disk: the guest writes to a temporary overlay. Only x86-64 disks can be booted.
//!
//! Facts come from the image itself, without a password and without a change to it: a metadata service
//! serves a program as user data, which the image's own `vmimage-launch.service` fetches and runs as on
//! EC2. What an image without that service would have said is reported as not observed.

mod checks;
mod console;
mod disk;
mod error;
mod folder;
mod host;
mod machine;
mod metadata;
mod report;
mod scratch;
mod session;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use vmimage_plan::event::{Event, Sink};

pub use disk::DiskFormat;
pub use error::BootTestError;
pub use folder::FOLDER;
pub(crate) use folder::{foreign_files, is_running_in, remove as remove_folder};
pub use host::Host;
pub use machine::Accelerator;
pub use metadata::{Metadata, relay};
pub use report::{Boot, BootTestReport, Check, Ending, Outcome, Stages};

use crate::space;
use disk::Disk;
use host::Firmware;
use machine::Machine;
use metadata::MetadataSocket;
use scratch::Scratch;
use session::Session;

/// TCG takes about 45 s to a login prompt on two idle cores, and three minutes to the guest's report on
/// two that are shared by seven.
pub const DEFAULT_BOOT_TIMEOUT: Duration = Duration::from_mins(10);

/// The overlay takes what the guest writes while it boots and while its file system grows.
const NEEDED_BYTES: u64 = 1 << 30;

/// What to boot, and how.
#[derive(Debug)]
pub struct BootTestRequest<'a> {
    /// The disk, raw or qcow2. It is only read.
    pub disk: PathBuf,
    /// Where the console logs are kept; made if absent.
    pub log_dir: PathBuf,
    /// Where the temporary overlay is made.
    pub work_dir: PathBuf,
    /// What runs the guest; `None` is KVM where it works.
    pub accelerator: Option<Accelerator>,
    /// How long one boot may take.
    pub boot_timeout: Duration,
    /// The guest's metadata service.
    pub metadata: Option<Metadata<'a>>,
    /// Ends the test when set, for example by Ctrl-C.
    pub cancel: &'a AtomicBool,
    /// Where programs and firmware are.
    pub host: Host,
}

/// The program that the metadata service must serve as user data.
pub fn report_user_data() -> &'static [u8] {
    include_bytes!("report.sh")
}

/// Boots a disk twice and says what it showed. An error means that no boot could be tried.
pub fn boot_test(
    request: &BootTestRequest<'_>,
    sink: Sink<'_>,
) -> Result<BootTestReport, BootTestError> {
    let disk = Disk::open(&request.disk)?;
    let (qemu, qemu_img) = (
        request.host.program("qemu-system-x86_64")?,
        request.host.program("qemu-img")?,
    );
    let setpriv = request.host.program("setpriv")?;
    let firmware = request.host.firmware()?;
    std::fs::create_dir_all(&request.log_dir).map_err(|source| BootTestError::Scratch {
        path: request.log_dir.clone(),
        source,
    })?;
    let scratch = scratch_with_space(&request.work_dir)?;
    let socket = scratch.path().join("metadata");
    let (connections, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let session = Session {
        machine: machine(request, &scratch, &firmware, (qemu, setpriv), &socket)?,
        grown_bytes: grown_bytes(disk.bytes),
        disk: &disk,
        firmware: &firmware,
        qemu_img,
        log_dir: &request.log_dir,
        boot_timeout: request.boot_timeout,
        connections: &connections,
        cancel: request.cancel,
    };
    std::thread::scope(|scope| {
        let _socket = match &request.metadata {
            Some(metadata) => {
                let listen = MetadataSocket::listen(
                    scope,
                    socket.clone(),
                    metadata.serve,
                    &connections,
                    &stop,
                );
                Some(listen.map_err(|source| BootTestError::Scratch {
                    path: socket,
                    source,
                })?)
            }
            None => None,
        };
        boot_twice(&session, request, sink)
    })
}

/// Enough for growth to show beyond doubt, also on a large disk.
fn grown_bytes(disk_bytes: u64) -> u64 {
    let whole = |bytes: u64| bytes.next_multiple_of(1 << 20);
    whole(disk_bytes) + whole(disk_bytes / 4).max(2 << 30)
}

fn scratch_with_space(work_dir: &Path) -> Result<Scratch, BootTestError> {
    let scratch = Scratch::new(work_dir)?;
    let free_bytes =
        space::free_bytes(scratch.path()).map_err(|source| BootTestError::Scratch {
            path: scratch.path().to_owned(),
            source,
        })?;
    if free_bytes >= NEEDED_BYTES {
        return Ok(scratch);
    }
    Err(BootTestError::Space {
        path: work_dir.to_owned(),
        needed_bytes: NEEDED_BYTES,
        free_bytes,
    })
}

fn machine(
    request: &BootTestRequest<'_>,
    scratch: &Scratch,
    firmware: &Firmware,
    (qemu, setpriv): (PathBuf, PathBuf),
    socket: &Path,
) -> Result<Machine, BootTestError> {
    let metadata = request.metadata.as_ref();
    Ok(Machine {
        qemu,
        setpriv,
        firmware_code: firmware.code.clone(),
        firmware_variables: scratch.path().join("variables.fd"),
        overlay: scratch.path().join("overlay.qcow2"),
        control_socket: scratch.path().join("control"),
        forward_command: metadata
            .map(|metadata| metadata::forward_command(&metadata.relay, socket)),
        uuid: session::new_system_uuid()?,
    })
}

fn boot_twice(
    session: &Session<'_>,
    request: &BootTestRequest<'_>,
    sink: Sink<'_>,
) -> Result<BootTestReport, BootTestError> {
    let (accelerator, accelerator_reason, first) = first_boot(session, request, sink)?;
    let second = match first.ending {
        Ending::PoweredOff => Some(session.boot(2, accelerator, sink)?),
        Ending::Stopped { .. }
        | Ending::GaveUp { .. }
        | Ending::TimedOut { .. }
        | Ending::Cancelled
        | Ending::AcceleratorFailed { .. } => None,
    };
    let checks = checks::judge(&first, second.as_ref(), session.grown_bytes);
    Ok(BootTestReport {
        format: 1,
        disk: session.disk.path.clone(),
        disk_format: session.disk.format,
        disk_bytes: session.disk.bytes,
        grown_bytes: session.grown_bytes,
        accelerator,
        accelerator_reason,
        firmware: session.firmware.code.clone(),
        verdict: checks::verdict(&checks),
        checks,
        boots: [Some(first), second].into_iter().flatten().collect(),
    })
}

/// Boots with KVM if it may be used, and again without it if it does not work.
fn first_boot(
    session: &Session<'_>,
    request: &BootTestRequest<'_>,
    sink: Sink<'_>,
) -> Result<(Accelerator, String, Boot), BootTestError> {
    if let Some(accelerator) = request.accelerator {
        session.prepare()?;
        let boot = session.boot(1, accelerator, sink)?;
        return Ok((accelerator, "asked for".to_owned(), boot));
    }
    let obstacle = if let Some(obstacle) = request.host.kvm_obstacle() {
        obstacle
    } else {
        session.prepare()?;
        let boot = session.boot(1, Accelerator::Kvm, sink)?;
        let Ending::AcceleratorFailed { reason } = &boot.ending else {
            return Ok((Accelerator::Kvm, "KVM works here".to_owned(), boot));
        };
        format!("KVM does not work here ({reason})")
    };
    sink(Event::Warning {
        message: format!("booting with TCG, which is slow: {obstacle}"),
    });
    session.prepare()?;
    let boot = session.boot(1, Accelerator::Tcg, sink)?;
    Ok((Accelerator::Tcg, obstacle, boot))
}

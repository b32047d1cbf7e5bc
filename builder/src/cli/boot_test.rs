//! Owns `vmimage boot-test`: wires the boot test to the simulated metadata service.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use vmimage_bake::boot_test::{
    BootTestRequest, DEFAULT_BOOT_TIMEOUT, FOLDER, Host, Metadata, boot_test, relay,
    report_user_data,
};
use vmimage_lab::imds::{Imds, Instance, serve};

use crate::failure::Failure;
use crate::printer::{self, Progress};

/// `vmimage boot-test`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct BootTestArguments {
    /// The disk, raw or qcow2; it is only read
    disk: PathBuf,
    /// Keep the console logs here [default: boot-test beside the disk]
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// How long one boot may take, in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// `vmimage metadata-relay`'s own arguments: QEMU runs it for each connection of the guest.
#[derive(Debug, Args)]
pub(super) struct RelayArguments {
    /// The socket of the metadata service
    socket: PathBuf,
}

/// Why a test cannot be set up.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("cannot find this program's own file")]
    Program(#[source] std::io::Error),
    #[error("cannot watch for interrupts")]
    Signals(#[source] std::io::Error),
    #[error("cannot relay metadata")]
    Relay(#[source] std::io::Error),
}

/// Connects a guest to the metadata service.
pub(super) fn run_relay(arguments: &RelayArguments) -> Result<(), Failure> {
    relay(&arguments.socket).map_err(|error| Failure::unchanged(&SetupError::Relay(error), None))
}

/// Boots a disk and says what it showed.
pub(super) fn run(arguments: &BootTestArguments) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::unchanged(&SetupError::Program(error), None))?;
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&cancel))
            .map_err(|error| Failure::unchanged(&SetupError::Signals(error), None))?;
    }
    let logs = arguments
        .logs
        .clone()
        .unwrap_or_else(|| arguments.disk.with_file_name(FOLDER));
    let instance = Instance {
        user_data: Some(report_user_data().to_vec()),
        ..Instance::example()
    };
    let (imds, started) = (Mutex::new(Imds::new(instance, 1)), Instant::now());
    let handler = |mut stream: UnixStream| {
        // A guest that breaks its connection off has nothing more to be told.
        drop(serve(&mut stream, &imds, &|| started.elapsed()));
    };
    let request = BootTestRequest {
        disk: arguments.disk.clone(),
        log_dir: logs.clone(),
        work_dir: logs,
        accelerator: None,
        boot_timeout: arguments
            .timeout
            .map_or(DEFAULT_BOOT_TIMEOUT, Duration::from_secs),
        metadata: Some(Metadata {
            relay: vec![program.into(), "metadata-relay".into()],
            serve: &handler,
        }),
        cancel: &cancel,
        host: Host::default(),
    };
    let mut progress = Progress::new();
    let report = boot_test(&request, &mut |event| progress.draw(event))
        .map_err(|error| Failure::unchanged(&error, error.hint()))?;
    drop(progress);
    let text = if arguments.json {
        printer::json(&report)
    } else {
        report.render_text()
    };
    printer::data(&text);
    if report.is_passed() {
        return Ok(());
    }
    let text = if cancel.load(Ordering::Relaxed) {
        "error: interrupted\n"
    } else {
        ""
    };
    Err(Failure {
        code: 1,
        text: text.to_owned(),
    })
}

//! Boots a disk as `vmimage boot-test` does, for tests that watch it from outside.
//! `boot-test DISK FOLDER` prints the report; `boot-test relay SOCKET` is what QEMU runs.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use vmimage_bake::boot_test::{
    BootTestRequest, DEFAULT_BOOT_TIMEOUT, Host, Metadata, boot_test, relay, report_user_data,
};
use vmimage_lab::imds::{Imds, Instance, serve};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tests read what it prints"
)]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [first, second] = arguments.as_slice() else {
        eprintln!("usage: boot-test DISK FOLDER");
        return ExitCode::from(2);
    };
    if first == "relay" {
        return if relay(Path::new(second)).is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let program = std::env::current_exe().expect("the kernel names the running program");
    let instance = Instance {
        user_data: Some(report_user_data().to_vec()),
        ..Instance::example()
    };
    let (imds, started) = (Mutex::new(Imds::new(instance, 1)), Instant::now());
    let handler = |mut stream: UnixStream| {
        // A guest that breaks its connection off has nothing more to be told.
        let _served = serve(&mut stream, &imds, &|| started.elapsed());
    };
    let request = BootTestRequest {
        disk: PathBuf::from(first),
        log_dir: PathBuf::from(second),
        work_dir: PathBuf::from(second),
        accelerator: None,
        boot_timeout: DEFAULT_BOOT_TIMEOUT,
        metadata: Some(Metadata {
            relay: vec![program.into(), "relay".into()],
            serve: &handler,
        }),
        cancel: &AtomicBool::new(false),
        host: Host::default(),
    };
    match boot_test(&request, &mut |event| eprintln!("{event:?}")) {
        Ok(report) => {
            print!("{}", report.render_text());
            ExitCode::from(u8::from(!report.is_passed()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

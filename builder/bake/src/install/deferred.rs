//! Owns stand-ins: programs that the tree shows while packages are configured in place of its own,
//! to do once what several packages ask for, or to do the same faster. The tree never holds them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use super::dpkg::Dpkg;
use super::error::InstallError;
use super::extract::file_error;
use super::records::read;
use crate::sandbox::{Bind, Run, Sandbox};

const UPDATE_INITRAMFS: &str = "/usr/sbin/update-initramfs";

/// What is stood in for, and by what.
const STAND_INS: [(&str, &str); 4] = [
    (
        UPDATE_INITRAMFS,
        include_str!("stand_ins/update-initramfs.sh"),
    ),
    (
        "/usr/bin/py3compile",
        include_str!("stand_ins/py3compile.sh"),
    ),
    ("/usr/bin/ucf", include_str!("stand_ins/ucf.sh")),
    ("/usr/sbin/postconf", include_str!("stand_ins/postconf.sh")),
];

const PY3COMPILE: &str = include_str!("py3compile.sh");

/// Where stand-ins find what they stand in for.
const REAL: &str = "/run/vmimage/real";

/// Where they note what to do later.
const REQUESTS: &str = "run/vmimage/requests";

/// The stand-ins of one layer.
pub(super) struct Deferred {
    stand_ins: Vec<StandIn>,
    requests: PathBuf,
}

struct StandIn {
    program: &'static str,
    real: PathBuf,
    shown_real: String,
    script: PathBuf,
}

impl Deferred {
    /// Writes the stand-ins for what the tree has into `directory`.
    pub(super) fn prepare(directory: &Path, sandbox: &Sandbox) -> Result<Self, InstallError> {
        let requests = sandbox.root().join(REQUESTS);
        fs::create_dir_all(&requests).map_err(|source| file_error("make", &requests, source))?;
        let mut stand_ins = Vec::new();
        for (program, text) in STAND_INS {
            let real = sandbox.root().join(program.trim_start_matches('/'));
            if !real.is_file() {
                continue;
            }
            let name = name(program);
            let script = directory.join(name);
            fs::write(&script, text)
                .and_then(|()| fs::set_permissions(&script, Permissions::from_mode(0o755)))
                .map_err(|source| file_error("write", &script, source))?;
            stand_ins.push(StandIn {
                program,
                real,
                shown_real: format!("{REAL}/{name}"),
                script,
            });
        }
        Ok(Self {
            stand_ins,
            requests,
        })
    }

    /// What programs see while packages are configured.
    pub(super) fn binds(&self) -> Vec<Bind<'_>> {
        self.stand_ins
            .iter()
            .flat_map(|stand_in| {
                [
                    Bind {
                        source: &stand_in.real,
                        target: &stand_in.shown_real,
                        read_only: true,
                    },
                    Bind {
                        source: &stand_in.script,
                        target: stand_in.program,
                        read_only: true,
                    },
                ]
            })
            .collect()
    }

    /// Does what was asked for. Bytecode and initrd have nothing to do with each other, and each
    /// keeps one processor busy.
    pub(super) fn run(&self, dpkg: &mut Dpkg<'_>) -> Result<(), InstallError> {
        let sandbox = dpkg.sandbox;
        thread::scope(|scope| {
            let compiled = scope.spawn(|| self.compile(sandbox));
            let made = self.make_initrds(dpkg);
            let compiled = compiled
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            made.and(compiled)
        })?;
        fs::remove_dir_all(&self.requests)
            .map_err(|source| file_error("remove", &self.requests, source))
    }

    fn requested(&self, program: &str) -> Result<Vec<String>, InstallError> {
        let text = read(&self.requests.join(name(program)))?;
        let mut requests: Vec<String> = Vec::new();
        for line in text.lines() {
            if !requests.iter().any(|known| known == line) {
                requests.push(line.to_owned());
            }
        }
        Ok(requests)
    }

    fn make_initrds(&self, dpkg: &mut Dpkg<'_>) -> Result<(), InstallError> {
        let requests = self.requested(UPDATE_INITRAMFS)?;
        let creates = |request: &&String| request.split_whitespace().any(|word| word == "-c");
        // What creates an initrd from the finished tree leaves nothing to update.
        let creations: Vec<&String> = requests.iter().filter(creates).collect();
        let chosen = if creations.is_empty() {
            requests.iter().collect()
        } else {
            creations
        };
        for request in chosen {
            let mut argv = vec![UPDATE_INITRAMFS];
            argv.extend(request.split_whitespace());
            dpkg.run(&argv, None)?;
        }
        Ok(())
    }

    fn compile(&self, sandbox: &Sandbox) -> Result<(), InstallError> {
        let requests = self.requested("py3compile")?;
        if requests.is_empty() {
            return Ok(());
        }
        let mut argv = vec!["/bin/sh", "-c", PY3COMPILE];
        argv.push("py3compile");
        let text = requests.join("\n") + "\n";
        let mut run = Run::new(&argv);
        run.stdin = Some(text.as_bytes());
        let output = sandbox
            .run(&run, &mut |_| {})
            .map_err(InstallError::Sandbox)?;
        if output.code == 0 {
            return Ok(());
        }
        Err(InstallError::Program {
            program: "py3compile".to_owned(),
            code: output.code,
            tail: output.tail,
        })
    }
}

fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

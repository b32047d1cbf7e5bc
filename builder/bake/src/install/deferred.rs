//! Owns stand-ins: programs that the tree shows while packages are configured in place of its own,
//! to do once what several packages ask for, or to do the same faster. The tree never holds them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

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
    ("/usr/sbin/postconf", include_str!("stand_ins/postconf.sh")),
    (
        "/usr/lib/php/php-maintscript-helper",
        include_str!("stand_ins/php-maintscript-helper.sh"),
    ),
];

/// Programs that one Perl runs, which loads their modules once: starting Perl and loading them is
/// most of what each of these hundreds of runs costs. `ucf` and `ucfr` are not Perl's, and are done
/// by it where what they do is plain.
const PERL_PROGRAMS: [&str; 8] = [
    "/usr/share/debconf/frontend",
    "/usr/bin/deb-systemd-helper",
    "/usr/bin/deb-systemd-invoke",
    "/usr/bin/ucf",
    "/usr/bin/ucfr",
    "/usr/sbin/update-rc.d",
    "/usr/sbin/a2enmod",
    "/usr/sbin/a2query",
];

const PERL_CLIENT: &str = include_str!("stand_ins/perl-client.sh");

/// What the Perl runs; `perl-server.sh` starts it.
const PERL_SERVER: [(&str, &str); 2] = [
    ("server.pl", include_str!("stand_ins/perl-server.pl")),
    ("ucf.pl", include_str!("stand_ins/ucf.pl")),
];

/// Where that Perl's files are, and its queue.
const PERL: &str = "run/vmimage/perl";

const PY3COMPILE: &str = "py3compile";

const COMPILE: &str = include_str!("py3compile.sh");

/// A copy of the program: while packages are configured, its own place shows what stands in for it.
const PY3COMPILE_COPY: &str = "run/vmimage/py3compile";

/// How often new requests are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Where stand-ins find what they stand in for.
const REAL: &str = "/run/vmimage/real";

/// Where they note what to do later.
const REQUESTS: &str = "run/vmimage/requests";

/// Where they are before they are shown in the programs' places.
const SCRIPTS: &str = "run/vmimage/stand-ins";

/// What stand-ins note and need while one layer is configured.
pub(super) struct Deferred {
    requests: PathBuf,
}

/// A program that the tree shows in place of its own.
#[derive(Debug)]
pub(super) struct StandIn {
    program: &'static str,
    real: PathBuf,
    shown_real: String,
    script: PathBuf,
}

impl StandIn {
    /// What programs see while packages are configured.
    pub(super) fn binds(&self) -> [Bind<'_>; 2] {
        [
            Bind {
                source: &self.real,
                target: &self.shown_real,
                read_only: true,
            },
            Bind {
                source: &self.script,
                target: self.program,
                read_only: true,
            },
        ]
    }
}

impl Deferred {
    /// Prepares the sandbox's own file systems, so that nothing is left of the stand-ins however the
    /// bake ends.
    pub(super) fn prepare(sandbox: &Sandbox) -> Result<Self, InstallError> {
        let root = sandbox.root();
        let [requests, scripts, perl] = [REQUESTS, SCRIPTS, PERL].map(|path| root.join(path));
        for directory in [&requests, &scripts, &perl] {
            fs::create_dir_all(directory)
                .map_err(|source| file_error("make", directory, source))?;
        }
        for (name, text) in PERL_SERVER {
            write(&perl.join(name), text)?;
        }
        Ok(Self { requests })
    }

    /// Writes the stand-ins for the programs that the tree has by now.
    pub(super) fn stand_ins(sandbox: &Sandbox) -> Result<Vec<StandIn>, InstallError> {
        let root = sandbox.root();
        let perl_programs = PERL_PROGRAMS.map(|program| {
            let client = PERL_CLIENT.replace("@PROGRAM@", name(program));
            (program, client)
        });
        let texts = STAND_INS.map(|(program, text)| (program, text.to_owned()));
        let mut stand_ins = Vec::new();
        for (program, text) in texts.into_iter().chain(perl_programs) {
            let real = root.join(program.trim_start_matches('/'));
            if !real.is_file() {
                continue;
            }
            let name = name(program);
            if name == PY3COMPILE {
                let copy = root.join(PY3COMPILE_COPY);
                fs::copy(&real, &copy).map_err(|source| file_error("copy", &real, source))?;
            }
            let script = root.join(SCRIPTS).join(name);
            write(&script, &text)?;
            stand_ins.push(StandIn {
                program,
                real,
                shown_real: format!("{REAL}/{name}"),
                script,
            });
        }
        Ok(stand_ins)
    }

    /// Does what was left for the end.
    pub(super) fn finish(&self, dpkg: &mut Dpkg<'_>) -> Result<(), InstallError> {
        self.make_initrds(dpkg)?;
        fs::remove_dir_all(&self.requests)
            .map_err(|source| file_error("remove", &self.requests, source))
    }

    /// Compiles Python modules as packages ask for it, beside the configuration of others, which
    /// keeps one processor busy; returns when `configured` is closed and all is compiled.
    pub(super) fn compile_beside(
        &self,
        sandbox: &Sandbox,
        configured: &Receiver<()>,
    ) -> Result<(), InstallError> {
        let mut done = 0;
        loop {
            let over = configured.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected);
            let requests = self.requested(PY3COMPILE)?;
            let new = requests.get(done..).unwrap_or_default();
            if !new.is_empty() {
                compile(sandbox, new)?;
            }
            done = requests.len();
            if over {
                return Ok(());
            }
        }
    }

    /// What was asked for, each once, in order.
    fn requested(&self, program: &str) -> Result<Vec<String>, InstallError> {
        let text = read(&self.requests.join(name(program)))?;
        let mut requests: Vec<String> = Vec::new();
        // A line without its end is still being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(..whole).unwrap_or_default().lines() {
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
}

fn compile(sandbox: &Sandbox, requests: &[String]) -> Result<(), InstallError> {
    let argv = ["/bin/sh", "-c", COMPILE, "py3compile"];
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

fn write(path: &Path, text: &str) -> Result<(), InstallError> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(|source| file_error("write", path, source))
}

fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

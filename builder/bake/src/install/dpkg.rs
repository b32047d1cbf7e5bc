//! Owns running dpkg and maintainer scripts in a tree, and finding out which package failed.

use std::path::Path;

use crate::sandbox::{Bind, Run, Sandbox};

use super::Progress;
use super::deferred::StandIn;
use super::error::InstallError;

const DPKG: &str = concat!(
    include_str!("stand_ins/perl-server.sh"),
    include_str!("dpkg.sh")
);

/// Files that a recipe wrote before its packages win over the packages' own; nothing is synced,
/// because a layer that was not finished is thrown away.
const FORCE: &str = "--force-unsafe-io,confdef,confold";

/// Where dpkg finds the packages that it unpacks.
const DEBS: &str = "/run/vmimage/debs";

/// How many lines of a failed script are shown.
const TAIL_LINES: usize = 20;

/// Runs programs for one layer.
pub(super) struct Dpkg<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) stand_ins: Vec<StandIn>,
    pub(super) progress: &'a mut dyn FnMut(Progress<'_>),
    pub(super) done: u64,
    pub(super) total: u64,
}

impl Dpkg<'_> {
    /// Unpacks packages, given by name and .deb, in this order. The lock has verified them.
    pub(super) fn unpack(&mut self, debs: &[(&str, &Path)]) -> Result<(), InstallError> {
        let targets: Vec<String> = debs
            .iter()
            .map(|(name, _)| format!("{DEBS}/{name}.deb"))
            .collect();
        let binds: Vec<Bind<'_>> = debs
            .iter()
            .zip(&targets)
            .map(|((_, source), target)| Bind {
                source,
                target,
                read_only: true,
            })
            .collect();
        let mut argv = vec!["/bin/sh", "-s", "--", FORCE, "--no-triggers", "--no-debsig"];
        argv.push("--unpack");
        argv.extend(targets.iter().map(String::as_str));
        self.run_with(&argv, Some(DPKG.as_bytes()), &binds)
    }

    /// Configures the packages, without handling triggers.
    pub(super) fn configure(
        &mut self,
        names: &[&str],
        bootstrap: bool,
    ) -> Result<(), InstallError> {
        let mut argv = vec![FORCE, "--no-triggers"];
        if bootstrap {
            argv.push("--force-depends");
        }
        argv.push("--configure");
        argv.extend(names);
        self.dpkg(&argv)
    }

    /// Configures what is left and handles all triggers.
    pub(super) fn finish(&mut self) -> Result<(), InstallError> {
        self.dpkg(&[FORCE, "--configure", "--pending"])
    }

    fn dpkg(&mut self, options: &[&str]) -> Result<(), InstallError> {
        let mut argv = vec!["/bin/sh", "-s", "--"];
        argv.extend(options);
        self.run(&argv, Some(DPKG.as_bytes()))
    }

    /// Runs a program, and says which package's script failed if it does.
    pub(super) fn run(&mut self, argv: &[&str], stdin: Option<&[u8]>) -> Result<(), InstallError> {
        self.run_with(argv, stdin, &[])
    }

    fn run_with(
        &mut self,
        argv: &[&str],
        stdin: Option<&[u8]>,
        binds: &[Bind<'_>],
    ) -> Result<(), InstallError> {
        let mut follower = Follower::default();
        let (done, total) = (&mut self.done, self.total);
        let progress = &mut self.progress;
        let stand_ins = self.stand_ins.iter().flat_map(StandIn::binds);
        let binds: Vec<Bind<'_>> = binds.iter().cloned().chain(stand_ins).collect();
        let mut run = Run::new(argv);
        run.stdin = stdin;
        run.binds = &binds;
        let output = self
            .sandbox
            .run(&run, &mut |line| {
                if let Some(package) = follower.hear(line) {
                    if line.starts_with("processing: configure") {
                        *done += 1;
                    }
                    progress(Progress {
                        done: *done,
                        total,
                        unit: "packages",
                        doing: package,
                    });
                }
            })
            .map_err(InstallError::Sandbox)?;
        if output.code == 0 {
            return Ok(());
        }
        Err(follower.failure.unwrap_or_else(|| InstallError::Program {
            program: argv.first().copied().unwrap_or_default().to_owned(),
            code: output.code,
            tail: output.tail,
        }))
    }
}

/// Reads dpkg's status lines between what the scripts say.
#[derive(Default)]
struct Follower {
    lines: Vec<String>,
    failure: Option<InstallError>,
}

impl Follower {
    /// Takes a line; returns the package when a new one begins.
    fn hear<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        if let Some(rest) = line.strip_prefix("processing: ") {
            self.lines.clear();
            return rest.split_once(": ").map(|(_, package)| package);
        }
        if let Some(rest) = line.strip_prefix("status: ") {
            if let Some((package, message)) = rest.split_once(" : error : ") {
                self.fail(package, message);
            }
            return None;
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line.to_owned());
        None
    }

    /// The first failure is the one to show: others follow from it.
    fn fail(&mut self, package: &str, message: &str) {
        if self.failure.is_some() {
            return;
        }
        let script = ["pre-installation", "post-installation"]
            .into_iter()
            .find(|script| message.contains(script));
        let mut tail = self.lines.join("\n");
        if script.is_none() {
            tail = format!("{tail}\n{message}");
        }
        let name = |package: &str| package.split(':').next().unwrap_or(package).to_owned();
        // What is unpacked is named by its file.
        let deb = package
            .rsplit('/')
            .next()
            .and_then(|file| file.strip_suffix(".deb"));
        self.failure = Some(match (script, deb) {
            (None, Some(package)) => InstallError::Unpack {
                package: package.to_owned(),
                tail: tail.trim_start().to_owned(),
            },
            (script, deb) => InstallError::Script {
                package: deb.map_or_else(|| name(package), str::to_owned),
                script: match script {
                    Some("pre-installation") => "preinst",
                    Some(_) => "postinst",
                    None => "configuration",
                }
                .to_owned(),
                tail,
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Follower, InstallError};

    #[test]
    fn a_package_that_dpkg_does_not_unpack_is_named() {
        let fail = |message: &str| {
            let mut follower = Follower::default();
            follower.hear("processing: install: tool");
            follower.hear("Preparing to unpack");
            let line = format!("status: /run/vmimage/debs/tool.deb : error : {message}");
            follower.hear(&line);
            follower.failure.unwrap().to_string()
        };
        assert_eq!(
            fail("trying to overwrite '/usr/x', which is also in package other 1.0"),
            "cannot unpack `tool`; dpkg says:\nPreparing to unpack\n\
             trying to overwrite '/usr/x', which is also in package other 1.0"
        );
        assert_eq!(
            fail(
                "new tool package pre-installation script subprocess returned error exit status 1"
            ),
            "cannot configure `tool`: its preinst failed; its last output was:\nPreparing to unpack"
        );
    }

    #[test]
    fn the_first_failed_script_is_named_with_its_last_lines() {
        let mut follower = Follower::default();
        let mut heard = Vec::new();
        for line in [
            "processing: configure: fine:amd64",
            "Setting up fine",
            "status: fine:amd64: installed",
            "processing: configure: broken:amd64",
            "Setting up broken",
            "cannot reach the moon",
            "status: broken:amd64 : error : installed broken package post-installation script \
             subprocess returned error exit status 3",
            "processing: configure: other",
            "status: other : error : dependency problems - leaving unconfigured",
        ] {
            heard.extend(follower.hear(line).map(str::to_owned));
        }
        assert_eq!(heard, ["fine:amd64", "broken:amd64", "other"]);
        let failure = follower.failure.unwrap();
        assert!(matches!(failure, InstallError::Script { .. }));
        assert_eq!(
            failure.to_string(),
            "cannot configure `broken`: its postinst failed; its last output was:\n\
             Setting up broken\ncannot reach the moon"
        );
    }
}

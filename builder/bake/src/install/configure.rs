//! Owns configuring the packages of a layer in its mounted tree: preinst scripts, dpkg's records,
//! `dpkg --configure`. Must not mount anything.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use vmimage_plan::definition::Debconf;

use super::Progress;
use super::contest;
use super::deferred::Deferred;
use super::diversions::Diversion;
use super::dpkg::Dpkg;
use super::error::InstallError;
use super::extract::{Extracted, Unpacked, file_error};
use super::marks::{self, Mark};
use super::order::{self, Wave};
use super::records::{self, Records, write_control_file};
use crate::deb::Control;
use crate::deb::paragraph::Paragraph;
use crate::sandbox::{Run, Sandbox};

const PREINST: &str = concat!(
    include_str!("stand_ins/perl-server.sh"),
    include_str!("preinst.sh")
);

/// The file system table of a system that has none yet.
const FSTAB: &str = "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n";

/// What configuring a layer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// How many packages were configured.
    pub packages: usize,
    /// In how many rounds.
    pub waves: usize,
}

/// Configures the unpacked packages in `sandbox`, whose tree shows the layers below, the layer's
/// `files` and on top the directory that receives its changes. Afterwards dpkg's database is what
/// apt and dpkg would have left.
pub fn configure(
    extracted: &Extracted,
    sandbox: &Sandbox,
    debconf: &[Debconf],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Configured, InstallError> {
    let root = sandbox.root();
    let records = Records::open(root)?;
    if extracted.first {
        base_files(root)?;
    }
    records.lose(&extracted.losses)?;
    let installed = installed(&records.status()?);
    let controls: Vec<&Control> = extracted
        .packages
        .iter()
        .map(|package| &package.control)
        .collect();
    let waves = order::waves(&controls, &installed);
    let deferred = Deferred::prepare(sandbox)?;
    let mut layer = Layer {
        extracted,
        records,
        dpkg: Dpkg {
            sandbox,
            binds: deferred.binds(),
            progress,
            done: 0,
            total: extracted.packages.len() as u64,
        },
        debconf,
        left: waves.len(),
    };
    thread::scope(|scope| {
        let (over, configured) = channel();
        let compiled = scope.spawn(|| {
            let configured = configured;
            deferred.compile_beside(sandbox, &configured)
        });
        let configured = layer.configure_all(&installed, &waves);
        drop(over);
        let compiled = compiled
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        configured.and(compiled)
    })?;
    layer.dpkg.binds.clear();
    deferred.finish(&mut layer.dpkg)?;
    layer.audit()?;
    marks::add(root, &layer.marks(&waves))?;
    Ok(Configured {
        packages: extracted.packages.len(),
        waves: waves.len(),
    })
}

struct Layer<'a> {
    extracted: &'a Extracted,
    records: Records,
    dpkg: Dpkg<'a>,
    debconf: &'a [Debconf],
    /// How many waves are still to come.
    left: usize,
}

impl Layer<'_> {
    fn configure_all(
        &mut self,
        installed: &HashSet<String>,
        waves: &[Wave],
    ) -> Result<(), InstallError> {
        self.preset(installed)?;
        for wave in waves {
            self.configure(wave)?;
        }
        self.dpkg.finish()
    }

    fn configure(&mut self, wave: &Wave) -> Result<(), InstallError> {
        let packages: Vec<&Unpacked> = wave
            .packages
            .iter()
            .filter_map(|index| self.extracted.packages.get(*index))
            .collect();
        self.left = self.left.saturating_sub(1);
        self.run_preinsts(&packages)?;
        self.records.add(&packages)?;
        self.divert()?;
        let names: Vec<String> = packages
            .iter()
            .map(|package| package.control.record_name())
            .collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        if wave.bootstrap {
            for first in ["base-passwd", "base-files"] {
                if names.contains(&first) {
                    self.dpkg.configure(&[first], true)?;
                    names.retain(|name| *name != first);
                }
            }
        }
        self.dpkg.configure(&names, wave.bootstrap)?;
        self.preset(&names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Once the last `preinst` has run, every diversion is known that could settle who has a path.
    fn divert(&self) -> Result<(), InstallError> {
        let extracted = self.extracted;
        if extracted.undecided.is_empty() || self.left > 0 {
            return Ok(());
        }
        let diversions = Diversion::parse_all(&records::read(&self.records.path("diversions"))?);
        let root = self.dpkg.sandbox.root();
        let opened = File::open(root).map_err(|source| file_error("open", root, source))?;
        contest::divert(extracted, &diversions, &opened)
    }

    /// Answers debconf's questions as soon as debconf is there.
    fn preset(&mut self, installed: &HashSet<String>) -> Result<(), InstallError> {
        if self.debconf.is_empty() || !installed.contains("debconf") {
            return Ok(());
        }
        let mut selections = String::new();
        for answer in self.debconf {
            let Debconf {
                owner,
                question,
                kind,
                value,
            } = answer;
            selections.push_str(&[owner.as_str(), question, kind, value].join(" "));
            selections.push('\n');
        }
        self.debconf = &[];
        self.dpkg
            .run(&["debconf-set-selections"], Some(selections.as_bytes()))
    }

    fn run_preinsts(&mut self, packages: &[&Unpacked]) -> Result<(), InstallError> {
        let mut argv = vec!["/bin/sh".to_owned(), "-s".to_owned(), "--".to_owned()];
        let directory = self.records.path("tmp.preinst");
        for package in packages {
            let control = &package.control;
            if control.file("preinst").is_none() {
                continue;
            }
            let name = format!("{}:{}", control.package(), control.architecture());
            let own = directory.join(&name);
            fs::create_dir_all(&own).map_err(|source| file_error("make", &own, source))?;
            // debconf finds the package's name there.
            records::write(&own.join("control"), control.fields.to_string().as_bytes())?;
            for file in &control.files {
                let path = own.join(&file.name);
                write_control_file(&path, file)
                    .map_err(|source| file_error("write", &path, source))?;
            }
            argv.push(name);
        }
        if argv.len() == 3 {
            return Ok(());
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.dpkg.run(&argv, Some(PREINST.as_bytes()))
    }

    /// dpkg has nothing to say about a database in order.
    fn audit(&self) -> Result<(), InstallError> {
        let argv = ["dpkg", "--audit"];
        let output = self
            .dpkg
            .sandbox
            .run(&Run::new(&argv), &mut |_| {})
            .map_err(InstallError::Sandbox)?;
        let report = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.code == 0 && report.is_empty() {
            Ok(())
        } else {
            Err(InstallError::Audit {
                report: if report.is_empty() {
                    output.tail
                } else {
                    report
                },
            })
        }
    }

    /// Everything that nobody asked for was installed for something else, except what a system
    /// starts with, about which apt was never asked.
    fn marks(&self, waves: &[Wave]) -> Vec<Mark> {
        let start: HashSet<usize> = waves
            .iter()
            .filter(|wave| wave.bootstrap)
            .flat_map(|wave| wave.packages.iter().copied())
            .collect();
        let native = self.native_architecture();
        self.extracted
            .packages
            .iter()
            .enumerate()
            .filter(|(index, package)| !package.locked.requested && !start.contains(index))
            .map(|(_, package)| Mark {
                package: package.locked.name.clone(),
                architecture: match package.control.architecture() {
                    "all" => native.clone(),
                    architecture => architecture.to_owned(),
                },
            })
            .collect()
    }

    /// dpkg's own is the machine's.
    fn native_architecture(&self) -> String {
        let argv = ["dpkg", "--print-architecture"];
        let output = self.dpkg.sandbox.run(&Run::new(&argv), &mut |_| {});
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }
}

/// Maintainer scripts expect these; every installer of Debian makes them before the first one runs.
fn base_files(root: &Path) -> Result<(), InstallError> {
    let path = root.join("etc/fstab");
    if path.exists() {
        return Ok(());
    }
    records::write(&path, FSTAB.as_bytes())
}

/// The names that configured packages have and provide.
fn installed(status: &str) -> HashSet<String> {
    Paragraph::parse_all(status)
        .filter(|package| {
            package
                .get("Status")
                .is_some_and(|status| status.ends_with(" installed"))
        })
        .flat_map(|package| {
            let name = package.get("Package").unwrap_or_default().to_owned();
            order::names(&name, package.get("Provides")).collect::<Vec<_>>()
        })
        .collect()
}

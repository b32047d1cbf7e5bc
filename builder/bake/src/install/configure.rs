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
use super::handover;
use super::marks::{self, Mark};
use super::order::{self, Wave};
use super::own_files::OwnFiles;
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

/// What the definition has decided in advance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers<'a> {
    /// Answers to debconf's questions.
    pub debconf: &'a [Debconf],
    /// Absolute paths of the files that this recipe has written before its packages. They win over
    /// what a package ships there.
    pub before_packages: &'a [&'a str],
    /// Absolute paths of all files that this recipe and those below it write. Where a package ships one
    /// of them as its configuration file, dpkg keeps the recipe's; what the package brought
    /// is not left beside it, for there is nobody who has yet to compare the two.
    pub files: &'a [&'a str],
}

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
///
/// The order is one that apt and dpkg might have taken too: what a system starts with; then every
/// package that depends on nothing but its .deb counts as unpacked; then, wave after wave, dpkg
/// unpacks the others and configures all.
pub fn configure(
    extracted: &Extracted,
    sandbox: &Sandbox,
    answers: &Answers<'_>,
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
            stand_ins: Deferred::stand_ins(sandbox)?,
            progress,
            done: 0,
            total: extracted.packages.len() as u64,
        },
        own_files: OwnFiles::open(root, answers)?,
        debconf: answers.debconf,
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
    layer.dpkg.stand_ins.clear();
    deferred.finish(&mut layer.dpkg)?;
    layer.own_files.remove_copies()?;
    layer.audit()?;
    marks::add(root, &layer.marks(&waves)?)?;
    handover::remove_directory(&extracted.files)?;
    Ok(Configured {
        packages: extracted.packages.len(),
        waves: waves.len(),
    })
}

/// The packages of a wave.
fn of<'e>(extracted: &'e Extracted, wave: &Wave) -> Vec<&'e Unpacked> {
    wave.packages
        .iter()
        .filter_map(|index| extracted.packages.get(*index))
        .collect()
}

struct Layer<'a> {
    extracted: &'a Extracted,
    records: Records,
    dpkg: Dpkg<'a>,
    own_files: OwnFiles<'a>,
    debconf: &'a [Debconf],
}

impl Layer<'_> {
    fn configure_all(
        &mut self,
        installed: &HashSet<String>,
        waves: &[Wave],
    ) -> Result<(), InstallError> {
        self.preset(installed)?;
        let first = waves.iter().take_while(|wave| wave.bootstrap).count();
        let (bootstrap, waves) = waves.split_at_checked(first).unwrap_or_default();
        for wave in bootstrap {
            let packages = of(self.extracted, wave);
            self.run_preinsts(&packages)?;
            self.records.add(&packages)?;
            self.configure(wave)?;
        }
        self.divert()?;
        let later = waves.iter().flat_map(|wave| of(self.extracted, wave));
        let unpacked: Vec<&Unpacked> = later
            .filter(|package| package.left_to_dpkg.is_none())
            .collect();
        if !unpacked.is_empty() {
            self.records.add(&unpacked)?;
        }
        for wave in waves {
            self.unpack(wave)?;
            self.configure(wave)?;
        }
        self.dpkg.finish()
    }

    /// Has dpkg unpack what is left to it.
    fn unpack(&mut self, wave: &Wave) -> Result<(), InstallError> {
        let mut packages = of(self.extracted, wave);
        // A package that another one's `preinst` would have found is unpacked after that.
        packages.sort_by_key(|package| package.is_looked_for);
        let debs: Vec<(&str, &Path)> = packages
            .iter()
            .filter_map(|package| {
                let deb = package.left_to_dpkg.as_deref()?;
                Some((package.locked.name.as_str(), deb))
            })
            .collect();
        if debs.is_empty() {
            return Ok(());
        }
        let before = self.own_files.before_unpacking()?;
        self.dpkg.unpack(&debs)?;
        self.own_files.restore(before)?;
        // The packages may have brought programs that are stood in for.
        self.dpkg.stand_ins = Deferred::stand_ins(self.dpkg.sandbox)?;
        Ok(())
    }

    fn configure(&mut self, wave: &Wave) -> Result<(), InstallError> {
        let packages = of(self.extracted, wave);
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

    /// The diversions of the layers below, and those that the first packages of a system make, are
    /// known by now: they settle who has a contested path.
    fn divert(&self) -> Result<(), InstallError> {
        let extracted = self.extracted;
        if extracted.undecided.is_empty() {
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

    /// Runs the `preinst` scripts of what a system starts with, whose files are there already: without
    /// them nothing would run. Every installer of Debian begins like that.
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
            records::write(&own.join("control"), &control.fields.to_bytes())?;
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
    fn marks(&self, waves: &[Wave]) -> Result<Vec<Mark>, InstallError> {
        let start: HashSet<usize> = waves
            .iter()
            .filter(|wave| wave.bootstrap)
            .flat_map(|wave| wave.packages.iter().copied())
            .collect();
        let native = self.native_architecture()?;
        let packages = self.extracted.packages.iter().enumerate();
        Ok(packages
            .filter(|(index, package)| !package.locked.requested && !start.contains(index))
            .map(|(_, package)| Mark {
                package: package.locked.name.clone(),
                architecture: match package.control.architecture() {
                    "all" => native.clone(),
                    architecture => architecture.to_owned(),
                },
            })
            .collect())
    }

    /// dpkg's own is the machine's.
    fn native_architecture(&self) -> Result<String, InstallError> {
        let argv = ["dpkg", "--print-architecture"];
        let output = self
            .dpkg
            .sandbox
            .run(&Run::new(&argv), &mut |_| {})
            .map_err(InstallError::Sandbox)?;
        let architecture = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.code == 0 && !architecture.is_empty() {
            Ok(architecture)
        } else {
            Err(InstallError::Program {
                program: argv.join(" "),
                code: output.code,
                tail: output.tail,
            })
        }
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
fn installed(status: &[Paragraph]) -> HashSet<String> {
    status
        .iter()
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

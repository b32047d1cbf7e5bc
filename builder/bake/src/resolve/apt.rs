//! Owns a private root for the host's apt, made of verified indexes, and asking its solver. Nothing
//! of the host's configuration, sources or packages is seen, and the network is never touched: apt
//! only simulates.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use vmimage_plan::definition::Architecture;

use super::error::AptExplanation;
use super::indexes::Index;
use super::packages::PackageIndex;
use super::releases::BelievedRelease;
use super::sources::{Sources, SuiteSource};
use super::stanza::Stanza;
use super::{LockRequest, ResolveError};
use crate::fetch::{Outcome, run_bounded};

/// How long one simulation may take; a large one takes about two seconds.
const LIMIT: Duration = Duration::from_mins(3);
/// Read before anything of the host's configuration, and keeps all of that out.
const CONFIG: &str = "\
Dir::Etc::main \"/dev/null\";
Dir::Etc::parts \"/dev/null\";
Dir::Etc::sourceparts \"/dev/null\";
Dir::Etc::preferences \"/dev/null\";
Dir::Etc::preferencesparts \"/dev/null\";
Dir::Bin::dpkg \"/bin/true\";
APT::Install-Recommends \"false\";
APT::Install-Suggests \"false\";
APT::Get::AutomaticRemove \"false\";
APT::Get::Show-User-Simulation-Note \"false\";
APT::Sandbox::User \"root\";
APT::Solver \"internal\";
Acquire::Languages \"none\";
Debug::NoLocking \"true\";
";

/// A private root for apt, removed with it.
#[derive(Debug)]
pub(crate) struct AptRoot {
    folder: TempDir,
    /// Locked while this process lives: a root whose lock is free was left by a killed process.
    _lock: File,
    architecture: Architecture,
    status: Vec<u8>,
    /// Its files and suites as apt's messages name them, and what people call them: those files are
    /// gone when a message is read.
    labels: Vec<(String, String)>,
}

/// One line of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A package is unpacked, over `replaces` if that is installed.
    Install {
        name: String,
        version: String,
        architecture: String,
        replaces: Option<String>,
    },
    /// A package goes.
    Remove { name: String },
}

impl AptRoot {
    /// Makes a root for one architecture, and tells where its packages are.
    pub(crate) fn create(
        request: &LockRequest<'_>,
        sources: &Sources<'_>,
        releases: &[BelievedRelease],
        indexes: &[Index],
        architecture: Architecture,
    ) -> Result<(Self, PackageIndex), ResolveError> {
        let parent = request.cache.join("apt");
        let io = |path: &Path, source| ResolveError::Io {
            operation: "prepare",
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(&parent).map_err(|error| io(&parent, error))?;
        sweep(&parent);
        let (folder, lock) = make_root(&parent).map_err(|error| io(&parent, error))?;
        let mut root = Self {
            folder,
            _lock: lock,
            architecture,
            status: Vec::new(),
            labels: Vec::new(),
        };
        for part in ["lists/partial", "cache/archives/partial", "etc"] {
            let path = root.path(part);
            fs::create_dir_all(&path).map_err(|error| io(&path, error))?;
        }
        root.write("apt.conf", CONFIG)?;
        root.write("status", "")?;
        for (number, (source, believed)) in sources.suites.iter().zip(releases).enumerate() {
            let name = list_name(number, "Release");
            let text = [believed.text.trim_ascii_end(), b"\n"].concat();
            root.write(&format!("lists/{name}"), text)?;
            let (archive, suite) = (&source.repository.archive, source.suite);
            let label = format!("the Release file of suite `{suite}` of archive `{archive}`");
            let file = root.path(&format!("lists/{name}")).display().to_string();
            root.labels.push((file, label));
            for (component, _) in &source.components {
                let alias = component_name(source, component);
                let named = format!("{archive} {suite}/{component}");
                root.labels
                    .push((format!("file:/suite-{number} suite/{alias}"), named));
            }
        }
        let mut packages = PackageIndex::default();
        for index in indexes {
            let Some(source) = sources.suites.get(index.suite) else {
                continue;
            };
            let component = component_name(source, &index.component);
            let (_, architecture) = index.folder.rsplit_once('/').unwrap_or_default();
            let name = list_name(index.suite, &format!("{component}/{architecture}/Packages"));
            let path = root.path(&format!("lists/{name}"));
            index.unpack(&path)?;
            packages.add(&path, index.suite, &index.label)?;
            let file = path.display().to_string();
            root.labels.push((file, format!("the {}", index.label)));
        }
        Ok((root, packages))
    }

    /// Lets apt see what the recipes up to the one at `place` may use.
    pub(crate) fn use_sources(
        &self,
        sources: &Sources<'_>,
        indexes: &[Index],
        place: usize,
    ) -> Result<(), ResolveError> {
        let mut text = String::new();
        for (number, source) in sources.suites.iter().enumerate() {
            let components: Vec<String> = source
                .components
                .iter()
                .filter(|(_, from)| *from <= place)
                .filter(|(name, _)| {
                    indexes
                        .iter()
                        .any(|i| i.suite == number && i.component == *name)
                })
                .map(|(name, _)| component_name(source, name))
                .collect();
            if !components.is_empty() {
                let line = format!(
                    "deb [trusted=yes arch={}] file:/suite-{number} suite {}\n",
                    self.architecture.debian(),
                    components.join(" ")
                );
                text.push_str(&line);
            }
        }
        self.write("sources.list", &text)
    }

    /// Makes apt believe that a package is installed.
    pub(crate) fn add_installed(&mut self, stanza: &Stanza) {
        self.status.extend(stanza.as_installed());
    }

    /// Simulates installing `packages` after everything that is installed.
    pub(crate) fn simulate(
        &self,
        recipe: &str,
        packages: &[String],
    ) -> Result<Vec<Action>, ResolveError> {
        self.write("status", &self.status)?;
        let mut command = Command::new("apt-get");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("APT_CONFIG", self.path("apt.conf"))
            .arg("--simulate")
            .arg("--yes");
        for (key, part) in [
            ("Dir", ""),
            ("Dir::State", ""),
            ("Dir::State::lists", "lists/"),
            ("Dir::State::status", "status"),
            ("Dir::State::extended_states", "extended_states"),
            ("Dir::Cache", "cache/"),
            ("Dir::Etc", "etc/"),
            ("Dir::Etc::sourcelist", "sources.list"),
        ] {
            command.arg(format!("-o{key}={}", self.path(part).display()));
        }
        let architecture = self.architecture.debian();
        command
            .arg(format!("-oAPT::Architecture={architecture}"))
            .arg(format!("-oAPT::Architectures::={architecture}"))
            .args(["install", "--"])
            .args(packages);
        let outcome = run_bounded(&mut command, LIMIT).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                ResolveError::NoApt { source }
            } else {
                ResolveError::Apt { source }
            }
        })?;
        if !outcome.status.success() {
            return Err(ResolveError::Unresolvable {
                recipe: recipe.to_owned(),
                architecture: self.architecture.as_str(),
                source: self.explanation(&outcome),
            });
        }
        parse_simulation(&outcome.stdout)
    }

    /// What apt says, without its progress, and with its files named as their owners know them.
    fn explanation(&self, outcome: &Outcome) -> AptExplanation {
        const LINES: usize = 40;
        let noise = ["Reading ", "Building ", "Inst ", "Conf ", "Solving "];
        let lines: Vec<&str> = outcome
            .stdout
            .lines()
            .chain(outcome.stderr.lines())
            .filter(|line| !line.trim().is_empty())
            .filter(|line| !noise.iter().any(|start| line.starts_with(start)))
            .take(LINES)
            .collect();
        let mut text = lines.join("\n");
        let mut labels: Vec<&(String, String)> = self.labels.iter().collect();
        // One name may begin another.
        labels.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, label) in labels {
            text = text.replace(name, label);
        }
        let status = self.path("status").display().to_string();
        AptExplanation(text.replace(&status, "the list of packages chosen before"))
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn write(&self, part: &str, text: impl AsRef<[u8]>) -> Result<(), ResolveError> {
        let path = self.path(part);
        fs::write(&path, text).map_err(|source| ResolveError::Io {
            operation: "write",
            path,
            source,
        })
    }
}

/// Removes roots that killed processes left. What cannot be removed is left for the next time.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(lock) = File::open(path.join("lock")) else {
            continue;
        };
        if flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive).is_ok() {
            drop(fs::remove_dir_all(&path));
        }
    }
}

/// A new root, complete with its lock before it gets a name that [`sweep`] looks at.
fn make_root(parent: &Path) -> io::Result<(TempDir, File)> {
    let folder = TempDir::with_prefix_in("root-", parent)?;
    let path = folder.path().canonicalize()?;
    let unlocked = path.join("new-lock");
    let lock = File::create(&unlocked)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(&unlocked, path.join("lock"))?;
    Ok((folder, lock))
}

/// The name that apt gives to a file of a suite in its folder of lists. apt gets names of ours for
/// archives, suites and components: odd ones it spells in odd ways, other ones in other versions. What
/// a recipe may ask of a suite (`package/suite`) is in the Release file.
fn list_name(suite: usize, file: &str) -> String {
    format!("_suite-{suite}_dists_suite_{}", file.replace('/', "_"))
}

/// A component's name for apt.
fn component_name(source: &SuiteSource<'_>, component: &str) -> String {
    let place = source
        .components
        .iter()
        .position(|(name, _)| *name == component);
    format!("component-{}", place.unwrap_or_default())
}

/// Reads the `Inst` and `Remv` lines of a simulation.
fn parse_simulation(text: &str) -> Result<Vec<Action>, ResolveError> {
    let mut actions = Vec::new();
    for line in text.lines() {
        let action = if let Some(rest) = line.strip_prefix("Inst ") {
            parse_install(rest)
        } else if let Some(rest) = line.strip_prefix("Remv ") {
            rest.split_ascii_whitespace()
                .next()
                .map(|name| Action::Remove { name: bare(name) })
        } else {
            continue;
        };
        actions.push(action.ok_or_else(|| ResolveError::AptLine {
            line: line.to_owned(),
        })?);
    }
    Ok(actions)
}

/// Reads `NAME [OLD] (NEW ORIGINS [ARCHITECTURE]) ...`, where `[OLD]` may be absent.
fn parse_install(rest: &str) -> Option<Action> {
    let (name, rest) = rest.split_once(' ')?;
    let (replaces, rest) = match rest.strip_prefix('[') {
        Some(old) => old
            .split_once("] ")
            .map(|(old, rest)| (Some(old.to_owned()), rest))?,
        None => (None, rest),
    };
    let (version, rest) = rest.strip_prefix('(')?.split_once(' ')?;
    let (origins, _) = rest.split_once("])")?;
    let (_, architecture) = origins.rsplit_once('[')?;
    Some(Action::Install {
        name: bare(name),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        replaces,
    })
}

/// A package's name without the architecture that apt adds to foreign ones.
fn bare(name: &str) -> String {
    name.split(':').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulations_are_read_as_apt_prints_them() {
        let text = "Reading package lists...\n\
            Remv exim4 [4.98-1]\n\
            Inst libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64]) []\n\
            Inst webmin [2.500] (2.510 Jamie Cameron (x):1/stable [all]) [a:amd64 ]\n\
            Conf libc6 (2.41-12+deb13u5 Debian:13.8/stable [amd64])\n";
        let install = |name: &str, version: &str, architecture: &str, replaces: Option<&str>| {
            Action::Install {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
                replaces: replaces.map(str::to_owned),
            }
        };
        assert_eq!(
            parse_simulation(text).unwrap(),
            [
                Action::Remove {
                    name: "exim4".to_owned()
                },
                install("libc6", "2.41-12+deb13u5", "amd64", None),
                install("webmin", "2.510", "all", Some("2.500")),
            ]
        );
        assert_eq!(
            parse_simulation("Inst garbled\n").unwrap_err().to_string(),
            "cannot understand apt's line `Inst garbled`"
        );
    }
}

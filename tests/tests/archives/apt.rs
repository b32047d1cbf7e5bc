//! Owns asking the real apt: what it installs from archives, in a root of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::archive::Package;

/// A line of sources: where an archive is, and what of it is used.
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) suite: String,
    pub(crate) component: String,
}

/// What somebody installs, as names, versions, architectures and digests, or why not.
pub(crate) type Outcome = Result<BTreeSet<[String; 4]>, String>;

/// A root for apt.
pub(crate) struct Apt {
    root: TempDir,
    /// Every package that there may be.
    packages: Vec<Package>,
    status: Vec<u8>,
}

/// What is set as vmimage sets it (nothing recommended, one architecture, apt's own solver), and what
/// keeps the host out.
const CONFIG: &str = "
Dir::Etc::main \"/dev/null\"; Dir::Etc::parts \"/dev/null\"; Dir::Etc::sourceparts \"/dev/null\";
Dir::Etc::preferences \"/dev/null\"; Dir::Etc::preferencesparts \"/dev/null\";
Dir::Etc::trusted \"/dev/null\"; Dir::Etc::trustedparts \"/dev/null\"; Dir::Bin::dpkg \"/bin/true\";
APT::Architecture \"amd64\"; APT::Architectures { \"amd64\"; }; APT::Sandbox::User \"root\";
APT::Install-Recommends \"false\"; APT::Solver \"internal\"; APT::Get::AutomaticRemove \"false\";
Acquire::Languages \"none\"; Acquire::Retries \"0\"; Acquire::http::Proxy \"DIRECT\";
Acquire::http::Timeout \"20\"; Acquire::http::Pipeline-Depth \"0\"; Debug::NoLocking \"true\";
";

impl Apt {
    /// A root without packages that believes `key`.
    pub(crate) fn new(key: &str, packages: Vec<Package>) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["state/lists/partial", "cache/archives/partial", "etc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let apt = Self {
            root,
            packages,
            status: Vec::new(),
        };
        let at = |name: &str| apt.path(name).display().to_string();
        let config = format!(
            "Dir \"{}\"; Dir::State \"{}\"; Dir::State::status \"{}\"; Dir::Cache \"{}\"; Dir::Etc \"{}\";{CONFIG}",
            at(""),
            at("state"),
            at("status"),
            at("cache"),
            at("etc")
        );
        fs::write(apt.path("apt.conf"), config).unwrap();
        fs::write(apt.path("key.asc"), key).unwrap();
        fs::write(apt.path("status"), "").unwrap();
        apt
    }

    /// What is installed when the essential packages come first, from the first source, and `wanted`
    /// then.
    pub(crate) fn outcome(mut self, sources: &[Source], wanted: &[String]) -> Outcome {
        self.use_sources(sources);
        self.run(&["update"])?;
        self.use_sources(&sources[..1]);
        let mut installed = self.install(&["?essential".to_owned()])?;
        if installed.is_empty() {
            return Err("nothing is essential".to_owned());
        }
        self.use_sources(sources);
        installed.extend(self.install(wanted)?);
        Ok(installed)
    }

    fn install(&mut self, wanted: &[String]) -> Outcome {
        if wanted.is_empty() {
            return Ok(BTreeSet::new());
        }
        fs::write(self.path("status"), &self.status).unwrap();
        let arguments = |option| {
            let wanted = wanted.iter().map(String::as_str);
            ["install", "--yes", option, "--"]
                .into_iter()
                .chain(wanted)
                .collect::<Vec<_>>()
        };
        let plan = self.run(&arguments("--simulate"))?;
        // A layer only adds: vmimage refuses what removes or changes a package of a layer below.
        let changes = |line: &&str| {
            let replaces = |rest: &str| {
                rest.split(' ')
                    .nth(1)
                    .is_some_and(|word| word.starts_with('['))
            };
            line.starts_with("Remv ") || line.strip_prefix("Inst ").is_some_and(replaces)
        };
        if let Some(line) = plan.lines().find(changes) {
            return Err(format!("it changes a layer below: {line}"));
        }
        self.run(&arguments("--download-only"))?;
        let archives = self.path("cache/archives");
        let mut installed = BTreeSet::new();
        for entry in fs::read_dir(&archives).unwrap().flatten() {
            if !entry.path().is_file() || entry.file_name() == "lock" {
                continue;
            }
            let content = fs::read(entry.path()).unwrap();
            let package = self
                .packages
                .iter()
                .find(|package| package.deb() == content);
            let package = package.expect("apt downloads what an archive has");
            installed.insert(identity(package));
            self.status.extend(package.as_installed());
            fs::remove_file(entry.path()).unwrap();
        }
        Ok(installed)
    }

    fn use_sources(&self, sources: &[Source]) {
        let key = self.path("key.asc");
        let lines: Vec<String> = sources
            .iter()
            .map(|source| {
                let (url, suite, component) = (&source.url, &source.suite, &source.component);
                format!(
                    "deb [signed-by={}] {url} {suite} {component}\n",
                    key.display()
                )
            })
            .collect();
        fs::write(self.path("etc/sources.list"), lines.concat()).unwrap();
    }

    /// Runs apt-get; the error is what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("apt-get")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("APT_CONFIG", self.path("apt.conf"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// What identifies a package.
pub(crate) fn identity(package: &Package) -> [String; 4] {
    use sha2::{Digest as _, Sha256};
    [
        package.name.clone(),
        package.version.clone(),
        package.architecture.to_owned(),
        hex::encode(Sha256::digest(package.deb())),
    ]
}

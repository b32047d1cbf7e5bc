//! Owns where archives are found. A mirror is never trusted: what comes from it is verified.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use vmimage_plan::definition::Repository;

use super::process::run_bounded;
use super::url::Url;

/// How long apt may take to tell its configuration.
const ASK: Duration = Duration::from_secs(20);

/// Archive names and the URLs to use for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    explicit: BTreeMap<String, Url>,
    host: BTreeMap<String, Url>,
    proxy: Option<Url>,
}

impl Mirrors {
    /// Mirrors that the user named.
    pub fn new(explicit: BTreeMap<String, String>) -> Self {
        let explicit = explicit.into_iter();
        Self {
            explicit: explicit.map(|(name, url)| (name, Url::new(url))).collect(),
            ..Self::default()
        }
    }

    /// The same, with the host's own apt mirror and proxy for Debian's archives where the host is
    /// Debian. A host without apt, or whose apt says nothing, adds nothing.
    #[must_use]
    pub fn with_host_apt(mut self) -> Self {
        let mut targets = Command::new("apt-get");
        targets.args(["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"]);
        if let Ok(outcome) = run_bounded(&mut targets, ASK) {
            self.host = parse_index_targets(&outcome.stdout);
        }
        let mut proxy = Command::new("apt-config");
        proxy.args(["dump", "--format", "%v%n", "Acquire::http::Proxy"]);
        if let Ok(outcome) = run_bounded(&mut proxy, ASK) {
            self.proxy = outcome
                .stdout
                .lines()
                .map(str::trim)
                .find(|line| line.starts_with("http://"))
                .map(Url::new);
        }
        self
    }

    /// Where `repository` is found: the user's mirror, the host's, or what its recipe says.
    pub fn url_for(&self, repository: &Repository) -> Url {
        self.explicit
            .get(&repository.archive)
            .or_else(|| self.host.get(&repository.archive))
            .cloned()
            .unwrap_or_else(|| Url::new(&repository.url))
    }

    /// The proxy of the host's apt, used where the environment names none.
    pub(crate) fn proxy(&self) -> Option<&Url> {
        self.proxy.as_ref()
    }
}

/// The archives of lines of `Origin|Label|URI`; the first URI of each counts.
fn parse_index_targets(text: &str) -> BTreeMap<String, Url> {
    let mut archives = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, '|');
        let archive = match (parts.next(), parts.next()) {
            (Some("Debian"), Some("Debian")) => "debian",
            (Some("Debian"), Some("Debian-Security")) => "debian-security",
            _ => continue,
        };
        let Some(url) = parts.next().map(str::trim) else {
            continue;
        };
        if ["http://", "https://", "file:///"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            archives
                .entry(archive.to_owned())
                .or_insert_with(|| Url::new(url));
        }
    }
    archives
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_mirror_of_each_debian_archive_is_its_first_usable_one() {
        let text = "Google|cloud-sdk|https://packages.example/apt/\n\
            Debian|Debian|mirror+file:/etc/apt/mirrors/debian.list\n\
            Debian|Debian|http://mirror.example/debian/\n\
            Debian|Debian|http://second.example/debian/\n\
            Debian|Debian-Security|https://mirror.example/debian-security/\n\
            Debian|Debian Backports|http://mirror.example/backports/\n\
            broken\n";
        let expected = BTreeMap::from([
            (
                "debian".to_owned(),
                Url::new("http://mirror.example/debian/"),
            ),
            (
                "debian-security".to_owned(),
                Url::new("https://mirror.example/debian-security/"),
            ),
        ]);
        assert_eq!(parse_index_targets(text), expected);
    }
}

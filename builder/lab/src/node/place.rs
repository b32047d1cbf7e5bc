//! Owns where a lab's files lie, and which names may become part of a path. Must not read or write.

use std::path::{Path, PathBuf};

use super::LabError;

/// The files of one lab below its state root.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: PathBuf,
    lab: PathBuf,
}

/// The files of one node.
#[derive(Clone, Debug)]
pub(super) struct NodePlace {
    /// All of them.
    pub(super) all: PathBuf,
    /// What the node changed of its image.
    pub(super) changes: PathBuf,
    /// The overlay's own use.
    pub(super) work: PathBuf,
    /// Where the overlay is mounted.
    pub(super) root: PathBuf,
    /// Where volumes are mounted, which the node sees.
    pub(super) volumes: PathBuf,
    /// The node's network configuration.
    pub(super) network: PathBuf,
    /// What the node's console said; it outlives the node.
    pub(super) console: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path, name: &str) -> Result<Self, LabError> {
        if !is_label(name) {
            return Err(LabError::Name {
                name: name.to_owned(),
            });
        }
        if !is_root(root) {
            return Err(LabError::StateRoot {
                path: root.to_owned(),
            });
        }
        Ok(Self {
            root: root.to_owned(),
            lab: labs(root).join(name),
        })
    }

    /// Everything of this lab.
    pub(super) fn lab(&self) -> &Path {
        &self.lab
    }

    /// Held by the process that runs the lab. Beside the lab's folder, so that the folder can go
    /// while it is held.
    pub(super) fn lock(&self) -> PathBuf {
        self.lab.with_extension("lock")
    }

    /// Unpacked images, shared by all labs.
    pub(super) fn images(&self) -> PathBuf {
        images(&self.root)
    }

    /// A layer between image and node: what all nodes of the lab trust.
    pub(super) fn trust(&self) -> PathBuf {
        self.lab.join("trust")
    }

    pub(super) fn nodes(&self) -> PathBuf {
        self.lab.join("nodes")
    }

    pub(super) fn volumes(&self) -> PathBuf {
        self.lab.join("volumes")
    }

    pub(super) fn node(&self, id: &str) -> NodePlace {
        let all = self.nodes().join(id);
        NodePlace {
            changes: all.join("changes"),
            work: all.join("work"),
            root: all.join("root"),
            volumes: all.join("volumes"),
            network: all.join("ens5.network"),
            console: self.lab.join("consoles").join(format!("{id}.log")),
            all,
        }
    }
}

/// Where the labs of a state root lie.
pub(super) fn labs(root: &Path) -> PathBuf {
    root.join("labs")
}

/// Where the unpacked images of a state root lie.
pub(super) fn images(root: &Path) -> PathBuf {
    root.join("images")
}

/// Instance and volume ids, which become file names, machine names and names of namespaces.
pub(super) fn is_id(id: &str) -> bool {
    is_label(id)
}

fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Overlay options and systemd-nspawn's binds split at these characters, and `/run` is hidden inside
/// the lab's namespaces.
fn is_root(root: &Path) -> bool {
    let special = |character: char| character.is_whitespace() || ":,\\\"".contains(character);
    root.is_absolute()
        && !root.starts_with("/run")
        && root.to_str().is_some_and(|text| !text.contains(special))
}

#[cfg(test)]
mod tests {
    use super::Place;
    use std::path::Path;

    #[test]
    fn names_and_roots_that_would_be_misread_are_refused() {
        let root = Path::new("/var/lib/vmimage/lab");
        for name in ["", "-a", "a-", "A", "a.b", "../a", "a b", &"a".repeat(64)] {
            assert_eq!(
                Place::new(root, name).unwrap_err().to_string(),
                format!("`{name}` is no name for a lab: it must be a DNS label")
            );
        }
        for root in ["relative", "/run/lab", "/a:b", "/a,b", "/a b", "/a\\b"] {
            assert_eq!(
                Place::new(Path::new(root), "demo").unwrap_err().to_string(),
                format!("a lab cannot keep its state in `{root}`")
            );
        }
        let place = Place::new(root, "demo").unwrap();
        assert_eq!(
            place.node("i-1").console,
            Path::new("/var/lib/vmimage/lab/labs/demo/consoles/i-1.log")
        );
    }
}

//! Owns the worker: this program started again inside namespaces of its own, where it may mount and
//! leave nothing behind. Must not do the work itself.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::fs::Mode;

use super::unshared;

/// Writing is for the owner alone; reading is for all.
const UMASK: Mode = Mode::from_raw_mode(0o022);

/// Who starts the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Starter {
    /// Root.
    Root,
    /// An ordinary user who has subordinate user and group ids.
    User,
}

/// Why no worker can be started.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// An ordinary user without subordinate ids.
    #[error("cannot bake as user `{user}`: no subordinate ids in `{file}`")]
    NoSubordinateIds {
        /// The user.
        user: String,
        /// `/etc/subuid` or `/etc/subgid`.
        file: String,
    },
    /// An ordinary user without the set-uid helper that maps ids.
    #[error("cannot bake as user `{user}`: `newuidmap` is not installed")]
    NoNewuidmap {
        /// The user.
        user: String,
    },
    /// The namespace could not be made ready.
    #[error("cannot prepare the worker's namespaces")]
    Namespace(#[source] io::Error),
}

impl WorkerError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSubordinateIds { user, .. } => Some(format!(
                "run as root, or give yourself ids: \
                 `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`"
            )),
            Self::NoNewuidmap { .. } => {
                Some("run as root, or install the package `uidmap`".to_owned())
            }
            Self::Namespace(_) => None,
        }
    }
}

/// Finds out whether `user` (not root: `uid` is not 0) may make a user namespace with more than one id.
pub fn starter(user: &str, uid: u32, path: &[&Path]) -> Result<Starter, WorkerError> {
    if uid == 0 {
        return Ok(Starter::Root);
    }
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if !has_subordinate_ids(&text, user, uid) {
            return Err(WorkerError::NoSubordinateIds {
                user: user.to_owned(),
                file: file.to_owned(),
            });
        }
    }
    if !path
        .iter()
        .any(|directory| directory.join("newuidmap").is_file())
    {
        return Err(WorkerError::NoNewuidmap {
            user: user.to_owned(),
        });
    }
    Ok(Starter::User)
}

/// Whether a subuid(5) file gives `user` at least the 65,534 ids that Debian's users need.
fn has_subordinate_ids(text: &str, user: &str, uid: u32) -> bool {
    text.lines().any(|line| {
        let mut fields = line.split(':');
        let owner = fields.next().unwrap_or_default();
        let count = fields
            .nth(1)
            .and_then(|count| count.trim().parse::<u64>().ok());
        (owner == user || owner == uid.to_string()) && count >= Some(65_534)
    })
}

/// The command that starts `program` as a worker: own mount, PID, UTS and IPC namespaces, and for an
/// ordinary user a user namespace in which they are root. When the process that runs the command
/// ends, in whatever way, the kernel kills everything in the namespaces and drops their mounts.
pub fn command(starter: &Starter, program: &Path, arguments: &[OsString]) -> Command {
    let mut command = unshared(match starter {
        Starter::Root => &[],
        Starter::User => &["--user", "--map-root-user", "--map-auto"],
    });
    command.arg("--").arg(program).args(arguments);
    command
}

/// Prepares the worker from inside: the host name that programs in trees will see, and the file mode
/// mask that Debian's packages are made for. The caller's own mask would decide about modes in the
/// image, and a layer made under one mask would be reused under another.
pub fn settle() -> Result<(), WorkerError> {
    rustix::process::umask(UMASK);
    rustix::system::sethostname(b"localhost").map_err(|errno| WorkerError::Namespace(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::has_subordinate_ids;

    #[test]
    fn subordinate_ids_are_read_from_subuid() {
        let text = "root:100000:65536\nann:165536:65536\n1002:300000:65536\nbob:400000:10\n";
        assert!(has_subordinate_ids(text, "ann", 1001));
        assert!(has_subordinate_ids(text, "carl", 1002));
        assert!(!has_subordinate_ids(text, "bob", 1003));
        assert!(!has_subordinate_ids(text, "eve", 1004));
        assert!(!has_subordinate_ids("garbage\n::\n", "eve", 1004));
    }
}

//! Owns control groups: what belongs to a lab or a node, ending all of it at once, and how much memory
//! it takes. Must not know what runs in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LabError;
use super::wait::poll_until;

/// All labs' groups lie below this one.
const OURS: &str = "vmimage-lab";

/// Dying takes the kernel milliseconds, unless a process hangs in a device or a remote file system.
const DEATH: Duration = Duration::from_secs(20);

/// A control group with everything below it.
#[derive(Clone, Debug)]
pub(super) struct Group {
    path: PathBuf,
}

impl Group {
    /// The group of a lab, whether it exists or not.
    pub(super) fn of_lab(name: &str) -> Result<Self, LabError> {
        let mounts = Path::new("/proc/self/mountinfo");
        let text = fs::read_to_string(mounts).map_err(LabError::file("read", mounts))?;
        let mounted = cgroup2_in(&text).ok_or(LabError::NoCgroup2)?;
        Ok(Self {
            path: mounted.join(OURS).join(name),
        })
    }

    /// A group below this one.
    pub(super) fn below(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes it, and accounts its memory where the kernel lets it.
    pub(super) fn create(&self) -> Result<(), LabError> {
        fs::create_dir_all(&self.path).map_err(LabError::file("make", &self.path))?;
        // From our own topmost group's parent down; a controller that another hierarchy has taken is
        // not there to be had, and memory is then counted by process.
        let mut above: Vec<&Path> = self.path.ancestors().skip(1).take(2).collect();
        above.reverse();
        for group in above {
            drop(fs::write(group.join("cgroup.subtree_control"), "+memory"));
        }
        Ok(())
    }

    /// Ends every process in it and below it at once, and waits until they are gone.
    pub(super) fn kill(&self) -> Result<(), LabError> {
        let file = self.path.join("cgroup.kill");
        match fs::write(&file, "1") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(LabError::file("write", &file))?,
        }
        // What still lives after that cannot be ended by anybody; removing the group will tell.
        poll_until(DEATH, || self.is_empty());
        Ok(())
    }

    /// Removes it and what is below it; no process may be in it.
    pub(super) fn remove(&self) -> Result<(), LabError> {
        let mut result = Ok(());
        // A process that has ended leaves its group a moment later.
        poll_until(DEATH, || {
            result = remove_tree(&self.path);
            !matches!(&result, Err(error) if error.kind() == io::ErrorKind::ResourceBusy)
        });
        result.map_err(LabError::file("remove", &self.path))
    }

    /// The processes in it and below it.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        collect(&self.path, &mut found);
        found
    }

    /// Bytes of memory in use. Where the memory controller belongs to version 1, each process's share
    /// is added up, which leaves the kernel's own part out.
    pub(super) fn memory_bytes(&self) -> u64 {
        let counted = fs::read_to_string(self.path.join("memory.current"));
        if let Some(bytes) = counted.ok().and_then(|text| text.trim().parse().ok()) {
            return bytes;
        }
        let shares = self.processes().into_iter().map(|pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
            pss_bytes(&rollup.unwrap_or_default())
        });
        shares.sum()
    }

    fn is_empty(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        !events.lines().any(|line| line == "populated 1")
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn collect(path: &Path, found: &mut Vec<u32>) {
    let procs = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    found.extend(procs.lines().filter_map(|line| line.parse::<u32>().ok()));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

/// Where a mountinfo(5) text has cgroup2.
fn cgroup2_in(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let whole = root == "/" && file_system.starts_with("cgroup2 ");
        whole.then(|| PathBuf::from(point))
    })
}

/// The proportional share in a `smaps_rollup` text.
fn pss_bytes(rollup: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::{cgroup2_in, pss_bytes};
    use std::path::Path;

    #[test]
    fn cgroup2_is_found_whatever_the_layout() {
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        let found = cgroup2_in(hybrid);
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        let part = "30 23 0:26 /system.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_in(part), None);
        assert_eq!(cgroup2_in(""), None);
    }

    #[test]
    fn shares_are_read_in_bytes() {
        assert_eq!(
            pss_bytes("Rss:  900 kB\nPss:      12 kB\nPss_Anon: 7 kB\n"),
            12_288
        );
        assert_eq!(pss_bytes(""), 0);
    }
}

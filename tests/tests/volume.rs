//! The script that mounts a data volume, with what a volume may hold: nothing that is there is ever
//! overwritten. The volume is a file, as in a lab. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use vmimage_tests::project::{Ran, file_system_uuid, repository, run};

const SIZE_BYTES: u64 = 16 << 20;

/// What is around the script: its places below `/run` and `/var/lib` are this folder's.
const AROUND: &str = "
    set -e
    mount -t tmpfs none /run
    mount -t tmpfs none /var/lib
    mkdir /run/vmimage-volumes /var/lib/vmimage
    mount --bind \"$1/volumes\" /run/vmimage-volumes
    mount --bind \"$1/state\" /var/lib/vmimage
    sh \"$2\" vol-1 \"$1/mounted\" ext4
    touch \"$1/mounted/proof\"
";

/// A node with a volume.
struct Node(TempDir);

impl Node {
    fn new() -> Self {
        let node = Self(tempfile::tempdir().unwrap());
        for folder in ["volumes/vol-1/data", "state", "programs"] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        let device = File::create(node.device()).unwrap();
        device.set_len(SIZE_BYTES).unwrap();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn device(&self) -> PathBuf {
        self.path("volumes/vol-1/device")
    }

    /// Runs the script; its programs are found among the node's own first.
    fn mount(&self) -> Ran {
        let script = repository().join("recipes/firstboot-launch/files/volume");
        let own = self.path("programs").display().to_string();
        run(Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                AROUND,
                "sh",
            ])
            .args([self.0.path(), &script])
            .env("PATH", format!("{own}:/usr/sbin:/usr/bin:/sbin:/bin")))
    }

    #[track_caller]
    fn is_mounted(&self) {
        let ran = self.mount();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(self.path("volumes/vol-1/data/proof").exists());
    }

    /// The script leaves the volume as it is and says this.
    #[track_caller]
    fn is_refused(&self, said: &str) {
        let before = fs::read(self.device()).unwrap();
        let ran = self.mount();
        let last = ran.stderr.lines().next_back().unwrap();
        assert_eq!((ran.code, last), (1, said));
        assert_eq!(fs::read(self.device()).unwrap(), before);
        assert!(!self.path("volumes/vol-1/data/proof").exists());
    }

    /// What identifies the file system that is on the volume.
    fn uuid(&self) -> String {
        file_system_uuid(&self.device())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) {
        let mut device = File::options().write(true).open(self.device()).unwrap();
        device.seek(SeekFrom::Start(offset)).unwrap();
        device.write_all(bytes).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("programs").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_blank_volume_gets_a_file_system_once() {
    let node = Node::new();
    node.is_mounted();
    let made = node.uuid();
    // The next instance has no memory of it.
    fs::remove_dir_all(node.path("state")).unwrap();
    fs::create_dir(node.path("state")).unwrap();
    node.is_mounted();
    assert_eq!(node.uuid(), made);
}

#[test]
fn what_others_have_put_on_a_volume_is_left_alone() {
    let node = Node::new();
    let made = run(Command::new("mkswap").arg(node.device()));
    assert_eq!(made.code, 0, "{}", made.stderr);
    node.is_refused("vol-1 has swap on it, not ext4");
    // Nothing that has a name, but not nothing.
    let node = Node::new();
    node.write_at((1 << 20) - 1, b"x");
    node.is_refused("vol-1 has data on it, not ext4");
    // A table of partitions.
    let node = Node::new();
    node.write_at(510, &[0x55, 0xaa]);
    node.is_refused("vol-1 has data on it, not ext4");
}

/// Killed while the file system is made, the same instance makes it anew; another leaves it alone.
#[test]
fn a_file_system_whose_making_was_cut_short_is_made_anew_by_who_began() {
    let node = Node::new();
    let cut_short = "#!/bin/sh\nfor last; do :; done\nprintf half | dd of=\"$last\" conv=notrunc status=none\nkill -9 $PPID\n";
    node.program("mkfs.ext4", cut_short);
    assert_ne!(node.mount().code, 0);
    fs::remove_file(node.path("programs/mkfs.ext4")).unwrap();
    assert_eq!(&fs::read(node.device()).unwrap()[..4], b"half");

    fs::rename(node.path("state"), node.path("kept")).unwrap();
    fs::create_dir(node.path("state")).unwrap();
    node.is_refused("vol-1 has data on it, not ext4");
    fs::remove_dir(node.path("state")).unwrap();
    fs::rename(node.path("kept"), node.path("state")).unwrap();

    node.is_mounted();
    let made = node.uuid();
    node.is_mounted();
    assert_eq!(node.uuid(), made);
    assert_eq!(fs::read_dir(node.path("state")).unwrap().count(), 0);
}

//! A whole machine: the baked disk under UEFI in QEMU, with a second `NVMe` disk for the data. Its network
//! is this test's namespace: QEMU's own NAT leads to the metadata service and to the simulated AWS. It
//! loses its power and is replaced by another copy of the image; with `VMIMAGE_TEST_FULL` it comes back
//! before.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vmimage_plan::address::PRIVATE_RANGES;
use vmimage_plan::definition::{Architecture, load_fleet, load_image};
use vmimage_plan::role::{carry, compile, encode};
use vmimage_tests::project::{Project, definitions, file_system_uuid, is_full_run, run};
use vmimage_tests::wait::wait_until;

use super::harness::*;

/// A boot without hardware virtualisation takes 40 s on an idle machine.
const BOOTED: Duration = Duration::from_mins(8);

/// Of AWS as the guest sees it: QEMU's NAT leads to this namespace's loopback.
const ENDPOINT: &[u8] = b"http://10.0.2.2:8080";

const RECIPE: &str = r#"
format = 1
name = "data"
description = "A volume, and a line on it for every boot"

[[boot]]
roles = ["storage"]
stage = "prepare"
name = "data volume"
volume = "/srv/data"
filesystem = "ext4"

[[boot]]
roles = ["storage"]
name = "boot"
run = ["sh", "-c", "findmnt -no FSTYPE /srv/data >>/srv/data/boots; sync"]
always = true
"#;

const FLEET: &str = r#"
format = 1
cluster = "hosting"
domain = "example.test"
state = "s3://state/hosting"
image = "machine"
primary = "us-east-1"
secrets = ["tls"]

[[region]]
name = "us-east-1"
wave = 1

[[region]]
name = "eu-west-1"
wave = 1
"#;

/// What the launch template would have, but for where AWS is.
fn user_data(project: &Project) -> Vec<u8> {
    let found = definitions(&project.path(""));
    let (fleet, problems) = load_fleet(&found, "images/machine-fleet.toml");
    assert_eq!(problems, []);
    let (image, problems) = load_image(&found, "images/machine.toml");
    assert_eq!(problems, []);
    let role = firstboot::Role::Storage;
    let mut compiled = compile(
        &fleet.unwrap(),
        &PRIVATE_RANGES,
        &image.unwrap().recipes,
        role,
    )
    .unwrap();
    compiled.program.endpoint = ENDPOINT.to_vec();
    let program = encode(&compiled.program).unwrap();
    carry(Architecture::X86_64, &program).unwrap().bytes
}

/// QEMU, gone when dropped, as if its power were cut.
struct Guest {
    child: Child,
    console: PathBuf,
}

impl Guest {
    /// Switches a machine on that has a copy of the image, or goes on with the one it had.
    fn start(world: &World, image: &Path, copy: &str, volume: &str, console: &str) -> Self {
        let (disk, variables) = (world.path(copy), world.path("variables"));
        if !disk.exists() {
            let mut overlay = Command::new("qemu-img");
            overlay.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]);
            let made = run(overlay.arg(image).arg(&disk));
            assert_eq!(made.code, 0, "{}", made.stderr);
        }
        let firmware = Path::new("/usr/share/OVMF");
        fs::copy(firmware.join("OVMF_VARS_4M.fd"), &variables).unwrap();
        let serial = volume.replace('-', "");
        // udev makes EC2's name from the model's, which cannot be chosen in QEMU.
        let by_id = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";
        let link = format!("L+ {by_id}{serial} - - - - nvme-QEMU_NVMe_Ctrl_{serial}\n");
        let link = BASE64_STANDARD.encode(link);
        let console = world.path(console);
        let drive = |id: &str, path: &Path, format: &str| {
            format!(
                "if=none,id={id},format={format},cache=unsafe,file={}",
                path.display()
            )
        };
        let child = Command::new("ip")
            .args(["netns", "exec", &world.namespace.0, "qemu-system-x86_64"])
            .args("-no-user-config -nodefaults -display none -machine q35 -accel tcg,thread=multi -m 2048 -smp 2".split(' '))
            .args(["-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net", "-netdev", "user,id=net"])
            .args(["-smbios", "type=1,manufacturer=Amazon EC2,product=m7i.large"])
            .args(["-smbios", &format!("type=11,value=io.systemd.credential.binary:tmpfiles.extra={link}")])
            .args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={}", firmware.join("OVMF_CODE_4M.fd").display())])
            .args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", variables.display())])
            .args(["-drive", &drive("root", &disk, "qcow2"), "-device", "nvme,drive=root,bootindex=0,serial=vol0root"])
            .args(["-drive", &drive("data", &world.path("data"), "raw"), "-device", &format!("nvme,drive=data,serial={serial}")])
            .args(["-serial", &format!("file:{}", console.display())])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, console }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    #[track_caller]
    fn becomes_a_node(&mut self) {
        wait_until(BOOTED, "the machine is a node", || {
            let said = self.said();
            let ended = self.child.try_wait().unwrap();
            let given_up = said.contains("does not become a node") || ended.is_some();
            assert!(!given_up, "{ended:?} {said}");
            said.contains("is a node of hosting: storage, ready after")
        });
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What debugfs shows of the volume, which no machine has.
fn boots(world: &World) -> String {
    run(Command::new("debugfs")
        .args(["-R", "cat /boots"])
        .arg(world.path("data")))
    .stdout
}

fn uuid(world: &World) -> String {
    file_system_uuid(&world.path("data"))
}

#[test]
fn a_machine_makes_its_volume_once_and_its_successor_finds_it() {
    let project = Project::lasting("machine");
    project.write("recipes/data/recipe.toml", RECIPE);
    project.write("images/machine-fleet.toml", FLEET);
    let small = fs::read_to_string(project.path("images/small.toml")).unwrap();
    project.write(
        "images/machine.toml",
        &small
            .replace("\"small\"", "\"machine\"")
            .replace("\"firstboot-launch\"", "\"firstboot-launch\", \"data\""),
    );
    project.done(&["bake", "machine", "--out", "image"]);
    let data = user_data(&project);
    let world = World::with(&[], &TAGS, |instance| instance.user_data = Some(data));
    world.put_secret("tls", &"vmimage".repeat(7));
    let volume = world.create_volume(10);
    File::create(world.path("data"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let disk = project.path("image/disk.raw");

    let started = |copy, console| {
        let mut guest = Guest::start(&world, &disk, copy, &volume, console);
        guest.becomes_a_node();
        (guest.said(), guest)
    };
    let (_, guest) = started("first", "console-1");
    world.is_in_service();
    drop(guest);
    let (line, made) = (boots(&world), uuid(&world));
    assert_eq!(line, "ext4\n");
    let mut before = 1;
    if is_full_run() {
        // The power comes back: the journal knows what was done.
        let (said, guest) = started("first", "console-2");
        assert!(said.contains("host name: as it should be, "), "{said}");
        drop(guest);
        before = 2;
        assert_eq!(boots(&world), line.repeat(before));
    }
    let (said, guest) = started("second", "console-3");
    assert!(said.contains("host name: done, "), "{said}");
    drop(guest);
    let now = (boots(&world), uuid(&world));
    assert_eq!(now, (line.repeat(before + 1), made));
}

//! Owns a small image, labs of it, and commands in their nodes.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use vmimage_lab::imds::{Instance, Interference};
use vmimage_lab::network::{Region, mac_of};
use vmimage_lab::node::{Interferer, Lab, NodeLaunch, Settings};
use vmimage_tests::project::Project;

/// Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) const AMI: &str = "ami-0123456789abcdef0";

/// Where the tests' labs lie. The last run's image stays there.
pub(crate) fn state_root() -> PathBuf {
    PathBuf::from("/var/tmp/vmimage-test-labs")
}

/// The output of a bake of the small image, made once in a run.
pub(crate) fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let project = Project::lasting("lab-nodes");
        project.done(&["bake", "small", "--out", "out", "--format", "rootfs"]);
        // What earlier runs unpacked, unless a lab of another program uses it.
        let images = state_root().join("images");
        let labs = Lab::traces(&state_root());
        if images.exists() && labs.iter().all(|lab| !lab.running) {
            fs::remove_dir_all(&images).unwrap();
        }
        project.path("out")
    })
}

/// A lab with the regions us-east-1 (10.1) and eu-west-1 (10.2) and the small image. A lab of the same
/// name that an earlier run left is removed.
pub(crate) fn lab(name: &str) -> Lab {
    // Before the lab: it clears away what no running lab uses.
    let image = image();
    if Lab::traces(&state_root())
        .iter()
        .any(|trace| trace.name == name)
    {
        Lab::clean(&state_root(), name).unwrap();
    }
    let lab = Lab::start(settings(name)).unwrap();
    lab.add_image(AMI, image).unwrap();
    lab
}

pub(crate) fn settings(name: &str) -> Settings {
    Settings {
        name: name.to_owned(),
        state_root: state_root(),
        regions: vec![Region::new("us-east-1", 1), Region::new("eu-west-1", 2)],
        ca_pem: Some("# the lab's own authority\n".to_owned()),
        starting_at_most: 3,
        seed: 7,
        interferer: Interferer::new({
            let name = name.to_owned();
            move |_region, id, path| {
                let mut next = NEXT.lock().unwrap();
                next.take_if(|next| next.lab == name && next.node == id && next.path == path)
                    .map(|next| next.interference)
            }
        }),
    }
}

/// What goes wrong with the next request of a node for a path of its metadata service. Other labs have
/// nodes of the same id, and a node that just started asks for itself.
struct Next {
    lab: String,
    node: String,
    path: String,
    interference: Interference,
}

static NEXT: Mutex<Option<Next>> = Mutex::new(None);

pub(crate) fn interfere(lab: &str, node: &str, path: &str, interference: Interference) {
    *NEXT.lock().unwrap() = Some(Next {
        lab: lab.to_owned(),
        node: node.to_owned(),
        path: path.to_owned(),
        interference,
    });
}

/// Node number `number` of a region: `i-us1` in us-east-1 has the address 10.1.0.11.
pub(crate) fn node(region: &str, number: u8) -> NodeLaunch {
    let octet = if region == "us-east-1" { 1 } else { 2 };
    let local_ipv4 = Ipv4Addr::new(10, octet, 0, 10 + number);
    NodeLaunch {
        instance: Instance {
            instance_id: format!("i-{}{number}", &region[..2]),
            ami_id: AMI.to_owned(),
            region: region.to_owned(),
            availability_zone: format!("{region}a"),
            local_ipv4,
            mac: mac_of(local_ipv4),
            ..Instance::example()
        },
        hop_limit: 1,
        volumes: Vec::new(),
    }
}

/// Launches nodes and waits until all of them are up.
pub(crate) fn launch(lab: &Lab, nodes: &[NodeLaunch]) {
    for node in nodes {
        lab.launch(node).unwrap();
    }
    for node in nodes {
        let id = &node.instance.instance_id;
        if let Err(error) = lab.wait_up(id, 1, PATIENCE) {
            let console = fs::read_to_string(lab.console_path(id).unwrap());
            panic!("{error}\n{}", console.unwrap_or_default());
        }
    }
}

/// Runs a command in a node; returns its exit code and what it printed, without the final newline.
pub(crate) fn run(lab: &Lab, id: &str, argv: &[&str]) -> (i32, String) {
    let output = lab.exec(id, argv, b"", PATIENCE).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    (output.code, text.trim_end().to_owned())
}

/// Runs a command in a node that must succeed; returns what it printed.
#[track_caller]
pub(crate) fn done(lab: &Lab, id: &str, argv: &[&str]) -> String {
    let output = lab.exec(id, argv, b"", PATIENCE).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.code, 0, "{argv:?} in {id}: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// Whether a node reaches an address: one packet there and back.
pub(crate) fn reaches(lab: &Lab, id: &str, address: &str) -> bool {
    run(lab, id, &["ping", "-q", "-c", "1", "-W", "1", address]).0 == 0
}

/// What a node's metadata service says about `path`, with a token of its own.
pub(crate) fn metadata(lab: &Lab, id: &str, path: &str) -> String {
    let token = done(
        lab,
        id,
        &[
            "curl",
            "--silent",
            "--fail",
            "--request",
            "PUT",
            "--header",
            "X-aws-ec2-metadata-token-ttl-seconds: 300",
            "http://169.254.169.254/latest/api/token",
        ],
    );
    let header = format!("X-aws-ec2-metadata-token: {token}");
    let url = format!("http://169.254.169.254/latest/{path}");
    done(
        lab,
        id,
        &["curl", "--silent", "--fail", "--header", &header, &url],
    )
}

/// Waits for a condition that others bring about.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    vmimage_tests::wait::wait_until(Duration::from_secs(30), what, condition);
}

//! Owns one start of a node: its mounts, its cable and systemd-nspawn. Must not decide when to start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::LabError;
use super::exec;
use super::life::Node;
use super::wait::poll_until;
use crate::network::{Network, Region, host_name};

/// Where a node sees its volumes. Not below `/run/vmimage`, which systemd removes with the unit that
/// it belongs to.
pub const VOLUMES: &str = "/run/vmimage-volumes";

/// The exit code with which systemd-nspawn says that the node wants to be started again.
pub(super) const REBOOT: i32 = 133;

/// How long a file system may stay busy after everything that used it has been killed.
const BUSY: Duration = Duration::from_secs(5);

/// A node that has been switched on.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) process: Child,
    /// What systemd-nspawn says about the node's start.
    pub(super) notices: UnixDatagram,
}

/// Switches a node on.
pub(super) fn switch_on(network: &Network, node: &Node) -> Result<Machine, LabError> {
    prepare_files(node)?;
    mount(network, node)?;
    network.plug(&node.plug, &node.region)?;
    node.group.create()?;
    node.group.below(exec::GROUP).create()?;
    // Abstract sockets belong to the network namespace, and systemd-nspawn runs in the lab's.
    let name = format!("vmimage-lab/{}", node.plug.name);
    let address = SocketAddr::from_abstract_name(&name);
    let notices = network
        .holder()
        .within(|| address.and_then(|address| UnixDatagram::bind_addr(&address)))?
        .map_err(LabError::file("listen at", Path::new(&name)))?;
    let (output, errors) =
        console(&node.place.console).map_err(LabError::file("write", &node.place.console))?;
    let process = network
        .holder()
        .command_in(node.group.path(), "systemd-nspawn")
        .args(arguments(node))
        .env("NOTIFY_SOCKET", format!("@{name}"))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        // Interrupting the lab at a terminal must not interrupt its nodes.
        .process_group(0)
        .spawn()
        .map_err(LabError::file("start", Path::new("systemd-nspawn")))?;
    Ok(Machine { process, notices })
}

/// Takes away what a node leaves when it has ended: its cable, its mounts, its control group. What is
/// not there any more is as good.
pub(super) fn clear_away(network: &Network, node: &Node) -> Result<(), LabError> {
    node.group.kill()?;
    node.group.remove()?;
    if network.is_forsaken() {
        return Ok(());
    }
    drop(network.unplug(&node.plug));
    let mut mounts = super::lock::held(&node.mounts);
    if mounts.mounted {
        mounts.mounted = false;
        let volumes = text(&node.place.volumes);
        drop(unmount(network, &["--recursive", "--lazy", volumes]));
        let root = text(&node.place.root);
        // A lazily unmounted overlay could still write where the next one does.
        let gone = || network.is_forsaken() || unmount(network, &[root]).is_ok();
        if !poll_until(BUSY, gone) {
            unmount(network, &["--lazy", root])?;
        }
    }
    Ok(())
}

/// Shows a volume to a node that is switched on.
pub(super) fn show_volume(
    network: &Network,
    node: &Node,
    id: &str,
    source: &Path,
) -> Result<(), LabError> {
    let target = node.place.volumes.join(id);
    fs::create_dir_all(&target).map_err(LabError::file("make", &target))?;
    let arguments = ["--bind", text(source), text(&target)];
    network.holder().run("mount", &arguments, "")?;
    Ok(())
}

/// Takes a volume from a node that is switched on, whether it is in use or not.
pub(super) fn hide_volume(network: &Network, node: &Node, id: &str) -> Result<(), LabError> {
    let target = node.place.volumes.join(id);
    unmount(network, &["--lazy", text(&target)])?;
    fs::remove_dir(&target).map_err(LabError::file("remove", &target))
}

fn unmount(network: &Network, arguments: &[&str]) -> Result<(), LabError> {
    network.holder().run("umount", arguments, "")?;
    Ok(())
}

fn prepare_files(node: &Node) -> Result<(), LabError> {
    let place = &node.place;
    if place.work.exists() {
        // The kernel refuses a work directory of an overlay that was not unmounted; nothing in it is
        // worth keeping.
        fs::remove_dir_all(&place.work).map_err(LabError::file("remove", &place.work))?;
    }
    for folder in [&place.changes, &place.work, &place.root, &place.volumes] {
        fs::create_dir_all(folder).map_err(LabError::file("make", folder))?;
    }
    let settings = network_settings(node, &node.region);
    fs::write(&place.network, settings).map_err(LabError::file("write", &place.network))
}

fn mount(network: &Network, node: &Node) -> Result<(), LabError> {
    let mut mounts = super::lock::held(&node.mounts);
    let place = &node.place;
    // `volatile` spares every sync: the page cache outlives a node's power cut, and a lab does not
    // outlive the machine's.
    let options = format!(
        "lowerdir={}:{},upperdir={},workdir={},volatile",
        text(&node.trust),
        text(&node.image.tree),
        text(&place.changes),
        text(&place.work)
    );
    let root = text(&place.root);
    let overlay = ["-t", "overlay", "overlay", "-o", &options, root];
    network.holder().run("mount", &overlay, "")?;
    mounts.mounted = true;
    // What is mounted below it later reaches the node, because it is shared.
    let volumes = text(&place.volumes);
    let shared = ["--make-shared", "--bind", volumes, volumes];
    network.holder().run("mount", &shared, "")?;
    for (id, source) in &mounts.volumes {
        show_volume(network, node, id, source)?;
    }
    Ok(())
}

/// Two handles of the console's log, after what earlier starts have written.
fn console(path: &Path) -> io::Result<(File, File)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    Ok((file.try_clone()?, file))
}

fn arguments(node: &Node) -> Vec<String> {
    let place = &node.place;
    let fixed = [
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--notify-ready=yes",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--console=read-only",
        // Only an own network would give it this by itself, and the node's network is made here.
        "--capability=CAP_NET_ADMIN",
        // GlusterFS mounts through it.
        "--bind=/dev/fuse",
        // The launch unit asks for it where the firmware is not EC2's.
        "--set-credential=vmimage.launch:1",
    ];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).to_vec();
    arguments.extend([
        format!("--directory={}", text(&place.root)),
        format!("--machine={}", node.plug.name),
        format!("--hostname={}", host_name(node.plug.address)),
        format!("--network-namespace-path=/run/netns/{}", node.plug.name),
        format!("--bind={}:{VOLUMES}", text(&place.volumes)),
        format!(
            "--bind-ro={}:/run/systemd/network/10-vmimage-lab.network",
            text(&place.network)
        ),
    ]);
    arguments
}

/// What EC2's DHCP server would say. A file spares each start the exchange; that the image asks for
/// it is what the boot test of its disk proves.
fn network_settings(node: &Node, region: &Region) -> String {
    format!(
        "[Match]\nName=ens5\n\n[Network]\nAddress={}/16\nGateway={}\nDNS={}\nDomains={}\n\
         LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        node.plug.address,
        region.gateway(),
        region.resolver(),
        region.domain()
    )
}

/// Paths below a state root were checked to be text.
fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

//! Owns the lab's network: one namespace, a bridge for each region, a cable for each node, and who is
//! cut off from whom. Must not touch the host's own network, and must not know what nodes are.
//!
//! Everything lies in namespaces that a process holds, so nothing of it can outlive the lab. The
//! network is changed with iproute2, whose commands are the kernel's own vocabulary.

mod error;
mod holder;
mod region;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

pub use error::NetworkError;
use holder::Holder;
pub(crate) use holder::in_group;
pub use region::{METADATA, Region, host_name, mac_of};
use rules::Cut;

/// Written inside the namespace before there is any bridge, so that each inherits the defaults.
const SETTINGS: [(&str, &str); 7] = [
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    // Which way a packet comes back is decided by the rules, not by where it came from.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Nodes of one region talk through the lab; it must not advise them to talk past it.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/ip_forward", "1"),
];

/// A lab's network. Dropping it ends everything in it.
#[derive(Debug)]
pub struct Network {
    regions: Vec<Region>,
    cuts: Mutex<Cuts>,
    holder: Holder,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Cuts {
    wanted: BTreeSet<Cut>,
    applied: BTreeSet<String>,
}

/// A node's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plug {
    /// The name of the node's own network namespace, in the lab.
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: String,
}

impl Network {
    /// Makes the namespaces and the regions' bridges. The process that holds them is put into the
    /// control group at `group`.
    pub fn start(regions: &[Region], group: &Path) -> Result<Self, NetworkError> {
        region::check(regions)?;
        let network = Self {
            regions: regions.to_vec(),
            cuts: Mutex::default(),
            holder: Holder::start(group)?,
            over: AtomicBool::new(false),
        };
        // Named network namespaces and what systemd-nspawn keeps lie below `/run`.
        network
            .holder
            .run("mount", &["-t", "tmpfs", "tmpfs", "/run"], "")?;
        network.holder.within(|| write_settings(&SETTINGS))??;
        network.ip(&set_up(regions))?;
        for region in regions {
            let bridge = region.bridge();
            let settings = [
                (format!("ipv4/conf/{bridge}/proxy_arp_pvlan"), "1"),
                (format!("ipv4/neigh/{bridge}/proxy_delay"), "0"),
            ];
            let settings = settings.each_ref().map(|(path, to)| (path.as_str(), *to));
            network.holder.within(|| write_settings(&settings))??;
        }
        Ok(network)
    }

    /// The regions.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region of this name.
    pub fn region(&self, name: &str) -> Result<&Region, NetworkError> {
        let found = self.regions.iter().find(|region| region.name() == name);
        found.ok_or_else(|| NetworkError::NoRegion {
            region: name.to_owned(),
        })
    }

    /// Listens inside the lab. The listener works from any thread of this process.
    pub fn listen_tcp(&self, address: SocketAddr) -> Result<TcpListener, NetworkError> {
        self.open(address, || TcpListener::bind(address))
    }

    /// Opens a UDP socket inside the lab. It works from any thread of this process.
    pub fn listen_udp(&self, address: SocketAddr) -> Result<UdpSocket, NetworkError> {
        self.open(address, || UdpSocket::bind(address))
    }

    /// Runs `action` on a thread of its own inside the lab's network until it returns.
    pub(crate) fn spawn(
        &self,
        action: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, NetworkError> {
        self.holder.spawn(action)
    }

    /// Cuts a region off from every other.
    pub fn cut_region(&self, name: &str) -> Result<(), NetworkError> {
        let cut = Cut::Region(self.region(name)?.octet());
        self.recut(|cuts| {
            cuts.insert(cut);
        })
    }

    /// Joins a region to the others again.
    pub fn heal_region(&self, name: &str) -> Result<(), NetworkError> {
        let cut = Cut::Region(self.region(name)?.octet());
        self.recut(|cuts| {
            cuts.remove(&cut);
        })
    }

    /// Cuts an address off from every other. Its metadata service and its resolver still answer, as
    /// they do on EC2 whatever security groups and routes say.
    pub fn cut_address(&self, address: Ipv4Addr) -> Result<(), NetworkError> {
        self.recut(|cuts| {
            cuts.insert(Cut::Address(address));
        })
    }

    /// Joins an address to the others again.
    pub fn heal_address(&self, address: Ipv4Addr) -> Result<(), NetworkError> {
        self.recut(|cuts| {
            cuts.remove(&Cut::Address(address));
        })
    }

    /// Joins everything again.
    pub fn heal(&self) -> Result<(), NetworkError> {
        self.recut(BTreeSet::clear)
    }

    /// Says that the holder is about to be killed: what it holds goes with it, and nothing of it can
    /// be taken down any more.
    pub(crate) fn forsake(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether the holder is about to be killed, or has been.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Makes a node's network namespace and its cable.
    pub(crate) fn plug(&self, plug: &Plug, region: &Region) -> Result<(), NetworkError> {
        let Plug { name, address, mac } = plug;
        let (cable, bridge) = (region::cable(*address), region.bridge());
        self.ip(&format!(
            "netns add {name}\n\
             link add name {cable} type veth peer name ens5 address {mac} netns {name}\n\
             link set dev {cable} master {bridge} up\n\
             link set dev {cable} type bridge_slave isolated on\n\
             neigh replace {address} lladdr {mac} dev {bridge} nud permanent\n"
        ))
    }

    /// Cuts a node's cable, so that nothing leaves it any more, not even the farewell of its
    /// connections.
    pub(crate) fn cut_cable(&self, plug: &Plug) -> Result<(), NetworkError> {
        let cable = region::cable(plug.address);
        self.ip(&format!("link set dev {cable} down\n"))
    }

    /// Takes a node's cable and network namespace away.
    pub(crate) fn unplug(&self, plug: &Plug) -> Result<(), NetworkError> {
        let cable = region::cable(plug.address);
        self.ip(&format!("link del dev {cable}\nnetns del {}\n", plug.name))
    }

    fn open<T: Send>(
        &self,
        address: SocketAddr,
        bind: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, NetworkError> {
        self.holder
            .within(bind)?
            .map_err(|source| NetworkError::Listen {
                address: address.to_string(),
                source,
            })
    }

    fn recut(&self, edit: impl FnOnce(&mut BTreeSet<Cut>)) -> Result<(), NetworkError> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = cuts.wanted.clone();
        edit(&mut wanted);
        let rules = rules::cutting(&self.regions, &wanted);
        self.ip(&rules::change(&cuts.applied, &rules))?;
        *cuts = Cuts {
            wanted,
            applied: rules,
        };
        Ok(())
    }

    fn ip(&self, batch: &str) -> Result<(), NetworkError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.holder.run("ip", &["-batch", "-"], batch).map(drop)
    }
}

fn set_up(regions: &[Region]) -> String {
    let loopback = format!("link set dev lo up\naddress add {METADATA}/32 dev lo\n");
    let bridges = regions.iter().map(|region| {
        let bridge = region.bridge();
        format!(
            "link add name {bridge} address {} type bridge stp_state 0\n\
             address add {}/16 dev {bridge}\n\
             address add {}/32 dev {bridge}\n\
             address add {}/32 dev {bridge}\n\
             link set dev {bridge} up\n",
            // One that is given stays; its own would change with the cables, and nodes would go on
            // sending to the one before.
            mac_of(region.gateway()),
            region.gateway(),
            region.resolver(),
            region.endpoint()
        )
    });
    let rules = rules::standing(regions).into_iter();
    [loopback]
        .into_iter()
        .chain(bridges)
        .chain(rules.map(|rule| format!("rule add {rule}\n")))
        .chain(["rule del pref 0\n".to_owned()])
        .collect()
}

/// `/proc/sys/net` is that of the network namespace of the thread that opens it.
fn write_settings(settings: &[(&str, &str)]) -> Result<(), NetworkError> {
    for (name, value) in settings {
        let path = Path::new("/proc/sys/net").join(name);
        // A kernel without IPv6 has none to switch off.
        if name.starts_with("ipv6/") && !path.exists() {
            continue;
        }
        fs::write(&path, value).map_err(|source| NetworkError::Setting {
            path: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

//! Owns a running lab: the simulated account, the nodes that it launches, and the socket on which
//! commands reach it. Must not decide what a fleet is: whoever applies one speaks to the account like
//! any client.
//!
//! One process is the host of one lab; `vmimage lab up` starts it in the background. Whatever ends it
//! ends the lab, see [`crate::node`].

mod account;
mod client;
mod control;
mod error;
mod machine;
mod machines;
mod notices;
mod probe;
mod prober;
mod protocol;
mod status;
mod tally;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use client::Client;
pub use error::HostError;
pub use protocol::{Answer, Endpoint, FaultEntry, Request};
pub use status::{NodeStatus, RegionStatus, RoleStatus, Status};

use crate::aws::{Machines as Runs, RegionSettings, Settings as AwsSettings};
use crate::network::Region;
use crate::node::wait::poll_until;
use crate::node::{Interferer, Lab, Settings as LabSettings};
use crate::wire::{CertificateAuthority, Clock, Cloud, Listener, Server, serve};
use machines::Machines;
use notices::Notices;
use prober::Prober;

/// Zones of each region, as most have.
const ZONES: usize = 3;

/// More nodes that start at once than processors, plus one, gain nothing.
const STARTING_AT_MOST: usize = 3;

/// How long the end of a lab waits for commands that are being answered.
const ALONE: Duration = Duration::from_secs(30);

/// The account's number.
const ACCOUNT: &str = "123456789012";

/// What a lab is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// A DNS label.
    pub name: String,
    /// Where all labs keep their files.
    pub state_root: PathBuf,
    /// The output of a bake with `rootfs.tar.zst`, or a root tree.
    pub image: PathBuf,
    /// The image's name, by which a fleet finds it.
    pub image_name: String,
    /// The regions' names, the primary one first.
    pub regions: Vec<String>,
    /// Decides identifiers and everything random.
    pub seed: u64,
}

/// A lab that runs in this process.
#[derive(Debug)]
pub struct Host {
    shared: Arc<Shared>,
    control: UnixListener,
    server: Server,
    machines: Machines,
    prober: Prober,
}

/// What the host's threads share.
#[derive(Debug)]
struct Shared {
    settings: HostSettings,
    lab: Lab,
    cloud: Arc<Mutex<Cloud>>,
    clock: Clock,
    endpoint: Endpoint,
}

impl Shared {
    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        held(&self.cloud)
    }
}

/// A thread that panicked has said so; the account is still what it was.
fn held(cloud: &Mutex<Cloud>) -> MutexGuard<'_, Cloud> {
    cloud.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Faults of metadata services are the account's as well.
fn interferer(cloud: &Arc<Mutex<Cloud>>, clock: &Clock) -> Interferer {
    let (cloud, clock) = (Arc::clone(cloud), clock.clone());
    Interferer::new(move |region, instance, path| {
        let now = clock.moment().now;
        held(&cloud).faults_mut().imds(region, instance, path, now)
    })
}

impl Host {
    /// Starts a lab with an empty account in which every region has the image.
    pub fn start(settings: HostSettings) -> Result<Self, HostError> {
        let authority = CertificateAuthority::new().map_err(HostError::Certificates)?;
        let clock = Clock::real();
        let mut cloud = Cloud::new(aws_settings(&settings), clock.epoch());
        cloud.aws_mut().set_machines(Runs::Real);
        let cloud = Arc::new(Mutex::new(cloud));
        let lab = Lab::start(LabSettings {
            name: settings.name.clone(),
            state_root: settings.state_root.clone(),
            regions: regions(&settings.regions),
            ca_pem: Some(authority.certificate_pem().to_owned()),
            starting_at_most: STARTING_AT_MOST,
            seed: settings.seed,
            interferer: interferer(&cloud, &clock),
        })
        .map_err(HostError::lab)?;
        let operator = {
            let mut cloud = held(&cloud);
            account::offer_image(&mut cloud, &lab, &settings)?;
            cloud.credentials().operator().clone()
        };
        let listener = local_listener()?;
        let port = listener.local_addr().map_err(HostError::Listen)?.port();
        let endpoint = Endpoint::new(port, &operator, &settings.regions);
        let (nudge, nudged) = channel();
        let server = serve(
            listeners(&lab, listener)?,
            Arc::clone(&cloud),
            clock.clone(),
            &authority,
            // A closed channel means that the lab is ending.
            Arc::new(move || {
                let _closed = nudge.send(());
            }),
        )
        .map_err(HostError::Serve)?;
        let control = control::listen(&control_path(&settings.state_root, &settings.name))?;
        let shared = Arc::new(Shared {
            settings,
            lab,
            cloud,
            clock,
            endpoint,
        });
        let prober = Prober::start(&shared)?;
        let machines = Machines::start(Arc::clone(&shared), nudged);
        Ok(Self {
            shared,
            control,
            server,
            machines,
            prober,
        })
    }

    /// Answers commands until one of them ends the lab, then ends it. Meanwhile `say` is given lines
    /// for the log: what clients asked for that is not simulated.
    pub fn run(self, say: &mut dyn FnMut(&str)) -> Result<(), HostError> {
        let mut notices = Notices::default();
        let mut tell = |shared: &Shared| {
            let taken = shared.cloud().take_notices();
            for line in notices.count(taken) {
                say(&line);
            }
        };
        let asked = control::answer_until_down(&self.control, &self.shared, &mut tell);
        self.server.stop();
        self.prober.stop();
        self.machines.stop();
        alone(self.shared)?.lab.down().map_err(HostError::lab)?;
        asked
    }
}

/// Waits until commands that were being answered are answered.
fn alone(shared: Arc<Shared>) -> Result<Shared, HostError> {
    poll_until(ALONE, || Arc::strong_count(&shared) == 1);
    // Whoever comes after that finds no host.
    Arc::try_unwrap(shared).or(Err(HostError::Busy))
}

/// Where the host of a lab listens for commands.
fn control_path(state_root: &Path, name: &str) -> PathBuf {
    Lab::folder(state_root, name).join("control")
}

/// In the order given. The first has AWS's own default VPC; default VPCs of two regions cannot reach each
/// other, so the others are as if their owner had given them ranges of their own, from 10.2.0.0/16 on.
fn regions(names: &[String]) -> Vec<Region> {
    let first = names.iter().take(1).map(|name| Region::default_vpc(name));
    let others = (2..=u8::MAX).zip(names.iter().skip(1));
    first
        .chain(others.map(|(octet, name)| Region::new(name, octet)))
        .collect()
}

fn aws_settings(settings: &HostSettings) -> AwsSettings {
    let regions = regions(&settings.regions);
    AwsSettings {
        account_id: ACCOUNT.to_owned(),
        seed: settings.seed,
        regions: regions
            .iter()
            .map(|region| RegionSettings {
                name: region.name().to_owned(),
                vpc: region.octets(),
                zones: ZONES,
            })
            .collect(),
    }
}

/// On a free port of loopback, for the operator's programs.
fn local_listener() -> Result<TcpListener, HostError> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(HostError::Listen)
}

/// The operator's, and those that nodes reach in each region under AWS's names.
fn listeners(lab: &Lab, local: TcpListener) -> Result<Vec<Listener>, HostError> {
    let mut listeners = vec![Listener::Http(local)];
    for region in lab.network().regions() {
        let address = region.endpoint();
        let open = |port| {
            let listener = lab.network().listen_tcp(SocketAddr::from((address, port)));
            listener.map_err(|error| HostError::lab(error.into()))
        };
        listeners.push(Listener::Https(open(443)?));
        listeners.push(Listener::Http(open(80)?));
    }
    Ok(listeners)
}

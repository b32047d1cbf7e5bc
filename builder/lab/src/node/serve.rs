//! Owns what answers nodes inside the lab's network: the metadata service and the resolvers. Must not
//! know how nodes are started.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{Shutdown, shutdown};

use super::LabError;
use super::life::Node;
use super::lock::held;
use crate::imds::{self, Imds, Interference};
use crate::network::{METADATA, Network};
use crate::resolver::{self, Names};

/// A client that says nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The metadata service of one node.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) imds: Arc<Mutex<Imds>>,
    pub(super) hop_limit: u8,
    pub(super) interferer: Interferer,
}

/// Says what goes wrong with a request to a metadata service: asked with region, instance and path.
#[derive(Clone)]
pub struct Interferer(Arc<Interfere>);

type Interfere = dyn Fn(&str, &str, &str) -> Option<Interference> + Send + Sync;

impl Interferer {
    /// Asks `interfere` about every request.
    pub fn new(
        interfere: impl Fn(&str, &str, &str) -> Option<Interference> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(interfere))
    }
}

/// Nothing goes wrong.
impl Default for Interferer {
    fn default() -> Self {
        Self::new(|_, _, _| None)
    }
}

impl fmt::Debug for Interferer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interferer").finish_non_exhaustive()
    }
}

/// The nodes by their addresses.
pub(super) type ByAddress = Arc<Mutex<BTreeMap<Ipv4Addr, Arc<Node>>>>;

/// The running services; dropping it ends them.
#[derive(Debug)]
pub(super) struct Services {
    closing: Arc<AtomicBool>,
    sockets: Vec<OwnedFd>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Services {
    /// Starts the metadata service and each region's resolver.
    pub(super) fn start(
        network: &Network,
        nodes: &ByAddress,
        names: &Arc<Mutex<Names>>,
    ) -> Result<Self, LabError> {
        let mut services = Self {
            closing: Arc::default(),
            sockets: Vec::new(),
            threads: Vec::new(),
        };
        let metadata = network.listen_tcp(SocketAddr::from((METADATA, 80)))?;
        services.keep(&metadata)?;
        let nodes = Arc::clone(nodes);
        services.spawn(move || serve_metadata(&metadata, &nodes))?;
        for (index, region) in network.regions().iter().enumerate() {
            let socket = network.listen_udp(SocketAddr::from((region.resolver(), 53)))?;
            services.keep(&socket)?;
            let names = Arc::clone(names);
            let closing = Arc::clone(&services.closing);
            services.spawn(move || resolve(&socket, &names, index, &closing))?;
        }
        Ok(services)
    }

    fn keep(&mut self, socket: &impl AsFd) -> Result<(), LabError> {
        let kept = socket.as_fd().try_clone_to_owned().map_err(no_thread)?;
        self.sockets.push(kept);
        Ok(())
    }

    fn spawn(&mut self, serve: impl FnOnce() + Send + 'static) -> Result<(), LabError> {
        let thread = thread::Builder::new().spawn(serve).map_err(no_thread)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        for socket in &self.sockets {
            // Wakes the thread that waits at it, also where there is no connection to shut down.
            let _ = shutdown(socket, Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn no_thread(source: io::Error) -> LabError {
    LabError::File {
        action: "start the services of",
        path: "lab".into(),
        source,
    }
}

fn serve_metadata(listener: &TcpListener, nodes: &ByAddress) {
    let started = Instant::now();
    // Accepting fails when the socket is shut down, which is the end; and when descriptors have run
    // out, after which the lab is no use either.
    while let Ok((stream, peer)) = listener.accept() {
        let IpAddr::V4(address) = peer.ip() else {
            continue;
        };
        let node = held(nodes).get(&address).map(Arc::clone);
        // What is no node gets no answer.
        let Some(node) = node else { continue };
        let served = thread::Builder::new().spawn(move || {
            node.user_data_begins();
            // Errors are the client's doing: it may go whenever it likes.
            drop(node.metadata.serve(stream, &|| started.elapsed()));
        });
        drop(served);
    }
}

impl Metadata {
    fn serve(&self, mut stream: TcpStream, now: &dyn Fn() -> Duration) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_ttl(u32::from(self.hop_limit.max(1)))?;
        let (region, id) = {
            let mut imds = held(&self.imds);
            let instance = imds.instance_mut();
            (instance.region.clone(), instance.instance_id.clone())
        };
        let mut interfere = |path: &str| (self.interferer.0)(&region, &id, path);
        if imds::serve_with(&mut stream, &self.imds, now, &mut interfere)? == imds::Ending::Reset {
            // Closing without lingering resets the connection.
            set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

fn resolve(socket: &UdpSocket, names: &Mutex<Names>, region: usize, closing: &AtomicBool) {
    let mut buffer = [0_u8; 4_096];
    while !closing.load(Ordering::Acquire) {
        match socket.recv_from(&mut buffer) {
            Ok((read, client)) => {
                let query = buffer.get(..read).unwrap_or_default();
                let answer = resolver::answer(query, &held(names), region);
                // A node that has been switched off cannot be told.
                drop(answer.map(|answer| socket.send_to(&answer, client)));
            }
            // A node that went away is reported here as well.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}

//! Owns a lab: starting and ending it, its nodes by their ids, and what is done to them. Must not know
//! how each of these is done.

mod inquiry;
mod leavings;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::imds::Imds;
use crate::network::{Network, Region};
use crate::node::LabError;
use crate::node::cgroup::Group;
use crate::node::gate::Gate;
use crate::node::image::{self, LabImage};
use crate::node::launch::{NodeLaunch, Volume};
use crate::node::life::{Node, Parts};
use crate::node::lock::held;
use crate::node::machine;
use crate::node::place::{Place, is_id, labs};
use crate::node::serve::{ByAddress, Interferer, Metadata, Services};
use crate::node::state::{Ending, Phase};
use crate::node::trust;
use crate::node::volumes::Volumes;
use crate::resolver::Names;

/// After its processes are killed, a node is off as soon as its mounts are gone.
const CUT: Duration = Duration::from_mins(1);

/// systemd asks for an end in milliseconds.
const ASK: Duration = Duration::from_secs(20);

pub use inquiry::Part;
pub(in crate::node) use leavings::is_at;
pub use leavings::{Images, Trace};

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A DNS label; labs with different names run side by side.
    pub name: String,
    /// Where all labs keep their files, and unpacked images, for example `/var/lib/vmimage/lab`.
    pub state_root: PathBuf,
    /// The regions.
    pub regions: Vec<Region>,
    /// A certificate authority that all nodes trust, in PEM.
    pub ca_pem: Option<String>,
    /// How many nodes start at once; more than the machine has cores plus one gain nothing.
    pub starting_at_most: usize,
    /// What metadata tokens follow from.
    pub seed: u64,
    /// What goes wrong with metadata services.
    pub interferer: Interferer,
}

/// A lab that runs. Dropping it ends all of it and leaves its files, [`Lab::down`] removes them too.
#[derive(Debug)]
pub struct Lab {
    settings: Settings,
    place: Place,
    group: Group,
    services: Option<Services>,
    shared: Arc<Shared>,
    nodes: Mutex<BTreeMap<String, Arc<Node>>>,
    by_address: ByAddress,
    names: Arc<Mutex<Names>>,
    volumes: Mutex<Volumes>,
    images: Mutex<BTreeMap<String, (LabImage, PathBuf)>>,
    /// What keeps its images from being removed.
    images_held: Mutex<Vec<File>>,
    /// Held as long as the lab runs.
    lock: Option<File>,
}

/// What the nodes' threads need.
#[derive(Debug)]
struct Shared {
    network: Network,
    gate: Gate,
}

impl Lab {
    /// Starts a lab without nodes.
    pub fn start(settings: Settings) -> Result<Self, LabError> {
        leavings::check_host()?;
        let place = Place::new(&settings.state_root, &settings.name)?;
        let group = Group::of_lab(&settings.name)?;
        let lock = leavings::lock(&place, &settings.name)?;
        if place.lab().exists() || group.exists() {
            return Err(LabError::Stale {
                name: settings.name,
            });
        }
        match Self::build(settings, place.clone(), group.clone()) {
            Ok(mut lab) => {
                lab.lock = Some(lock);
                Ok(lab)
            }
            Err(error) => {
                // The error that stopped it says more than one from here would.
                drop(leavings::sweep(&place, &group));
                drop(lock);
                Err(error)
            }
        }
    }

    fn build(settings: Settings, place: Place, group: Group) -> Result<Self, LabError> {
        for folder in [place.nodes(), place.volumes(), place.trust()] {
            fs::create_dir_all(&folder).map_err(LabError::file("make", &folder))?;
        }
        let holder = group.below("holder");
        holder.create()?;
        let network = Network::start(&settings.regions, holder.path())?;
        let names = Arc::new(Mutex::new(Names::new(&settings.regions)));
        let by_address = ByAddress::default();
        let services = Services::start(&network, &by_address, &names)?;
        Ok(Self {
            shared: Arc::new(Shared {
                network,
                gate: Gate::new(settings.starting_at_most),
            }),
            volumes: Mutex::new(Volumes::new(place.volumes())),
            services: Some(services),
            nodes: Mutex::default(),
            images: Mutex::default(),
            images_held: Mutex::default(),
            settings,
            place,
            group,
            by_address,
            names,
            lock: None,
        })
    }

    /// Ends the lab and removes everything of it but unpacked images.
    pub fn down(self) -> Result<(), LabError> {
        let (root, name) = (self.settings.state_root.clone(), self.settings.name.clone());
        drop(self);
        Self::clean(&root, &name)
    }

    /// The lab's network, to listen in it.
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// Where the files of a lab are, whether it runs or not.
    pub fn folder(state_root: &Path, name: &str) -> PathBuf {
        labs(state_root).join(name)
    }

    /// Unpacks what `path` holds, unless a lab has before.
    pub fn open_image(&self, path: &Path) -> Result<LabImage, LabError> {
        let opened = image::open(path, &self.place.images())?;
        held(&self.images_held).extend(opened.held);
        Ok(opened.image)
    }

    /// Makes what `path` holds, a bake's output or a root tree, the image `ami`. It is unpacked once
    /// for all labs.
    pub fn add_image(&self, ami: &str, path: &Path) -> Result<LabImage, LabError> {
        let opened = self.open_image(path)?;
        if !is_id(ami) {
            return Err(LabError::NoImage {
                ami: ami.to_owned(),
            });
        }
        let layer = self.place.trust().join(ami);
        let pem = self.settings.ca_pem.as_deref();
        let layer = trust::make(&opened.tree, &layer, pem)?;
        held(&self.images).insert(ami.to_owned(), (opened.clone(), layer));
        Ok(opened)
    }

    /// Launches a node and returns; it starts when its turn comes. Its volumes are made unless they
    /// are there.
    pub fn launch(&self, launch: &NodeLaunch) -> Result<(), LabError> {
        let instance = &launch.instance;
        let id = instance.instance_id.as_str();
        if !is_id(id) {
            return Err(LabError::NodeId {
                node: id.to_owned(),
            });
        }
        let region = self.network().region(&instance.region)?.clone();
        let ami = instance.ami_id.clone();
        let image = held(&self.images).get(&ami).cloned();
        let (image, trust) = image.ok_or(LabError::NoImage { ami })?;
        let mut nodes = held(&self.nodes);
        if nodes.contains_key(id) {
            return Err(LabError::NodeExists {
                node: id.to_owned(),
            });
        }
        self.check_address(id, &region, instance.local_ipv4)?;
        let imds = Imds::new(
            instance.clone(),
            self.settings.seed ^ u64::from(u32::from(instance.local_ipv4)),
        );
        let node = Arc::new(Node::new(Parts {
            launch: launch.clone(),
            region,
            image,
            trust,
            place: self.place.node(id),
            group: self.group.below(&format!("node-{id}")),
            metadata: Metadata {
                imds: Arc::new(Mutex::new(imds)),
                hop_limit: launch.hop_limit,
                interferer: self.settings.interferer.clone(),
            },
        }));
        self.attach_first(&node)?;
        held(&self.by_address).insert(instance.local_ipv4, Arc::clone(&node));
        nodes.insert(id.to_owned(), Arc::clone(&node));
        self.enliven(&node)
    }

    /// Starts a node that is off, with what it had written.
    pub fn start_node(&self, id: &str) -> Result<(), LabError> {
        let node = self.get(id)?;
        if !node.revive() {
            return Err(LabError::NodeOn {
                node: id.to_owned(),
            });
        }
        self.enliven(&node)
    }

    /// Cuts a node's power: nothing that it runs can do anything more, not even close a connection.
    /// What it has written stays.
    pub fn kill(&self, id: &str) -> Result<(), LabError> {
        let node = self.get(id)?;
        node.want(Ending::Killed);
        self.shared.gate.look_again();
        // Before its processes end, or the kernel would close their connections in order. There is
        // no cable unless it runs.
        drop(self.network().cut_cable(&node.plug));
        node.group.kill()?;
        Self::wait_off(&node, CUT)
    }

    /// Shuts a node down in order. One that takes longer than `timeout` has its power cut, which is
    /// an error that says so.
    pub fn stop(&self, id: &str, timeout: Duration) -> Result<(), LabError> {
        let node = self.get(id)?;
        let entrance = self.entrance(id)?;
        node.want(Ending::Stopped);
        let _output = entrance.run(&["systemctl", "--no-block", "poweroff"], b"", ASK)?;
        Self::wait_off(&node, timeout).inspect_err(|_| drop(self.kill(id)))
    }

    /// Starts a node again, in order, and returns at once. It keeps what it has written.
    pub fn reboot(&self, id: &str) -> Result<(), LabError> {
        let entrance = self.entrance(id)?;
        let _output = entrance.run(&["systemctl", "--no-block", "reboot"], b"", ASK)?;
        Ok(())
    }

    /// Cuts a node's power and forgets it with everything that it has written. Its volumes and its
    /// console's log stay.
    pub fn terminate(&self, id: &str) -> Result<(), LabError> {
        let node = self.get(id)?;
        if node.phase() != Phase::Off {
            self.kill(id)?;
        }
        join(&node);
        held(&self.volumes).detach_all(id);
        held(&self.by_address).remove(&node.plug.address);
        self.network().heal_address(node.plug.address)?;
        held(&self.nodes).remove(id);
        let files = &node.place.all;
        fs::remove_dir_all(files).map_err(LabError::file("remove", files))
    }

    /// Waits until start number `boots` of a node is done; the first is number 1.
    pub fn wait_up(&self, id: &str, boots: u32, timeout: Duration) -> Result<(), LabError> {
        self.get(id)?.wait_up(boots, timeout)
    }

    /// Makes a volume unless it is there.
    pub fn create_volume(&self, volume: &Volume) -> Result<(), LabError> {
        held(&self.volumes).create(volume)
    }

    /// Attaches a volume to a node, which sees it at once.
    pub fn attach_volume(&self, volume: &str, id: &str) -> Result<(), LabError> {
        let node = self.get(id)?;
        let mut volumes = held(&self.volumes);
        let source = volumes.attach(volume, id)?;
        let mut mounts = held(&node.mounts);
        mounts.volumes.insert(volume.to_owned(), source.clone());
        if !mounts.mounted {
            return Ok(());
        }
        let shown = machine::show_volume(self.network(), &node, volume, &source);
        if shown.is_err() {
            mounts.volumes.remove(volume);
            volumes.detach(volume);
        }
        shown
    }

    /// Takes a volume from the node that has it, whether it is in use or not. One that nobody has is
    /// left as it is.
    pub fn detach_volume(&self, volume: &str) -> Result<(), LabError> {
        let holder = held(&self.volumes).holder(volume).map(str::to_owned);
        let Some(id) = holder else {
            return Ok(());
        };
        let node = self.get(&id)?;
        let mut volumes = held(&self.volumes);
        let mut mounts = held(&node.mounts);
        // Somebody else may have taken it away by now.
        if mounts.volumes.remove(volume).is_none() {
            return Ok(());
        }
        volumes.detach(volume);
        if mounts.mounted {
            machine::hide_volume(self.network(), &node, volume)?;
        }
        Ok(())
    }

    /// Deletes a volume that no node has, with its data.
    pub fn delete_volume(&self, volume: &str) -> Result<(), LabError> {
        held(&self.volumes).delete(volume)
    }

    fn get(&self, id: &str) -> Result<Arc<Node>, LabError> {
        let node = held(&self.nodes).get(id).map(Arc::clone);
        node.ok_or_else(|| LabError::NoNode {
            node: id.to_owned(),
        })
    }

    fn check_address(&self, id: &str, region: &Region, address: Ipv4Addr) -> Result<(), LabError> {
        let problem = if !region.holds(address) {
            format!("region `{}` has {}", region.name(), region.network())
        } else if let Some(node) = held(&self.by_address).get(&address) {
            format!("node `{}` has it", node.plug.name)
        } else {
            return Ok(());
        };
        Err(LabError::Address {
            node: id.to_owned(),
            address,
            problem,
        })
    }

    /// Attaches all volumes of a launch, or none.
    fn attach_first(&self, node: &Node) -> Result<(), LabError> {
        let mut volumes = held(&self.volumes);
        let mut mounts = held(&node.mounts);
        let attached = node.launch.volumes.iter().try_for_each(|volume| {
            volumes.create(volume)?;
            let source = volumes.attach(&volume.id, &node.plug.name)?;
            mounts.volumes.insert(volume.id.clone(), source);
            Ok(())
        });
        if attached.is_err() {
            volumes.detach_all(&node.plug.name);
        }
        attached
    }

    fn enliven(&self, node: &Arc<Node>) -> Result<(), LabError> {
        join(node);
        let (shared, living) = (Arc::clone(&self.shared), Arc::clone(node));
        let thread = thread::Builder::new()
            .name(node.plug.name.clone())
            .spawn(move || living.live(&shared.network, &shared.gate))
            .map_err(LabError::file("start a thread for", &node.place.all))?;
        *held(&node.thread) = Some(thread);
        Ok(())
    }

    fn wait_off(node: &Node, timeout: Duration) -> Result<(), LabError> {
        if node.wait_off(timeout) {
            return Ok(());
        }
        Err(LabError::TooLong {
            node: node.plug.name.clone(),
            what: "switching off".to_owned(),
            seconds: timeout.as_secs(),
        })
    }
}

/// Waits for the thread of a node that is off, or about to be.
fn join(node: &Node) {
    if let Some(thread) = held(&node.thread).take() {
        drop(thread.join());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let nodes: Vec<Arc<Node>> = held(&self.nodes).values().map(Arc::clone).collect();
        for node in &nodes {
            node.want(Ending::Killed);
        }
        self.shared.network.forsake();
        self.shared.gate.look_again();
        // The holder too, so that nothing can be started any more. Whatever of this fails, the
        // kernel does when this process ends.
        drop(self.group.kill());
        for node in &nodes {
            join(node);
        }
        drop(self.services.take());
        drop(self.group.remove());
        drop(self.lock.take());
    }
}

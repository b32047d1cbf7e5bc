//! Owns carrying what the account wants to the nodes: one thread looks at the account's changes and
//! gives each to the thread of its machine, so that no machine waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::aws::Change;

use super::Shared;
use super::machine::{self, Order};

/// How often changes are looked for at least: what a machine reports also changes the account.
const LOOK: Duration = Duration::from_millis(200);

/// The threads that carry changes.
#[derive(Debug)]
pub(super) struct Machines {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Machines {
    /// Starts carrying; `nudged` is sent to whenever there may be a change.
    pub(super) fn start(shared: Arc<Shared>, nudged: Receiver<()>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || carry(&shared, &nudged, &stopped));
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops, and waits until nothing is under way.
    pub(super) fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // What it panicked with was printed; the lab ends all the same.
            drop(thread.join());
        }
    }
}

struct Worker {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

fn carry(shared: &Arc<Shared>, nudged: &Receiver<()>, stop: &AtomicBool) {
    let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
    loop {
        // Everything that was sent meanwhile is one look.
        let over = nudged.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected);
        while nudged.try_recv().is_ok() {}
        if over || stop.load(Ordering::Acquire) {
            break;
        }
        let changes = shared.cloud().aws_mut().take_changes();
        for change in changes {
            give(shared, &mut workers, change);
        }
        workers.retain(|_, worker| !worker.thread.is_finished());
    }
    for (_, worker) in workers {
        drop(worker.orders);
        drop(worker.thread.join());
    }
}

fn give(shared: &Arc<Shared>, workers: &mut BTreeMap<String, Worker>, change: Change) {
    let (id, order) = match change {
        Change::Launch(launch) => {
            let id = launch.instance_id.clone();
            let (orders, received) = channel();
            let own = Arc::clone(shared);
            let thread = thread::spawn(move || machine::run(&own, *launch, &received));
            workers.insert(id, Worker { orders, thread });
            return;
        }
        Change::Terminate { instance_id, .. } => (instance_id, Order::Terminate),
        Change::Stop { instance_id, .. } => (instance_id, Order::Stop),
        Change::Start(launch) => (launch.instance_id.clone(), Order::Start(launch)),
        Change::Reboot { instance_id, .. } => (instance_id, Order::Reboot),
        Change::Metadata(launch) => (launch.instance_id.clone(), Order::Metadata(launch)),
        Change::VolumeAttached {
            instance_id,
            attachment,
            ..
        } => (instance_id, Order::Attach(attachment)),
        Change::VolumeDetached {
            instance_id,
            attachment,
            ..
        } => (instance_id, Order::Detach(attachment)),
        Change::VolumeDeleted { volume_id, .. } => {
            // A volume that was never attached has no files.
            drop(shared.lab.delete_volume(&volume_id));
            return;
        }
    };
    if let Some(worker) = workers.get(&id) {
        // A worker that is gone has no machine any more.
        drop(worker.orders.send(order));
    }
}

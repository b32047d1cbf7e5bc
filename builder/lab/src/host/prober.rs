//! Owns checking the targets of load balancers from inside the lab's network: one task a target, on
//! one thread. Must not decide what is checked; the account says so.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use super::tally::Tally;
use super::{HostError, Shared, probe};
use crate::aws::TargetCheck;
use crate::network::Region;

/// How often the account is asked what is to be checked.
const LOOK: Duration = Duration::from_millis(250);

/// The thread that checks targets.
#[derive(Debug)]
pub(super) struct Prober {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts checking.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, HostError> {
        let tls = probe::trusting().map_err(HostError::ProbeTls)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(HostError::Probe)?;
        let (stop, stopped) = watch::channel(false);
        let inside = Arc::clone(shared);
        // Sockets lie in the network of the thread that opens them.
        let run = move || runtime.block_on(run(inside, tls, stopped));
        let thread = shared.lab.network().spawn(run);
        Ok(Self {
            stop,
            thread: Some(thread.map_err(|error| HostError::lab(error.into()))?),
        })
    }

    /// Stops at once, whatever targets are being asked.
    pub(super) fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // What it panicked with was printed; the lab ends all the same.
            drop(thread.join());
        }
    }
}

/// Runs until told to stop; the tasks are dropped with the runtime.
async fn run(shared: Arc<Shared>, tls: TlsConnector, mut stopped: watch::Receiver<bool>) {
    let mut asked: BTreeMap<TargetCheck, AbortHandle> = BTreeMap::new();
    loop {
        let wanted = shared.cloud().aws().target_checks();
        asked.retain(|check, task| {
            let keep = wanted.contains(check);
            if !keep {
                task.abort();
            }
            keep
        });
        for check in wanted {
            if let Entry::Vacant(place) = asked.entry(check) {
                let check = place.key().clone();
                let task = watch_target(Arc::clone(&shared), tls.clone(), check);
                place.insert(tokio::spawn(task).abort_handle());
            }
        }
        // A sender that is gone is a stop as well.
        if timeout(LOOK, stopped.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Asks a target again and again. How long an answer takes does not move the next question.
async fn watch_target(shared: Arc<Shared>, tls: TlsConnector, check: TargetCheck) {
    let from = asker(&shared, &check.region);
    let mut tally = Tally::new(check.healthy, check.unhealthy);
    let mut questions = interval(check.interval);
    questions.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        questions.tick().await;
        let answer = probe::ask(&check, from, &tls).await;
        // Told after every check: meanwhile the target may have been registered anew.
        let Some(health) = tally.count(answer) else {
            continue;
        };
        let report = check.report(health);
        let now = shared.clock.moment().now;
        shared.cloud().aws_mut().target_health(&report, now);
    }
}

/// The address that targets are asked from: one that a node which is cut off does not reach, unlike
/// its router.
fn asker(shared: &Shared, region: &str) -> IpAddr {
    let region = shared.lab.network().region(region);
    let address = region.map_or(Ipv4Addr::UNSPECIFIED, Region::endpoint);
    IpAddr::V4(address)
}

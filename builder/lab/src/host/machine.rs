//! Owns one machine of the account and the node that plays it: does what the account orders and
//! reports to the account what becomes of the node.

use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::aws::{Attachment, Aws, Launch};
use crate::imds::InstanceRole;
use crate::node::{Ending, LabError, NodeLaunch, Phase, Volume};

use super::Shared;

/// How often a node is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Every so many looks, what changes slowly is told again: credentials and console.
const SLOWLY: u32 = 50;

/// How long a machine that is stopped may take before its power is cut, as EC2 does it.
const STOP: Duration = Duration::from_mins(2);

/// How much of a console is told: as much as EC2 keeps.
const CONSOLE_BYTES: usize = 64 * 1024;

/// What the account wants of a machine.
#[derive(Debug)]
pub(super) enum Order {
    Terminate,
    Stop,
    Start(Box<Launch>),
    Reboot,
    Metadata(Box<Launch>),
    Attach(Attachment),
    Detach(Attachment),
}

struct Machine<'a> {
    shared: &'a Shared,
    launch: Launch,
    /// What was reported last.
    reported: Reported,
    looks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Nothing,
    Running,
    Broken,
    /// It is off because the account wants it off.
    Stopped,
}

/// Plays a machine until it is terminated or the lab ends.
pub(super) fn run(shared: &Shared, launch: Launch, orders: &Receiver<Order>) {
    let mut machine = Machine {
        shared,
        launch,
        reported: Reported::Nothing,
        looks: 0,
    };
    let started = machine.start();
    machine.judge(started);
    loop {
        match orders.recv_timeout(LOOK) {
            Ok(Order::Terminate) => {
                machine.keep_console();
                // Whatever is left of it goes with the lab.
                drop(shared.lab.terminate(&machine.launch.instance_id));
                return;
            }
            Ok(order) => {
                let done = machine.obey(order);
                machine.judge(done);
            }
            Err(RecvTimeoutError::Timeout) => machine.look(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Machine<'_> {
    /// The credentials of its instance profile: the same until they get old.
    fn role(&self) -> Option<InstanceRole> {
        let profile = self.launch.instance_profile.as_deref()?;
        let now = self.shared.clock.moment().now;
        let mut cloud = self.shared.cloud();
        Some(cloud.instance_role(profile, &self.launch.instance_id, now))
    }

    fn start(&self) -> Result<(), LabError> {
        let role = self.role();
        self.shared.lab.launch(&NodeLaunch::new(&self.launch, role))
    }

    fn obey(&mut self, order: Order) -> Result<(), LabError> {
        let lab = &self.shared.lab;
        let id = &self.launch.instance_id;
        match order {
            Order::Terminate => Ok(()),
            Order::Stop => {
                let stopped = lab.stop(id, STOP);
                self.reported = Reported::Stopped;
                stopped
            }
            Order::Start(launch) => {
                lab.start_node(id)?;
                self.launch = *launch;
                self.reported = Reported::Nothing;
                Ok(())
            }
            Order::Reboot => lab.reboot(id),
            Order::Metadata(launch) => {
                self.launch = *launch;
                self.tell_metadata()
            }
            Order::Attach(attachment) => {
                lab.create_volume(&Volume {
                    id: attachment.volume_id.clone(),
                    size_gib: attachment.size_gib,
                })?;
                lab.attach_volume(&attachment.volume_id, id)
            }
            Order::Detach(attachment) => lab.detach_volume(&attachment.volume_id),
        }
    }

    /// What the metadata service tells from now on; the credentials are new if theirs are old.
    fn tell_metadata(&self) -> Result<(), LabError> {
        let role = self.role();
        let told = NodeLaunch::new(&self.launch, role).instance;
        let imds = self.shared.lab.imds(&self.launch.instance_id)?;
        *imds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .instance_mut() = told;
        Ok(())
    }

    /// A node that cannot do what is wanted of it is a broken machine.
    fn judge(&mut self, done: Result<(), LabError>) {
        if let Err(error) = done {
            self.report_broken(&error.to_string());
        }
    }

    fn look(&mut self) {
        let Ok((phase, ending)) = self.shared.lab.standing(&self.launch.instance_id) else {
            return;
        };
        match (self.reported, phase) {
            (Reported::Nothing, Phase::Starting | Phase::Up) => {
                self.report(Aws::instance_running);
                self.reported = Reported::Running;
            }
            (Reported::Nothing | Reported::Running, Phase::Off) => {
                let reason = match ending {
                    Some(Ending::Failed(reason)) => reason,
                    Some(Ending::Killed) => "its power was cut".to_owned(),
                    Some(Ending::Stopped) | None => "it shut itself down".to_owned(),
                };
                self.report_broken(&reason);
            }
            (Reported::Running, Phase::Starting | Phase::Up) => {
                self.looks = self.looks.wrapping_add(1);
                if self.looks.is_multiple_of(SLOWLY) {
                    // One that was just terminated has nothing to be told.
                    drop(self.tell_metadata());
                    self.keep_console();
                }
            }
            (_, _) => {}
        }
    }

    fn report_broken(&mut self, reason: &str) {
        if self.reported == Reported::Broken {
            return;
        }
        self.reported = Reported::Broken;
        self.keep_console();
        self.report(|aws, region, id, now| aws.instance_failed(region, id, reason, now));
    }

    /// Tells the account something of this machine, with its region and id, now.
    fn report(&self, what: impl FnOnce(&mut Aws, &str, &str, Duration)) {
        let now = self.shared.clock.moment().now;
        let Launch {
            region,
            instance_id,
            ..
        } = &self.launch;
        what(self.shared.cloud().aws_mut(), region, instance_id, now);
    }

    /// What `GetConsoleOutput` tells.
    fn keep_console(&self) {
        let id = &self.launch.instance_id;
        let Some(text) = self
            .shared
            .lab
            .console_path(id)
            .ok()
            .and_then(|path| std::fs::read(path).ok())
        else {
            return;
        };
        let tail = text.len().saturating_sub(CONSOLE_BYTES);
        let text = text.get(tail..).unwrap_or_default().to_vec();
        self.report(|aws, region, id, _now| aws.set_console(region, id, text));
    }
}

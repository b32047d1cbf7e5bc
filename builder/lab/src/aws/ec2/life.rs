//! Owns how an instance lives: what happens when it starts, stops, fails and ends, whoever asked.

use std::time::Duration;

use super::instance::State;
use crate::aws::Machines;
use crate::aws::error::ApiError;
use crate::aws::launch::{Attachment, Change, Launch};
use crate::aws::region::Region;
use crate::aws::schedule::Event;

/// How long an imagined machine takes to run.
const STARTING: Duration = Duration::from_secs(5);
/// How long a machine takes to stop.
const STOPPING: Duration = Duration::from_secs(3);
/// How long a machine takes to be gone.
const TERMINATING: Duration = Duration::from_secs(2);
/// How long a terminated instance is told of.
const LINGERING: Duration = Duration::from_hours(1);

impl Region {
    /// All that a node and its metadata service need.
    pub(crate) fn launch_of(&self, id: &str) -> Option<Launch> {
        let instance = self.instances.get(id)?;
        let subnet = self.network.subnet(&instance.subnet_id).ok()?;
        let volumes = instance.devices.iter();
        let volumes = volumes.filter_map(|(device, id)| self.attachment(device, id));
        Some(Launch {
            region: self.name.clone(),
            zone: instance.zone.clone(),
            zone_id: subnet.zone_id.clone(),
            account_id: self.account_id.clone(),
            instance_id: instance.id.clone(),
            image_id: instance.image_id.clone(),
            instance_type: instance.instance_type.clone(),
            architecture: instance.architecture.clone(),
            private_ipv4: instance.address,
            subnet_id: instance.subnet_id.clone(),
            vpc_cidr: self.network.vpc_cidr.clone(),
            user_data: instance.user_data.to_vec(),
            tags: instance.tags.get().clone(),
            metadata_tags: instance.metadata.tags,
            http_tokens_required: instance.metadata.tokens_required,
            hop_limit: instance.metadata.hop_limit,
            instance_profile: instance.profile.clone(),
            key_name: instance.key_name.clone(),
            group: instance.group.clone(),
            target_lifecycle_state: self.target_lifecycle_state(instance).map(str::to_owned),
            volumes: volumes.collect(),
            launched_at: instance.launched_at,
            launch_time: instance.launch_time.clone(),
        })
    }

    fn attachment(&self, device: &str, volume_id: &str) -> Option<Attachment> {
        let volume = self.volumes.get(volume_id)?;
        Some(Attachment {
            volume_id: volume_id.to_owned(),
            device: device.to_owned(),
            size_gib: volume.size_gib,
        })
    }

    /// Tells the outside to run a machine, and waits until it does.
    pub(crate) fn start_machine(&mut self, id: &str, change: impl FnOnce(Box<Launch>) -> Change) {
        if let Some(launch) = self.launch_of(id) {
            self.changes.push(change(Box::new(launch)));
        }
        if self.machines == Machines::Imagined {
            self.later(STARTING, Event::InstanceStarted(id.to_owned()));
        }
    }

    fn state_of(&self, id: &str) -> Option<State> {
        Some(*self.instances.get(id)?.state.get())
    }

    fn set_state(&mut self, id: &str, state: State) {
        let now = self.now;
        self.instances.set_state(id, now, state);
    }

    /// An imagined machine has started, if this is still the start that was waited for.
    pub(crate) fn instance_started(&mut self, id: &str) {
        let instance = self.instances.get(id);
        if instance.is_some_and(|instance| instance.state.since() + STARTING <= self.now) {
            self.instance_running(id);
        }
    }

    /// A machine runs.
    pub(crate) fn instance_running(&mut self, id: &str) {
        if self.state_of(id) == Some(State::Pending) {
            self.set_state(id, State::Running);
            self.member_running(id);
            self.targets_of_running(id);
        }
    }

    /// A machine broke. One that never ran ends, as after an internal error of EC2.
    pub(crate) fn instance_failed(&mut self, id: &str, reason: &str) {
        let state = self.state_of(id);
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        match state {
            Some(State::Pending) => {
                let text = format!("Server.InternalError: {reason}");
                self.terminate(id, ("Server.InternalError", text));
            }
            Some(State::Running) => {
                instance.impaired = Some(reason.to_owned());
                self.member_changed(id);
            }
            Some(State::ShuttingDown | State::Terminated | State::Stopping | State::Stopped)
            | None => (),
        }
    }

    /// Ends an instance; does nothing if it has ended.
    pub(crate) fn terminate(&mut self, id: &str, reason: (&'static str, String)) {
        if self.state_of(id).is_none_or(State::is_ending) {
            return;
        }
        self.set_state(id, State::ShuttingDown);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.reason = Some(reason);
        }
        self.changes.push(Change::Terminate {
            region: self.name.clone(),
            instance_id: id.to_owned(),
        });
        self.later(TERMINATING, Event::InstanceTerminated(id.to_owned()));
        self.member_changed(id);
    }

    /// A terminating machine is gone: its address is free, its volumes are deleted or free.
    pub(crate) fn instance_terminated(&mut self, id: &str) {
        if self.state_of(id) != Some(State::ShuttingDown) {
            return;
        }
        self.set_state(id, State::Terminated);
        self.release_volumes(id);
        if let Some(instance) = self.instances.get(id) {
            let (subnet, address) = (instance.subnet_id.clone(), instance.address);
            self.network.free_address(&subnet, address);
        }
        self.later(LINGERING, Event::InstanceForgotten(id.to_owned()));
        self.targets_of_gone(id);
        self.member_gone(id);
    }

    /// Shuts an instance down.
    pub(crate) fn stop(&mut self, id: &str) -> Result<(), ApiError> {
        match self.state_of(id) {
            Some(State::Running) => (),
            Some(State::Stopping | State::Stopped) => return Ok(()),
            Some(State::Pending | State::ShuttingDown | State::Terminated) | None => {
                let name = self.state_of(id).map_or("unknown", State::name);
                let text = format!(
                    "This instance '{id}' is not in a state from which it can be stopped: {name}"
                );
                return Err(ApiError::new("IncorrectInstanceState", text));
            }
        }
        self.set_state(id, State::Stopping);
        if let Some(instance) = self.instances.get_mut(id) {
            let text = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
            instance.reason = Some(("Client.UserInitiatedShutdown", text));
        }
        self.changes.push(Change::Stop {
            region: self.name.clone(),
            instance_id: id.to_owned(),
        });
        self.later(STOPPING, Event::InstanceStopped(id.to_owned()));
        self.member_changed(id);
        Ok(())
    }

    /// A stopping machine has stopped.
    pub(crate) fn instance_stopped(&mut self, id: &str) {
        if self.state_of(id) == Some(State::Stopping) {
            self.set_state(id, State::Stopped);
        }
    }

    /// Starts a stopped instance again.
    pub(crate) fn start(&mut self, id: &str) -> Result<(), ApiError> {
        match self.state_of(id) {
            Some(State::Stopped) => (),
            Some(State::Pending | State::Running) => return Ok(()),
            Some(State::Stopping | State::ShuttingDown | State::Terminated) | None => {
                let name = self.state_of(id).map_or("unknown", State::name);
                let text = format!(
                    "The instance '{id}' is not in a state from which it can be started: {name}"
                );
                return Err(ApiError::new("IncorrectInstanceState", text));
            }
        }
        self.set_state(id, State::Pending);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.reason = None;
            instance.impaired = None;
        }
        self.start_machine(id, Change::Start);
        Ok(())
    }

    /// Keeps what a machine wrote to its console.
    pub(crate) fn set_console(&mut self, id: &str, text: Vec<u8>) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.console = text;
        }
    }
}

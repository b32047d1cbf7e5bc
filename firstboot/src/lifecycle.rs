//! Owns what Auto Scaling is told: that the node is ready, that it cannot become one, that it is
//! still at work.

use crate::bytes::{Fault, Result, find};
use crate::clock::{self, Tries};
use crate::console::Line;
use crate::node::{Node, fact};
use crate::sys;

/// How long the group is told, in seconds.
const TELL_SECS: u64 = 60;

/// How long an instance may wait in a warm pool, in seconds: less than the unit that runs the engine.
const WARM_SECS: u64 = 3_000;

/// Milliseconds between two signs of life: EC2's shortest heartbeat timeout is 30 s, ours is longer.
const HEARTBEAT_MS: u64 = 60_000;

const VERSION: &[u8] = b"2011-01-01";

impl Node {
    /// The state that Auto Scaling wants the instance to reach; empty outside a group.
    pub fn target_state(&mut self) -> Result<&'static [u8]> {
        let state = self
            .imds
            .get(b"meta-data/autoscaling/target-lifecycle-state")?;
        match state {
            Some(state) => self.facts.keep(state.trim_ascii()),
            None => Ok(b""),
        }
    }

    /// Waits while the instance belongs to a warm pool: it must not join anything yet.
    pub fn leave_warm_pool(&mut self) -> Result<()> {
        let mut tries = Tries::for_secs(WARM_SECS);
        while self.target_state()?.starts_with(b"Warmed:") {
            if !tries.again() {
                return Err(Fault("the instance stays in its warm pool"));
            }
        }
        Ok(())
    }

    /// Completes the launch with `CONTINUE` or `ABANDON`.
    pub fn complete(&mut self, result: &[u8]) -> Result<()> {
        if self.target_state()?.is_empty() {
            return Ok(());
        }
        if self.profile.get().is_empty() {
            return self.fault(
                "Auto Scaling cannot be told",
                &[b"without an instance profile"],
            );
        }
        let status = self.ask_scaling(
            b"CompleteLifecycleAction",
            &[b"LifecycleActionResult", result],
        )?;
        if status == 200 {
            return Ok(());
        }
        // Nothing waits: an earlier boot has told, or the group has no hook.
        if find(self.output.get(), b"No active Lifecycle Action").is_some()
            && self.target_state()? == b"InService"
        {
            return Ok(());
        }
        self.refused(status)
    }

    fn ask_scaling(&mut self, action: &[u8], more: &[&[u8]]) -> Result<u64> {
        let get = |number| self.facts.get(number);
        let [region, group, instance] = [fact::REGION, fact::GROUP, fact::INSTANCE].map(get);
        let hook = self.header.hook;
        self.begin(b"autoscaling", region, b"");
        self.parameters(&[
            b"Action",
            action,
            b"Version",
            VERSION,
            b"AutoScalingGroupName",
            group,
            b"LifecycleHookName",
            hook,
            b"InstanceId",
            instance,
        ]);
        self.parameters(more);
        self.send(&mut Tries::for_secs(TELL_SECS))
    }

    /// Begins a process that shows signs of life for as long as this one lives.
    pub fn begin_heartbeat(&mut self) {
        let me = sys::own_id();
        // Without it the launch has as long as the hook's own timeout.
        if let Ok(None) = sys::fork() {
            sys::end_with_parent();
            while sys::parent() == me {
                sys::pause(HEARTBEAT_MS);
                let told = self.ask_scaling(b"RecordLifecycleActionHeartbeat", &[]);
                if told != Ok(200) {
                    // Told, timed out or never asked for: no sign is waited for any more.
                    break;
                }
            }
            sys::exit(0);
        }
    }

    /// Tells the group at once that this will be no node; what cannot be told, its hook abandons.
    pub fn abandon(&mut self) {
        let begun = clock::now_ms();
        if self.complete(b"ABANDON").is_err() {
            Line::new()
                .text(b"Auto Scaling could not be told within ")
                .number((clock::now_ms() - begun) / 1_000)
                .text(b" s: ")
                .text(self.detail.get());
        }
    }
}

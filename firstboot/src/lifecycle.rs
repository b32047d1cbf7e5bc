//! Owns what Auto Scaling is told: that the node is ready, that it cannot become one, that it is
//! still at work.

use crate::bytes::{Result, find};
use crate::clock::Tries;
use crate::node::{Node, fact};
use crate::phrase;
use crate::phrase::{A, B, C, D, E};
use crate::sys;

/// How long the group is told, in seconds.
const TELL_SECS: u64 = 60;

/// Milliseconds between two signs of life.
const HEARTBEAT_MS: u64 = 60_000;

impl Node {
    /// The state that Auto Scaling wants the instance to reach; empty outside a group.
    pub fn target_state(&mut self) -> Result<&'static [u8]> {
        let state = self.imds.get(b"autoscaling/target-lifecycle-state")?;
        Ok(self.facts.keep(state.unwrap_or_default().trim_ascii()))
    }

    /// Completes the launch with `CONTINUE` or `ABANDON`.
    pub fn complete(&mut self, result: &[u8]) -> Result<()> {
        if self.target_state()?.is_empty() {
            return Ok(());
        }
        self.facts.set(E, result);
        let status =
            self.ask_scaling(phrase!("CompleteLifecycleAction&LifecycleActionResult={e}"))?;
        // Nothing may wait: an earlier boot has told, or the group has no hook.
        if status == 200
            || find(self.output.get(), b"No active Lifecycle Action").is_some()
                && self.target_state()? == b"InService"
        {
            return Ok(());
        }
        self.refused(status)
    }

    fn ask_scaling(&mut self, action: &'static [u8]) -> Result<u32> {
        self.keep(D, action)?;
        self.facts.set(A, b"autoscaling");
        self.facts.set(B, self.facts.get(fact::REGION));
        self.facts.set(C, b"");
        self.facts.set(E, self.hook);
        self.begin(phrase!(
                "data = \"Version=2011-01-01&InstanceId={instance}&LifecycleHookName={e}&AutoScalingGroupName={group}&Action={d}\"\n"
        ))?;
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
                if self.ask_scaling(b"RecordLifecycleActionHeartbeat") != Ok(200) {
                    // Told, timed out or never asked for: no sign is waited for any more.
                    break;
                }
            }
            sys::exit(0);
        }
    }
}

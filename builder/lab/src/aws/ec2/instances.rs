//! Owns instances.
use crate::aws::launch::Launch;
use crate::aws::region::Region;
#[derive(Debug, Default)]
pub(crate) struct Instances;
impl Instances {
    pub(crate) fn forget(&mut self, _: &str) {}
}
impl Region {
    pub(crate) fn instance_started(&mut self, _: &str) {}
    pub(crate) fn instance_stopped(&mut self, _: &str) {}
    pub(crate) fn instance_terminated(&mut self, _: &str) {}
    pub(crate) fn volume_created(&mut self, _: &str) {}
    pub(crate) fn launch_of(&self, _: &str) -> Option<Launch> {
        None
    }
    pub(crate) fn instance_running(&mut self, _: &str) {}
    pub(crate) fn instance_failed(&mut self, _: &str, _: &str) {}
    pub(crate) fn set_console(&mut self, _: &str, _: Vec<u8>) {}
}

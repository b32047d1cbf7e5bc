//! Owns Auto Scaling.
use super::ec2::Instance;
use super::operation::Operation;
use super::region::Region;
use super::report::GroupReport;
pub(crate) const TABLES: &[&[Operation]] = &[];
#[derive(Debug, Default)]
pub(crate) struct Scaling;
impl Region {
    pub(crate) fn reconcile(&mut self, _: &str) {}
    pub(crate) fn check_health(&mut self, _: &str, _: &str) {}
    pub(crate) fn lifecycle_timeout(&mut self, _: &str, _: &str, _: &str) {}
    pub(crate) fn member_running(&mut self, _: &str) {}
    pub(crate) fn member_changed(&mut self, _: &str) {}
    pub(crate) fn member_gone(&mut self, _: &str) {}
    pub(crate) fn target_lifecycle_state(&self, _: &Instance) -> Option<&'static str> {
        None
    }
    pub(crate) fn group_reports(&self) -> Vec<GroupReport> {
        Vec::new()
    }
}

//! Owns Auto Scaling.
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
    pub(crate) fn group_reports(&self) -> Vec<GroupReport> {
        Vec::new()
    }
}

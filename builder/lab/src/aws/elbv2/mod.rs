//! Owns Elastic Load Balancing.
use super::operation::Operation;
use super::region::Region;
use super::report::TargetReport;
pub(crate) const TABLES: &[&[Operation]] = &[];
#[derive(Debug, Default)]
pub(crate) struct Balancing;
impl Region {
    pub(crate) fn target_drained(&mut self, _: &str, _: &str) {}
    pub(crate) fn target_healthy(&mut self, _: &str, _: &str) {}
    pub(crate) fn load_balancer_active(&mut self, _: &str) {}
    pub(crate) fn target_health(&mut self, _: &TargetReport<'_>) {}
}

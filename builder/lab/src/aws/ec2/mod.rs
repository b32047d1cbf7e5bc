//! Owns EC2. Must not know Auto Scaling beyond telling it what became of an instance.

mod availability;
mod images;
mod instances;
mod network;

pub use images::{Image, ImageState};

pub(crate) use images::RegisteredImage;
pub(crate) use instances::Instances;
pub(crate) use network::Network;

use super::operation::Operation;

#[derive(Debug, Default)]
pub(crate) struct Templates;
#[derive(Debug, Default)]
pub(crate) struct Tokens;
#[derive(Debug)]
pub(crate) struct Volume;

/// Every operation of EC2.
pub(crate) const TABLES: &[&[Operation]] = &[
    availability::OPERATIONS,
    images::OPERATIONS,
    network::OPERATIONS,
];

//! Owns EC2. Must not know Auto Scaling beyond telling it what became of an instance.

mod attachments;
mod availability;
mod describe_instances;
mod images;
mod instance;
mod instance_operations;
mod life;
mod network;
mod offerings;
mod run;
mod spec;
mod tags;
mod template_data;
mod templates;
mod tokens;
mod versions;
mod volumes;

pub use images::{Image, ImageState};

pub(crate) use images::RegisteredImage;
pub(crate) use instance::{Instance, Instances, State};
pub(crate) use network::Network;
pub(crate) use run::Origin;
pub(crate) use spec::LaunchSpec;
pub(crate) use tags::check_for_metadata;
pub(crate) use templates::Templates;
pub(crate) use tokens::Tokens;
pub(crate) use volumes::Volume;

use super::operation::Operation;

/// Every operation of EC2.
pub(crate) const TABLES: &[&[Operation]] = &[
    attachments::OPERATIONS,
    availability::OPERATIONS,
    describe_instances::OPERATIONS,
    images::OPERATIONS,
    instance_operations::OPERATIONS,
    network::OPERATIONS,
    offerings::OPERATIONS,
    run::OPERATIONS,
    tags::OPERATIONS,
    templates::OPERATIONS,
    versions::OPERATIONS,
    volumes::OPERATIONS,
];

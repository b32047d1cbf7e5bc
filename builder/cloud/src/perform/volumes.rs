//! Owns making data volumes.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, TagSpecification, VolumeState, VolumeType};

use super::{ec2_tags, sdk_number};
use crate::account::Clients;
use crate::error::{CallError, ec2, refused};
use crate::execute::Outcome;

/// Encrypted, and kept when an instance that has it ends: EC2 deletes only volumes that came with one.
pub(super) async fn create(
    clients: &Clients,
    zone: &str,
    size_gib: u32,
    tags: &BTreeMap<String, String>,
    token: &str,
) -> Result<Outcome, CallError> {
    let operation = ec2("CreateVolume");
    let own_tags = TagSpecification::builder()
        .resource_type(ResourceType::Volume)
        .set_tags(Some(ec2_tags(tags)))
        .build();
    let answer = clients
        .ec2
        .create_volume()
        .availability_zone(zone)
        .size(sdk_number(size_gib))
        .volume_type(VolumeType::Gp3)
        .encrypted(true)
        .client_token(token)
        .tag_specifications(own_tags)
        .send()
        .await
        .map_err(refused(operation))?;
    let missing = "an id";
    let id = answer
        .volume_id
        .ok_or(CallError::Incomplete { operation, missing })?;
    match answer.state {
        Some(state @ (VolumeState::Deleting | VolumeState::Deleted | VolumeState::Error)) => {
            let state = state.as_str().to_owned();
            Err(CallError::Gone {
                operation,
                id,
                state,
            })
        }
        _ => Ok(Outcome::Done(id)),
    }
}

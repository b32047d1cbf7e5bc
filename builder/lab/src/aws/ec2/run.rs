//! Owns launching instances: `RunInstances`, and the launch that Auto Scaling uses too.

use std::sync::Arc;

use super::describe_instances::write_reservation;
use super::instance::{Instance, State};
use super::network::{Subnet, no_free_addresses};
use super::spec::LaunchSpec;
use super::template_data::{DATA, is_data};
use super::volumes::{Attached, Use};
use crate::aws::error::ApiError;
use crate::aws::history::History;
use crate::aws::launch::Change;
use crate::aws::operation::{Call, DRY_RUN, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    name: "RunInstances",
    takes: &[
        DRY_RUN,
        ("", DATA),
        ("", &["MinCount", "MaxCount", "SubnetId", "ClientToken"]),
        (
            "LaunchTemplate",
            &["LaunchTemplateId", "LaunchTemplateName", "Version"],
        ),
    ],
    writes: true,
    handle: run_instances,
}];

/// More instances than this in one call are refused, as by a new account's quota.
const INSTANCES_AT_MOST: usize = 5_000;

fn run_instances(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let params = call.params;
    if let Some(reservation) = region.tokens.made_before("RunInstances", call)? {
        write_reservation(region, xml, &reservation);
        return Ok(());
    }
    let least: usize = params.required_integer("MinCount")?;
    let most: usize = params.required_integer("MaxCount")?;
    if least == 0 || most < least {
        return Err(ApiError::invalid(format!(
            "Invalid value for MinCount ({least}) and MaxCount ({most})"
        )));
    }
    if most > INSTANCES_AT_MOST {
        let text = format!(
            "You have requested more instances ({most}) than your current instance limit of {INSTANCES_AT_MOST} allows."
        );
        return Err(ApiError::new("InstanceLimitExceeded", text));
    }
    let own = params.only(|name| name == "SubnetId" || is_data(name));
    let data = match params.node("LaunchTemplate") {
        None => own,
        Some(named) => {
            let version = region.templates.resolve(named)?;
            version.data.clone().overlaid(own)
        }
    };
    let spec = region.launch_spec(&data)?;
    let subnet_id = match &spec.subnet_id {
        Some(id) => id.clone(),
        None => region.roomiest_subnet()?,
    };
    let room = region.room_for(least, &spec, &subnet_id)?;
    call.proceed()?;
    let reservation_id = region.ids.resource("r");
    for _ in 0..most.min(room) {
        let origin = Origin {
            reservation_id: &reservation_id,
            client_token: params.filled("ClientToken"),
            group: None,
        };
        let id = region.launch_instance(&spec, &subnet_id, &origin)?;
        region.start_machine(&id, Change::Launch);
    }
    region
        .tokens
        .remember("RunInstances", call, &reservation_id);
    write_reservation(region, xml, &reservation_id);
    Ok(())
}

/// Where a launch comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) reservation_id: &'a str,
    pub(crate) client_token: Option<&'a str>,
    /// The Auto Scaling group.
    pub(crate) group: Option<&'a str>,
}

impl Region {
    /// How many more instances a zone holds.
    pub(crate) fn room_in(&self, zone: &str) -> usize {
        let most = self.capacity.get(zone).copied().unwrap_or(usize::MAX);
        most.saturating_sub(self.instances.in_zone(zone))
    }

    /// How many instances fit into a subnet; `least` must.
    fn room_for(&self, least: usize, spec: &LaunchSpec, id: &str) -> Result<usize, ApiError> {
        let subnet = self.network.subnet(id)?;
        self.check_offered(&subnet.zone, &spec.instance_type)?;
        let (room, free) = (self.room_in(&subnet.zone), subnet.free());
        if free < least {
            return Err(no_free_addresses(id));
        }
        if room < least {
            return Err(self.insufficient_capacity(&spec.instance_type, &subnet.zone));
        }
        Ok(room.min(free))
    }

    fn roomiest_subnet(&self) -> Result<String, ApiError> {
        let room = |subnet: &&Subnet| self.room_in(&subnet.zone).min(subnet.free());
        // Of equals the last is chosen, so that the first zones are the order of preference.
        let chosen = self.network.subnets.iter().rev().max_by_key(room);
        let text = "No default subnet exists in the default VPC";
        chosen
            .map(|subnet| subnet.id.clone())
            .ok_or_else(|| ApiError::new("MissingInput", text))
    }

    /// Whether a zone has instances of this type at all.
    pub(crate) fn offers(&self, zone: &str, instance_type: &str) -> bool {
        let unoffered = (zone.to_owned(), instance_type.to_owned());
        !self.unoffered.contains(&unoffered)
    }

    fn check_offered(&self, zone: &str, instance_type: &str) -> Result<(), ApiError> {
        if self.offers(zone, instance_type) {
            return Ok(());
        }
        let zones = self.network.subnets.iter();
        let zones = zones.map(|subnet| subnet.zone.as_str());
        let others: Vec<&str> = zones
            .filter(|other| self.offers(other, instance_type))
            .collect();
        let text = format!(
            "Your requested instance type ({instance_type}) is not supported in your requested \
             Availability Zone ({zone}). Please retry your request by not specifying an \
             Availability Zone or choosing {}.",
            others.join(", ")
        );
        Err(ApiError::new("Unsupported", text))
    }

    /// A zone is full.
    pub(crate) fn insufficient_capacity(&self, instance_type: &str, zone: &str) -> ApiError {
        let others: Vec<&str> = self
            .network
            .subnets
            .iter()
            .map(|subnet| subnet.zone.as_str())
            .filter(|other| *other != zone && self.room_in(other) > 0)
            .collect();
        let elsewhere = if others.is_empty() {
            String::new()
        } else {
            format!(
                " You can currently get {instance_type} capacity by not specifying an \
                 Availability Zone in your request or choosing {}.",
                others.join(", ")
            )
        };
        let text = format!(
            "We currently do not have sufficient {instance_type} capacity in the Availability Zone \
             you requested ({zone}). Our system will be working on provisioning additional \
             capacity.{elsewhere}"
        );
        ApiError::new("InsufficientInstanceCapacity", text).with_status(500)
    }

    /// Launches one instance; gives its id.
    pub(crate) fn launch_instance(
        &mut self,
        spec: &LaunchSpec,
        subnet_id: &str,
        origin: &Origin<'_>,
    ) -> Result<String, ApiError> {
        let zone = self.network.subnet(subnet_id)?.zone.clone();
        self.check_offered(&zone, &spec.instance_type)?;
        if self.room_in(&zone) == 0 {
            return Err(self.insufficient_capacity(&spec.instance_type, &zone));
        }
        let address = self.network.take_address(subnet_id)?;
        let id = self.ids.resource("i");
        let instance = Instance {
            id: id.clone(),
            reservation_id: origin.reservation_id.to_owned(),
            interface_id: self.ids.resource("eni"),
            image_id: spec.image_id.clone(),
            instance_type: spec.instance_type.clone(),
            architecture: spec.architecture.clone(),
            zone: zone.clone(),
            subnet_id: subnet_id.to_owned(),
            address,
            private_dns: self.private_dns(address),
            key_name: spec.key_name.clone(),
            client_token: origin.client_token.map(str::to_owned),
            user_data: Arc::clone(&spec.user_data),
            tags: History::new(self.now, spec.tags.clone()),
            state: History::new(self.now, State::Pending),
            reason: None,
            metadata: spec.metadata,
            profile: spec.profile.clone(),
            security_groups: spec.security_groups.clone(),
            devices: Vec::new(),
            group: origin.group.map(str::to_owned),
            monitoring: spec.monitoring,
            ebs_optimized: spec.ebs_optimized,
            termination_protected: spec.termination_protected,
            launched_at: self.now,
            launch_time: self.time_text(),
            impaired: None,
            console: Vec::new(),
        };
        self.instances.insert(instance);
        self.make_devices(&id, &zone, spec);
        Ok(id)
    }

    fn make_devices(&mut self, instance_id: &str, zone: &str, spec: &LaunchSpec) {
        for device in &spec.devices {
            let mut volume = device.volume.clone();
            zone.clone_into(&mut volume.zone);
            volume.tags = History::new(self.now, spec.volume_tags.clone());
            volume.use_ = History::new(self.now, Use::Available);
            volume.created = self.time_text();
            let id = self.ids.resource("vol");
            self.volumes.insert(id.clone(), volume);
            let attached = Attached {
                instance_id: instance_id.to_owned(),
                device: device.name.clone(),
                time: self.time_text(),
                delete_on_termination: device.delete_on_termination,
            };
            self.attach(&id, attached);
        }
    }

    fn private_dns(&self, address: std::net::Ipv4Addr) -> String {
        let [a, b, c, d] = address.octets();
        let domain = if self.name == "us-east-1" {
            "ec2".to_owned()
        } else {
            format!("{}.compute", self.name)
        };
        format!("ip-{a}-{b}-{c}-{d}.{domain}.internal")
    }
}

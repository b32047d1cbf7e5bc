//! Owns attaching volumes to instances: one volume, one instance, one zone. That is the fence
//! which keeps two nodes from mounting the same data.

use super::instance::{State, instance_not_found};
use super::volumes::{Attached, Use, volume_not_found};
use crate::aws::error::ApiError;
use crate::aws::launch::{Attachment, Change};
use crate::aws::operation::{Call, DRY_RUN, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AttachVolume",
        takes: &[DRY_RUN, ("", &["VolumeId", "InstanceId", "Device"])],
        writes: true,
        handle: attach_volume,
    },
    Operation {
        name: "DetachVolume",
        takes: &[
            DRY_RUN,
            ("", &["VolumeId", "InstanceId", "Device", "Force"]),
        ],
        writes: true,
        handle: detach_volume,
    },
];

fn attach_volume(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let volume_id = call.params.required("VolumeId")?;
    let instance_id = call.params.required("InstanceId")?;
    let device = call.params.required("Device")?;
    region.check_attach(volume_id, instance_id, device)?;
    call.proceed()?;
    let attached = Attached {
        instance_id: instance_id.to_owned(),
        device: device.to_owned(),
        time: region.time_text(),
        delete_on_termination: false,
    };
    write_attachment(xml, volume_id, &attached, "attaching");
    region.attach(volume_id, attached);
    if let Some(attachment) = region.volume_attachment(volume_id, device) {
        region.changes.push(Change::VolumeAttached {
            region: region.name.clone(),
            instance_id: instance_id.to_owned(),
            attachment,
        });
    }
    Ok(())
}

fn detach_volume(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let volume_id = call.params.required("VolumeId")?;
    let volume = region.volumes.get(volume_id);
    let volume = volume.ok_or_else(|| volume_not_found(volume_id))?;
    let Some(attached) = volume.use_.get().attached().cloned() else {
        let text = format!("Volume '{volume_id}' is in the 'available' state.");
        return Err(ApiError::new("IncorrectState", text));
    };
    let (instance, device) = (
        call.params.filled("InstanceId"),
        call.params.filled("Device"),
    );
    if instance.is_some_and(|id| id != attached.instance_id)
        || device.is_some_and(|device| device != attached.device)
    {
        let text = format!(
            "Volume '{volume_id}' is not attached to instance '{}' as device '{}'.",
            instance.unwrap_or(&attached.instance_id),
            device.unwrap_or(&attached.device)
        );
        return Err(ApiError::new("InvalidAttachment.NotFound", text));
    }
    let holder = region.instances.get(&attached.instance_id);
    let is_root = holder.is_some_and(|instance| {
        let root = instance.devices.first();
        root.is_some_and(|(_, id)| id == volume_id) && *instance.state.get() != State::Stopped
    });
    if is_root {
        let text = format!(
            "Unable to detach root volume '{volume_id}' from instance '{}'",
            attached.instance_id
        );
        return Err(ApiError::new("OperationNotPermitted", text));
    }
    call.proceed()?;
    write_attachment(xml, volume_id, &attached, "detaching");
    region.detach(volume_id);
    Ok(())
}

fn write_attachment(xml: &mut Xml, volume_id: &str, attached: &Attached, status: &str) {
    xml.text("volumeId", volume_id);
    xml.text("instanceId", &attached.instance_id);
    xml.text("device", &attached.device);
    xml.text("status", status);
    xml.text("attachTime", &attached.time);
    xml.show("deleteOnTermination", attached.delete_on_termination);
}

impl Region {
    fn check_attach(&self, volume_id: &str, id: &str, device: &str) -> Result<(), ApiError> {
        let volume = self.volumes.get(volume_id);
        let volume = volume.ok_or_else(|| volume_not_found(volume_id))?;
        let instance = self.instances.get(id);
        let instance = instance.ok_or_else(|| instance_not_found(id))?;
        match volume.use_.get() {
            Use::Available => (),
            Use::Creating => {
                let text = format!("Volume '{volume_id}' is not 'available'.");
                return Err(ApiError::new("IncorrectState", text));
            }
            Use::Attached(_) => {
                let text = format!("{volume_id} is already attached to an instance");
                return Err(ApiError::new("VolumeInUse", text));
            }
        }
        if !matches!(instance.state.get(), State::Running | State::Stopped) {
            let text = format!("Instance '{id}' is not 'running'.");
            return Err(ApiError::new("IncorrectState", text));
        }
        if volume.zone != instance.zone {
            let text = format!(
                "The volume '{volume_id}' is not in the same availability zone as instance '{id}'"
            );
            return Err(ApiError::new("InvalidVolume.ZoneMismatch", text));
        }
        if instance.devices.iter().any(|(used, _)| used == device) {
            let text = format!(
                "Invalid value '{device}' for unixDevice. Attachment point {device} is already \
                 in use"
            );
            return Err(ApiError::invalid(text));
        }
        if !device.starts_with("/dev/") && !device.starts_with("xvd") {
            let text = format!(
                "Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name."
            );
            return Err(ApiError::invalid(text));
        }
        Ok(())
    }

    /// Attaches a volume that is free to an instance that is there.
    pub(crate) fn attach(&mut self, volume_id: &str, attached: Attached) {
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&attached.instance_id) {
            let device = (attached.device.clone(), volume_id.to_owned());
            instance.devices.push(device);
        }
        if let Some(volume) = self.volumes.get_mut(volume_id) {
            volume.use_.set(now, Use::Attached(attached));
        }
    }

    fn volume_attachment(&self, volume_id: &str, device: &str) -> Option<Attachment> {
        Some(Attachment {
            volume_id: volume_id.to_owned(),
            device: device.to_owned(),
            size_gib: self.volumes.get(volume_id)?.size_gib,
        })
    }

    /// Frees a volume and tells the outside.
    fn detach(&mut self, volume_id: &str) {
        let now = self.now;
        let Some(volume) = self.volumes.get_mut(volume_id) else {
            return;
        };
        let Some(attached) = volume.use_.get().attached().cloned() else {
            return;
        };
        volume.use_.set(now, Use::Available);
        if let Some(instance) = self.instances.get_mut(&attached.instance_id) {
            instance.devices.retain(|(_, id)| id != volume_id);
        }
        if let Some(attachment) = self.volume_attachment(volume_id, &attached.device) {
            self.changes.push(Change::VolumeDetached {
                region: self.name.clone(),
                instance_id: attached.instance_id,
                attachment,
            });
        }
    }

    /// What becomes of the volumes of an instance that is gone.
    pub(crate) fn release_volumes(&mut self, instance_id: &str) {
        let Some(instance) = self.instances.get(instance_id) else {
            return;
        };
        let ids: Vec<String> = instance.devices.iter().map(|(_, id)| id.clone()).collect();
        for id in ids {
            let attached = self
                .volumes
                .get(&id)
                .and_then(|one| one.use_.get().attached());
            let is_deleted = attached.is_some_and(|attached| attached.delete_on_termination);
            self.detach(&id);
            if is_deleted {
                self.remove_volume(&id);
            }
        }
    }
}

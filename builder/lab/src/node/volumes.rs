//! Owns data volumes: where they lie and which node has which. Must not mount them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::LabError;
use super::launch::Volume;
use super::place::is_id;

/// The volumes of a lab.
#[derive(Debug)]
pub(super) struct Volumes {
    folder: PathBuf,
    attached: BTreeMap<String, String>,
}

impl Volumes {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            attached: BTreeMap::new(),
        }
    }

    /// Makes a volume unless it is there, blank: an empty folder, and a device of nothing but holes.
    pub(super) fn create(&self, volume: &Volume) -> Result<(), LabError> {
        let path = self.path(&volume.id)?;
        let data = path.join("data");
        fs::create_dir_all(&data).map_err(LabError::file("make", &data))?;
        let device = path.join("device");
        if !device.exists() {
            let bytes = u64::from(volume.size_gib) << 30;
            File::create_new(&device)
                .and_then(|file| file.set_len(bytes))
                .map_err(LabError::file("make", &device))?;
        }
        Ok(())
    }

    /// Gives a volume to a node, which nobody may have; returns where it lies.
    pub(super) fn attach(&mut self, id: &str, node: &str) -> Result<PathBuf, LabError> {
        let path = self.existing(id)?;
        if let Some(holder) = self.attached.get(id) {
            return Err(LabError::VolumeInUse {
                volume: id.to_owned(),
                node: holder.clone(),
            });
        }
        self.attached.insert(id.to_owned(), node.to_owned());
        Ok(path)
    }

    /// Takes a volume from the node that has it; returns that node.
    pub(super) fn detach(&mut self, id: &str) -> Option<String> {
        self.attached.remove(id)
    }

    /// Takes all volumes from a node.
    pub(super) fn detach_all(&mut self, node: &str) {
        self.attached.retain(|_, holder| holder != node);
    }

    /// The node that has a volume.
    pub(super) fn holder(&self, id: &str) -> Option<&str> {
        self.attached.get(id).map(String::as_str)
    }

    /// Deletes a volume with its data.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), LabError> {
        let path = self.existing(id)?;
        if let Some(holder) = self.attached.get(id) {
            return Err(LabError::VolumeInUse {
                volume: id.to_owned(),
                node: holder.clone(),
            });
        }
        fs::remove_dir_all(&path).map_err(LabError::file("remove", &path))
    }

    fn existing(&self, id: &str) -> Result<PathBuf, LabError> {
        let path = self.path(id)?;
        if !Path::is_dir(&path) {
            return Err(LabError::NoVolume {
                volume: id.to_owned(),
            });
        }
        Ok(path)
    }

    fn path(&self, id: &str) -> Result<PathBuf, LabError> {
        if !is_id(id) {
            return Err(LabError::VolumeId {
                volume: id.to_owned(),
            });
        }
        Ok(self.folder.join(id))
    }
}

#[cfg(test)]
mod tests {
    use super::{Volume, Volumes};
    use std::fs;

    #[test]
    fn a_volume_is_blank_has_one_holder_and_keeps_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let mut volumes = Volumes::new(folder.path().to_owned());
        let volume = Volume {
            id: "vol-1".to_owned(),
            size_gib: 3,
        };
        let said = |result: Result<_, super::LabError>| result.unwrap_err().to_string();
        assert_eq!(
            said(volumes.attach("vol-1", "i-1")),
            "the lab has no volume `vol-1`"
        );
        volumes.create(&volume).unwrap();
        let path = volumes.attach("vol-1", "i-1").unwrap();
        let device = fs::metadata(path.join("device")).unwrap();
        assert_eq!(device.len(), 3 << 30);
        fs::write(path.join("data/kept"), "kept").unwrap();
        assert_eq!(
            said(volumes.attach("vol-1", "i-2")),
            "volume `vol-1` is attached to node `i-1`"
        );
        assert_eq!(volumes.detach("vol-1").as_deref(), Some("i-1"));
        volumes.create(&volume).unwrap();
        let path = volumes.attach("vol-1", "i-2").unwrap();
        assert_eq!(fs::read_to_string(path.join("data/kept")).unwrap(), "kept");
        volumes.delete("vol-1").unwrap_err();
        volumes.detach_all("i-2");
        volumes.delete("vol-1").unwrap();
        assert!(!path.exists());
        assert_eq!(
            said(volumes.attach("../x", "i-1")),
            "`../x` is no volume id"
        );
    }
}

//! Owns what the boot test needs of the machine it runs on: programs, firmware, KVM. Must not start
//! anything.

use std::fs::OpenOptions;
use std::path::PathBuf;

use super::error::BootTestError;

/// Where the boot test looks. The default is right for Debian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Folders of programs, in order.
    pub programs: Vec<PathBuf>,
    /// Folders of UEFI firmware, in order.
    pub firmware: Vec<PathBuf>,
    /// The device that says that KVM might work.
    pub kvm: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        let programs = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
        Self {
            programs: programs.map(PathBuf::from).to_vec(),
            firmware: vec![PathBuf::from("/usr/share/OVMF")],
            kvm: PathBuf::from("/dev/kvm"),
        }
    }
}

/// A firmware and the template of its variables, which go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Firmware {
    pub(crate) code: PathBuf,
    pub(crate) variables: PathBuf,
}

/// Debian has shipped the first pair since bookworm; the second is all that older ones have.
const FIRMWARE: [(&str, &str); 2] = [
    ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("OVMF_CODE.fd", "OVMF_VARS.fd"),
];

impl Host {
    /// Finds a program.
    pub(crate) fn program(&self, name: &'static str) -> Result<PathBuf, BootTestError> {
        let candidates = self.programs.iter().map(|folder| folder.join(name));
        candidates
            .into_iter()
            .find(|path| path.is_file())
            .ok_or(BootTestError::MissingProgram { program: name })
    }

    /// Finds UEFI firmware without Secure Boot, as EC2 starts instances.
    pub(crate) fn firmware(&self) -> Result<Firmware, BootTestError> {
        let pairs = self.firmware.iter().flat_map(|folder| {
            FIRMWARE.map(|(code, variables)| Firmware {
                code: folder.join(code),
                variables: folder.join(variables),
            })
        });
        pairs
            .into_iter()
            .find(|firmware| firmware.code.is_file() && firmware.variables.is_file())
            .ok_or_else(|| BootTestError::MissingFirmware {
                folders: self.firmware.clone(),
            })
    }

    /// Why KVM cannot even be tried; `None` when it can.
    pub(crate) fn kvm_obstacle(&self) -> Option<String> {
        let opened = OpenOptions::new().read(true).write(true).open(&self.kvm);
        opened
            .err()
            .map(|error| format!("cannot open `{}`: {error}", self.kvm.display()))
    }
}

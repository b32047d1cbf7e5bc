//! Owns every value that a definition may leave out, in one place.

use firstboot::Role;

use super::boot::BootKind;

/// `esp-mib`: room for systemd-boot and several kernels of Debian's cloud flavour with their initrds.
pub const ESP_MIB: u64 = 256;
/// `root-free-mib`: logs, a journal and first data until the root has grown on its first boot.
pub const ROOT_FREE_MIB: u64 = 512;
/// `consoles`: the screen, then the serial line that EC2 shows; the last is the main one.
pub const CONSOLES: [&str; 2] = ["tty0", "ttyS0,115200"];
/// `timeout-secs`: nobody sits at the menu of an instance.
pub const MENU_TIMEOUT_SECS: u32 = 0;

/// `mode` of a file.
pub const FILE_MODE: u32 = 0o644;
/// `mode` of a directory.
pub const DIRECTORY_MODE: u32 = 0o755;
/// `owner` and `group`.
pub const OWNER: &str = "root";
/// `keep-in-image`: nodes get security updates from where their packages came from.
pub const KEEP_IN_IMAGE: bool = true;

/// `mode` of a file that a step writes.
pub const STEP_FILE_MODE: u16 = 0o644;
/// `at-least` of a step that finds peers: it waits for none.
pub const PEERS_AT_LEAST: &str = "0";

/// `at-most-secs` of a step; 0 for what waits for nothing.
pub(super) const fn deadline_secs(kind: BootKind) -> u16 {
    match kind {
        BootKind::Run | BootKind::Claim | BootKind::Volume => 300,
        BootKind::Wait | BootKind::Secrets => 120,
        // Members start beside each other, and the last may be replaced once before it is there.
        BootKind::Peers => 600,
        BootKind::Start => 60,
        BootKind::Write | BootKind::Set | BootKind::Report => 0,
    }
}

/// `environment` of a fleet.
pub const ENVIRONMENT: &str = "production";
/// `root-volume-gib`: the image, and room for logs, caches and what customers upload before it is moved.
pub const ROOT_VOLUME_GIB: u32 = 16;
/// `samples`: the threshold of the replaced runbook's health checks.
pub const HEALTH_SAMPLES: u32 = 3;
/// `every-secs`: the interval of the replaced runbook's health checks.
pub const HEALTH_EVERY_SECS: u32 = 30;
/// `at-most-secs`: the replaced runbook's target for a scale-out and for a recovery is five minutes.
pub const HEALTH_AT_MOST_SECS: u32 = 300;
/// `path` of a role that serves HTTPS.
pub const HEALTH_PATH: &str = "/";

/// What a role's instances are unless the fleet says otherwise: the replaced runbook's values
/// but for what is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleDefaults {
    /// `instance-type`.
    pub instance_type: &'static str,
    /// `min` and `desired`.
    pub min: u32,
    /// `max`.
    pub max: u32,
    /// `data-volume-gib`; `None` for a role that keeps no data of its own.
    pub data_volume_gib: Option<u32>,
    /// `port` of its health gate; `None` for a role that serves no HTTPS.
    pub port: Option<u16>,
}

/// The defaults of `role`.
pub const fn role(role: Role) -> RoleDefaults {
    let (instance_type, min, max, data_volume_gib, port) = match role {
        Role::Web | Role::Api => ("t3.medium", 2, 5, None, Some(443)),
        // The runbook names no size, since it kept data on the root volume: 100 GiB is our choice.
        Role::Database => ("t3.medium", 2, 3, Some(100), None),
        // The runbook's two bricks have no quorum; a volume of replica 3 has.
        Role::Storage => ("t3.large", 3, 3, Some(100), None),
        Role::Monitoring => ("t3.small", 2, 2, None, None),
    };
    RoleDefaults {
        instance_type,
        min,
        max,
        data_volume_gib,
        port,
    }
}

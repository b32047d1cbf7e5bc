//! Owns the facts that the engine does not find out: where a program uses one, a step before that sets
//! it, once in a launch and once in a report.

use firstboot::Role;

use super::{Operation, text};
use crate::address::AddressRange;
use crate::definition::{Fleet, FleetRole, Template};

/// Facts that every node has beside the engine's own.
pub(crate) const DERIVED: [&str; 4] = ["bucket", "prefix", "arbiters", "networks"];

/// An address as a number.
const NUMBER: &str = "print unpack N,pack C4,split/\\./,shift";

/// How long finding one out may take, in seconds.
const DERIVE_SECS: u16 = 60;

/// The operation that sets `fact`, where the engine does not.
pub(in super::super) fn derive(
    fact: &str,
    fleet: &Fleet,
    networks: &[AddressRange],
) -> Option<Operation> {
    let run = |argv: &[&str]| {
        let argv = argv.iter().map(|word| text(word)).collect();
        Operation::run(argv, Template::default())
            .sets(&[fact])
            .at_most_secs(DERIVE_SECS)
    };
    Some(match fact {
        "bucket" => Operation::set(fact, Template::text(fleet.state.bucket.as_str())),
        "prefix" => Operation::set(fact, Template::text(fleet.state.prefix.as_str())),
        "arbiters" => {
            let storage = fleet.roles.iter().find(|role| role.role == Role::Storage);
            let arbiters = storage.map_or(0, FleetRole::arbiters);
            Operation::set(fact, Template::text(arbiters.to_string()))
        }
        // The ranges of addresses that the fleet's nodes have, with blanks between.
        "networks" => {
            let ranges: Vec<String> = networks.iter().map(AddressRange::to_string).collect();
            Operation::set(fact, Template::text(ranges.join(" ")))
        }
        "boot" => run(&["cat", "/proc/sys/kernel/random/boot_id"]),
        "time" => run(&["date", "-u", "+%FT%TZ"]),
        "address-number" => run(&["perl", "-e", NUMBER, "{{address}}"]),
        "in-primary" => Operation::compare(fact, text("{{region}}"), text("{{primary}}")),
        _ => return None,
    })
}

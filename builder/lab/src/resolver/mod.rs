//! Owns the name server of the lab's regions, which answers at 10.N.0.2 as every VPC's does. Must not
//! open sockets and must not ask another server: what the lab does not know does not exist.
//!
//! ```
//! use vmimage_lab::network::Region;
//! use vmimage_lab::resolver::{Found, Names};
//!
//! let names = Names::new(&[Region::new("us-east-1", 1), Region::new("eu-west-1", 2)]);
//! let found = names.look_up("autoscaling.eu-west-1.amazonaws.com", 0);
//! assert_eq!(found, Found::Addresses(vec!["10.2.0.3".parse().unwrap()]));
//! ```

mod message;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub use message::answer;

use crate::network::{Region, host_name};

/// What all resolvers of a lab know.
#[derive(Clone, Debug)]
pub struct Names {
    regions: Vec<Region>,
    own: BTreeMap<String, Vec<Ipv4Addr>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// IPv4 addresses.
    Addresses(Vec<Ipv4Addr>),
    /// The name of an address.
    Pointer(String),
    /// No such name.
    Nothing,
}

impl Names {
    /// The names that follow from the regions.
    pub fn new(regions: &[Region]) -> Self {
        Self {
            regions: regions.to_vec(),
            own: BTreeMap::new(),
        }
    }

    /// Gives a name these addresses, in place of any it had; with none it is gone. Meant for what a
    /// fleet's own zone holds.
    pub fn set(&mut self, name: &str, addresses: Vec<Ipv4Addr>) {
        let name = plain(name);
        if addresses.is_empty() {
            self.own.remove(&name);
        } else {
            self.own.insert(name, addresses);
        }
    }

    /// Looks a name up for a client in the region with the index `asked_in`.
    pub fn look_up(&self, name: &str, asked_in: usize) -> Found {
        let name = plain(name);
        if let Some(addresses) = self.own.get(&name) {
            return Found::Addresses(addresses.clone());
        }
        if let Some(service) = name.strip_suffix(".amazonaws.com") {
            return self.endpoint(service, asked_in);
        }
        if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
            return self.pointer(reversed);
        }
        self.instance(&name)
    }

    /// The region is the label before `amazonaws.com`. Names without one are global services, which
    /// the client's own region answers.
    fn endpoint(&self, service: &str, asked_in: usize) -> Found {
        let last = service.rsplit('.').next().unwrap_or(service);
        let named = self.regions.iter().find(|region| region.name() == last);
        if named.is_none() && looks_like_region(last) {
            return Found::Nothing;
        }
        match named.or_else(|| self.regions.get(asked_in)) {
            Some(region) => Found::Addresses(vec![region.endpoint()]),
            None => Found::Nothing,
        }
    }

    fn instance(&self, name: &str) -> Found {
        let found = name.split_once('.').and_then(|(host, domain)| {
            let region = self
                .regions
                .iter()
                .find(|region| region.domain() == domain)?;
            let address: Ipv4Addr = host.strip_prefix("ip-")?.replace('-', ".").parse().ok()?;
            (region.holds(address) && host_name(address) == host).then_some(address)
        });
        found.map_or(Found::Nothing, |address| Found::Addresses(vec![address]))
    }

    fn pointer(&self, reversed: &str) -> Found {
        let labels: Vec<&str> = reversed.rsplit('.').collect();
        let Ok(address) = labels.join(".").parse::<Ipv4Addr>() else {
            return Found::Nothing;
        };
        let region = self.regions.iter().find(|region| region.holds(address));
        region.map_or(Found::Nothing, |region| {
            Found::Pointer(format!("{}.{}", host_name(address), region.domain()))
        })
    }
}

/// Names differ neither in case nor in a final dot.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a label is made like `us-gov-east-1`: a bucket's or a service's name before
/// `amazonaws.com` is not.
fn looks_like_region(label: &str) -> bool {
    let mut parts = label.rsplit('-');
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    words.len() >= 2
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests;

//! Owns telling where instance types are offered: in every zone, unless a fault says otherwise.

use std::collections::BTreeSet;

use super::spec::family;
use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation, PAGES};
use crate::aws::page::Page;
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeInstanceTypeOfferings",
    takes: &[DRY_RUN, FILTERS, PAGES, ("", &["LocationType"])],
    writes: false,
    handle: describe_instance_type_offerings,
}];

/// Some of AWS's types, for those who ask for all or with wildcards. Any other that has the name of one
/// is told where it is asked for by name, as it can be launched.
const FAMILIES: [&str; 6] = ["c7i", "m7i", "r7i", "t3", "t4g", "m7g"];
const SIZES: [&str; 4] = ["medium", "large", "xlarge", "2xlarge"];

fn describe_instance_type_offerings(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, &["instance-type", "location"])?;
    let region = &*region;
    let page = Page::of_ec2(call.params, &(5..=1000))?;
    let location_type = call.params.filled("LocationType").unwrap_or("region");
    let zones = || region.network.subnets.iter();
    let locations: Vec<(&str, Vec<&str>)> = match location_type {
        "region" => vec![(&region.name, zones().map(|subnet| &*subnet.zone).collect())],
        "availability-zone" => zones().map(|s| (&*s.zone, vec![&*s.zone])).collect(),
        "availability-zone-id" => zones().map(|s| (&*s.zone_id, vec![&*s.zone])).collect(),
        other => {
            let text = format!("Invalid value '{other}' for locationType.");
            return Err(ApiError::invalid(text));
        }
    };
    let known = FAMILIES
        .iter()
        .flat_map(|family| SIZES.map(|size| format!("{family}.{size}")));
    let asked = filters.exact("instance-type");
    let asked = asked
        .filter(|name| family(name).is_some())
        .map(str::to_owned);
    let types: BTreeSet<String> = known.chain(asked).collect();
    let offerings = types.iter().flat_map(|name| {
        let offering = locations
            .iter()
            .filter(move |(_, zones)| zones.iter().any(|zone| region.offers(zone, name)));
        offering.map(move |(location, _)| (name.as_str(), *location))
    });
    let accepted = offerings.filter(|(name, location)| {
        filters.accept(&Tags::new(), |field, test| match field {
            "instance-type" => test(name),
            _ => test(location),
        })
    });
    let keyed = accepted.map(|(name, location)| (format!("{name} {location}"), (name, location)));
    let (offerings, next) = page.cut(keyed);
    xml.list(
        "instanceTypeOfferingSet",
        offerings,
        |xml, (name, location)| {
            xml.text("instanceType", name);
            xml.text("locationType", location_type);
            xml.text("location", location);
        },
    );
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

//! Owns telling which regions and zones there are.

use crate::aws::error::ApiError;
use crate::aws::filter::{Filters, Tags};
use crate::aws::operation::{Call, DRY_RUN, FILTERS, Operation};
use crate::aws::region::Region;
use crate::aws::xml::Xml;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "DescribeRegions",
        takes: &[DRY_RUN, FILTERS, ("", &["RegionName.#", "AllRegions"])],
        writes: false,
        handle: describe_regions,
    },
    Operation {
        name: "DescribeAvailabilityZones",
        takes: &[
            DRY_RUN,
            FILTERS,
            ("", &["ZoneName.#", "ZoneId.#", "AllAvailabilityZones"]),
        ],
        writes: false,
        handle: describe_availability_zones,
    },
];

fn describe_regions(region: &mut Region, call: &Call<'_>, xml: &mut Xml) -> Result<(), ApiError> {
    let filters = Filters::parse(call.params, &["region-name", "endpoint", "opt-in-status"])?;
    let asked = call.params.strings("RegionName");
    let is_there = |name: &&str| region.all_regions.iter().any(|known| known == name);
    if let Some(name) = asked.iter().find(|name| !is_there(name)) {
        let text = format!("Invalid region provided: {name}");
        return Err(ApiError::invalid(text));
    }
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    let accepted = region.all_regions.iter().filter(|region| {
        (asked.is_empty() || asked.contains(&region.as_str()))
            && filters.accept(&Tags::new(), |name, test| match name {
                "region-name" => test(region),
                "endpoint" => test(&endpoint(region)),
                _ => test("opt-in-not-required"),
            })
    });
    xml.list("regionInfo", accepted, |xml, name| {
        xml.text("regionName", name);
        xml.text("regionEndpoint", &endpoint(name));
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(())
}

fn describe_availability_zones(
    region: &mut Region,
    call: &Call<'_>,
    xml: &mut Xml,
) -> Result<(), ApiError> {
    let known = [
        "zone-name",
        "zone-id",
        "region-name",
        "state",
        "zone-type",
        "group-name",
        "opt-in-status",
    ];
    let filters = Filters::parse(call.params, &known)?;
    let (names, ids) = (
        call.params.strings("ZoneName"),
        call.params.strings("ZoneId"),
    );
    let subnets = &region.network.subnets;
    for name in &names {
        if region.network.in_zone(name).is_none() {
            let text = format!("Invalid availability zone: [{name}]");
            return Err(ApiError::invalid(text));
        }
    }
    let accepted = subnets.iter().filter(|subnet| {
        (names.is_empty() || names.contains(&subnet.zone.as_str()))
            && (ids.is_empty() || ids.contains(&subnet.zone_id.as_str()))
            && filters.accept(&Tags::new(), |name, test| match name {
                "zone-name" => test(&subnet.zone),
                "zone-id" => test(&subnet.zone_id),
                "state" => test("available"),
                "zone-type" => test("availability-zone"),
                "opt-in-status" => test("opt-in-not-required"),
                _ => test(&region.name),
            })
    });
    xml.list("availabilityZoneInfo", accepted, |xml, subnet| {
        xml.text("zoneName", &subnet.zone);
        xml.text("zoneId", &subnet.zone_id);
        xml.text("zoneState", "available");
        xml.text("zoneType", "availability-zone");
        xml.text("regionName", &region.name);
        xml.text("groupName", &region.name);
        xml.text("networkBorderGroup", &region.name);
        xml.text("optInStatus", "opt-in-not-required");
        xml.list("messageSet", [(); 0], |_, ()| ());
    });
    Ok(())
}

//! Owns how the state of a lab is drawn for people.

use std::fmt::Write as _;

use vmimage_lab::host::{NodeStatus, Status};

const HEADER: [&str; 8] = [
    "REGION",
    "NODE",
    "SLOT",
    "INSTANCE",
    "ADDRESS",
    "IMAGE",
    "LIFECYCLE",
    "UNITS",
];

/// One line for each node, and one for each group that lacks some.
pub(super) fn draw(status: &Status) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    let mut lacking = String::new();
    for region in &status.regions {
        for group in &region.groups {
            for node in &group.nodes {
                rows.push([
                    region.region.clone(),
                    node.name.clone(),
                    group.slot.clone().unwrap_or_else(|| "-".to_owned()),
                    node.instance.clone(),
                    node.address.clone(),
                    node.image.clone(),
                    node.lifecycle.clone(),
                    units(node),
                ]);
            }
            if !group.is_up() {
                let ready = group
                    .nodes
                    .iter()
                    .filter(|node| node.lifecycle == "InService")
                    .count();
                let why = group.last_failure.as_deref().unwrap_or("not yet");
                let _ = writeln!(
                    lacking,
                    "{} {}: {ready} of {} in service: {why}",
                    region.region, group.group, group.desired
                );
            }
        }
    }
    align(&rows) + &lacking
}

fn units(node: &NodeStatus) -> String {
    if node.failed_units.is_empty() {
        return node.system.clone();
    }
    format!("{}: {} failed", node.system, node.failed_units.join(", "))
}

fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::draw;
    use vmimage_lab::host::{NodeStatus, RegionStatus, RoleStatus, Status};

    #[test]
    fn every_node_has_a_line_and_every_lacking_group_a_reason() {
        let node = NodeStatus {
            name: "storage-1".to_owned(),
            instance: "i-0a".to_owned(),
            zone: "eu-west-1a".to_owned(),
            address: "10.1.0.10".to_owned(),
            image: "ami-0b".to_owned(),
            template_version: 1,
            lifecycle: "InService".to_owned(),
            health: "Healthy".to_owned(),
            system: "degraded".to_owned(),
            failed_units: vec!["glusterd.service".to_owned()],
            memory_bytes: 1,
            targets: Vec::new(),
        };
        let group = |slot: &str, nodes: Vec<NodeStatus>, last_failure| RoleStatus {
            group: format!("hosting-storage-{slot}"),
            role: "storage".to_owned(),
            slot: Some(slot.to_owned()),
            desired: 1,
            nodes,
            last_failure,
        };
        let status = Status {
            format: 1,
            name: "lab".to_owned(),
            regions: vec![RegionStatus {
                region: "eu-west-1".to_owned(),
                groups: vec![
                    group("1", vec![node], None),
                    group("2", Vec::new(), Some("no room in eu-west-1b".to_owned())),
                ],
            }],
        };
        assert_eq!(
            draw(&status),
            "REGION     NODE       SLOT  INSTANCE  ADDRESS    IMAGE   LIFECYCLE  UNITS\n\
             eu-west-1  storage-1  1     i-0a      10.1.0.10  ami-0b  InService  degraded: glusterd.service failed\n\
             eu-west-1 hosting-storage-2: 0 of 1 in service: no room in eu-west-1b\n"
        );
        assert!(!status.is_up());
    }
}

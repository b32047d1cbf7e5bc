//! Owns the measurement of how fast nodes start: `bench-nodes IMAGE [COUNT [AT-ONCE]]` launches that
//! many nodes (eight) in a lab of their own and prints when each was up and what it takes. Must not
//! leave anything.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vmimage_lab::imds::Instance;
use vmimage_lab::network::{Region, mac_of};
use vmimage_lab::node::{Interferer, Lab, NodeLaunch, Settings};

#[expect(clippy::print_stdout, reason = "the numbers are what it is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let image = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: bench-nodes IMAGE [COUNT [AT-ONCE]]")?,
    );
    let count: u8 = arguments.next().map_or(Ok(8), |text| text.parse())?;
    let at_once = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let state_root = PathBuf::from("/var/tmp/vmimage-test-labs");
    let name = "bench";
    if Lab::traces(&state_root)
        .iter()
        .any(|trace| trace.name == name)
    {
        Lab::clean(&state_root, name)?;
    }
    let lab = Lab::start(Settings {
        name: name.to_owned(),
        state_root,
        regions: vec![Region::new("us-east-1", 1), Region::new("eu-west-1", 2)],
        ca_pem: None,
        starting_at_most: at_once,
        seed: 1,
        interferer: Interferer::default(),
    })?;
    let unpacking = Instant::now();
    lab.add_image(&Instance::example().ami_id, &image)?;
    println!(
        "image ready after {:.2} s",
        unpacking.elapsed().as_secs_f64()
    );
    let launches: Vec<NodeLaunch> = (0..count).map(node).collect();
    let started = Instant::now();
    for launch in &launches {
        lab.launch(launch)?;
    }
    for launch in &launches {
        let id = &launch.instance.instance_id;
        lab.wait_up(id, 1, Duration::from_mins(5))?;
        let seconds = started.elapsed().as_secs_f64();
        println!("{id} up after {seconds:.2} s, or before those above");
    }
    println!(
        "{count} nodes up after {:.2} s",
        started.elapsed().as_secs_f64()
    );
    describe(&lab, &launches)?;
    let first = &launches.first().ok_or("no node")?.instance.instance_id;
    let stopping = Instant::now();
    lab.stop(first, Duration::from_mins(2))?;
    println!("stopped in {:.2} s", stopping.elapsed().as_secs_f64());
    let ending = Instant::now();
    lab.down()?;
    println!("down in {:.2} s", ending.elapsed().as_secs_f64());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the numbers are what it is for")]
fn describe(lab: &Lab, launches: &[NodeLaunch]) -> Result<(), Box<dyn Error>> {
    for launch in launches {
        let id = &launch.instance.instance_id;
        let mib = lab.state(id)?.memory_bytes >> 20;
        let report = lab.system(id)?;
        println!(
            "{id}: {mib} MiB, {:?}, failed: {:?}",
            report.state, report.failed_units
        );
    }
    let first = &launches.first().ok_or("no node")?.instance.instance_id;
    for argv in [["systemd-analyze", "time"], ["systemd-analyze", "blame"]] {
        let output = lab.exec(first, &argv, b"", Duration::from_secs(30))?;
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{}", text.lines().take(15).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

fn node(number: u8) -> NodeLaunch {
    let (region, octet) = if number.is_multiple_of(2) {
        ("us-east-1", 1)
    } else {
        ("eu-west-1", 2)
    };
    let local_ipv4 = Ipv4Addr::new(10, octet, 0, 10 + number);
    NodeLaunch {
        instance: Instance {
            instance_id: format!("i-{number}"),
            region: region.to_owned(),
            availability_zone: format!("{region}a"),
            local_ipv4,
            mac: mac_of(local_ipv4),
            ..Instance::example()
        },
        hop_limit: 1,
        volumes: Vec::new(),
    }
}

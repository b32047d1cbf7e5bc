//! Two regions with two nodes each: names, metadata, and who reaches whom.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use vmimage_lab::imds::Interference;
use vmimage_lab::node::{Part, Phase, SystemState};

use crate::harness::{self, PATIENCE, done, lab, launch, metadata, node, reaches, run, wait_until};

#[test]
fn two_regions_talk_and_can_be_parted() {
    let lab = lab("network");
    let mut first = node("us-east-1", 1);
    first.instance.user_data = Some(b"#!/bin/sh\nhostname >/root/user-data-ran\n".to_vec());
    let nodes = [
        first,
        node("us-east-1", 2),
        node("eu-west-1", 1),
        node("eu-west-1", 2),
    ];
    launch(&lab, &nodes);
    what_nodes_are(&lab);
    what_nodes_are_told(&lab);
    routers_keep_their_addresses(&lab);
    who_reaches_whom(&lab);
    regions_are_parted(&lab);
    a_node_is_cut_off(&lab);
    lab.down().unwrap();
}

fn what_nodes_are(lab: &vmimage_lab::node::Lab) {
    for id in ["i-us1", "i-us2", "i-eu1", "i-eu2"] {
        let report = lab.system(id).unwrap();
        assert_eq!(report.failed_units, <[String; 0]>::default(), "{id}");
        assert_eq!(report.state, SystemState::Running, "{id}");
        let state = lab.state(id).unwrap();
        assert_eq!((state.phase, state.boots), (Phase::Up, 1));
        assert!(state.memory_bytes > 10 << 20, "{}", state.memory_bytes);
    }
    assert_eq!(done(lab, "i-us1", &["hostname"]), "ip-10-1-0-11");
    assert_eq!(
        done(lab, "i-us1", &["cat", "/root/user-data-ran"]),
        "ip-10-1-0-11"
    );
    let boot_id = |id| done(lab, id, &["cat", "/proc/sys/kernel/random/boot_id"]);
    assert_ne!(boot_id("i-us1"), boot_id("i-us2"));
    let machine_id = |id| done(lab, id, &["cat", "/etc/machine-id"]);
    assert_ne!(machine_id("i-us1"), machine_id("i-us2"));
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let last = done(lab, "i-eu1", &["tail", "-n", "1", bundle]);
    assert_eq!(last, "# the lab's own authority");
    // Whether FUSE is more than a file shows when it is opened.
    done(lab, "i-eu1", &["dd", "if=/dev/null", "of=/dev/fuse"]);
    let console = std::fs::read_to_string(lab.console_path("i-us1").unwrap()).unwrap();
    assert!(console.contains("ran the user data of i-us1"), "{console}");
}

/// A router whose hardware address changed when a node came or went would be lost to the others for
/// as long as they believe in the old one, a minute. Left alone, a bridge takes the lowest of its cables'.
fn routers_keep_their_addresses(lab: &vmimage_lab::node::Lab) {
    for (id, address) in [
        ("i-us1", "02:00:0a:01:00:01"),
        ("i-us2", "02:00:0a:01:00:01"),
        ("i-eu1", "02:00:0a:02:00:01"),
    ] {
        // Whom a node has to thank for its metadata.
        metadata(lab, id, "meta-data/instance-id");
        let said = done(lab, id, &["ip", "-json", "neigh", "show", "dev", "ens5"]);
        let known: serde_json::Value = serde_json::from_str(&said).unwrap();
        let known: Vec<_> = known
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|neighbour| neighbour["lladdr"].as_str())
            .collect();
        assert!(!known.is_empty(), "{id}: {said}");
        assert!(known.iter().all(|one| *one == address), "{id}: {said}");
    }
}

fn what_nodes_are_told(lab: &vmimage_lab::node::Lab) {
    assert_eq!(metadata(lab, "i-us1", "meta-data/instance-id"), "i-us1");
    assert_eq!(metadata(lab, "i-eu2", "meta-data/instance-id"), "i-eu2");
    let url = "http://169.254.169.254/latest/meta-data/";
    let code = [
        "curl",
        "--silent",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ];
    let mut asked = code.to_vec();
    asked.push(url);
    let strike = |interference| {
        harness::interfere("network", "i-us1", "/latest/meta-data/", interference);
    };
    assert_eq!(done(lab, "i-us1", &asked), "401");
    strike(Interference::Status(503));
    assert_eq!(done(lab, "i-us1", &asked), "503");
    assert_eq!(done(lab, "i-us1", &asked), "401");
    strike(Interference::Reset);
    assert_eq!(run(lab, "i-us1", &asked), (56, "000".to_owned()));
    strike(Interference::Truncate);
    assert_eq!(run(lab, "i-us1", &asked).0, 18);
    lab.imds("i-eu1")
        .unwrap()
        .lock()
        .unwrap()
        .instance_mut()
        .target_lifecycle_state = Some("Terminated".to_owned());
    assert_eq!(
        metadata(lab, "i-eu1", "meta-data/autoscaling/target-lifecycle-state"),
        "Terminated"
    );
}

fn who_reaches_whom(lab: &vmimage_lab::node::Lab) {
    let name = |name: &str| {
        let found = done(lab, "i-us1", &["getent", "ahostsv4", name]);
        found
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(name("autoscaling.eu-west-1.amazonaws.com"), "10.2.0.3");
    assert_eq!(name("sts.amazonaws.com"), "10.1.0.3");
    assert_eq!(name("ip-10-2-0-11.eu-west-1.compute.internal"), "10.2.0.11");
    // The search domain is the region's own.
    assert_eq!(name("ip-10-1-0-12"), "10.1.0.12");
    let pointer = done(lab, "i-us1", &["getent", "hosts", "10.2.0.12"]);
    assert_eq!(
        pointer.split_whitespace().last(),
        Some("ip-10-2-0-12.eu-west-1.compute.internal")
    );
    assert_eq!(
        run(lab, "i-us1", &["getent", "hosts", "deb.debian.org"]).0,
        2
    );
    lab.set_name("web.example.test", vec![[10, 2, 0, 12].into()]);
    assert_eq!(name("web.example.test"), "10.2.0.12");
    assert!(reaches(lab, "i-us1", "10.1.0.12"), "within a region");
    assert!(reaches(lab, "i-us1", "10.2.0.11"), "across regions");
    assert!(reaches(lab, "i-eu2", "ip-10-1-0-11.ec2.internal"));
    // Nothing outside the lab.
    assert!(!reaches(lab, "i-us1", "192.0.2.1"));
    let address = SocketAddr::from(([10, 2, 0, 3], 80));
    let listener = lab.network().listen_tcp(address).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let _request = stream.read(&mut [0; 1_024]).unwrap();
        stream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nsimulated")
            .unwrap();
        peer.ip().to_string()
    });
    let url = "http://ec2.eu-west-1.amazonaws.com/";
    let body = done(lab, "i-us1", &["curl", "--silent", "--max-time", "10", url]);
    assert_eq!(body, "simulated");
    assert_eq!(server.join().unwrap(), "10.1.0.11");
}

fn regions_are_parted(lab: &vmimage_lab::node::Lab) {
    let part = Part::Region("eu-west-1".to_owned());
    lab.partition(&part).unwrap();
    assert!(!reaches(lab, "i-us1", "10.2.0.11"));
    assert!(!reaches(lab, "i-eu1", "10.1.0.11"));
    assert!(!reaches(lab, "i-us1", "10.2.0.3"), "another's endpoint");
    assert!(reaches(lab, "i-eu1", "10.2.0.12"), "within the region");
    assert!(reaches(lab, "i-eu1", "10.2.0.3"), "its own endpoint");
    assert!(reaches(lab, "i-us1", "10.1.0.12"), "within the other");
    lab.heal().unwrap();
    assert!(reaches(lab, "i-us1", "10.2.0.11"));
    assert!(reaches(lab, "i-us1", "10.2.0.3"));
    let error = lab.partition(&Part::Region("mars-1".to_owned()));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the lab has no region `mars-1`"
    );
}

fn a_node_is_cut_off(lab: &vmimage_lab::node::Lab) {
    let part = Part::Node("i-us2".to_owned());
    lab.partition(&part).unwrap();
    assert!(!reaches(lab, "i-us2", "10.1.0.11"), "its neighbour");
    assert!(!reaches(lab, "i-us1", "10.1.0.12"), "from its neighbour");
    assert!(!reaches(lab, "i-eu1", "10.1.0.12"), "from another region");
    assert!(!reaches(lab, "i-us2", "10.1.0.3"), "its endpoint");
    assert_eq!(metadata(lab, "i-us2", "meta-data/instance-id"), "i-us2");
    done(lab, "i-us2", &["getent", "hosts", "10.1.0.11"]);
    assert!(reaches(lab, "i-us1", "10.2.0.11"), "others");
    lab.rejoin(&part).unwrap();
    assert!(reaches(lab, "i-us2", "10.1.0.11"));
    let slow = lab.exec("i-us1", &["sleep", "60"], b"", Duration::from_millis(300));
    assert_eq!(
        slow.unwrap_err().to_string(),
        "node `i-us1`: `sleep 60` did not end within 0 s"
    );
    let cat = lab.exec("i-us1", &["cat"], b"fed", PATIENCE).unwrap();
    assert_eq!((cat.code, cat.stdout), (0, b"fed".to_vec()));
    assert_eq!(run(lab, "i-us1", &["sh", "-c", "exit 42"]).0, 42);
    assert_eq!(run(lab, "i-us1", &["sh", "-c", "kill -TERM $$"]).0, 143);
    assert_eq!(run(lab, "i-us1", &["no-such-program"]).0, 127);
    // What took too long ends in the node as well.
    // The machine's own process 1 reaps it, in its own time.
    wait_until("no command is left", || {
        run(lab, "i-us1", &["pgrep", "-x", "sleep"]).0 == 1
    });
}

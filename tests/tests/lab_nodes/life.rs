//! Stopping, starting again, ending by itself, and what is refused.

use std::path::Path;

use vmimage_lab::imds::Instance;
use vmimage_lab::network::Region;
use vmimage_lab::node::{Ending, Entrance, Lab, LabError, Phase, Settings};

use crate::harness::{
    AMI, PATIENCE, done, lab, launch, node, run, settings, state_root, wait_until,
};

#[test]
fn a_node_stops_starts_reboots_and_ends_by_itself() {
    let lab = lab("life");
    launch(&lab, &[node("eu-west-1", 1)]);
    done(&lab, "i-eu1", &["touch", "/root/kept"]);
    lab.reboot("i-eu1").unwrap();
    lab.wait_up("i-eu1", 2, PATIENCE).unwrap();
    done(&lab, "i-eu1", &["test", "-e", "/root/kept"]);
    assert_eq!(lab.state("i-eu1").unwrap().boots, 2);

    a_command_dies_with_whoever_started_it(&lab);

    lab.stop("i-eu1", PATIENCE).unwrap();
    let state = lab.state("i-eu1").unwrap();
    assert_eq!(
        (state.phase, state.ending),
        (Phase::Off, Some(Ending::Stopped))
    );
    lab.start_node("i-eu1").unwrap();
    lab.wait_up("i-eu1", 3, PATIENCE).unwrap();
    let runs = lab.start_node("i-eu1").unwrap_err();
    assert_eq!(runs.to_string(), "node `i-eu1` runs already");

    let _code = run(&lab, "i-eu1", &["systemctl", "--no-block", "poweroff"]);
    let off = lab.wait_up("i-eu1", 4, PATIENCE).unwrap_err();
    assert_eq!(off.to_string(), "node `i-eu1` does not run");
    assert_eq!(lab.state("i-eu1").unwrap().ending, Some(Ending::Stopped));
    lab.terminate("i-eu1").unwrap();
    assert_eq!(lab.node_ids(), <[String; 0]>::default());
    assert!(lab.console_path("i-eu1").unwrap().is_file());
    what_is_refused(&lab);
    lab.down().unwrap();
    assert!(!state_root().join("labs/life").exists());
}

fn a_command_dies_with_whoever_started_it(lab: &Lab) {
    let runs = || run(lab, "i-eu1", &["pgrep", "-x", "sleep"]).0 == 0;
    // As another process of the machine would, which got it as text.
    let text = serde_json::to_string(&lab.entrance("i-eu1").unwrap()).unwrap();
    let entrance: Entrance = serde_json::from_str(&text).unwrap();
    let mut child = entrance.command(&["sleep", "600"]).spawn().unwrap();
    wait_until("the command runs", runs);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the command has ended", || !runs());
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, LabError>, said: &str) {
    assert_eq!(result.unwrap_err().to_string(), said);
}

fn what_is_refused(lab: &Lab) {
    refused(lab.kill("i-none"), "the lab has no node `i-none`");
    refused(
        Lab::start(settings("life")).map(drop),
        "lab `life` is running",
    );
    refused(Lab::clean(&state_root(), "life"), "lab `life` is running");
    let launch = |edit: fn(&mut Instance)| {
        let mut wrong = node("eu-west-1", 1);
        edit(&mut wrong.instance);
        lab.launch(&wrong)
    };
    refused(
        launch(|instance| instance.local_ipv4 = [10, 1, 0, 11].into()),
        "node `i-eu1` cannot have the address 10.1.0.11: region `eu-west-1` has 10.2.0.0/16",
    );
    refused(
        launch(|instance| "mars-1".clone_into(&mut instance.region)),
        "the lab has no region `mars-1`",
    );
    refused(
        launch(|instance| "ami-none".clone_into(&mut instance.ami_id)),
        "the lab has no image `ami-none`",
    );
    refused(
        launch(|instance| "../i".clone_into(&mut instance.instance_id)),
        "`../i` is no instance id",
    );
}

#[test]
fn a_tree_that_does_not_boot_says_so() {
    let lab = lab("broken");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    for name in ["usr/lib/systemd", "usr/bin", "etc"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("usr/lib/systemd/systemd"), "no program").unwrap();
    std::fs::write(folder.path().join("etc/os-release"), "ID=none\n").unwrap();
    lab.add_image(AMI, folder.path()).unwrap();
    lab.launch(&node("us-east-1", 1)).unwrap();
    let error = lab.wait_up("i-us1", 1, PATIENCE).unwrap_err().to_string();
    assert!(
        error.starts_with("node `i-us1` did not start: systemd-nspawn ended with exit code 1"),
        "{error}"
    );
    lab.down().unwrap();
}

#[test]
fn bad_settings_leave_nothing() {
    let shared = Settings {
        regions: vec![Region::new("a-1", 1), Region::new("b-1", 1)],
        ..settings("bad")
    };
    refused(
        Lab::start(shared).map(drop),
        "regions `b-1` and `a-1` cannot both be the network 10.1.0.0/16",
    );
    assert!(!state_root().join("labs/bad").exists());
    refused(
        Lab::start(settings("B A D")).map(drop),
        "`B A D` is no name for a lab: it must be a DNS label",
    );
    let lost = Settings {
        state_root: Path::new("/run/x").to_owned(),
        ..settings("bad")
    };
    refused(
        Lab::start(lost).map(drop),
        "a lab cannot keep its state in `/run/x`",
    );
}

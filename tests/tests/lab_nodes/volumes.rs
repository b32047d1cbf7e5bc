//! Data volumes: made blank, seen at once, kept through a power cut, carried to another node.

use vmimage_lab::node::{Ending, Phase, VOLUMES, Volume};

use crate::harness::{PATIENCE, done, lab, launch, node, run};

#[test]
fn a_volume_outlives_a_power_cut_and_its_node() {
    let lab = lab("volumes");
    let volume = Volume {
        id: "vol-1".to_owned(),
        size_gib: 5,
    };
    let mut first = node("us-east-1", 1);
    first.volumes.push(volume);
    launch(&lab, &[first, node("us-east-1", 2)]);
    let path = format!("{VOLUMES}/vol-1");
    let (data, device) = (format!("{path}/data/kept"), format!("{path}/device"));
    assert_eq!(done(&lab, "i-us1", &["ls", &path]), "data\ndevice");
    let size = done(&lab, "i-us1", &["stat", "--format=%s %b", &device]);
    assert_eq!(size, "5368709120 0", "a blank device takes no space");
    // Nothing is on it until somebody formats it; then it shows.
    assert_eq!(run(&lab, "i-us1", &["blkid", "--probe", &device]).0, 2);
    done(&lab, "i-us1", &["mkfs.ext4", "-q", &device]);
    done(&lab, "i-us1", &["blkid", "--probe", &device]);
    done(
        &lab,
        "i-us1",
        &[
            "sh",
            "-c",
            &format!("echo precious >{data}; echo own >/root/own"),
        ],
    );

    let boot_id = done(&lab, "i-us1", &["cat", "/proc/sys/kernel/random/boot_id"]);
    lab.kill("i-us1").unwrap();
    let state = lab.state("i-us1").unwrap();
    assert_eq!(state.phase, Phase::Off);
    assert_eq!(state.ending, Some(Ending::Killed));
    assert_eq!(state.memory_bytes, 0);
    let off = lab.exec("i-us1", &["true"], b"", PATIENCE).unwrap_err();
    assert_eq!(off.to_string(), "node `i-us1` does not run");
    lab.start_node("i-us1").unwrap();
    lab.wait_up("i-us1", 2, PATIENCE).unwrap();
    assert_eq!(done(&lab, "i-us1", &["cat", &data]), "precious");
    assert_eq!(done(&lab, "i-us1", &["cat", "/root/own"]), "own");
    let again = done(&lab, "i-us1", &["cat", "/proc/sys/kernel/random/boot_id"]);
    assert_ne!(boot_id, again);

    let taken = lab.attach_volume("vol-1", "i-us2").unwrap_err();
    assert_eq!(
        taken.to_string(),
        "volume `vol-1` is attached to node `i-us1`"
    );
    lab.terminate("i-us1").unwrap();
    lab.attach_volume("vol-1", "i-us2").unwrap();
    assert_eq!(done(&lab, "i-us2", &["cat", &data]), "precious");
    lab.detach_volume("vol-1").unwrap();
    assert_eq!(done(&lab, "i-us2", &["ls", VOLUMES]), "");
    lab.attach_volume("vol-1", "i-us2").unwrap();
    done(&lab, "i-us2", &["test", "-s", &data]);
    lab.detach_volume("vol-1").unwrap();
    lab.delete_volume("vol-1").unwrap();
    let absent = lab.attach_volume("vol-1", "i-us2").unwrap_err();
    assert_eq!(absent.to_string(), "the lab has no volume `vol-1`");
    lab.down().unwrap();
}

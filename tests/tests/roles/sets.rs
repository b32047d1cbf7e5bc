//! Storage of more than one set of three: files are spread over the sets, and each is on all of its own.

use vmimage_tests::project::is_full_run;

use super::fleet::Fleet;

const FILES: usize = 24;

#[test]
fn six_storage_nodes_are_two_sets_of_three() {
    if !is_full_run() {
        return;
    }
    let counts = [("storage", 6), ("database", 1), ("web", 1)];
    let fleet = Fleet::of("test-sets", &counts);
    let info = fleet.done("storage-1", &["gluster", "volume", "info", "gv0"]);
    assert!(info.contains("Number of Bricks: 2 x 3 = 6"), "{info}");
    let write = format!("for n in $(seq {FILES}); do echo $n >/mnt/glusterfs/$n || exit 1; done");
    fleet.soon("web-1", &["sh", "-c", &write]);
    let held: Vec<Vec<String>> = (1..=6).map(|slot| files_with_data(&fleet, slot)).collect();
    let [one, two] = [&held[0], &held[3]];
    assert!(!one.is_empty() && !two.is_empty(), "{held:?}");
    assert_eq!(held[..3], [one, one, one].map(Clone::clone));
    assert_eq!(held[3..], [two, two, two].map(Clone::clone));
    let mut all: Vec<usize> = one
        .iter()
        .chain(two)
        .map(|name| name.parse().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (1..=FILES).collect::<Vec<_>>());
}

/// The names of the files that hold their own name, sorted. What belongs to the other set is at most
/// an empty link there.
fn files_with_data(fleet: &Fleet, slot: usize) -> Vec<String> {
    let look = "cd /srv/gluster/brick && for n in *; do [ \"$(cat \"$n\")\" != \"$n\" ] || echo \"$n\"; done";
    let said = fleet.done(&format!("storage-{slot}"), &["sh", "-c", look]);
    said.lines().map(str::to_owned).collect()
}

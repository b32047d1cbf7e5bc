//! The roles that need each other, started in every order: what is there earlier waits for what it
//! needs, or goes on without and finds it later.

use std::time::Duration;

use vmimage_tests::project::is_full_run;
use vmimage_tests::wait::wait_until;

use super::fleet::Fleet;
use super::{REPLACED, a_row_is_replicated};

const DATABASE: (&str, u32) = ("database", 2);
const STORAGE: (&str, u32) = ("storage", 3);
const WEB: (&str, u32) = ("web", 1);

#[test]
fn roles_find_each_other_in_whatever_order_they_start() {
    let mut orders = vec![[DATABASE, WEB, STORAGE], [WEB, STORAGE, DATABASE]];
    if is_full_run() {
        orders.extend([
            [DATABASE, STORAGE, WEB],
            [STORAGE, DATABASE, WEB],
            [STORAGE, WEB, DATABASE],
            [WEB, DATABASE, STORAGE],
        ]);
    }
    for order in orders {
        let fleet = Fleet::empty("test-order");
        start(&fleet, &order);
        a_row_is_replicated(&fleet);
        web_has_the_data(&fleet);
        the_third_is_an_arbiter(&fleet);
        whoever_looks_leaves_the_lock_alone(&fleet);
    }
}

/// Each role is started when the one before serves, or waits for another.
fn start(fleet: &Fleet, order: &[(&str, u32)]) {
    for started in 1..=order.len() {
        let (roles, (role, count)) = (&order[..started], order[started - 1]);
        fleet.apply(roles);
        let has_database = roles.contains(&DATABASE);
        wait_until(REPLACED, &format!("{roles:?} have started"), || {
            if role == "web" && !has_database {
                return fleet.exec("web-1", &["pgrep", "--exact", "firstboot"]).code == 0;
            }
            fleet.in_service(role) == usize::try_from(count).unwrap()
        });
        if has_database && roles.contains(&WEB) {
            wait_until(REPLACED, "web serves", || fleet.in_service("web") == 1);
        } else {
            assert_eq!(fleet.in_service("web"), 0, "without a database");
        }
    }
}

fn web_has_the_data(fleet: &Fleet) {
    let ask = "mariadb --defaults-file=/etc/vmimage/database.cnf --skip-column-names -e 'SELECT what FROM shop.orders'";
    assert_eq!(fleet.done("web-1", &["sh", "-c", ask]), "tea\n");
    // Storage that came later is found by the report.
    let write = "mountpoint -q /mnt/glusterfs && echo kept >/mnt/glusterfs/file";
    fleet.soon("web-1", &["sh", "-c", write]);
    for node in ["storage-1", "storage-2"] {
        let said = fleet.done(node, &["cat", "/srv/gluster/brick/file"]);
        assert_eq!(said, "kept\n", "{node}");
    }
}

/// It knows of the file, and holds none of it.
fn the_third_is_an_arbiter(fleet: &Fleet) {
    wait_until(Duration::from_mins(1), "the arbiter knows the file", || {
        let size = ["stat", "--format=%s", "/srv/gluster/brick/file"];
        fleet.exec("storage-3", &size).stdout == "0\n"
    });
    let info = fleet.done("storage-1", &["gluster", "volume", "info", "gv0"]);
    let form = info
        .lines()
        .find(|line| line.starts_with("Number of Bricks"));
    assert_eq!(form, Some("Number of Bricks: 1 x (2 + 1) = 3"), "{info}");
}

/// What asks about bricks takes the lock of the whole cluster, and then whoever makes and starts the
/// volume fails. gluster's own history tells who asked.
fn whoever_looks_leaves_the_lock_alone(fleet: &Fleet) {
    let look = "
        gluster --mode=script volume stop gv0 >/dev/null
        before=$(grep -c . /var/log/glusterfs/cmd_history.log)
        /usr/lib/vmimage/storage status 1
        after=$(grep -c . /var/log/glusterfs/cmd_history.log)
        echo $((after - before))";
    let said = fleet.soon("storage-1", &["sh", "-ec", look]);
    assert_eq!(
        said,
        "{\"ready\":false,\"volume\":\"Stopped\",\"brick-online\":false,\"peers\":3,\"connected\":3,\"heal-pending\":null}\n0\n"
    );
}

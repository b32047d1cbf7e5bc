//! The roles on real nodes: a fleet comes up from nothing, holds data, and keeps it when nodes are
//! replaced. Asserts data, not exit codes. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test may panic as the test itself may"
)]

mod backup;
mod fleet;
mod hosting;
mod order;
mod quoting;
mod secrets;
mod seed;
mod sets;

use std::time::Duration;

use fleet::Fleet;
use vmimage_tests::project::is_full_run;
use vmimage_tests::wait::wait_for;

/// How long a node may take to be replaced and ready, on a busy machine.
const REPLACED: Duration = Duration::from_mins(6);

const ROWS: &str = "SELECT GROUP_CONCAT(what ORDER BY id) FROM shop.orders";

#[test]
fn a_fleet_of_every_role_comes_up_and_keeps_its_data_when_nodes_are_replaced() {
    comes_up_and_keeps_its_data(&Fleet::up("test-roles", "roles.toml"));
}

#[test]
fn debian_12_s_fleet_does_the_same() {
    if is_full_run() {
        comes_up_and_keeps_its_data(&Fleet::of_bookworm("test-bookworm"));
    }
}

fn comes_up_and_keeps_its_data(fleet: &Fleet) {
    let names: Vec<String> = fleet.names();
    assert_eq!(
        names,
        [
            "api-1",
            "database-1",
            "database-2",
            "monitoring-1",
            "storage-1",
            "storage-2",
            "storage-3",
            "web-1",
            "web-2"
        ]
    );
    assert_eq!(fleet.failed_units(), Vec::<String>::new());
    a_row_is_replicated(fleet);
    a_file_is_shared(fleet);
    every_node_has_reported(fleet);
    hosting::a_web_node_hosts(fleet);
    a_backup_is_restored(fleet);
    let (writer, replica) = databases(fleet);
    backup::what_cannot_be_saved_is_named_and_the_rest_is_saved(fleet, &writer);
    backup::another_node_s_backup_is_restored_when_it_is_asked_for(fleet, &writer, &replica);
    quoting::what_the_engine_quotes_is_read_back(fleet, &writer);
    seed::a_replica_is_seeded_with_more_tables_than_files_may_be_open(fleet, &writer, &replica);
    secrets::changed_secrets_are_taken_when_access_is_denied(fleet, &writer, &replica);
    replace_a_replica(fleet);
    replace_a_storage_node(fleet);
    replace_a_web_node(fleet);
    replace_the_writer(fleet);
}

/// The database node that is the writer, and the other.
fn databases(fleet: &Fleet) -> (String, String) {
    let names = ["database-1", "database-2"].map(str::to_owned);
    let writers: Vec<bool> = names
        .iter()
        .map(|name| fleet.sql(name, "SELECT @@read_only") == "0")
        .collect();
    match writers[..] {
        [true, false] => (names[0].clone(), names[1].clone()),
        [false, true] => (names[1].clone(), names[0].clone()),
        _ => panic!("one writer, not {writers:?}"),
    }
}

fn a_row_is_replicated(fleet: &Fleet) {
    let (writer, replica) = databases(fleet);
    fleet.sql(&writer, "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, what TEXT); INSERT INTO shop.orders VALUES (1, 'tea')");
    fleet.soon_says(&replica, "SELECT what FROM shop.orders WHERE id = 1", "tea");
    let source = fleet.done(&replica, &["mariadb", "-e", "SHOW REPLICA STATUS\\G"]);
    for wanted in [
        "Using_Gtid: Slave_Pos",
        "Slave_IO_Running: Yes",
        "Slave_SQL_Running: Yes",
        "Master_SSL_Allowed: Yes",
    ] {
        assert!(source.contains(wanted), "{wanted}: {source}");
    }
    ids_are_checked(fleet, &writer, &replica);
    for server in [&writer, &replica] {
        let ask =
            "curl --silent --fail http://localhost:9104/metrics | grep --line-regexp 'mysql_up 1'";
        assert_eq!(fleet.soon(server, &["sh", "-c", ask]), "mysql_up 1\n");
    }
}

/// Each server's id is its address; one with another's does not go on following.
fn ids_are_checked(fleet: &Fleet, writer: &str, replica: &str) {
    let id = fleet.sql(replica, "SELECT INET_ATON(@@report_host)");
    assert_eq!(fleet.sql(replica, "SELECT @@server_id"), id);
    assert_eq!(
        fleet.sql(writer, "SHOW REPLICA HOSTS").split('\t').next(),
        Some(id.as_str())
    );
    fleet.sql(replica, "SET GLOBAL server_id = 7");
    let follow = ["/usr/lib/vmimage/database", "follow", "10.0.0.1"];
    let refused = fleet.exec(replica, &follow);
    let address = fleet.sql(replica, "SELECT @@report_host");
    fleet.sql(replica, &format!("SET GLOBAL server_id = {id}"));
    assert_eq!(
        (refused.code, refused.stderr),
        (
            1,
            format!(
                "database: the server's id is 7, which is not its address {address}: another may have it\n"
            )
        )
    );
}

fn a_file_is_shared(fleet: &Fleet) {
    fleet.done("web-1", &["sh", "-c", "echo kept >/mnt/glusterfs/file"]);
    assert_eq!(
        fleet.done("web-2", &["cat", "/mnt/glusterfs/file"]),
        "kept\n"
    );
    assert_eq!(
        fleet.done("api-1", &["cat", "/mnt/glusterfs/file"]),
        "kept\n"
    );
}

fn every_node_has_reported(fleet: &Fleet) {
    for (name, instance) in fleet.instances() {
        let report: serde_json::Value =
            serde_json::from_str(&fleet.object(&format!("us-east-1/nodes/{instance}.json")))
                .unwrap();
        assert_eq!(report["state"], "ready", "{name}");
        assert_eq!(report["instance"], instance.as_str());
        let role = name.rsplit_once('-').unwrap().0;
        assert_eq!(report["role"], role);
    }
}

/// The nightly backup, now; and what a person does on the day of the restore.
fn a_backup_is_restored(fleet: &Fleet) {
    let (writer, _) = databases(fleet);
    fleet.done(&writer, &["systemctl", "is-active", "vmimage-backup.timer"]);
    fleet.done(&writer, &["systemctl", "start", "vmimage-backup.service"]);
    fleet.done(
        &writer,
        &["/usr/lib/vmimage/restore", "latest", "/root/restored"],
    );
    let restored = "/root/restored/var/lib/vmimage-backup/mariadb.sql";
    let orders = fleet.done(
        &writer,
        &[
            "grep",
            "--after-context=1",
            "INSERT INTO `orders`",
            restored,
        ],
    );
    assert!(orders.contains("(1,'tea')"), "{orders}");
    let own = fleet.done(&writer, &["cat", "/root/restored/etc/hostname"]);
    assert_eq!(own, fleet.done(&writer, &["cat", "/etc/hostname"]));
}

fn replace_a_replica(fleet: &Fleet) {
    let (writer, replica) = databases(fleet);
    fleet.sql(&writer, "INSERT INTO shop.orders VALUES (2, 'milk')");
    fleet.replace(&replica, REPLACED);
    fleet.sql(&writer, "INSERT INTO shop.orders VALUES (3, 'bread')");
    fleet.soon_says(&replica, ROWS, "tea,milk,bread");
    assert_eq!(databases(fleet), (writer, replica));
}

fn replace_a_storage_node(fleet: &Fleet) {
    fleet.replace("storage-2", REPLACED);
    // A client that misses two servers for twenty seconds, as on a busy machine, has no quorum.
    fleet.soon("web-1", &["sh", "-c", "echo after >/mnt/glusterfs/later"]);
    wait_for(Duration::from_mins(3), "the new node has healed", || {
        let heal = ["gluster", "volume", "heal", "gv0", "info", "summary"];
        let said = fleet.exec("storage-2", &heal).stdout;
        let lines = said.lines();
        let left = lines.filter_map(|line| line.strip_prefix("Total Number of entries: "));
        if left.eq(["0", "0", "0"]) {
            Ok(())
        } else {
            Err(said)
        }
    });
    let files = ["/srv/gluster/brick/file", "/srv/gluster/brick/later"];
    let said = fleet.done("storage-2", &[&["cat"], &files[..]].concat());
    assert_eq!(said, "kept\nafter\n");
}

fn replace_a_web_node(fleet: &Fleet) {
    fleet.replace("web-1", REPLACED);
    // Names go by order: either may be the new one.
    for node in ["web-1", "web-2"] {
        assert_eq!(fleet.soon(node, &["cat", "/mnt/glusterfs/file"]), "kept\n");
    }
}

/// Its successor has its volume, so it is the writer.
fn replace_the_writer(fleet: &Fleet) {
    let (writer, replica) = databases(fleet);
    fleet.replace(&writer, REPLACED);
    assert_eq!(databases(fleet), (writer.clone(), replica.clone()));
    fleet.sql(&writer, "INSERT INTO shop.orders VALUES (4, 'salt')");
    fleet.soon_says(&replica, ROWS, "tea,milk,bread,salt");
}

#[test]
fn another_region_s_database_is_a_replica() {
    let fleet = Fleet::up("test-regions", "regions.toml");
    let [writer, other] = ["us-east-1/database-1", "eu-west-1/database-1"];
    assert_eq!(
        (
            fleet.sql(writer, "SELECT @@read_only"),
            fleet.sql(other, "SELECT @@read_only")
        ),
        ("0".into(), "1".into())
    );
    fleet.sql(writer, "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, what TEXT); INSERT INTO shop.orders VALUES (1, 'tea')");
    fleet.soon_says(other, "SELECT what FROM shop.orders WHERE id = 1", "tea");
    // Cut off, it stays a replica; joined again, it catches up.
    fleet.partition("eu-west-1");
    fleet.sql(writer, "INSERT INTO shop.orders VALUES (2, 'milk')");
    // Two questions: MariaDB 11.8 says 0 for the variable in one query with an aggregate.
    assert_eq!(
        fleet.sql(
            other,
            "SELECT @@read_only; SELECT COUNT(*) FROM shop.orders"
        ),
        "1\n1"
    );
    fleet.heal();
    fleet.soon_says(other, "SELECT COUNT(*) FROM shop.orders", "2");
}

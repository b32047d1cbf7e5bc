//! Seeding a replica where open files are few.

use super::fleet::Fleet;

/// More than the files that the replica's shell lets a program have open below.
const TABLES: usize = 150;

pub(crate) fn a_replica_is_seeded_with_more_tables_than_files_may_be_open(
    fleet: &Fleet,
    writer: &str,
    replica: &str,
) {
    let address = fleet.sql(writer, "SELECT @@report_host");
    let make = format!(
        "for n in $(seq {TABLES}); do echo \"CREATE TABLE many.t$n (id INT PRIMARY KEY);\"; done | mariadb"
    );
    fleet.sql(writer, "CREATE DATABASE many");
    fleet.done(writer, &["sh", "-ec", &make]);
    let limit = "systemctl show --property LimitNOFILESoft --value vmimage-seed.service";
    assert_eq!(fleet.done(writer, &["sh", "-c", limit]), "1048576\n");
    let lose = "systemctl stop mariadb.service; mv /var/lib/mysql/data /var/lib/mysql/lost";
    fleet.done(replica, &["sh", "-ec", lose]);
    let seed = format!("ulimit -S -n 100; /usr/lib/vmimage/database seed {address}");
    // A file that is no table: the writer's own words reach whoever asks.
    let file = "/var/lib/mysql/data/many/none.ibd";
    fleet.done(writer, &["truncate", "--size=65536", file]);
    let refused = fleet.exec(replica, &["sh", "-c", &seed]);
    fleet.done(writer, &["rm", file]);
    let begin = format!("database: the writer {address} cannot give a seed: ");
    assert!(
        refused.code == 1
            && refused.stderr.starts_with(&begin)
            && refused.stderr.contains("many/none"),
        "{refused:?}"
    );
    fleet.done(replica, &["sh", "-c", &seed]);
    let start = format!(
        "rm -r /var/lib/mysql/lost; systemctl start mariadb.service prometheus-mysqld-exporter.service vmimage-seed.service; /usr/lib/vmimage/database follow {address}"
    );
    fleet.done(replica, &["sh", "-ec", &start]);
    let count = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'many'";
    assert_eq!(fleet.sql(replica, count), TABLES.to_string());
    fleet.sql(writer, "DROP DATABASE many");
    fleet.soon_says(replica, count, "0");
}

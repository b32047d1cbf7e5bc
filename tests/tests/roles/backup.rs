//! Backups of what cannot be read as a whole, and restores of what other nodes saved.

use super::fleet::Fleet;

const RESTORE: &str = "/usr/lib/vmimage/restore";

/// A view whose table is gone, a view whose function's owner is gone, a table that is damaged.
const DAMAGED: &str = "
    CREATE DATABASE damaged; USE damaged;
    CREATE TABLE orders (id INT PRIMARY KEY); CREATE VIEW report AS SELECT id FROM orders; DROP TABLE orders;
    CREATE USER gone@localhost; GRANT ALL ON damaged.* TO gone@localhost;
    CREATE DEFINER=gone@localhost FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
    CREATE VIEW owned AS SELECT f() AS f; DROP USER gone@localhost;
    CREATE TABLE crashed (id INT PRIMARY KEY, v CHAR(200)) ENGINE=MyISAM;
    INSERT INTO crashed SELECT seq, 'x' FROM seq_1_to_2000;
    CREATE TABLE whole (id INT PRIMARY KEY, v CHAR(20)); INSERT INTO whole VALUES (1, 'a whole row');
    CREATE DATABASE later; CREATE TABLE later.whole (v CHAR(20)); INSERT INTO later.whole VALUES ('a later row');
    FLUSH TABLES";

/// A path that can be seen and not read, as behind a mount whose server is gone.
const UNREADABLE: &str = "mkdir -p /home/site; touch /home/site/remote; echo kept > /home/site/file
    mount --bind /proc/self/mem /home/site/remote";

/// What the backup says of what it cannot do, one a line.
fn complaints(fleet: &Fleet, node: &str) -> Vec<String> {
    let look = "journalctl --unit vmimage-backup.service --output cat --no-pager | tac | sed '/^Starting /q' | tac \
        | grep -E '^backup: .*( is saved without |not saved|not everything|cannot be read)'";
    let said = fleet.done(node, &["sh", "-c", look]);
    said.lines().map(str::to_owned).collect()
}

fn metric(fleet: &Fleet, node: &str, name: &str) -> u64 {
    let file = "/var/lib/prometheus/node-exporter/backup.prom";
    let said = fleet.done(node, &["sed", "-n", &format!("s/^{name} //p"), file]);
    said.trim_end().parse().unwrap()
}

pub(crate) fn what_cannot_be_saved_is_named_and_the_rest_is_saved(fleet: &Fleet, writer: &str) {
    let start = ["systemctl", "start", "vmimage-backup.service"];
    let before = metric(fleet, writer, "vmimage_backup_timestamp_seconds");
    fleet.sql(writer, DAMAGED);
    fleet.done(
        writer,
        &[
            "truncate",
            "--size=100000",
            "/var/lib/mysql/data/damaged/crashed.MYD",
        ],
    );
    fleet.done(writer, &["sh", "-ec", UNREADABLE]);
    assert_eq!(fleet.exec(writer, &start).code, 1);
    let named = complaints(fleet, writer).join("\n");
    for wanted in [
        "backup: the database damaged is saved without a part of it: mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `report`': View 'damaged.report' references invalid table(s)",
        "backup: the database damaged is saved without a part of it: mariadb-dump: Couldn't execute 'show create table `owned`': The user specified as a definer ('gone'@'localhost') does not exist (1449)",
        "backup: the database damaged is saved without a part of it: mariadb-dump: Error 1194: Table 'crashed' is marked as crashed",
        "backup: not saved: open /home/site/remote: ",
        "backup: not everything was done: ",
    ] {
        assert!(named.contains(wanted), "{wanted}: {named}");
    }
    assert!(!named.contains("the database later"), "{named}");
    assert!(metric(fleet, writer, "vmimage_backup_failures") > 0);
    // A backup that lacks a part of a database is none that alerts may be content with.
    assert_eq!(
        metric(fleet, writer, "vmimage_backup_timestamp_seconds"),
        before
    );
    fleet.done(writer, &[RESTORE, "latest", "/root/rest"]);
    let read = "grep -ho 'a whole row\\|a later row' /root/rest/var/lib/vmimage-backup/mariadb.sql; cat /root/rest/home/site/file /root/rest/etc/hostname; rm -r /root/rest";
    let host = fleet.done(writer, &["cat", "/etc/hostname"]);
    assert_eq!(
        fleet.done(writer, &["sh", "-ec", read]),
        format!("a whole row\na later row\nkept\n{host}")
    );
    // Without the path alone it is a backup.
    fleet.sql(writer, "DROP DATABASE damaged; DROP DATABASE later");
    fleet.done(writer, &start);
    assert_eq!(
        complaints(fleet, writer)[1..],
        ["backup: done, without 1 paths that cannot be read"]
    );
    assert_eq!(metric(fleet, writer, "vmimage_backup_unread_paths"), 1);
    assert_eq!(metric(fleet, writer, "vmimage_backup_failures"), 0);
    assert!(metric(fleet, writer, "vmimage_backup_timestamp_seconds") > before);
    fleet.done(writer, &["umount", "/home/site/remote"]);
}

pub(crate) fn another_node_s_backup_is_restored_when_it_is_asked_for(
    fleet: &Fleet,
    writer: &str,
    replica: &str,
) {
    let name = format!("us-east-1/{writer}");
    assert_eq!(
        fleet.done(replica, &[RESTORE, "--nodes"]),
        format!("{name}\n")
    );
    let host = fleet.done(writer, &["cat", "/etc/hostname"]);
    fleet.done(
        replica,
        &[RESTORE, "--host", &name, "latest", "/root/other"],
    );
    let by_environment = format!(
        "export RESTIC_REPOSITORY=$(sed -n 's/^RESTIC_REPOSITORY=//p' /etc/vmimage/backup.env | sed s/{replica}/{writer}/) \
         VMIMAGE_BACKUP_HOST=roles-us-east-1-{writer}; {RESTORE} latest /root/asked"
    );
    fleet.done(replica, &["sh", "-ec", &by_environment]);
    let read =
        "cat /root/other/etc/hostname /root/asked/etc/hostname; rm -r /root/other /root/asked";
    assert_eq!(
        fleet.done(replica, &["sh", "-ec", read]),
        format!("{host}{host}")
    );
    for (arguments, expected) in [
        (
            &["--host", "web-9", "latest", "/root/none"][..],
            format!("restore: there is no backup of `web-9`; there are backups of:\n  {name}\n"),
        ),
        // It has saved nothing yet, and another's is not what was asked for.
        (
            &["--host", replica, "latest", "/root/none"],
            format!("restore: there is no backup of `{replica}`; there are backups of:\n  {name}\n"),
        ),
        (
            &["latest"],
            "restore: usage: restore [--host NODE] [--repository URL] [SNAPSHOT DIRECTORY], or restore --nodes\n".to_owned(),
        ),
    ] {
        let ran = fleet.exec(replica, &[&[RESTORE], arguments].concat());
        assert_eq!(ran.stderr, expected);
        assert_ne!(ran.code, 0);
    }
    assert_eq!(fleet.exec(replica, &["ls", "/root/none"]).code, 2);
}

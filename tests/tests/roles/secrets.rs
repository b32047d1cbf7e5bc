//! Secrets that are changed while nodes run: who is denied access takes the new one, and says until then
//! that it is not ready.

use super::fleet::Fleet;

/// Every character that has a meaning somewhere, and blanks at both ends.
const CHANGED: &str = " a#d'm\"i\\n%s $x `q` é;=! ";

/// The writer's accounts get these passwords, as its successor would give them.
fn change_accounts(fleet: &Fleet, writer: &str) {
    let quoted = CHANGED.replace('\\', "\\\\").replace('\'', "\\'");
    let sql = format!(
        "SET @replication = 'r{quoted}', @admin = '{quoted}', @networks = '172.31.0.0/16';"
    );
    fleet.write(writer, "/run/accounts.sql", &sql);
    let users = "/usr/lib/vmimage/database users roles < /run/accounts.sql; rm /run/accounts.sql";
    fleet.done(writer, &["sh", "-ec", users]);
}

pub(crate) fn changed_secrets_are_taken_when_access_is_denied(
    fleet: &Fleet,
    writer: &str,
    replica: &str,
) {
    change_accounts(fleet, writer);
    fleet.sql(replica, "STOP REPLICA IO_THREAD; START REPLICA IO_THREAD");
    let errno = "mariadb -e 'SHOW REPLICA STATUS\\G' | grep -o 'Last_IO_Errno: 1045'";
    fleet.soon(replica, &["sh", "-c", errno]);
    let denied = "/usr/lib/vmimage/health show | grep -o 'ERROR 1045'";
    fleet.soon("web-1", &["sh", "-c", denied]);
    // Parameter Store does not answer: the report is written all the same, with the truth in it.
    fleet.add_fault(&["fail", "service=ssm"]);
    let report = fleet.report(replica);
    assert_eq!(
        (
            &report["state"],
            &report["replication"]["errors"],
            &report["replication"]["ready"]
        ),
        (&"unready".into(), &"1045/0".into(), &false.into())
    );
    fleet.end_faults();
    // The old secrets are still there: nothing is changed.
    assert_eq!(fleet.report("web-1")["state"], "unready");
    fleet.put_secret("replication", &format!("r{CHANGED}"));
    fleet.put_secret("database-admin", CHANGED);
    let report = fleet.report(replica);
    assert_eq!(
        (
            &report["replication"]["errors"],
            &report["replication"]["io"]
        ),
        (&"0/0".into(), &"Yes".into())
    );
    assert_eq!(fleet.report(replica)["state"], "ready");
    for node in ["web-1", "web-2", "api-1"] {
        fleet.done(node, &["systemctl", "start", "vmimage-report.service"]);
        fleet.soon(
            node,
            &[
                "sh",
                "-c",
                "/usr/lib/vmimage/health show | grep -q '\"ready\":true'",
            ],
        );
        assert_eq!(fleet.report(node)["state"], "ready", "{node}");
        let own = fleet.done(
            node,
            &["sed", "-n", "s/^pass=//p", "/etc/webmin/mysql/config"],
        );
        assert_eq!(own, format!("{CHANGED}\n"), "{node}");
    }
}

//! What a web node is to those who host on it: Webmin under its own unit, Virtualmin checked and making
//! domains, health that asks Webmin's port. What the stand-ins do here was seen of the real programs.

use std::time::Duration;

use vmimage_tests::wait::wait_for;

use crate::fleet::Fleet;

/// A page of a domain that is made and deleted again, and what is around it.
pub(crate) fn a_web_node_hosts(fleet: &Fleet) {
    webmin_has_a_unit_of_its_own(fleet);
    virtualmin_is_checked(fleet);
    a_domain_is_made_and_deleted(fleet);
    health_asks_webmin_s_port(fleet);
    nothing_of_it_runs_elsewhere(fleet);
}

fn webmin_has_a_unit_of_its_own(fleet: &Fleet) {
    let show = |property| {
        let said = fleet.done("web-1", &["systemctl", "show", "-P", property, "webmin"]);
        said.trim_end().to_owned()
    };
    assert_eq!(
        show("FragmentPath"),
        "/etc/systemd/system/webmin.service",
        "a unit that was made of a SysV script lies in /run"
    );
    let before = show("MainPID");
    // As Virtualmin's set-up does, by which Webmin once moved into the caller's control group.
    fleet.done("web-1", &["/etc/webmin/restart-by-force-kill"]);
    let now = show("MainPID");
    assert_ne!(now, before);
    let group = fleet.done("web-1", &["cat", &format!("/proc/{now}/cgroup")]);
    assert!(
        group.trim_end().ends_with("/system.slice/webmin.service"),
        "{group}"
    );
}

/// What Virtualmin's own check says, at the launch and where it has something to refuse.
fn virtualmin_is_checked(fleet: &Fleet) {
    for node in ["web-1", "web-2", "api-1"] {
        health_says(fleet, node, "\"virtualmin\":\"ok\"");
    }
    let set = |key_and_value: &str| {
        let command = format!(
            "echo '{key_and_value}' | /usr/lib/vmimage/set-keys /etc/webmin/virtual-server/config"
        );
        fleet.done("web-1", &["sh", "-c", &command]);
    };
    set("virus=1");
    let refused = fleet.exec("web-1", &["/usr/lib/vmimage/virtualmin-check"]);
    let problem = "The ClamAV program clamdscan does not appear to be installed on your system";
    assert_eq!(
        (refused.code, refused.stdout),
        (1, format!("ERROR: {problem}\n"))
    );
    // It is told, and takes nothing out of service.
    health_says(fleet, "web-1", &format!("\"virtualmin\":\"{problem}\""));
    health_says(fleet, "web-1", "\"ready\":true");
    set("virus=0");
    fleet.done("web-1", &["/usr/lib/vmimage/virtualmin-check"]);
}

fn a_domain_is_made_and_deleted(fleet: &Fleet) {
    let virtualmin = |verb| {
        fleet.done(
            "web-1",
            &["virtualmin", verb, "--domain", "tea.example.test"],
        );
    };
    let ask = [
        "curl",
        "--silent",
        "--show-error",
        "--header",
        "Host: tea.example.test",
        "http://localhost/",
    ];
    virtualmin("create-domain");
    assert_eq!(fleet.soon("web-1", &ask), "<h1>tea.example.test</h1>\n");
    assert_eq!(
        fleet.done("web-1", &["virtualmin", "list-domains"]),
        "tea.example.test\n"
    );
    let owner = ["stat", "--format", "%U %a", "/home/tea"];
    assert_eq!(fleet.done("web-1", &owner), "tea 750\n");
    virtualmin("delete-domain");
    assert_eq!(fleet.exec("web-1", &["id", "tea"]).code, 1);
}

/// A server that hangs is a unit that runs.
fn health_asks_webmin_s_port(fleet: &Fleet) {
    let signal = |signal| {
        fleet.done(
            "web-1",
            &["systemctl", "kill", "--signal", signal, "webmin"],
        );
    };
    health_says(fleet, "web-1", "\"ready\":true");
    signal("STOP");
    health_says(
        fleet,
        "web-1",
        "{\"ready\":false,\"services\":\"Webmin on port 10000: ",
    );
    let asked = fleet.done(
        "web-1",
        &[
            "curl",
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            "http://localhost/healthz",
        ],
    );
    assert_eq!(asked, "503");
    signal("CONT");
    health_says(fleet, "web-1", "\"ready\":true,\"services\":\"ok\"");
}

fn nothing_of_it_runs_elsewhere(fleet: &Fleet) {
    let lookup = ["systemctl", "is-active", "lookup-domain.service"];
    assert_eq!(fleet.exec("web-1", &lookup).stdout, "active\n");
    for node in ["database-1", "storage-1", "monitoring-1"] {
        for unit in ["lookup-domain.service", "webmin.service"] {
            let state = fleet.exec(node, &["systemctl", "is-active", unit]).stdout;
            assert_eq!(state, "inactive\n", "{unit} on {node}");
        }
    }
    // Keys that the set-up makes are each machine's own.
    let key = |node| {
        let file = "/etc/proftpd/ssh_host_rsa_key.pub";
        fleet.done(node, &["cut", "-d", " ", "-f", "2", file])
    };
    assert_ne!(key("web-1"), key("web-2"));
}

#[track_caller]
fn health_says(fleet: &Fleet, node: &str, wanted: &str) {
    let what = format!("the health of {node} says {wanted}");
    wait_for(Duration::from_mins(3), &what, || {
        let said = fleet
            .exec(node, &["/usr/lib/vmimage/health", "show"])
            .stdout;
        let is_so = said.contains(wanted);
        is_so.then_some(()).ok_or(said)
    });
}

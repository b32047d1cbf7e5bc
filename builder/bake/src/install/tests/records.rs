//! Tests of dpkg's records and of the order of configuration.

use std::collections::HashSet;

use super::super::order::{Wave, waves};
use super::super::records::Records;
use super::Place;
use crate::deb::handmade::{Entry, Handmade, file};
use crate::deb::paragraph::Paragraph;
use crate::deb::{Control, ControlFile};

fn control(text: &str) -> Control {
    Control {
        fields: Paragraph::parse(text.as_bytes()).unwrap(),
        files: Vec::new(),
    }
}

#[test]
fn waves_follow_pre_depends_and_priorities() {
    let controls = [
        control("Package: gawk\nPriority: optional\nProvides: awk\n"),
        control("Package: mawk\nPriority: required\nProvides: awk\n"),
        control("Package: base-files\nEssential: yes\nPre-Depends: awk\n"),
        control("Package: base-passwd\nEssential: yes\n"),
        control("Package: adduser\nDepends: passwd\n"),
        control("Package: passwd\n"),
        control("Package: server\nPre-Depends: adduser\nDepends: client\n"),
        control("Package: client\n"),
    ];
    let controls: Vec<&Control> = controls.iter().collect();
    let wave = |packages: &[usize], bootstrap| Wave {
        packages: packages.to_vec(),
        bootstrap,
    };
    assert_eq!(
        waves(&controls, &HashSet::new()),
        vec![
            wave(&[3, 2, 1], true),
            wave(&[4, 5], false),
            wave(&[0, 6, 7], false)
        ]
    );
    let installed = HashSet::from(["adduser".to_owned()]);
    assert_eq!(
        waves(&controls[6..], &installed),
        vec![wave(&[0, 1], false)]
    );
    let cycle = [
        control("Package: a\nPre-Depends: b\n"),
        control("Package: b\nPre-Depends: a\n"),
    ];
    let cycle: Vec<&Control> = cycle.iter().collect();
    assert_eq!(waves(&cycle, &installed), vec![wave(&[0, 1], false)]);
}

#[test]
fn records_are_what_dpkg_writes() {
    let mut place = Place::new();
    let mut deb = Handmade::new(
        "tool",
        vec![
            Entry::Directory("./etc/", 0o755),
            file("./etc/tool.conf", "a"),
            file("./usr/share/watched/x", "b"),
        ],
    );
    deb.control = vec![
        ("conffiles", "/etc/tool.conf\n"),
        (
            "triggers",
            "interest-noawait /usr/share/watched\ninterest named\nactivate-noawait other\n",
        ),
    ];
    deb.fields = "Multi-Arch: same\n";
    let extracted = place.layer("files", &[deb]).unwrap();
    assert_eq!(place.text("files/etc/tool.conf.dpkg-new"), "a");
    let records = Records::open(&place.path("files")).unwrap();
    records.add(&[&extracted.packages[0]]).unwrap();
    let database = |name: &str| place.text(&format!("files/var/lib/dpkg/{name}"));
    assert_eq!(
        database("status"),
        "Package: tool\nStatus: install ok unpacked\nVersion: 1.0-1\nArchitecture: amd64\nMulti-Arch: same\n\
         Conffiles:\n /etc/tool.conf newconffile\n\n"
    );
    assert_eq!(
        database("info/tool:amd64.list"),
        "/.\n/etc\n/etc/tool.conf\n/usr/share/watched/x\n"
    );
    assert_eq!(
        database("info/tool:amd64.md5sums"),
        "0cc175b9c0f1b6a831c399e269772661  etc/tool.conf\n\
         92eb5ffee6ae2fec3ad71c777531578f  usr/share/watched/x\n"
    );
    assert_eq!(
        database("triggers/File"),
        "/usr/share/watched tool:amd64/noawait\n"
    );
    assert_eq!(database("triggers/named"), "tool:amd64\n");
    assert_eq!(
        database("triggers/Unincorp"),
        "/usr/share/watched tool:amd64\nother -\n"
    );
}

#[test]
fn control_files_name_conffiles_and_triggers() {
    let control = Control {
        fields: Paragraph::default(),
        files: vec![ControlFile {
            name: "conffiles".to_owned(),
            mode: 0o644,
            mtime: 0,
            bytes: b"/etc/a\nremove-on-upgrade /etc/b\n\n".to_vec(),
        }],
    };
    let conffiles: Vec<(String, bool)> = control
        .conffiles()
        .into_iter()
        .map(|conffile| {
            (
                String::from_utf8(conffile.path).unwrap(),
                conffile.remove_on_upgrade,
            )
        })
        .collect();
    assert_eq!(
        conffiles,
        vec![("/etc/a".to_owned(), false), ("/etc/b".to_owned(), true)]
    );
}

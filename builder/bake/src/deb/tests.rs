//! Tests of reading .debs, of good ones and of broken ones made here.

use std::cmp::Ordering;
use std::fs;
use std::io::Read;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vmimage_plan::lock::LockedPackage;

use super::handmade::{Entry, Handmade, file};
use super::paragraph::{Malformed, Paragraph};
use super::relation::{Operator, Relation, compare_versions, parse_relations};
use super::{Control, Deb, DebError, Kind, Member};

type Seen = Vec<(String, Kind, String)>;

fn read(deb: &Deb) -> Result<(Control, Seen), DebError> {
    let mut seen = Seen::new();
    let mut visit = |_: &Control, member: Member, content: &mut dyn Read| {
        let mut text = String::new();
        content
            .read_to_string(&mut text)
            .map_err(|source| DebError::Read {
                path: "a member".to_owned(),
                source,
            })?;
        seen.push((String::from_utf8(member.path).unwrap(), member.kind, text));
        Ok(())
    };
    let control = deb.read::<DebError>(&mut visit)?;
    Ok((control, seen))
}

fn fails(handmade: &Handmade) -> String {
    let directory = TempDir::new().unwrap();
    let error = read(&handmade.write(directory.path())).unwrap_err();
    error
        .to_string()
        .replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn every_compression_reads_the_same() {
    for compression in ["", "gz", "xz", "zst"] {
        let directory = TempDir::new().unwrap();
        let mut handmade = Handmade::new(
            "tool",
            vec![
                Entry::Directory("./", 0o755),
                Entry::Directory("./usr/", 0o755),
                file("./usr/a", "one"),
                Entry::Hardlink("./usr/b", "./usr/a"),
                Entry::Symlink("./usr/c", "../a"),
            ],
        );
        handmade.compression = compression;
        handmade.control = vec![("postinst", "#!/bin/sh\n")];
        let (control, seen) = read(&handmade.write(directory.path())).unwrap();
        assert_eq!(control.package(), "tool");
        assert_eq!(control.file("postinst"), Some(b"#!/bin/sh\n".as_slice()));
        let expected = vec![
            (String::new(), Kind::Directory, String::new()),
            ("usr".to_owned(), Kind::Directory, String::new()),
            ("usr/a".to_owned(), Kind::File, "one".to_owned()),
            (
                "usr/b".to_owned(),
                Kind::Hardlink(b"usr/a".to_vec()),
                String::new(),
            ),
            (
                "usr/c".to_owned(),
                Kind::Symlink(b"../a".to_vec()),
                String::new(),
            ),
        ];
        assert_eq!(seen, expected, "{compression}");
    }
}

#[test]
fn long_names_are_read_whole() {
    let directory = TempDir::new().unwrap();
    let long = format!("./{}/{}", "d".repeat(120), "n".repeat(200));
    let (_, seen) =
        read(&Handmade::new("long", vec![file(&long, "x")]).write(directory.path())).unwrap();
    assert_eq!(
        seen,
        vec![(long[2..].to_owned(), Kind::File, "x".to_owned())]
    );
}

#[test]
fn unsafe_paths_are_refused() {
    for (path, shown) in [
        ("../etc/passwd", "../etc/passwd"),
        ("./usr/../../x", "./usr/../../x"),
        ("/etc/passwd", "/etc/passwd"),
    ] {
        assert_eq!(
            fails(&Handmade::new("evil", vec![file(path, "x")])),
            format!("`evil.deb` holds the unsafe path `{shown}`")
        );
    }
    assert_eq!(
        fails(&Handmade::new(
            "evil",
            vec![Entry::Hardlink("./a", "../../etc/shadow")]
        )),
        "`evil.deb` holds the unsafe path `../../etc/shadow`"
    );
}

#[test]
fn devices_are_refused() {
    assert_eq!(
        fails(&Handmade::new("evil", vec![Entry::Device("./dev/sda")])),
        "`evil.deb` holds `dev/sda`, which is a device"
    );
}

#[test]
fn members_must_be_in_order() {
    let mut handmade = Handmade::new("tool", vec![]);
    handmade.members = ["debian-binary", "data.tar", "control.tar"];
    assert_eq!(
        fails(&handmade),
        "`tool.deb` is not a Debian package: its second member is `data.tar.xz` and not the control member"
    );
    handmade.members = ["control.tar", "debian-binary", "data.tar"];
    assert_eq!(
        fails(&handmade),
        "`tool.deb` is not a Debian package: its first member is not `debian-binary` of format 2"
    );
}

#[test]
fn a_truncated_file_is_named_with_both_sizes() {
    let directory = TempDir::new().unwrap();
    let deb = Handmade::new("tool", vec![file("./a", "content")]).write(directory.path());
    let bytes = fs::read(&deb.path).unwrap();
    fs::write(&deb.path, &bytes[..bytes.len() - 9]).unwrap();
    let error = read(&deb).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` has {} bytes and not {}",
            deb.path.display(),
            bytes.len() - 9,
            bytes.len()
        )
    );
    assert_eq!(
        error.hint().unwrap(),
        format!(
            "remove `{}`, and the next bake downloads it again",
            deb.path.display()
        )
    );
}

#[test]
fn a_changed_byte_anywhere_is_a_wrong_digest() {
    let directory = TempDir::new().unwrap();
    let deb = Handmade::new("tool", vec![file("./a", "content")]).write(directory.path());
    let bytes = fs::read(&deb.path).unwrap();
    for position in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[position] ^= 0x55;
        fs::write(&deb.path, &changed).unwrap();
        let error = read(&deb).unwrap_err();
        assert!(
            matches!(error, DebError::Digest { .. }),
            "{position}: {error}"
        );
    }
}

#[test]
fn another_package_under_the_name_is_refused() {
    let directory = TempDir::new().unwrap();
    let mut deb = Handmade::new("tool", vec![]).write(directory.path());
    deb.locked.version = "2.0-1".to_owned();
    assert_eq!(
        read(&deb).unwrap_err().to_string(),
        format!(
            "`{}` holds `tool 1.0-1 amd64` and not `tool 2.0-1 amd64`",
            deb.path.display()
        )
    );
}

#[test]
fn paragraphs_keep_fields_as_written() {
    let text = b"Package: a\nMaintainer: J\xf6rg\nDescription: short \n long\n .\n more\n";
    let paragraph = Paragraph::parse(text).unwrap();
    assert_eq!(
        paragraph.fields().collect::<Vec<_>>(),
        vec![
            ("Package", b"a".as_slice()),
            ("Maintainer", b"J\xf6rg"),
            ("Description", b"short \n long\n .\n more")
        ]
    );
    assert_eq!(paragraph.get("package"), Some("a"));
    assert_eq!(paragraph.get("maintainer"), None);
    assert_eq!(paragraph.to_bytes(), text);
    assert_eq!(Paragraph::parse(b"Package: a\nnonsense\n"), Err(2));
    assert_eq!(Paragraph::parse(b" continuation\n"), Err(1));
}

#[test]
fn a_malformed_paragraph_is_named() {
    let text = b"Package: a\nVersion: 1\n\n\nPackage: b\n\n";
    let packages: Vec<_> = Paragraph::parse_all(text)
        .unwrap()
        .iter()
        .map(|paragraph| paragraph.get("Package").unwrap().to_owned())
        .collect();
    assert_eq!(packages, ["a", "b"]);
    assert_eq!(
        Paragraph::parse_all(b"Package: a\n\nPackage: b\nnonsense\n\nPackage: c\n"),
        Err(Malformed {
            line: 4,
            paragraph: "Package: b".to_owned()
        })
    );
}

#[test]
fn a_copy_without_compression_is_the_same_package() {
    let directory = TempDir::new().unwrap();
    for content in ["even", "odd"] {
        let mut handmade = Handmade::new("tool", vec![file("./usr/a", content)]);
        handmade.control = vec![("postinst", "#!/bin/sh\n")];
        let deb = handmade.write(directory.path());
        let copy = directory.path().join("copy.deb");
        let mut nothing = |_: &Control, _, _: &mut dyn Read| Ok(());
        let control = deb
            .read_copying::<DebError>(Some(&copy), &mut nothing)
            .unwrap();
        assert_eq!(deb.control().unwrap(), control);
        handmade.compression = "";
        assert_eq!(fs::read(&copy).unwrap().len(), handmade.bytes().len());
        let bytes = fs::read(&copy).unwrap();
        let again = Deb {
            locked: LockedPackage {
                sha256: hex::encode(Sha256::digest(&bytes)),
                size: bytes.len() as u64,
                ..deb.locked.clone()
            },
            path: copy,
        };
        assert_eq!(read(&again).unwrap(), read(&deb).unwrap());
    }
}

#[test]
fn versions_compare_as_dpkg_says() {
    for (left, order, right) in [
        ("1.0", Ordering::Equal, "1.0"),
        ("1.0~rc1", Ordering::Less, "1.0"),
        ("1.0", Ordering::Less, "1.0+b1"),
        ("1:0.1", Ordering::Greater, "9.9"),
        ("1.10", Ordering::Greater, "1.9"),
        ("1.0-1", Ordering::Less, "1.0-1.1"),
        ("1.0a", Ordering::Less, "1.0+"),
        ("0:1.0", Ordering::Equal, "1.0"),
        ("1.0-0", Ordering::Equal, "1.0"),
        (
            "99999999999999999999999",
            Ordering::Less,
            "100000000000000000000000",
        ),
        ("007", Ordering::Equal, "7"),
    ] {
        assert_eq!(compare_versions(left, right), order, "{left} {right}");
    }
}

#[test]
fn relations_are_clauses_of_alternatives() {
    let relations = parse_relations("libc6 (>= 2.38), awk | mawk:any (<< 2) [amd64], ");
    let relation = |name: &str, version: Option<(Operator, &str)>| Relation {
        name: name.to_owned(),
        version: version.map(|(operator, version)| (operator, version.to_owned())),
    };
    assert_eq!(
        relations,
        vec![
            vec![relation("libc6", Some((Operator::LaterOrEqual, "2.38")))],
            vec![
                relation("awk", None),
                relation("mawk", Some((Operator::Earlier, "2")))
            ],
        ]
    );
    assert!(relations[1][1].matches("mawk", "1.9"));
    assert!(!relations[1][1].matches("mawk", "2"));
}

//! Owns the layout of a repository: pool, indexes, Release files and key.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use liblzma::write::XzEncoder;
use sha2::{Digest, Sha256};

use super::{Archive, Deb, ORIGIN, StandinError, TestKey, Validity, file_error};

/// The architectures that the repository claims to serve; every package is for all.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Writes a repository into `directory`.
pub(super) fn write(
    directory: &Path,
    archive: Archive,
    debs: &[Deb],
    key: &TestKey,
    validity: Validity,
) -> Result<(), StandinError> {
    let mut index = String::new();
    for deb in debs {
        let path = format!(
            "pool/{}/{}_{}_all.deb",
            archive.component, deb.name, deb.version
        );
        save(&directory.join(&path), &deb.bytes)?;
        index += &stanza(deb, &path);
    }

    let suite = directory.join("dists").join(archive.suite);
    let mut sums = String::new();
    for architecture in ARCHITECTURES {
        for (name, content) in indexes(&index).map_err(|e| file_error("write", &suite, e))? {
            let path = format!("{}/binary-{architecture}/{name}", archive.component);
            let digest = hex::encode(Sha256::digest(&content));
            // Writing to a `String` cannot fail.
            let _ = writeln!(sums, " {digest} {} {path}", content.len());
            save(&suite.join(&path), &content)?;
        }
    }
    let release = release(archive, validity, &sums)?;
    let inline = key.sign_inline(&release, validity.date)?;
    let detached = key.sign_detached(&release, validity.date)?;
    save(&suite.join("Release"), release.as_bytes())?;
    save(&suite.join("InRelease"), inline.as_bytes())?;
    save(&suite.join("Release.gpg"), detached.as_bytes())?;
    save(&directory.join("key.asc"), key.public_armored()?.as_bytes())
}

fn stanza(deb: &Deb, path: &str) -> String {
    format!(
        "{}Filename: {path}\nSize: {}\nSHA256: {}\n\n",
        deb.control,
        deb.bytes.len(),
        hex::encode(Sha256::digest(&deb.bytes))
    )
}

fn indexes(packages: &str) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(packages.as_bytes())?;
    let mut xz = XzEncoder::new(Vec::new(), 6);
    xz.write_all(packages.as_bytes())?;
    Ok(vec![
        ("Packages", packages.as_bytes().to_vec()),
        ("Packages.gz", gzip.finish()?),
        ("Packages.xz", xz.finish()?),
    ])
}

fn release(archive: Archive, validity: Validity, sums: &str) -> Result<String, StandinError> {
    let mut release = String::new();
    let fields = [
        ("Origin", ORIGIN.to_owned()),
        ("Label", format!("vmimage stand-in for {}", archive.name)),
        ("Suite", archive.suite.to_owned()),
        ("Codename", archive.suite.to_owned()),
        ("Date", date(validity.date)?),
        ("Valid-Until", date(validity.valid_until)?),
        ("Architectures", ARCHITECTURES.join(" ")),
        ("Components", archive.component.to_owned()),
        (
            "Description",
            format!("Stand-ins for the packages of {}; not theirs", archive.name),
        ),
    ];
    for (name, value) in fields {
        // Writing to a `String` cannot fail.
        let _ = writeln!(release, "{name}: {value}");
    }
    release += "SHA256:\n";
    release += sums;
    Ok(release)
}

/// A date as Release files have it.
fn date(seconds: i64) -> Result<String, StandinError> {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string())
        .map_err(|source| StandinError::Date { seconds, source })
}

fn save(path: &Path, content: &[u8]) -> Result<(), StandinError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| file_error("write", parent, e))?;
    }
    fs::write(path, content).map_err(|e| file_error("write", path, e))
}

//! Owns bills of materials: SPDX 2.3 and CycloneDX 1.6, both made from a manifest and nothing else.
//! Must not say what it does not know: licences are `NOASSERTION`.

mod cyclonedx;
mod spdx;

pub use cyclonedx::cyclonedx;
pub use spdx::spdx;

use jiff::Timestamp;

use crate::disk::Guid;
use crate::manifest::{Manifest, PackageEntry};

/// The name of the SPDX document's file.
pub const SPDX_FILE_NAME: &str = "sbom.spdx.json";

/// The name of the CycloneDX document's file.
pub const CYCLONEDX_FILE_NAME: &str = "sbom.cdx.json";

/// When the documents say that they were made: the time that the image's files are clamped to.
fn created(manifest: &Manifest) -> String {
    Timestamp::from_second(manifest.source_date_epoch)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

/// The document's own identifier, the same for the same image.
fn serial(manifest: &Manifest, label: &str) -> String {
    format!("urn:uuid:{}", Guid::derive(&manifest.fingerprint, label))
}

/// The package URL. Debian's archives have the namespace `debian`; a vendor's has its own name.
fn purl(manifest: &Manifest, package: &PackageEntry) -> String {
    let namespace = if package.archive.starts_with("debian") {
        "debian"
    } else {
        package.archive.as_str()
    };
    format!(
        "pkg:deb/{}/{}@{}?arch={}&distro={}",
        encode(namespace),
        encode(&package.name),
        encode(&package.version),
        encode(&package.architecture),
        manifest.suite.as_str()
    )
}

/// Percent-encodes what a package URL does not take as it is.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{cyclonedx, spdx};
    use crate::manifest::tests::sample_manifest;

    #[test]
    fn spdx_describes_the_image_and_its_packages() {
        let document = spdx(&sample_manifest()).unwrap();
        assert_eq!(document, spdx(&sample_manifest()).unwrap());
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(value["creationInfo"]["created"], "2026-11-18T11:06:40Z");
        assert_eq!(value["packages"].as_array().unwrap().len(), 4);
        assert_eq!(
            value["packages"][1]["SPDXID"],
            "SPDXRef-Package-libstdc.2b.2b6-amd64"
        );
        assert_eq!(
            value["packages"][2]["externalRefs"][0]["referenceLocator"],
            "pkg:deb/debian/passwd@1%3A4.17.4-2?arch=amd64&distro=trixie"
        );
        assert_eq!(value["packages"][2].get("comment"), None);
        assert_eq!(
            value["packages"][3]["comment"],
            "A stand-in for the vendor's package, made for tests."
        );
        assert_eq!(value["relationships"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn cyclonedx_lists_the_packages_with_their_recipes() {
        let document = cyclonedx(&sample_manifest()).unwrap();
        assert_eq!(document, cyclonedx(&sample_manifest()).unwrap());
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        let purls: Vec<&str> = value["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["purl"].as_str().unwrap())
            .collect();
        assert_eq!(
            purls,
            [
                "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=trixie",
                "pkg:deb/debian/passwd@1%3A4.17.4-2?arch=amd64&distro=trixie",
                "pkg:deb/webmin/webmin@2.520%2Bstandin?arch=all&distro=trixie",
            ]
        );
        let properties = &value["components"][2]["properties"];
        assert_eq!(properties[0]["value"], "webmin");
        assert_eq!(properties[2]["name"], "vmimage:stand-in");
    }
}

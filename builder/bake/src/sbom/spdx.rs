//! Owns the SPDX 2.3 document (<https://spdx.github.io/spdx-spec/v2.3/>).

use serde::Serialize;

use super::{created, purl, serial};
use crate::manifest::{Manifest, PackageEntry};

const NO_ASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    #[serde(rename = "documentNamespace")]
    namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    supplier: &'static str,
    download_location: &'static str,
    files_analyzed: bool,
    primary_package_purpose: &'static str,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
struct ExternalRef {
    #[serde(rename = "referenceCategory")]
    category: &'static str,
    #[serde(rename = "referenceType")]
    kind: &'static str,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

#[derive(Serialize)]
struct Relationship {
    #[serde(rename = "spdxElementId")]
    of: &'static str,
    #[serde(rename = "relationshipType")]
    kind: &'static str,
    #[serde(rename = "relatedSpdxElement")]
    to: String,
}

/// The SPDX document of an image.
pub fn spdx(manifest: &Manifest) -> Result<String, serde_json::Error> {
    let mut packages = vec![image_package(manifest)];
    packages.extend(
        manifest
            .packages()
            .map(|(_, package)| deb_package(manifest, package)),
    );
    let mut relationships = vec![Relationship {
        of: DOCUMENT,
        kind: "DESCRIBES",
        to: IMAGE.to_owned(),
    }];
    relationships.extend(packages.iter().skip(1).map(|package| Relationship {
        of: IMAGE,
        kind: "CONTAINS",
        to: package.id.clone(),
    }));
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: format!("{}-{}", manifest.image, manifest.architecture.as_str()),
        namespace: serial(manifest, "spdx"),
        creation_info: CreationInfo {
            created: created(manifest),
            creators: vec![format!("Tool: vmimage-{}", manifest.vmimage)],
        },
        packages,
        relationships,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

fn image_package(manifest: &Manifest) -> Package {
    Package {
        id: IMAGE.to_owned(),
        name: manifest.image.clone(),
        version_info: manifest.fingerprint.clone(),
        supplier: NO_ASSERTION,
        download_location: NO_ASSERTION,
        files_analyzed: false,
        primary_package_purpose: "OPERATING-SYSTEM",
        license_concluded: NO_ASSERTION,
        license_declared: NO_ASSERTION,
        copyright_text: NO_ASSERTION,
        checksums: Vec::new(),
        external_refs: Vec::new(),
        comment: None,
    }
}

fn deb_package(manifest: &Manifest, package: &PackageEntry) -> Package {
    Package {
        // An identifier has letters, digits, `.` and `-`; a package's name may have `+` too.
        id: format!(
            "SPDXRef-Package-{}-{}",
            package.name.replace('+', ".2b"),
            package.architecture
        ),
        name: package.name.clone(),
        version_info: package.version.clone(),
        primary_package_purpose: "LIBRARY",
        checksums: vec![Checksum {
            algorithm: "SHA256",
            checksum_value: package.sha256.clone(),
        }],
        external_refs: vec![ExternalRef {
            category: "PACKAGE-MANAGER",
            kind: "purl",
            locator: purl(manifest, package),
        }],
        comment: package
            .stand_in
            .then_some("A stand-in for the vendor's package, made for tests."),
        ..image_package(manifest)
    }
}

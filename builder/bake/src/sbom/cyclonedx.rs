//! Owns the CycloneDX 1.6 document (<https://cyclonedx.org/docs/1.6/json/>).

use serde::Serialize;

use super::{created, purl, serial};
use crate::manifest::{Manifest, PackageEntry, RecipeEntry};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "bomFormat")]
    kind: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Default, Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

/// The CycloneDX document of an image.
pub fn cyclonedx(manifest: &Manifest) -> Result<String, serde_json::Error> {
    let bom = Bom {
        kind: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial(manifest, "cyclonedx"),
        version: 1,
        metadata: Metadata {
            timestamp: created(manifest),
            tools: Tools {
                components: vec![Component {
                    kind: "application",
                    name: "vmimage".to_owned(),
                    version: manifest.vmimage.clone(),
                    ..Component::default()
                }],
            },
            component: Component {
                kind: "operating-system",
                reference: Some("image".to_owned()),
                name: manifest.image.clone(),
                version: manifest.fingerprint.clone(),
                ..Component::default()
            },
        },
        components: manifest
            .packages()
            .map(|(recipe, package)| component(manifest, recipe, package))
            .collect(),
    };
    serde_json::to_string_pretty(&bom).map(|text| text + "\n")
}

fn component(manifest: &Manifest, recipe: &RecipeEntry, package: &PackageEntry) -> Component {
    let purl = purl(manifest, package);
    let mut properties = vec![
        Property {
            name: "vmimage:recipe",
            value: recipe.name.clone(),
        },
        Property {
            name: "vmimage:archive",
            value: package.archive.clone(),
        },
    ];
    if package.stand_in {
        properties.push(Property {
            name: "vmimage:stand-in",
            value: "true".to_owned(),
        });
    }
    Component {
        kind: "library",
        reference: Some(purl.clone()),
        name: package.name.clone(),
        version: package.version.clone(),
        hashes: vec![Hash {
            alg: "SHA-256",
            content: package.sha256.clone(),
        }],
        purl: Some(purl),
        properties,
    }
}

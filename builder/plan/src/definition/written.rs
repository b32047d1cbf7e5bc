//! Owns the definitions as they are written: options where a value may be left out, spans where a
//! check may point. Must not decide anything: `resolve` does.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Architecture, Suite};

/// `images/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ImageDefinition {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) suite: Suite,
    pub(super) architectures: Spanned<Vec<Spanned<Architecture>>>,
    pub(super) recipes: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) disk: DiskDefinition,
    #[serde(default)]
    pub(super) boot: BootDefinition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_field_names, reason = "every size says its unit")]
pub(super) struct DiskDefinition {
    pub(super) esp_mib: Option<Spanned<u64>>,
    pub(super) root_mib: Option<Spanned<u64>>,
    pub(super) root_free_mib: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BootDefinition {
    pub(super) consoles: Option<Vec<Spanned<String>>>,
    pub(super) kernel_arguments: Option<Vec<Spanned<String>>>,
    pub(super) timeout_secs: Option<Spanned<u32>>,
}

/// `recipes/NAME/recipe.toml`. The fields after `suite` are those of [`Part`]; serde's `flatten`
/// would say it once, but it does not go together with refusing unknown fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RecipeDefinition {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
    #[serde(default)]
    pub(super) suite: BTreeMap<Suite, Part>,
    #[serde(default)]
    packages: Vec<Spanned<String>>,
    #[serde(default)]
    debconf: Vec<DebconfDefinition>,
    #[serde(default, rename = "repository")]
    repositories: Vec<RepositoryDefinition>,
    #[serde(default, rename = "file")]
    files: Vec<FileDefinition>,
    #[serde(default, rename = "directory")]
    directories: Vec<DirectoryDefinition>,
    #[serde(default, rename = "link")]
    links: Vec<LinkDefinition>,
    #[serde(default, rename = "command")]
    commands: Vec<CommandDefinition>,
    #[serde(default)]
    units: UnitsDefinition,
    #[serde(default, rename = "seal")]
    seals: Vec<SealDefinition>,
    #[serde(default, rename = "check")]
    checks: Vec<CheckDefinition>,
    #[serde(default)]
    boot: Vec<BootStepDefinition>,
}

/// A recipe's name and description.
pub(super) struct Title {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
}

impl RecipeDefinition {
    /// What it says for `suite`: the common part first, then the suite's own.
    pub(super) fn into_parts(mut self, suite: Suite) -> (Title, Vec<Part>) {
        let own = self.suite.remove(&suite);
        let common = Part {
            packages: self.packages,
            debconf: self.debconf,
            repositories: self.repositories,
            files: self.files,
            directories: self.directories,
            links: self.links,
            commands: self.commands,
            units: self.units,
            seals: self.seals,
            checks: self.checks,
            boot: self.boot,
        };
        let title = Title {
            name: self.name,
            description: self.description,
        };
        (title, std::iter::once(common).chain(own).collect())
    }
}

/// What a recipe says for every suite, or in `[suite.NAME]` for one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Part {
    #[serde(default)]
    pub(super) packages: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) debconf: Vec<DebconfDefinition>,
    #[serde(default, rename = "repository")]
    pub(super) repositories: Vec<RepositoryDefinition>,
    #[serde(default, rename = "file")]
    pub(super) files: Vec<FileDefinition>,
    #[serde(default, rename = "directory")]
    pub(super) directories: Vec<DirectoryDefinition>,
    #[serde(default, rename = "link")]
    pub(super) links: Vec<LinkDefinition>,
    #[serde(default, rename = "command")]
    pub(super) commands: Vec<CommandDefinition>,
    #[serde(default)]
    pub(super) units: UnitsDefinition,
    #[serde(default, rename = "seal")]
    pub(super) seals: Vec<SealDefinition>,
    #[serde(default, rename = "check")]
    pub(super) checks: Vec<CheckDefinition>,
    #[serde(default)]
    pub(super) boot: Vec<BootStepDefinition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RepositoryDefinition {
    pub(super) archive: Spanned<String>,
    pub(super) url: Spanned<String>,
    pub(super) suites: Spanned<Vec<Spanned<String>>>,
    pub(super) components: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) fingerprints: Vec<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) key_url: Option<Spanned<String>>,
    pub(super) keep_in_image: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DebconfDefinition {
    pub(super) owner: Spanned<String>,
    pub(super) question: Spanned<String>,
    #[serde(rename = "type")]
    pub(super) kind: Spanned<String>,
    pub(super) value: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FileDefinition {
    pub(super) path: Spanned<String>,
    pub(super) source: Option<Spanned<String>>,
    pub(super) content: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) before_packages: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DirectoryDefinition {
    pub(super) path: Spanned<String>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LinkDefinition {
    pub(super) path: Spanned<String>,
    pub(super) target: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CommandDefinition {
    pub(super) argv: Spanned<Vec<String>>,
    pub(super) reason: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UnitsDefinition {
    #[serde(default)]
    pub(super) enable: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) disable: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) mask: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SealDefinition {
    pub(super) path: Spanned<String>,
    pub(super) action: Spanned<SealVerb>,
    pub(super) content: Option<Spanned<String>>,
    pub(super) contains: Option<Spanned<String>>,
    pub(super) reason: Spanned<String>,
}

/// The names of [`SealAction`](super::SealAction)s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SealVerb {
    Remove,
    EmptyDirectory,
    Truncate,
    Write,
    Forbid,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CheckDefinition {
    pub(super) reason: Spanned<String>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) state: Option<Spanned<String>>,
    pub(super) contains: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
}

/// One `[[boot]]`. Which keys go together, [`resolve`](super::resolve) knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BootStepDefinition {
    pub(super) name: Spanned<String>,
    pub(super) roles: Spanned<Vec<Spanned<String>>>,
    pub(super) stage: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) when: Vec<Spanned<String>>,
    pub(super) each: Option<Spanned<String>>,
    #[serde(rename = "as")]
    pub(super) sets: Option<Spanned<String>>,
    pub(super) at_most_secs: Option<Spanned<u32>>,
    pub(super) write: Option<Spanned<String>>,
    pub(super) template: Option<Spanned<String>>,
    pub(super) content: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
    pub(super) run: Option<Words>,
    pub(super) unless: Option<Words>,
    pub(super) always: Option<Spanned<bool>>,
    pub(super) wait: Option<Words>,
    pub(super) expect: Option<Spanned<String>>,
    pub(super) stdin: Option<Spanned<String>>,
    pub(super) stdin_template: Option<Spanned<String>>,
    pub(super) claim: Option<Spanned<String>>,
    pub(super) token: Option<Spanned<String>>,
    pub(super) may_claim: Option<Words>,
    pub(super) secrets: Option<Words>,
    pub(super) peers: Option<Spanned<String>>,
    pub(super) regions: Option<Spanned<String>>,
    pub(super) at_least: Option<Spanned<String>>,
    #[serde(rename = "self")]
    pub(super) include_self: Option<Spanned<bool>>,
    pub(super) volume: Option<Spanned<String>>,
    pub(super) filesystem: Option<Spanned<String>>,
    pub(super) start: Option<Words>,
    pub(super) set: Option<Spanned<String>>,
    pub(super) equals: Option<Spanned<String>>,
    pub(super) report: Option<Spanned<String>>,
    pub(super) report_content: Option<Spanned<String>>,
}

/// A list of texts with the place of each.
pub(super) type Words = Spanned<Vec<Spanned<String>>>;

/// `images/fleet.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FleetDefinition {
    pub(super) cluster: Spanned<String>,
    pub(super) environment: Option<Spanned<String>>,
    pub(super) domain: Spanned<String>,
    pub(super) state: Spanned<String>,
    pub(super) image: Spanned<String>,
    pub(super) primary: Option<Spanned<String>>,
    pub(super) instance_profile: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<String>>,
    #[serde(default, rename = "region")]
    pub(super) regions: Vec<RegionDefinition>,
    #[serde(default, rename = "role")]
    pub(super) roles: BTreeMap<Spanned<String>, RoleDefinition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RegionDefinition {
    pub(super) name: Spanned<String>,
    pub(super) wave: Spanned<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RoleDefinition {
    pub(super) instance_type: Option<Spanned<String>>,
    pub(super) min: Option<Spanned<u32>>,
    pub(super) desired: Option<Spanned<u32>>,
    pub(super) max: Option<Spanned<u32>>,
    pub(super) root_volume_gib: Option<Spanned<u32>>,
    pub(super) data_volume_gib: Option<Spanned<u32>>,
    pub(super) arbiter_volume_gib: Option<Spanned<u32>>,
    pub(super) instance_profile: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) health: HealthDefinition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HealthDefinition {
    pub(super) samples: Option<Spanned<u32>>,
    pub(super) every_secs: Option<Spanned<u32>>,
    pub(super) at_most_secs: Option<Spanned<u32>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) path: Option<Spanned<String>>,
}

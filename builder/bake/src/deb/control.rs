//! Owns the control member of a .deb: its paragraph, and the files that end up beside dpkg's
//! records.

use super::paragraph::Paragraph;
use super::relation::{Relation, parse_relations};

/// What the control member holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The control paragraph.
    pub fields: Paragraph,
    /// Every other file: maintainer scripts, conffiles, triggers, md5sums, shlibs, templates, ...
    pub files: Vec<ControlFile>,
}

/// A file of the control member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// Its name, for example `postinst`.
    pub name: String,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A configuration file that dpkg looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile {
    /// Its absolute path.
    pub path: Vec<u8>,
    /// Whether an upgrade removes it; such a file is not shipped.
    pub remove_on_upgrade: bool,
}

/// A line of `triggers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerDirective {
    /// What it says about the trigger.
    pub directive: Directive,
    /// Whether the package that activates the trigger waits until it has been handled.
    pub awaits: bool,
    /// A name, or an absolute path for a file trigger.
    pub trigger: String,
}

/// What a package has to do with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// It wants to be told.
    Interest,
    /// It sets the trigger off.
    Activate,
}

impl Control {
    /// The package's name.
    pub fn package(&self) -> &str {
        self.fields.get("Package").unwrap_or_default()
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.fields.get("Version").unwrap_or_default()
    }

    /// Its architecture, `all` too.
    pub fn architecture(&self) -> &str {
        self.fields.get("Architecture").unwrap_or_default()
    }

    /// Whether the system cannot do without it.
    pub fn is_essential(&self) -> bool {
        self.fields.get("Essential") == Some("yes")
    }

    /// The name that dpkg's records have: with the architecture where several may be installed
    /// side by side.
    pub fn record_name(&self) -> String {
        if self.fields.get("Multi-Arch") == Some("same") {
            format!("{}:{}", self.package(), self.architecture())
        } else {
            self.package().to_owned()
        }
    }

    /// A relation field, for example `Depends`.
    pub fn relations(&self, field: &str) -> Vec<Vec<Relation>> {
        self.fields
            .get(field)
            .map(parse_relations)
            .unwrap_or_default()
    }

    /// The content of a control file.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.bytes.as_slice())
    }

    /// Its configuration files.
    pub fn conffiles(&self) -> Vec<Conffile> {
        self.file("conffiles")
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .map(|line| match line.strip_prefix(b"remove-on-upgrade ") {
                Some(path) => (path.trim_ascii(), true),
                None => (line, false),
            })
            .filter(|(path, _)| path.starts_with(b"/"))
            .map(|(path, remove_on_upgrade)| Conffile {
                path: path.to_vec(),
                remove_on_upgrade,
            })
            .collect()
    }

    /// What it says about triggers.
    pub fn triggers(&self) -> Vec<TriggerDirective> {
        self.lines("triggers")
            .filter_map(|line| parse_trigger(&line))
            .collect()
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = String> {
        String::from_utf8_lossy(self.file(name).unwrap_or_default())
            .into_owned()
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn parse_trigger(line: &str) -> Option<TriggerDirective> {
    let line = line.split('#').next().unwrap_or_default();
    let (directive, trigger) = line.split_once(char::is_whitespace)?;
    let (directive, awaits) = match directive {
        "interest" | "interest-await" => (Directive::Interest, true),
        "interest-noawait" => (Directive::Interest, false),
        "activate" | "activate-await" => (Directive::Activate, true),
        "activate-noawait" => (Directive::Activate, false),
        _ => return None,
    };
    Some(TriggerDirective {
        directive,
        awaits,
        trigger: trigger.trim().to_owned(),
    })
}

//! Owns dpkg's records of triggers: who is interested (`triggers/File`, `triggers/NAME`), and what
//! was set off and is not yet noted in the status file (`triggers/Unincorp`).

use std::collections::{BTreeMap, BTreeSet};

use super::error::InstallError;
use super::extract::Unpacked;
use super::records::{Records, read, write};
use crate::deb::Directive;

/// Records the interests of packages that were unpacked, and sets off the triggers that their files
/// and their `activate` lines name. dpkg itself drops what nobody configured is interested in.
pub(super) fn record(records: &Records, packages: &[&Unpacked]) -> Result<(), InstallError> {
    add_interests(records, packages)?;
    let file_triggers = file_triggers(&read(&records.path("triggers/File"))?);
    let mut activated: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let name = package.control.record_name();
        for shipped in &package.shipped {
            for trigger in ancestors(&shipped.path).filter(|path| file_triggers.contains(*path)) {
                let trigger = String::from_utf8_lossy(trigger).into_owned();
                activated.entry(trigger).or_default().insert(name.clone());
            }
        }
        for line in package.control.triggers() {
            if line.directive == Directive::Activate {
                let awaiting = if line.awaits { name.as_str() } else { "-" };
                activated
                    .entry(line.trigger)
                    .or_default()
                    .insert(awaiting.to_owned());
            }
        }
    }
    let path = records.path("triggers/Unincorp");
    let mut text = read(&path)?;
    for (trigger, names) in activated {
        text.push_str(&trigger);
        for name in names {
            text.push(' ');
            text.push_str(&name);
        }
        text.push('\n');
    }
    write(&path, text.as_bytes())
}

fn add_interests(records: &Records, packages: &[&Unpacked]) -> Result<(), InstallError> {
    let mut files = String::new();
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        for line in package.control.triggers() {
            if line.directive != Directive::Interest {
                continue;
            }
            let mut who = package.control.record_name();
            if !line.awaits {
                who.push_str("/noawait");
            }
            if line.trigger.starts_with('/') {
                files.extend([line.trigger.as_str(), " ", who.as_str(), "\n"]);
            } else {
                let text = named.entry(line.trigger).or_default();
                text.push_str(&who);
                text.push('\n');
            }
        }
    }
    append(records, "triggers/File", &files)?;
    for (trigger, text) in named {
        append(records, &format!("triggers/{trigger}"), &text)?;
    }
    Ok(())
}

fn append(records: &Records, name: &str, more: &str) -> Result<(), InstallError> {
    if more.is_empty() {
        return Ok(());
    }
    let path = records.path(name);
    let text = read(&path)? + more;
    write(&path, text.as_bytes())
}

fn file_triggers(text: &str) -> BTreeSet<Vec<u8>> {
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(path, _)| path.as_bytes().to_vec())
        .collect()
}

/// The path and every directory it lies in.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path
        .iter()
        .enumerate()
        .filter(|(index, byte)| **byte == b'/' && *index > 0)
        .map(|(index, _)| index);
    ends.chain(std::iter::once(path.len()))
        .filter_map(|end| path.get(..end))
}

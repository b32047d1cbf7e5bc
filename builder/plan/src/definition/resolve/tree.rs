//! Owns what recipes put into the tree: files, directories and links.

use toml::Spanned;

use super::Findings;
use super::ownership::{Claim, ClaimKind};
use super::recipe::Folder;
use crate::definition::syntax::{absolute_path_problem, is_account, parse_mode};
use crate::definition::written::{DirectoryDefinition, FileDefinition, LinkDefinition};
use crate::definition::{Content, Directory, File, Link, defaults};

/// Directories that are links into `/usr` in every suite that images are made of.
const MERGED: [&str; 4] = ["/bin/", "/sbin/", "/lib/", "/lib64/"];

pub(super) fn resolve_file(
    written: &FileDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> File {
    let content = match (&written.source, &written.content) {
        (Some(source), None) => folder.content_of(source, findings),
        (None, Some(content)) => Folder::inline_content(content, findings),
        (Some(both), Some(_)) => {
            let message = format!(
                "file `{}` has both `source` and `content`",
                written.path.get_ref()
            );
            findings.report(both.span(), message);
            no_content()
        }
        (None, None) => {
            let message = format!(
                "file `{}` has neither `source` nor `content`",
                written.path.get_ref()
            );
            findings.report(written.path.span(), message);
            no_content()
        }
    };
    File {
        path: claim(&written.path, ClaimKind::File, folder, findings),
        content,
        mode: mode(written.mode.as_ref(), defaults::FILE_MODE, findings),
        owner: account(written.owner.as_ref(), findings),
        group: account(written.group.as_ref(), findings),
        before_packages: written.before_packages.unwrap_or_default(),
    }
}

/// Stands in where a problem was reported; never handed out.
fn no_content() -> Content {
    Content {
        origin: String::new(),
        bytes: Vec::new(),
        sha256: String::new(),
    }
}

pub(super) fn resolve_directory(
    written: DirectoryDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> Directory {
    let DirectoryDefinition {
        path,
        mode: bits,
        owner,
        group,
    } = written;
    Directory {
        path: claim(&path, ClaimKind::Directory, folder, findings),
        mode: mode(bits.as_ref(), defaults::DIRECTORY_MODE, findings),
        owner: account(owner.as_ref(), findings),
        group: account(group.as_ref(), findings),
    }
}

pub(super) fn resolve_link(
    written: &LinkDefinition,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> Link {
    let target = written.target.get_ref();
    if target.is_empty() || target.chars().any(char::is_control) {
        let message = format!("link `{}` has no usable target", written.path.get_ref());
        findings.report(written.target.span(), message);
    }
    Link {
        path: claim(&written.path, ClaimKind::Link, folder, findings),
        target: target.clone(),
    }
}

/// A path in the image that the recipe makes.
fn claim(
    path: &Spanned<String>,
    kind: ClaimKind,
    folder: &Folder<'_>,
    findings: &mut Findings,
) -> String {
    let text = path.get_ref();
    if let Some(problem) = absolute_path_problem(text) {
        findings.report(path.span(), format!("the path `{text}` {problem}"));
    } else if MERGED.iter().any(|merged| text.starts_with(merged)) {
        findings.report_with_hint(
            path.span(),
            format!("the path `{text}` goes through a link into `/usr`"),
            format!("write `/usr{text}`"),
        );
    } else {
        findings.claims.push(Claim {
            path: text.clone(),
            kind,
            recipe: folder.name.to_owned(),
            file: findings.file.clone(),
            span: path.span(),
        });
    }
    text.clone()
}

fn mode(written: Option<&Spanned<String>>, default: u32, findings: &mut Findings) -> u32 {
    let Some(text) = written else { return default };
    parse_mode(text.get_ref()).unwrap_or_else(|| {
        findings.report_with_hint(
            text.span(),
            format!("`{}` is not a mode", text.get_ref()),
            "write permission bits in octal, for example \"0644\"",
        );
        default
    })
}

fn account(written: Option<&Spanned<String>>, findings: &mut Findings) -> String {
    written.map_or_else(
        || defaults::OWNER.to_owned(),
        |text| findings.judged(text, is_account, "a user or group name"),
    )
}

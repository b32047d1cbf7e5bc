//! Owns what the EFI system partition holds: systemd-boot, its configuration, one entry. Must not
//! know FAT.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use vmimage_plan::definition::{Architecture, Image};

use super::error::DiskError;
use super::fat32::Content;
use super::ids::Guid;

/// What a disk boots with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BootFiles {
    /// The kernel's version, as `uname -r` prints it.
    pub(crate) kernel: String,
    /// The files of the EFI system partition, by path.
    pub(crate) files: Vec<(String, Content)>,
}

/// Finds the boot files of the tree at `tree`. The newest kernel that has an initrd is booted.
pub(crate) fn find_boot_files(
    tree: &Path,
    image: &Image,
    architecture: Architecture,
    root: Guid,
) -> Result<BootFiles, DiskError> {
    let (loader, removable) = match architecture {
        Architecture::X86_64 => ("systemd-bootx64.efi", "BOOTX64.EFI"),
        Architecture::Arm64 => ("systemd-bootaa64.efi", "BOOTAA64.EFI"),
    };
    let loader_path = tree.join("usr/lib/systemd/boot/efi").join(loader);
    if !is_plain_file(&loader_path) {
        return Err(DiskError::MissingBootFile {
            image: image.name.clone(),
            what: "systemd-boot",
            path: format!("/usr/lib/systemd/boot/efi/{loader}"),
            package: "systemd-boot-efi",
        });
    }
    let kernel = newest_kernel(tree, image, architecture)?;
    let initrd = tree.join("boot").join(format!("initrd.img-{kernel}"));
    if !is_plain_file(&initrd) {
        return Err(DiskError::MissingBootFile {
            image: image.name.clone(),
            what: "an initrd",
            path: format!("/boot/initrd.img-{kernel}"),
            package: "initramfs-tools",
        });
    }
    let vmlinuz = tree.join("boot").join(format!("vmlinuz-{kernel}"));
    let copy = |path: String, from: &Path| (path, Content::Copy(from.to_owned()));
    let text = |path: String, text: String| (path, Content::Text(text));
    Ok(BootFiles {
        files: vec![
            copy(format!("EFI/BOOT/{removable}"), &loader_path),
            copy(format!("EFI/systemd/{loader}"), &loader_path),
            text("loader/loader.conf".to_owned(), loader_conf(image)),
            text(
                format!("loader/entries/{}.conf", image.name),
                entry_conf(image, &kernel, root),
            ),
            copy(format!("{}/linux", image.name), &vmlinuz),
            copy(format!("{}/initrd", image.name), &initrd),
        ],
        kernel,
    })
}

/// A symbolic link would be followed on the host, out of the tree.
fn is_plain_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn newest_kernel(
    tree: &Path,
    image: &Image,
    architecture: Architecture,
) -> Result<String, DiskError> {
    let boot = tree.join("boot");
    let mut newest: Option<String> = None;
    if boot.is_dir() {
        for entry in fs::read_dir(&boot).map_err(DiskError::io("read", &boot))? {
            let entry = entry.map_err(DiskError::io("read", &boot))?;
            let name = entry.file_name();
            let Some(version) = name.to_str().and_then(|name| name.strip_prefix("vmlinuz-")) else {
                continue;
            };
            let is_newer = newest
                .as_deref()
                .is_none_or(|newest| compare_versions(version, newest) == Ordering::Greater);
            if is_newer && is_plain_file(&entry.path()) {
                newest = Some(version.to_owned());
            }
        }
    }
    newest.ok_or_else(|| DiskError::MissingBootFile {
        image: image.name.clone(),
        what: "a kernel",
        path: "/boot/vmlinuz-*".to_owned(),
        package: match architecture {
            Architecture::X86_64 => "linux-image-cloud-amd64",
            Architecture::Arm64 => "linux-image-cloud-arm64",
        },
    })
}

/// Orders kernel versions: runs of digits as numbers, everything else as text.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (text_a, text_b) = (
            take(&mut a, |character| !character.is_ascii_digit()),
            take(&mut b, |character| !character.is_ascii_digit()),
        );
        let (number_a, number_b) = (
            take(&mut a, |character| character.is_ascii_digit()).trim_start_matches('0'),
            take(&mut b, |character| character.is_ascii_digit()).trim_start_matches('0'),
        );
        let order = text_a
            .cmp(text_b)
            .then(number_a.len().cmp(&number_b.len()))
            .then(number_a.cmp(number_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn take<'a>(text: &mut &'a str, matches: fn(char) -> bool) -> &'a str {
    let end = text
        .find(|character| !matches(character))
        .unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

/// The menu's editor would let anyone with the console become root.
fn loader_conf(image: &Image) -> String {
    format!(
        "timeout {}\nconsole-mode keep\neditor no\ndefault {}.conf\n",
        image.boot.timeout_secs, image.name
    )
}

/// The entry names the root by its partition's GUID; the image's fstab names it the same way or
/// not at all.
fn entry_conf(image: &Image, kernel: &str, root: Guid) -> String {
    let mut options = format!("root=PARTUUID={root} ro");
    for console in &image.boot.consoles {
        options.push_str(" console=");
        options.push_str(console);
    }
    for argument in &image.boot.kernel_arguments {
        options.push(' ');
        options.push_str(argument);
    }
    let name = &image.name;
    format!(
        "title {name}\nversion {kernel}\nlinux /{name}/linux\ninitrd /{name}/initrd\n\
         options {options}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::compare_versions;
    use std::cmp::Ordering;

    #[test]
    fn kernels_are_ordered_by_number() {
        for (older, newer) in [
            ("6.12.9+deb13-cloud-amd64", "6.12.118+deb13-cloud-amd64"),
            ("6.1.0-9-amd64", "6.1.0-10-amd64"),
            ("6.1.0-10-amd64", "6.12.1-amd64"),
            ("6.1", "6.1.0"),
        ] {
            assert_eq!(compare_versions(older, newer), Ordering::Less, "{older}");
            assert_eq!(compare_versions(newer, older), Ordering::Greater, "{older}");
            assert_eq!(compare_versions(older, older), Ordering::Equal, "{older}");
        }
    }
}

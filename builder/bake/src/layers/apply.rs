//! Owns what a recipe does to a tree beyond its packages: apt sources, files, directories, links,
//! commands and units. Must not decide anything: the recipe says it all.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use vmimage_plan::definition::{Recipe, Repository};
use vmimage_plan::event::Event;

use crate::sandbox::{Run, Sandbox, SandboxError};
use crate::tree::{Owner, Tree};

/// Why a recipe could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file, directory or link could not be made.
    #[error("cannot write `{path}` of recipe `{recipe}`")]
    Write {
        /// The path in the image.
        path: String,
        /// The recipe.
        recipe: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file's owner does not exist in the image.
    #[error("cannot give `{path}` of recipe `{recipe}` to `{name}`: the image has no such {kind}")]
    NoOwner {
        /// The path in the image.
        path: String,
        /// The recipe.
        recipe: String,
        /// The user or group.
        name: String,
        /// `user` or `group`.
        kind: &'static str,
    },
    /// A command failed.
    #[error("command `{command}` of recipe `{recipe}` failed with exit code {code}:\n{tail}")]
    Command {
        /// The command.
        command: String,
        /// The recipe.
        recipe: String,
        /// Its exit code.
        code: i32,
        /// Its last lines.
        tail: String,
    },
    /// A program could not be run.
    #[error("cannot apply recipe `{recipe}`")]
    Sandbox {
        /// The recipe.
        recipe: String,
        /// Why.
        #[source]
        source: SandboxError,
    },
}

/// Writes the files that a recipe wants in place before its packages are configured.
pub fn apply_files_before_packages(root: &Path, recipe: &Recipe) -> Result<(), ApplyError> {
    let applier = Applier::open(root, recipe)?;
    applier.files(true)
}

/// Does everything that a recipe wants after its packages are configured.
pub fn apply_recipe(
    root: &Path,
    recipe: &Recipe,
    sandbox: &Sandbox,
    sink: &mut dyn FnMut(Event),
) -> Result<(), ApplyError> {
    let applier = Applier::open(root, recipe)?;
    for repository in recipe.repositories.iter().filter(|r| r.keep_in_image) {
        applier.source(repository)?;
    }
    applier.directories()?;
    applier.files(false)?;
    applier.links()?;
    let step = format!("layer {}", recipe.name);
    for command in &recipe.commands {
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        sink(Event::Progress {
            step: step.clone(),
            done: 0,
            total: 0,
            unit: "commands".to_owned(),
            doing: argv.join(" "),
        });
        run(sandbox, recipe, &argv)?;
    }
    units(sandbox, recipe)
}

struct Applier<'a> {
    tree: Tree,
    recipe: &'a Recipe,
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl<'a> Applier<'a> {
    fn open(root: &Path, recipe: &'a Recipe) -> Result<Self, ApplyError> {
        let fail = |path: &str| {
            let path = path.to_owned();
            move |source| ApplyError::Write {
                path,
                recipe: recipe.name.clone(),
                source,
            }
        };
        let tree = Tree::open(root).map_err(fail("/"))?;
        let users = ids(&tree, "/etc/passwd").map_err(fail("/etc/passwd"))?;
        let groups = ids(&tree, "/etc/group").map_err(fail("/etc/group"))?;
        Ok(Self {
            tree,
            recipe,
            users,
            groups,
        })
    }

    fn owner(&self, path: &str, user: &str, group: &str) -> Result<Owner, ApplyError> {
        let find = |ids: &BTreeMap<String, u32>, name: &str, kind| {
            ids.get(name).copied().ok_or_else(|| ApplyError::NoOwner {
                path: path.to_owned(),
                recipe: self.recipe.name.clone(),
                name: name.to_owned(),
                kind,
            })
        };
        Ok(Owner {
            uid: find(&self.users, user, "user")?,
            gid: find(&self.groups, group, "group")?,
        })
    }

    fn fail(&self, path: &str) -> impl FnOnce(io::Error) -> ApplyError {
        let (path, recipe) = (path.to_owned(), self.recipe.name.clone());
        move |source| ApplyError::Write {
            path,
            recipe,
            source,
        }
    }

    fn files(&self, before_packages: bool) -> Result<(), ApplyError> {
        for file in self
            .recipe
            .files
            .iter()
            .filter(|f| f.before_packages == before_packages)
        {
            // Before the packages of the first layer there is no passwd file; root is root.
            let owner = if file.owner == "root" && file.group == "root" {
                Owner::ROOT
            } else {
                self.owner(&file.path, &file.owner, &file.group)?
            };
            self.tree
                .write(&file.path, &file.content.bytes, file.mode, owner)
                .map_err(self.fail(&file.path))?;
        }
        Ok(())
    }

    fn directories(&self) -> Result<(), ApplyError> {
        for directory in &self.recipe.directories {
            let owner = self.owner(&directory.path, &directory.owner, &directory.group)?;
            self.tree
                .make_directory(&directory.path, directory.mode, owner)
                .map_err(self.fail(&directory.path))?;
        }
        Ok(())
    }

    fn links(&self) -> Result<(), ApplyError> {
        for link in &self.recipe.links {
            self.tree
                .symlink(&link.path, &link.target)
                .map_err(self.fail(&link.path))?;
        }
        Ok(())
    }

    /// Writes a deb822 source, and the key it is signed by where the recipe has one.
    fn source(&self, repository: &Repository) -> Result<(), ApplyError> {
        let name = &repository.archive;
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n",
            repository.url,
            repository.suites.join(" "),
            repository.components.join(" ")
        );
        if let Some(key) = &repository.key.vendored {
            let armored = key.bytes.starts_with(b"-----BEGIN PGP");
            let suffix = if armored { "asc" } else { "gpg" };
            let path = format!("/usr/share/keyrings/vmimage-{name}.{suffix}");
            self.tree
                .write(&path, &key.bytes, 0o644, Owner::ROOT)
                .map_err(self.fail(&path))?;
            text.push_str("Signed-By: ");
            text.push_str(&path);
            text.push('\n');
        }
        let path = format!("/etc/apt/sources.list.d/{name}.sources");
        self.tree
            .write(&path, text.as_bytes(), 0o644, Owner::ROOT)
            .map_err(self.fail(&path))
    }
}

/// Names and ids of a passwd(5) or group(5) file.
fn ids(tree: &Tree, path: &str) -> io::Result<BTreeMap<String, u32>> {
    let bytes = tree.read(path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .collect())
}

fn run(sandbox: &Sandbox, recipe: &Recipe, argv: &[&str]) -> Result<(), ApplyError> {
    let output = sandbox
        .run(&Run::new(argv), &mut |_| ())
        .map_err(|source| ApplyError::Sandbox {
            recipe: recipe.name.clone(),
            source,
        })?;
    if output.code == 0 {
        return Ok(());
    }
    Err(ApplyError::Command {
        command: argv.join(" "),
        recipe: recipe.name.clone(),
        code: output.code,
        tail: output.tail,
    })
}

fn units(sandbox: &Sandbox, recipe: &Recipe) -> Result<(), ApplyError> {
    let units = &recipe.units;
    for (verb, units) in [
        ("mask", &units.mask),
        ("disable", &units.disable),
        ("enable", &units.enable),
    ] {
        if !units.is_empty() {
            let mut argv = vec!["systemctl", "--no-reload", verb];
            argv.extend(units.iter().map(String::as_str));
            run(sandbox, recipe, &argv)?;
        }
    }
    Ok(())
}

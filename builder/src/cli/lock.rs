//! Owns `vmimage lock`, and the lock that `vmimage bake` works from.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use std::fmt::Write as _;
use vmimage_bake::resolve::{LockRequest, Mirrors, resolve};
use vmimage_plan::Sources;
use vmimage_plan::definition::{Image, load_image};
use vmimage_plan::lock::{Lock, check_stale};

use super::Context;
use super::source_options::SourceOptions;
use crate::diagnose::Colour;
use crate::failure::Failure;
use crate::printer::Progress;
use crate::{clock, diagnose, printer, project, stand_in};

/// `vmimage lock`'s own arguments.
#[derive(Debug, Args)]
pub(super) struct LockArguments {
    /// The image's name, or its file
    image: String,
    /// Only say whether the lock is up to date, and against what it is not
    #[arg(long)]
    check: bool,
    /// The lock's file [default: beside the image's definition]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    #[command(flatten)]
    sources: SourceOptions,
}

/// Where the lock or the image's definition fails.
#[derive(Debug, thiserror::Error)]
enum LockFileError {
    #[error("cannot read `{path}`")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{path}`")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the lock: it could not be read back, because {problem}")]
    Unreadable { problem: String },
    #[error("cannot bake `{image}` with --locked: it has no lock `{path}`")]
    Missing { image: String, path: String },
    #[error("the lock `{path}` is stale: {reasons}")]
    Stale { path: String, reasons: String },
}

/// An image ready to be locked or baked.
pub(super) struct Prepared {
    pub(super) image: Image,
    mirrors: OnceCell<Mirrors>,
    explicit_mirrors: BTreeMap<String, String>,
    lock_path: PathBuf,
    lock_name: String,
    colour: Colour,
}

/// Loads an image and puts stand-ins in their vendors' places.
pub(super) fn prepare(
    context: &Context,
    image: &str,
    lock: Option<&Path>,
    options: &SourceOptions,
) -> Result<Prepared, Failure> {
    let sources =
        project::load(&context.project).map_err(|error| Failure::input(&error, error.hint()))?;
    let path = project::image_path(image);
    let mut image = load(context, &sources, &path)?;
    let mut explicit = options.mirrors(context)?;
    if let Some(directory) = &options.stand_in {
        stand_in::replace(&mut image, directory, &mut explicit)
            .map_err(|error| Failure::input(&error, error.hint()))?;
    }
    let lock_name = lock.map_or_else(
        || {
            path.strip_suffix(".toml")
                .map_or_else(|| path.clone(), |stem| format!("{stem}.lock"))
        },
        |lock| lock.display().to_string(),
    );
    let lock_path = lock.map_or_else(|| context.project.join(&lock_name), Path::to_path_buf);
    Ok(Prepared {
        image,
        mirrors: OnceCell::new(),
        explicit_mirrors: explicit,
        lock_path,
        lock_name,
        colour: context.colour(),
    })
}

fn load(context: &Context, sources: &Sources, path: &str) -> Result<Image, Failure> {
    if sources.get(path).is_none() {
        let names: Vec<&str> = sources
            .paths()
            .filter_map(|path| path.strip_prefix("images/")?.strip_suffix(".toml"))
            .filter(|name| *name != "fleet")
            .collect();
        let hint = format!("the images here are: {}", names.join(", "));
        return Err(Failure::usage(&format!("no image `{path}`"), Some(&hint)));
    }
    let (image, problems) = load_image(sources, path);
    image
        .filter(|_| problems.is_empty())
        .ok_or_else(|| Failure::drawn(diagnose::draw(sources, &problems, context.colour())))
}

impl Prepared {
    /// The lock's file, as people know it.
    pub(super) fn lock_name(&self) -> &str {
        &self.lock_name
    }

    /// The lock's text and meaning, if the file exists.
    pub(super) fn read(&self) -> Result<Option<(String, Lock)>, Failure> {
        let text = match fs::read_to_string(&self.lock_path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let error = LockFileError::Read {
                    path: self.lock_name.clone(),
                    source,
                };
                return Err(Failure::unchanged(&error, None));
            }
        };
        match Lock::parse(&self.lock_name, &text) {
            Ok(lock) => Ok(Some((text, lock))),
            Err(problem) => Err(Failure::drawn(diagnose::draw_text(
                &text,
                &problem,
                self.colour,
            ))),
        }
    }

    /// The lock of the file where it is up to date, or a `Failure` that says why not.
    pub(super) fn read_current(&self) -> Result<(String, Lock), Failure> {
        let Some((text, lock)) = self.read()? else {
            let error = LockFileError::Missing {
                image: self.image.name.clone(),
                path: self.lock_name.clone(),
            };
            return Err(Failure::input(&error, Some(self.lock_hint())));
        };
        match check_stale(&lock, &self.image) {
            None => Ok((text, lock)),
            Some(staleness) => {
                let error = LockFileError::Stale {
                    path: self.lock_name.clone(),
                    reasons: staleness.to_string(),
                };
                Err(Failure::input(&error, Some(self.lock_hint())))
            }
        }
    }

    fn lock_hint(&self) -> String {
        format!(
            "run `vmimage lock {}` and look at what changes",
            self.image.name
        )
    }

    /// The lock of the file where it is up to date.
    pub(super) fn read_if_current(&self) -> Result<Option<(String, Lock)>, Failure> {
        let read = self.read()?;
        Ok(read.filter(|(_, lock)| check_stale(lock, &self.image).is_none()))
    }

    /// Where archives are found. The host's apt is asked when this is first needed: it takes a
    /// while to answer, and a bake that has nothing to do needs no archive.
    pub(super) fn mirrors(&self) -> &Mirrors {
        self.mirrors
            .get_or_init(|| Mirrors::new(self.explicit_mirrors.clone()).with_host_apt())
    }

    /// Resolves the image and writes the lock.
    pub(super) fn resolve(
        &self,
        cache: &Path,
        options: &SourceOptions,
    ) -> Result<(String, Lock), Failure> {
        let mut progress = Progress::new();
        let earlier = self.read().ok().flatten().map(|(_, lock)| lock);
        let mut accept_keys = options.accept_key.clone();
        accept_keys.extend(
            earlier
                .iter()
                .flat_map(|lock| &lock.repositories)
                .filter_map(|repository| {
                    repository
                        .accepted_key
                        .as_ref()
                        .map(|_| repository.signed_by.clone())
                }),
        );
        let request = LockRequest {
            image: &self.image,
            mirrors: self.mirrors(),
            cache,
            accept_keys: &accept_keys,
            now: clock::now(),
        };
        let mut lock = resolve(&request, &mut |event| progress.draw(event))
            .map_err(|error| Failure::unchanged(&error, error.hint()))?;
        if let Some(earlier) = &earlier
            && earlier.targets == lock.targets
        {
            // The same packages: keep the date too, so that nothing has to be built again.
            lock.source_date_epoch = earlier.source_date_epoch;
        }
        let text = lock.render();
        if let Err(problem) = Lock::parse(&self.lock_name, &text) {
            let error = LockFileError::Unreadable {
                problem: problem.message,
            };
            return Err(Failure::unchanged(&error, None));
        }
        self.write(&text)?;
        Ok((text, lock))
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut unfinished = self.lock_path.clone().into_os_string();
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        let parent = self
            .lock_path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        parent
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&unfinished, text))
            .and_then(|()| fs::rename(&unfinished, &self.lock_path))
            .map_err(|source| {
                let error = LockFileError::Write {
                    path: self.lock_name.clone(),
                    source,
                };
                Failure::unchanged(&error, None)
            })
    }
}

/// Makes or checks a lock.
pub(super) fn run(context: &Context, arguments: &LockArguments) -> Result<(), Failure> {
    let prepared = prepare(
        context,
        &arguments.image,
        arguments.lock.as_deref(),
        &arguments.sources,
    )?;
    if arguments.check {
        prepared.read_current()?;
        printer::talk(&format!("`{}` is up to date\n", prepared.lock_name));
        return Ok(());
    }
    let cache = arguments.sources.cache(context)?;
    let (_, lock) = prepared.resolve(&cache, &arguments.sources)?;
    printer::talk(&summary(&prepared.lock_name, &lock));
    Ok(())
}

fn summary(path: &str, lock: &Lock) -> String {
    let mut text = String::new();
    for target in &lock.targets {
        let bytes = target.packages.iter().map(|package| package.size).sum();
        let _ = writeln!(
            text,
            "locked {} packages, {}, for {} in `{path}`",
            target.packages.len(),
            printer::bytes(bytes),
            target.architecture.as_str()
        );
    }
    for repository in lock
        .repositories
        .iter()
        .filter(|repository| repository.stand_in)
    {
        let _ = writeln!(
            text,
            "warning: `{}` is a stand-in, not the vendor's archive",
            repository.archive
        );
    }
    text
}

//! Tests of the output directory on small trees; no root needed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use vmimage_plan::bake::Format;

use super::place::{Place, Way};
use super::{
    Output, OutputError, OutputState, Surroundings, check_output, observe_output,
    remove_unfinished, replace_inside,
};

/// A project with a cache, and a place for outputs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project/images", "project/recipes", "cache/layers", "place"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn around<R>(&self, work: impl FnOnce(Surroundings<'_>) -> R) -> R {
        work(Surroundings {
            cache: &self.path("cache"),
            project: &self.path("project"),
        })
    }

    fn begin(&self, out: &str) -> Result<Output, OutputError> {
        self.around(|around| Output::begin(&self.path(out), around, "process 7 on here"))
    }

    /// A whole bake that makes these files with this text.
    fn bake(&self, out: &str, names: &[&str], text: &str) {
        let mut output = self.begin(out).unwrap();
        for name in names {
            fs::write(output.path().join(name), text).unwrap();
        }
        let left_over = output.commit(text, &formats()).unwrap();
        assert!(left_over.is_none(), "{left_over:?}");
    }

    fn refusal(&self, out: &str) -> (String, String) {
        let error = self
            .around(|around| check_output(&self.path(out), around))
            .unwrap_err();
        let folder = self.0.path().display().to_string();
        let text = error.to_string().replace(&folder, "");
        (text, error.hint().unwrap_or_default().replace(&folder, ""))
    }
}

fn formats() -> BTreeSet<Format> {
    BTreeSet::from([Format::Raw])
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_output_is_there_whole_or_not_at_all() {
    let folder = Folder::new();
    for text in ["one", "two"] {
        folder.bake("place/out", &["disk.raw", "manifest.json"], text);
        let observed = observe_output(&folder.path("place/out"));
        assert_eq!(observed, Some((text.to_owned(), formats())));
        assert_eq!(folder.read("place/out/disk.raw"), text);
        assert_eq!(folder.list("place"), ["out"], "nothing left over");
    }
    let killed = folder.begin("place/out").unwrap();
    fs::write(killed.path().join("disk.raw"), "half").unwrap();
    assert_eq!(folder.read("place/out/disk.raw"), "two");
    assert_eq!(
        folder.list("place").len(),
        3,
        "the lock and the unfinished output"
    );
    assert!(killed.abandon().is_none());
    assert_eq!(folder.list("place"), ["out"]);
    folder.write("place/out/disk.raw", "changed");
    let out = folder.path("place/out");
    assert_eq!(observe_output(&out), None, "a changed file is noticed");
    folder.bake("place/out", &["disk.qcow2"], "three");
    assert_eq!(
        folder.list("place/out"),
        [".vmimage-output.json", "disk.qcow2"]
    );
}

#[test]
fn what_no_bake_wrote_is_not_replaced() {
    let folder = Folder::new();
    folder.bake("place/out", &["disk.raw"], "one");
    for log in ["boot-1.console.log", "boot-2.console.log"] {
        folder.write(&format!("place/out/boot-test/{log}"), "log");
    }
    folder.bake("place/out", &["disk.raw"], "two");
    assert_eq!(
        folder.list("place/out"),
        [".vmimage-output.json", "disk.raw"]
    );

    let rule = "a bake replaces only what a bake wrote: move the rest elsewhere, or name another \
                directory with `--out`";
    folder.write("place/out/notes/approval.txt", "approved");
    folder.write("place/out/ami-ids.json", "{}");
    folder.write("place/out/boot-test/boot-1.console.log", "log");
    folder.write("place/out/boot-test/verdict.txt", "good");
    assert_eq!(
        folder.refusal("place/out"),
        (
            "refusing to replace `/place/out`: no bake wrote `ami-ids.json`, \
             `boot-test/verdict.txt`, `notes/` in it"
                .to_owned(),
            rule.to_owned()
        )
    );
    assert!(folder.begin("place/out").is_err());
    assert_eq!(folder.list("place"), ["out"]);
    assert_eq!(folder.read("place/out/ami-ids.json"), "{}");

    // A folder in which no bake ever was, one with more than can be named, and a name of ours that is
    // no file.
    folder.write("place/thesis/thesis.txt", "years of work");
    assert_eq!(
        folder.refusal("place/thesis").0,
        "refusing to replace `/place/thesis`: no bake wrote `thesis.txt` in it"
    );
    for number in 1..=7 {
        folder.write(&format!("place/many/{number}"), "");
    }
    assert_eq!(
        folder.refusal("place/many").0,
        "refusing to replace `/place/many`: no bake wrote `1`, `2`, `3`, `4`, `5` and 2 more in it"
    );
    folder.bake("place/odd", &["disk.raw"], "one");
    fs::remove_file(folder.path("place/odd/disk.raw")).unwrap();
    folder.write("place/odd/disk.raw/precious", "");
    assert_eq!(
        folder.refusal("place/odd").0,
        "refusing to replace `/place/odd`: no bake wrote `disk.raw/` in it"
    );
}

#[test]
fn a_damaged_record_is_no_permission() {
    let folder = Folder::new();
    for record in [
        "",
        "{",
        r#"{"fingerprint":"","formats":[],"files":[],"x":1}"#,
        OUTSIDE,
    ] {
        folder.write("place/out/.vmimage-output.json", record);
        let (text, hint) = folder.refusal("place/out");
        assert_eq!(
            text,
            "refusing to replace `/place/out`: its record `.vmimage-output.json` cannot be read, so \
             it is not known what a bake wrote there"
        );
        assert_eq!(
            hint,
            "a bake replaces only what a bake wrote: remove `/place/out` if nothing in it is needed, \
             or name another directory with `--out`"
        );
    }
}

const OUTSIDE: &str = r#"{"fingerprint":"","formats":[],"files":[
    {"name":"../thesis.txt","size":0,"inode":0,"changed-secs":0,"changed-nanos":0}]}"#;

#[test]
fn what_appears_during_a_bake_stays() {
    let folder = Folder::new();
    folder.bake("place/out", &["disk.raw"], "one");
    let mut output = folder.begin("place/out").unwrap();
    fs::write(output.path().join("disk.raw"), "two").unwrap();
    folder.write("place/out/notes.txt", "just now");
    let error = output.commit("two", &formats()).unwrap_err();
    assert!(matches!(error, OutputError::Foreign { .. }), "{error}");
    drop(output);
    assert_eq!(folder.list("place"), ["out"]);
    assert_eq!(folder.read("place/out/disk.raw"), "one");
    assert_eq!(folder.read("place/out/notes.txt"), "just now");
}

#[test]
fn places_in_which_no_image_can_be() {
    let folder = Folder::new();
    folder.write("place/file", "");
    symlink("nowhere", folder.path("place/dangling")).unwrap();
    symlink(folder.path("cache/layers"), folder.path("place/link")).unwrap();
    for (out, what) in [
        ("place/file", "it is not a directory"),
        (
            "place/dangling",
            "it is a link to `nowhere`, where nothing is",
        ),
        (
            "place/dangling/",
            "it is a link to `nowhere`, where nothing is",
        ),
        ("cache/layers/x", "it is in the cache's own `layers`"),
        ("place/link/x/y", "it is in the cache's own `layers`"),
        ("cache/debs", "it is in the cache's own `debs`"),
        ("cache", "the cache `/cache` is in it"),
        ("project/images/out", "it is in the project's own `images`"),
        ("project/recipes", "it is in the project's own `recipes`"),
    ] {
        let (text, hint) = folder.refusal(out);
        assert_eq!(text, format!("cannot put an image into `/{out}`: {what}"));
        assert_eq!(hint, "name another directory with `--out`");
    }
    let root = folder.around(|around| check_output(Path::new("/"), around));
    assert_eq!(
        root.unwrap_err().to_string(),
        "cannot put an image into `/`: it is the root directory, or has no name"
    );
    let below = folder.around(|around| check_output(&folder.path("place/file/out"), around));
    let below = below.unwrap_err().to_string();
    assert!(below.starts_with("cannot look at `"), "{below}");
    for out in [
        "place/new",
        "place/a/b/c/",
        "place/../place/./new",
        "cache/out",
        "project/out",
    ] {
        let checked = folder.around(|around| check_output(&folder.path(out), around));
        assert!(checked.is_ok(), "{out}: {checked:?}");
    }
}

#[test]
fn a_link_leads_to_the_directory_that_is_replaced() {
    let folder = Folder::new();
    fs::create_dir(folder.path("place/real")).unwrap();
    symlink("real", folder.path("place/out")).unwrap();
    for text in ["one", "two"] {
        folder.bake("place/out/", &["disk.raw"], text);
        assert_eq!(folder.read("place/real/disk.raw"), text);
        assert!(folder.path("place/out").is_symlink());
        assert_eq!(folder.list("place"), ["out", "real"]);
    }
}

#[test]
fn mode_and_owner_of_the_directory_are_kept() {
    let folder = Folder::new();
    folder.bake("place/out", &["disk.raw"], "one");
    let out = folder.path("place/out");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o2750)).unwrap();
    folder.bake("place/out", &["disk.raw"], "two");
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o7777, 0o2750);
}

#[test]
fn directories_made_on_the_way_go_again() {
    let folder = Folder::new();
    let output = folder.begin("place/a/b/out").unwrap();
    assert_eq!(folder.list("place/a/b").len(), 2);
    assert!(output.abandon().is_none());
    assert_eq!(folder.list("place"), Vec::<String>::new());
    folder.bake("place/a/b/out", &["disk.raw"], "one");
    assert_eq!(folder.list("place/a/b"), ["out"]);
}

#[test]
fn a_place_is_locked_and_a_dead_bake_locks_nothing() {
    let folder = Folder::new();
    let first = folder.begin("place/out").unwrap();
    let error = folder.begin("place/out").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot put an image into `{}`: another bake is at work on it (process 7 on here)",
            folder.path("place/out").display()
        )
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("wait for it to end, or name another directory with `--out`")
    );
    let other = folder.begin("place/other").unwrap();
    drop((first, other));
    assert_eq!(folder.list("place"), Vec::<String>::new());

    // As after a kill: the files are there, and nobody holds the lock.
    folder.write("place/.out.lock", "process 8 on here\n");
    folder.write("place/.out.unfinished-Ab3dE6/disk.raw", "half");
    folder.write("place/.out.unfinished-notes/mine", "");
    folder.write("place/.out.unfinished-Ab3dE7", "no directory");
    let next = folder.begin("place/out").unwrap();
    assert!(!folder.path("place/.out.unfinished-Ab3dE6").exists());
    drop(next);
    let kept = [".out.unfinished-Ab3dE7", ".out.unfinished-notes"];
    assert_eq!(folder.list("place"), kept, "names that are none of ours");

    folder.write("place/.out.lock", "");
    folder.write("place/.out.unfinished-Ab3dE6/disk.raw", "half");
    let out = folder.path("place/out");
    folder
        .around(|around| remove_unfinished(&out, around, "process 9 on here"))
        .unwrap();
    assert_eq!(folder.list("place"), kept);
}

#[test]
fn a_bake_in_a_container_is_seen_from_outside() {
    let folder = Folder::new();
    folder.bake("place/out", &["disk.raw"], "one");
    // What a bake leaves for which the directory is a mount point: dead first, then alive.
    folder.write("place/out/.vmimage.lock", "process 1 on container\n");
    folder.write("place/out/.vmimage-unfinished-Ab3dE6/disk.raw", "half");
    let lock = fs::File::open(folder.path("place/out/.vmimage.lock")).unwrap();
    lock.lock().unwrap();
    let error = folder.begin("place/out").unwrap_err().to_string();
    assert!(error.ends_with("(process 1 on container)"), "{error}");
    assert!(
        folder
            .path("place/out/.vmimage-unfinished-Ab3dE6/disk.raw")
            .exists()
    );
    drop(lock);
    folder.bake("place/out", &["disk.raw"], "two");
    assert_eq!(
        folder.list("place/out"),
        [".vmimage-output.json", "disk.raw"]
    );
}

#[test]
fn files_are_replaced_one_by_one_and_stopping_anywhere_is_no_harm() {
    let folder = Folder::new();
    let (old, new) = (
        names(&["disk.raw", "manifest.json"]),
        names(&["disk.qcow2", "disk.raw", "manifest.json"]),
    );
    let place = Place {
        directory: folder.path("place/out"),
        way: Way::Inside,
    };
    folder.bake("place/out", &["disk.raw", "manifest.json"], "one");
    folder.write("place/out/boot-test/boot-1.console.log", "log");
    // The new manifest is missing, so the last step fails: as if it had been stopped there.
    for name in ["disk.qcow2", "disk.raw"] {
        folder.write(&format!("place/new/{name}"), "two");
    }
    replace_inside(&folder.path("place/new"), &place.directory, (&old, &new)).unwrap_err();
    assert_eq!(
        folder.list("place/out"),
        [".vmimage-output.json", "disk.qcow2", "disk.raw"],
        "no manifest lies beside the disk of another"
    );
    assert_eq!(observe_output(&place.directory), None);
    assert_eq!(place.own_files().unwrap(), new, "all of it may be replaced");
    for name in ["disk.qcow2", "disk.raw", "manifest.json"] {
        folder.write(&format!("place/new/{name}"), "three");
    }
    replace_inside(&folder.path("place/new"), &place.directory, (&new, &new)).unwrap();
    let state = OutputState::of(&place.directory, ("three", &formats()), &new).unwrap();
    state.write(&place.directory).unwrap();
    let observed = observe_output(&place.directory);
    assert_eq!(observed, Some(("three".to_owned(), formats())));
}

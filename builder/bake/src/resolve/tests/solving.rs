//! What apt chooses from believed indexes, layer by layer.

use std::fs;

use super::fixture::{Archive, chain, image, recipe, stanza};

#[test]
fn a_layer_is_what_apt_adds_to_the_layers_below() {
    let mut archive = Archive::new();
    archive.extra = "Origin: vmimage-standin\n".to_owned();
    archive.publish();
    let lock = archive.lock(&archive.image(&["app"]), &[]).unwrap();
    let packages: Vec<_> = lock
        .targets
        .first()
        .unwrap()
        .packages
        .iter()
        .map(|p| {
            (
                p.recipe.as_str(),
                p.name.as_str(),
                p.requested,
                p.path.as_str(),
                p.size,
            )
        })
        .collect();
    assert_eq!(
        packages,
        [
            (
                "base",
                "base-files",
                false,
                "pool/base-files_1.0_amd64.deb",
                200
            ),
            ("top", "app", true, "pool/app_1.0_amd64.deb", 200),
            ("top", "lib", false, "pool/lib_1.0_amd64.deb", 200),
        ]
    );
    assert_eq!(lock.source_date_epoch, archive.date.as_second());
    assert!(lock.repositories.first().unwrap().stand_in);
    assert_eq!(
        archive.lock(&archive.image(&["app"]), &[]).unwrap(),
        lock,
        "the same again"
    );
}

#[test]
fn what_apt_cannot_install_is_said_in_its_own_words() {
    let archive = Archive::new();
    archive.publish();
    assert_eq!(
        chain(&archive.lock(&archive.image(&["nothing"]), &[]).unwrap_err()),
        [
            "apt finds no way to install the packages of recipe `top` for `x86_64`",
            "E: Unable to locate package nothing"
        ]
    );
    let [_, cause] = chain(
        &archive
            .lock(&archive.image(&["app", "rival"]), &[])
            .unwrap_err(),
    );
    assert!(cause.contains("rival : Conflicts: lib"), "{cause}");
}

#[test]
fn a_recipe_that_removes_an_earlier_package_is_refused_by_both_names() {
    let archive = Archive::new();
    archive.publish();
    let image = image(vec![
        recipe("base", &["lib"], vec![archive.repository()]),
        recipe("top", &["rival"], vec![]),
    ]);
    let error = archive.lock(&image, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "recipe `top` removes package `lib` of recipe `base`"
    );
}

#[test]
fn a_repository_counts_from_its_recipe_on() {
    let archive = Archive::new();
    archive.publish();
    let image = image(vec![
        recipe("base", &[], vec![]),
        recipe("top", &[], vec![archive.repository()]),
    ]);
    let error = archive.lock(&image, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "recipe `base` comes first and its repositories have no essential package"
    );
}

#[test]
fn an_index_that_is_not_the_listed_one_is_refused() {
    let archive = Archive::new();
    archive.publish();
    let index = "dists/test/main/binary-amd64/Packages";
    let message = "cannot get an index of suite `test` of archive `test`";
    let url = format!("file://{}", archive.path("").display());
    let url = url.trim_end_matches('/');

    archive.write(index, archive.packages.replace("lib", "bil"));
    let [first, cause] = archive.refusal();
    assert_eq!(first, message);
    assert!(
        cause.starts_with(&format!("`{url}/{index}` has SHA-256 `")),
        "{cause}"
    );

    archive.write(index, format!("{}x", archive.packages));
    let size = archive.packages.len();
    assert_eq!(
        archive.refusal(),
        [
            message,
            &format!("`{url}/{index}` has {} bytes, expected {size}", size + 1)
        ]
    );

    fs::remove_file(archive.path(index)).unwrap();
    assert_eq!(
        archive.refusal(),
        [message, &format!("`{url}/{index}` does not exist")]
    );
}

#[test]
fn an_architecture_without_an_index_is_warned_of_and_counts_as_empty() {
    let archive = Archive::new();
    archive.publish();
    let mut image = archive.image(&[]);
    image.architectures = vec![vmimage_plan::definition::Architecture::Arm64];
    let (result, warnings) = archive.lock_and_warnings(&image);
    assert_eq!(
        warnings,
        [
            "suite `test` of archive `test` lists no index of component `main` for `arm64`: it counts as empty"
        ]
    );
    assert_eq!(
        result.unwrap_err().to_string(),
        "recipe `base` comes first and its repositories have no essential package"
    );
}

#[test]
fn a_component_that_the_release_does_not_have_is_refused_with_those_that_it_has() {
    let archive = Archive::new();
    archive.publish();
    let mut image = archive.image(&[]);
    for recipe in &mut image.recipes {
        for repository in &mut recipe.repositories {
            repository.components = vec!["contrib".to_owned()];
        }
    }
    let error = archive.lock(&image, &[]).unwrap_err();
    assert_eq!(
        chain(&error),
        [
            "the Release file of suite `test` of archive `test` cannot be used",
            "it has no component `contrib`; it has `main`"
        ]
    );
    assert_eq!(
        error.hint().unwrap(),
        "write one that it has among the repository's `components`"
    );
}

#[test]
fn a_path_that_leaves_the_archive_is_refused() {
    let mut archive = Archive::new();
    archive.packages = stanza("base-files", "Essential: yes\n").replace("pool/", "../../");
    archive.publish();
    assert_eq!(
        archive.refusal()[0],
        "package `base-files` in the index `main/binary-amd64` of suite `test` of archive `test` has a \
         `Filename` that leaves its archive: `../../base-files_1.0_amd64.deb`"
    );
}

#[test]
fn roots_of_killed_processes_are_swept_and_live_ones_stay() {
    let archive = Archive::new();
    archive.publish();
    let roots = archive.folder.path().join("cache/apt");
    for name in ["root-dead", "root-live"] {
        fs::create_dir_all(roots.join(name)).unwrap();
        fs::write(roots.join(name).join("lock"), "").unwrap();
    }
    let live = fs::File::open(roots.join("root-live/lock")).unwrap();
    rustix::fs::flock(&live, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    archive.lock(&archive.image(&[]), &[]).unwrap();
    let left: Vec<_> = fs::read_dir(&roots)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["root-live"]);
}

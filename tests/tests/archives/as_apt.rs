//! Compares locks with what the real apt downloads and installs, on archives made by chance.

use std::sync::atomic::{AtomicU64, Ordering};

use vmimage_tests::project::is_full_run;
use vmimage_tests::standin::TestKey;

use super::apt::{Apt, Outcome, Source};
use super::archive::{Archive, Package};
use super::chance::{Dice, Wish};
use super::images;
use super::server::Server;

/// How many seeds there are, from 0 on.
const SEEDS: u64 = 40;
const ALL_SEEDS: u64 = 600;

/// What apt installs, and what vmimage locks.
struct Both {
    apt: Outcome,
    vmimage: Outcome,
}

fn compare(archives: &[Archive], wanted: &[String], missing: u16) -> Both {
    let folder = tempfile::tempdir().unwrap();
    let key = TestKey::new().unwrap();
    let server = Server::start(folder.path(), missing, None);
    let mut sources = Vec::new();
    for (number, archive) in archives.iter().enumerate() {
        let name = format!("archive{number}");
        archive.write(&folder.path().join(&name), &key);
        sources.push(Source {
            url: server.url(&name),
            suite: archive.suite.to_owned(),
            component: archive.component.to_owned(),
        });
    }
    let packages: Vec<Package> = archives.iter().flat_map(|a| a.packages.clone()).collect();
    let apt = Apt::new(&key.public_armored().unwrap(), packages);
    let image = images::image(&sources, wanted, &key);
    let cache = folder.path().join("cache");
    let (lock, _) = images::lock(&image, &cache);
    if lock.is_ok() {
        let roots = std::fs::read_dir(cache.join("apt")).unwrap().count();
        assert_eq!(roots, 0, "apt's private roots are gone");
    }
    Both {
        apt: apt.outcome(&sources, wanted),
        vmimage: images::outcome(lock),
    }
}

/// What vmimage refuses though apt takes it, by the words of the refusal. Nothing else may differ.
const STRICTER: [&str; 1] = [
    // A component that the Release file does not name is a mistake in the recipe; apt only warns.
    "it has no component",
];

fn is_stricter(outcome: &Outcome) -> bool {
    let refusal = outcome.as_ref().err();
    refusal.is_some_and(|words| STRICTER.iter().any(|stricter| words.contains(stricter)))
}

/// Compares one seed; says whether it was taken, or how the two differ.
fn check(seed: u64) -> Result<bool, String> {
    let wish = Wish::new(seed);
    let missing = if Dice::new(!seed).once_in(5) {
        403
    } else {
        404
    };
    let both = compare(&wish.archives, &wish.wanted, missing);
    let same = match (&both.apt, &both.vmimage) {
        (Ok(apt), Ok(vmimage)) => apt == vmimage,
        (Err(_), Err(_)) => true,
        (Ok(_), Err(_)) => is_stricter(&both.vmimage),
        (Err(_), Ok(_)) => false,
    };
    if !same {
        return Err(format!(
            "seed {seed}, missing files answered with {missing}:\napt: {:#?}\nvmimage: {:#?}\n{wish:#?}",
            both.apt, both.vmimage
        ));
    }
    // No message names a file of apt's private root, which is gone when it is read.
    match &both.vmimage {
        Err(words) if words.contains("/root-") => Err(format!("seed {seed}: {words}")),
        Err(_) => Ok(false),
        Ok(_) => Ok(true),
    }
}

#[test]
fn a_lock_is_what_apt_installs() {
    let one = std::env::var_os("VMIMAGE_TEST_SEED");
    let one = one.map(|seed| seed.to_string_lossy().parse::<u64>().unwrap());
    let range = match one {
        Some(seed) => seed..seed + 1,
        None => 0..if is_full_run() { ALL_SEEDS } else { SEEDS },
    };
    let next = AtomicU64::new(range.start);
    let work = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= range.end {
                return results;
            }
            results.push(check(seed));
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        let results = workers.into_iter().map(|worker| worker.join().unwrap());
        results.flatten().collect()
    });
    let differences: Vec<&String> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(
        differences.is_empty(),
        "{} differences; one of them, which `VMIMAGE_TEST_SEED` repeats alone:\n{}",
        differences.len(),
        differences[0]
    );
    let taken = results.iter().filter(|result| **result == Ok(true)).count();
    if one.is_none() {
        assert!(
            taken * 4 >= results.len() && taken * 4 <= results.len() * 3,
            "{taken} of {} taken: the archives made by chance are too good or too bad",
            results.len()
        );
    }
}

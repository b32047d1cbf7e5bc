//! Fetching from a folder and from a server on loopback that misbehaves on purpose.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use sha2::{Digest, Sha256};
use vmimage_plan::definition::{
    Architecture, Boot, Disk, Image, Recipe, Repository, RepositoryKey, Suite, Units,
};
use vmimage_plan::lock::LockedPackage;

use super::*;

const CONTENT: &[u8] = b"!<arch>\nwhat a package holds\n";

fn image() -> Image {
    let repository = Repository {
        archive: "test".to_owned(),
        url: "http://archive.invalid".to_owned(),
        suites: vec!["test".to_owned()],
        components: vec!["main".to_owned()],
        key: RepositoryKey {
            fingerprints: vec![],
            vendored: None,
            url: None,
        },
        keep_in_image: true,
    };
    let recipe = Recipe {
        name: "base".to_owned(),
        description: String::new(),
        repositories: vec![repository],
        packages: vec![],
        debconf: vec![],
        directories: vec![],
        files: vec![],
        links: vec![],
        commands: vec![],
        units: Units::default(),
        seals: vec![],
        checks: vec![],
        boot_steps: vec![],
    };
    Image {
        path: "images/test.toml".to_owned(),
        name: "test".to_owned(),
        description: String::new(),
        suite: Suite::Trixie,
        architectures: vec![Architecture::X86_64],
        recipes: vec![recipe],
        disk: Disk {
            esp_mib: 64,
            root_mib: None,
            root_free_mib: 64,
        },
        boot: Boot {
            consoles: vec![],
            kernel_arguments: vec![],
            timeout_secs: 0,
        },
    }
}

fn package(content: &[u8]) -> LockedPackage {
    LockedPackage {
        name: "app".to_owned(),
        version: "1.0".to_owned(),
        architecture: "amd64".to_owned(),
        sha256: hex::encode(Sha256::digest(content)),
        size: content.len() as u64,
        archive: "test".to_owned(),
        path: "pool/app_1.0%2b_amd64.deb".to_owned(),
        recipe: "base".to_owned(),
        requested: true,
    }
}

fn get(package: &LockedPackage, url: &str, cache: &Path) -> Result<Fetched, FetchError> {
    let mirrors = Mirrors::new(BTreeMap::from([("test".to_owned(), url.to_owned())]));
    fetch(
        std::slice::from_ref(package),
        &image(),
        &mirrors,
        cache,
        &mut |_| (),
    )
}

/// A folder with the archive and an empty cache, and the archive's URL.
fn archive(content: Option<&[u8]>) -> (tempfile::TempDir, String, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let pool = folder.path().join("archive/pool");
    fs::create_dir_all(&pool).unwrap();
    if let Some(content) = content {
        fs::write(pool.join("app_1.0%2b_amd64.deb"), content).unwrap();
    }
    let url = format!("file://{}", folder.path().join("archive").display());
    let cache = folder.path().join("cache");
    (folder, url, cache)
}

fn cause(error: &FetchError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[test]
fn a_package_is_downloaded_once_and_a_corrupt_copy_again() {
    let (_folder, url, cache) = archive(Some(CONTENT));
    let package = package(CONTENT);
    let downloaded = Fetched {
        downloaded: 1,
        downloaded_bytes: 29,
        cached: 0,
    };
    let cached = Fetched {
        downloaded: 0,
        downloaded_bytes: 0,
        cached: 1,
    };
    let path = deb_path(&cache, &package);
    assert_eq!(get(&package, &url, &cache).unwrap(), downloaded);
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!(get(&package, &url, &cache).unwrap(), cached);

    fs::write(&path, CONTENT.to_ascii_uppercase()).unwrap();
    assert_eq!(get(&package, &url, &cache).unwrap(), downloaded);
    fs::write(&path, b"short").unwrap();
    assert_eq!(get(&package, &url, &cache).unwrap(), downloaded);
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!(
        fs::read_dir(cache.join("debs")).unwrap().count(),
        1,
        "no partial file is left"
    );
}

#[test]
fn a_package_that_the_archive_no_longer_has_is_superseded() {
    let (_folder, url, cache) = archive(None);
    let error = get(&package(CONTENT), &url, &cache).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "archive `test` no longer has package `app` 1.0: `{url}/pool/app_1.0%252b_amd64.deb` does not exist"
        )
    );
    assert_eq!(
        error.hint().unwrap(),
        "run `vmimage lock` again for the versions that replaced it,\n\
         or give a snapshot of that time with `--mirror test=URL`"
    );
}

#[test]
fn a_wrong_and_a_truncated_package_are_refused_and_nothing_is_kept() {
    for (content, expected) in [
        (CONTENT.to_ascii_uppercase(), "has SHA-256"),
        (CONTENT[..10].to_vec(), "has 10 bytes, expected 29"),
        ([CONTENT, b"more"].concat(), "has 33 bytes, expected 29"),
    ] {
        let (_folder, url, cache) = archive(Some(&content));
        let package = package(CONTENT);
        let error = get(&package, &url, &cache).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot fetch package `app` 1.0 from archive `test`"
        );
        assert!(cause(&error).contains(expected), "{}", cause(&error));
        assert!(!deb_path(&cache, &package).exists());
    }
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_downloaded() {
    let (_folder, url, cache) = archive(Some(CONTENT));
    let huge = LockedPackage {
        size: 1 << 60,
        ..package(CONTENT)
    };
    let error = get(&huge, &url, &cache).unwrap_err();
    let needed = (1_u64 << 60) + (16 << 20);
    assert!(
        error
            .to_string()
            .ends_with(&format!("bytes free and {needed} are needed")),
        "{error}"
    );
    assert!(error.hint().unwrap().starts_with("free "));
    assert_eq!(fs::read_dir(cache.join("debs")).unwrap().count(), 0);
}

#[test]
fn a_lock_that_does_not_fit_the_definition_is_refused() {
    let (_folder, url, cache) = archive(Some(CONTENT));
    let other = LockedPackage {
        archive: "other".to_owned(),
        ..package(CONTENT)
    };
    assert_eq!(
        get(&other, &url, &cache).unwrap_err().to_string(),
        "package `app` comes from archive `other`, which image `test` does not name"
    );
    let escape = LockedPackage {
        sha256: "../../etc/passwd".to_owned(),
        ..package(CONTENT)
    };
    assert_eq!(
        get(&escape, &url, &cache).unwrap_err().to_string(),
        "the lock gives package `app` the malformed SHA-256 `../../etc/passwd`"
    );
    let error = get(&package(CONTENT), "ftp://archive.invalid", &cache).unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "write mirrors as `http://`, `https://` or `file:///`"
    );
}

/// Answers each connection with the next reply; returns the `Range` headers it saw.
fn serve(replies: Vec<Vec<u8>>) -> (String, std::thread::JoinHandle<Vec<Option<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let answer = |reply: Vec<u8>| {
            let (mut stream, _) = listener.accept().unwrap();
            let range = range_of(&stream);
            stream.write_all(&reply).unwrap();
            range
        };
        replies.into_iter().map(answer).collect()
    });
    (url, server)
}

fn range_of(stream: &TcpStream) -> Option<String> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let header: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    header.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then(|| value.to_owned())
    })
}

fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    [
        format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(),
        body,
    ]
    .concat()
}

#[test]
fn a_broken_transfer_is_resumed_and_a_busy_server_asked_again() {
    let (_folder, _, cache) = archive(None);
    let (url, server) = serve(vec![
        reply("503 Busy\r\nContent-Length: 0", b""),
        reply("200 OK\r\nContent-Length: 29", &CONTENT[..12]),
        reply(
            "206 Partial Content\r\nContent-Length: 17\r\nContent-Range: bytes 12-28/29",
            &CONTENT[12..],
        ),
    ]);
    let package = package(CONTENT);
    let fetched = get(&package, &url, &cache).unwrap();
    assert_eq!(
        fetched,
        Fetched {
            downloaded: 1,
            downloaded_bytes: 29,
            cached: 0
        }
    );
    assert_eq!(fs::read(deb_path(&cache, &package)).unwrap(), CONTENT);
    assert_eq!(
        server.join().unwrap(),
        [None, None, Some("bytes=12-".to_owned())]
    );
}

#[test]
fn a_partial_file_of_something_else_is_downloaded_anew() {
    let (_folder, _, cache) = archive(None);
    let package = package(CONTENT);
    let part = deb_path(&cache, &package).with_extension("part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, b"something else").unwrap();
    let (url, server) = serve(vec![
        reply(
            "206 Partial Content\r\nContent-Length: 15\r\nContent-Range: bytes 14-28/29",
            &CONTENT[14..],
        ),
        reply("200 OK\r\nContent-Length: 29", CONTENT),
    ]);
    get(&package, &url, &cache).unwrap();
    assert_eq!(fs::read(deb_path(&cache, &package)).unwrap(), CONTENT);
    assert_eq!(server.join().unwrap(), [Some("bytes=14-".to_owned()), None]);
}

#[test]
fn a_server_that_is_not_there_is_named_with_a_way_out() {
    let (_folder, _, cache) = archive(None);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let error = get(&package(CONTENT), &url, &cache).unwrap_err();
    assert_eq!(
        cause(&error),
        format!("cannot reach `{url}/pool/app_1.0%252b_amd64.deb`")
    );
    assert_eq!(
        error.hint().unwrap(),
        "check the network, or give a mirror that is reachable with `--mirror test=URL`"
    );
}

#[test]
fn two_fetches_of_one_file_share_the_work() {
    let (_folder, url, cache) = archive(Some(CONTENT));
    let package = package(CONTENT);
    let results: Vec<Fetched> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| get(&package, &url, &cache).unwrap()))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    assert_eq!(
        results
            .iter()
            .map(|fetched| fetched.downloaded)
            .sum::<usize>(),
        1
    );
    assert_eq!(fs::read_dir(cache.join("debs")).unwrap().count(), 1);
}

//! trial
use std::path::PathBuf;
use std::time::Instant;
use vmimage_bake::deb::Deb;
use vmimage_bake::install::*;
use vmimage_plan::lock::LockedPackage;
fn main() {
    let mut args = std::env::args().skip(1);
    let list = args.next().unwrap();
    let work = PathBuf::from(args.next().unwrap());
    let mut debs = Vec::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let f: Vec<&str> = line.split('\t').collect();
        debs.push(Deb { path: f[5].into(), locked: LockedPackage { name: f[0].into(), version: f[1].into(), architecture: f[2].into(), sha256: f[3].into(), size: f[4].parse().unwrap(), archive: "debian".into(), path: "x".into(), recipe: f[6].into(), requested: f[7] == "1" } });
    }
    let files = work.join("files");
    std::fs::create_dir_all(&files).unwrap();
    let mut ns = Namespace::default();
    let t = Instant::now();
    let e = extract(&debs, &files, &mut ns, 2.try_into().unwrap(), &|_| {});
    println!("extract {:?}", t.elapsed());
    match e { Err(e) => println!("{e} {e:?}"), Ok(e) => println!("{}", e.packages().count()) }
}

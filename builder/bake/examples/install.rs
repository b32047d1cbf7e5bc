//! trial
use std::path::{Path, PathBuf};
use std::time::Instant;
use vmimage_bake::deb::Deb;
use vmimage_bake::install::*;
use vmimage_bake::sandbox::{Sandbox, overlay::*};
use vmimage_plan::lock::LockedPackage;
fn main() {
    let mut args = std::env::args().skip(1);
    let list = args.next().unwrap();
    let work = PathBuf::from(args.next().unwrap());
    let verbose = args.next().is_some();
    let mut layers: Vec<(String, Vec<Deb>)> = Vec::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let f: Vec<&str> = line.split('\t').collect();
        let deb = Deb {
            path: f[5].into(),
            locked: LockedPackage {
                name: f[0].into(),
                version: f[1].into(),
                architecture: f[2].into(),
                sha256: f[3].into(),
                size: f[4].parse().unwrap(),
                archive: "debian".into(),
                path: "x".into(),
                recipe: f[6].into(),
                requested: f[7] == "1",
            },
        };
        match layers.iter_mut().find(|l| l.0 == f[6]) {
            Some(l) => l.1.push(deb),
            None => layers.push((f[6].into(), vec![deb])),
        }
    }
    let start = Instant::now();
    let mut ns = Namespace::default();
    let extract_one = |name: &str, debs: &[Deb], ns: &mut Namespace| {
        let files = work.join(name).join("files");
        std::fs::create_dir_all(&files).unwrap();
        let e = extract(debs, &files, ns, 2.try_into().unwrap(), &|_| {}).unwrap();
        println!("{:?} extracted {name}", start.elapsed());
        e
    };
    let mut below: Vec<PathBuf> = vec![];
    let mut next = Some(extract_one(&layers[0].0, &layers[0].1, &mut ns));
    for i in 0..layers.len() {
        let e = next.take().unwrap();
        std::thread::scope(|s| {
            let h = (i + 1 < layers.len()).then(|| {
                let (n, d) = &layers[i + 1];
                let ns = &mut ns;
                let extract_one = &extract_one;
                s.spawn(move || extract_one(n, d, ns))
            });
            let dir = work.join(&layers[i].0);
            let refs: Vec<&Path> = below.iter().map(|p| p.as_path()).collect();
            reconcile(&e, &refs).unwrap();
            let (changes, w, root) = (dir.join("changes"), dir.join("work"), dir.join("root"));
            for d in [&changes, &w, &root] {
                std::fs::create_dir_all(d).unwrap();
            }
            below.insert(0, dir.join("files"));
            let refs: Vec<&Path> = below.iter().map(|p| p.as_path()).collect();
            let overlay = Overlay::mount(
                &refs,
                Some(Upper {
                    changes: &changes,
                    work: &w,
                }),
                &root,
                Attributes::Trusted,
            )
            .unwrap();
            let sandbox = Sandbox::new(&root, 1_790_000_000).unwrap();
            let mut last = (Instant::now(), String::new());
            let r = configure(&e, &sandbox, &[], &mut |p| {
                if verbose {
                    println!("TIME {:.3} {}", last.0.elapsed().as_secs_f64(), last.1);
                }
                last = (Instant::now(), p.doing.to_owned());
            });
            println!("{:?} configured {} {r:?}", start.elapsed(), layers[i].0);
            if let Err(e) = &r {
                println!("{e}");
                std::process::exit(1);
            }
            drop(sandbox);
            drop(overlay);
            below.insert(0, changes);
            next = h.map(|h| h.join().unwrap());
        });
    }
    println!("{:?} all", start.elapsed());
    let d = work.join("final");
    std::fs::create_dir_all(&d).unwrap();
    let refs: Vec<&Path> = below.iter().map(|p| p.as_path()).collect();
    let _o = Overlay::mount(&refs, None, &d, Attributes::Trusted).unwrap();
    if let Some(cmd) = std::env::args().nth(4) {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(cmd)
            .current_dir(&d)
            .status()
            .unwrap();
    }
}

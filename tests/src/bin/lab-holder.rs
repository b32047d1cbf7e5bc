//! Owns a lab with one node that a test can kill: says `ready` when the node is up, and ends the lab
//! when its input closes. Must not be used outside tests.
//!
//! `lab-holder NAME STATE-ROOT IMAGE`

use std::error::Error;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use vmimage_lab::imds::Instance;
use vmimage_lab::network::Region;
use vmimage_lab::node::{Interferer, Lab, NodeLaunch, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("usage: lab-holder NAME STATE-ROOT IMAGE")
    };
    let (name, state_root, image) = (next()?, PathBuf::from(next()?), PathBuf::from(next()?));
    let lab = Lab::start(Settings {
        name,
        state_root,
        regions: vec![Region::new("eu-west-1", 2)],
        ca_pem: None,
        starting_at_most: 1,
        seed: 1,
        interferer: Interferer::default(),
    })?;
    let instance = Instance {
        local_ipv4: [10, 2, 0, 10].into(),
        mac: vmimage_lab::network::mac_of([10, 2, 0, 10].into()),
        ..Instance::example()
    };
    let id = instance.instance_id.clone();
    lab.add_image(&instance.ami_id, &image)?;
    lab.launch(&NodeLaunch {
        instance,
        hop_limit: 1,
        volumes: Vec::new(),
    })?;
    lab.wait_up(&id, 1, Duration::from_mins(2))?;
    #[expect(clippy::print_stdout, reason = "the test waits for this line")]
    {
        println!("ready");
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    lab.down()?;
    Ok(())
}

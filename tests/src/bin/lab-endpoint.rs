//! Owns a simulator on a free port for clients that are not written in Rust. It prints one line of JSON
//! (endpoint, keys, certificate) and then obeys lines on standard input, each answered by one line of
//! JSON; it ends when that is closed.
//!
//!     fault TEXT        adds a fault: {"id": 1}
//!     clear             clears all faults
//!     advance SECONDS   moves virtual time
//!     lifetime SECONDS  for how long keys of roles last from now on
//!     issue ROLE ID     keys of a role on an instance
//!     image REGION      offers an image: {"image": "ami-..."}
//!     notices           what clients asked for that is not simulated

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use vmimage_lab::aws::{Image, ImageState, RegionSettings, Settings};
use vmimage_lab::fault::Fault;
use vmimage_lab::wire::{CertificateAuthority, Clock, Cloud, Listener, Notice, serve};
use vmimage_tests::report::chain;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody can be told that standard error is closed.
            let _closed = writeln!(io::stderr(), "{}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn settings() -> Settings {
    let regions = [("us-east-1", 1), ("eu-west-1", 2), ("ap-northeast-1", 3)];
    let region = |(name, octet): (&str, u8)| RegionSettings {
        name: name.to_owned(),
        vpc: [10, octet],
        zones: 3,
    };
    Settings {
        account_id: "123456789012".to_owned(),
        seed: 1,
        regions: regions.map(region).to_vec(),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let clock = Clock::virtual_time();
    let cloud = Arc::new(Mutex::new(Cloud::new(settings(), clock.epoch())));
    let authority = CertificateAuthority::new()?;
    let (plain, tls) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    let operator = lock(&cloud).credentials().operator().clone();
    let hello = json!({
        "endpoint": format!("http://{}", plain.local_addr()?),
        "tls_port": tls.local_addr()?.port(),
        "certificate": authority.certificate_pem(),
        "access_key_id": operator.access_key_id,
        "secret_access_key": operator.secret_access_key,
    });
    let listeners = vec![Listener::Http(plain), Listener::Https(tls)];
    let server = serve(
        listeners,
        Arc::clone(&cloud),
        clock.clone(),
        &authority,
        Arc::new(|| {}),
    )?;
    say(&hello)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = obey(&line, &cloud, &clock);
        say(&answer.unwrap_or_else(|error| json!({"error": error.to_string()})))?;
    }
    server.stop();
    Ok(())
}

fn lock(cloud: &Mutex<Cloud>) -> std::sync::MutexGuard<'_, Cloud> {
    cloud.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

fn obey(line: &str, cloud: &Mutex<Cloud>, clock: &Clock) -> Result<Value, Box<dyn Error>> {
    let now = clock.moment().now;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut cloud = lock(cloud);
    Ok(match verb {
        "fault" => json!({"id": cloud.add_fault(rest.parse::<Fault>()?, now)?}),
        "clear" => {
            let cleared = cloud.clear_faults(now);
            json!({"cleared": cleared})
        }
        "advance" => {
            clock.advance(Duration::from_secs(rest.parse()?));
            cloud.advance(clock.moment().now);
            json!({"now": clock.moment().now.as_secs()})
        }
        "lifetime" => {
            cloud
                .credentials_mut()
                .set_lifetime(Duration::from_secs(rest.parse()?));
            json!({})
        }
        "issue" => {
            let (role, id) = rest.split_once(' ').ok_or("issue ROLE INSTANCE")?;
            let key = cloud.credentials_mut().issue(role, id, now);
            json!({
                "aws_access_key_id": key.access_key_id,
                "aws_secret_access_key": key.secret_access_key,
                "aws_session_token": key.session_token,
            })
        }
        "image" => json!({"image": cloud.aws_mut().register_image(rest, image(), now)}),
        "notices" => json!(
            cloud
                .take_notices()
                .iter()
                .map(describe)
                .collect::<Vec<String>>()
        ),
        other => return Err(format!("no such verb: {other}").into()),
    })
}

fn describe(notice: &Notice) -> String {
    format!("{}:{}", notice.service, notice.action)
}

fn image() -> Image {
    Image {
        name: "test".to_owned(),
        description: String::new(),
        architecture: "x86_64".to_owned(),
        root_volume_gib: 8,
        tags: BTreeMap::new(),
        state: ImageState::Available,
    }
}

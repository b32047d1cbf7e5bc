//! A simulated account on a socket of the loopback interface, and runs of the program against it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vmimage_lab::aws::{GroupReport, Image, ImageState, Launch, RegionSettings, Settings};
use vmimage_lab::wire::{CertificateAuthority, Clock, Cloud, Listener, Server, serve};
use vmimage_tests::project::{Project, Ran, run};

/// Every role, a secret, an instance profile.
pub(crate) const FLEET: &str = r#"format = 1
cluster = "hosting"
domain = "example.org"
state = "s3://hosting-state/fleet"
image = "small"
primary = "us-east-1"
instance-profile = "vmimage-node"
secrets = ["database/replication"]

[[region]]
name = "eu-west-1"
wave = 1

[[region]]
name = "us-east-1"
wave = 2

[role.web]
min = 2
"#;

pub(crate) struct Account {
    pub(crate) cloud: Arc<Mutex<Cloud>>,
    clock: Clock,
    endpoint: String,
    project: Project,
    _server: Server,
}

impl Account {
    /// With an image in each region, and default VPCs of three zones.
    pub(crate) fn new() -> Self {
        let account = Self::without_images();
        for region in ["us-east-1", "eu-west-1"] {
            account.register(region, ImageState::Available);
        }
        account
    }

    pub(crate) fn without_images() -> Self {
        let region = |(name, octet): (&str, u8)| RegionSettings {
            name: name.to_owned(),
            vpc: [10, octet],
            zones: 3,
        };
        let settings = Settings {
            account_id: "123456789012".to_owned(),
            seed: 1,
            regions: [("us-east-1", 1), ("eu-west-1", 2)].map(region).to_vec(),
        };
        // Time must pass: the SDK signs with the machine's clock.
        let clock = Clock::real();
        let cloud = Arc::new(Mutex::new(Cloud::new(settings, clock.epoch())));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let authority = CertificateAuthority::new().unwrap();
        let listeners = vec![Listener::Http(listener)];
        let server = serve(
            listeners,
            Arc::clone(&cloud),
            clock.clone(),
            &authority,
            Arc::new(|| {}),
        );
        Self {
            cloud,
            clock,
            endpoint,
            project: Project::new(),
            _server: server.unwrap(),
        }
    }

    fn now(&self) -> Duration {
        self.clock.moment().now
    }

    pub(crate) fn register(&self, region: &str, state: ImageState) -> String {
        let tags = [("vmimage:image", "small"), ("vmimage:fingerprint", "f00d")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let image = Image {
            name: "small".to_owned(),
            description: String::new(),
            architecture: "x86_64".to_owned(),
            root_volume_gib: 2,
            tags: BTreeMap::from(tags),
            state,
        };
        let now = self.now();
        let mut cloud = self.cloud.lock().unwrap();
        cloud.aws_mut().register_image(region, image, now).unwrap()
    }

    /// Runs `vmimage fleet apply` with a fleet of this text and the operator's keys.
    pub(crate) fn apply(&self, fleet: &str, arguments: &[&str]) -> Ran {
        let operator = self.cloud.lock().unwrap().credentials().operator().clone();
        self.apply_with(
            fleet,
            arguments,
            &[
                ("AWS_ACCESS_KEY_ID", &operator.access_key_id),
                ("AWS_SECRET_ACCESS_KEY", &operator.secret_access_key),
            ],
        )
    }

    pub(crate) fn apply_with(&self, fleet: &str, arguments: &[&str], keys: &[(&str, &str)]) -> Ran {
        self.project.write("fleet.toml", fleet);
        let verb = ["fleet", "apply", "--fleet", "fleet.toml"];
        let mut command = self.project.command(&[&verb, arguments].concat());
        for name in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ACCESS_KEY_ID",
            "AWS_REGION",
        ] {
            command.env_remove(name);
        }
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            // Nothing of the machine's own configuration may count, nor its metadata service.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .envs(keys.iter().copied());
        run(&mut command)
    }

    pub(crate) fn fault(&self, text: &str) -> u32 {
        let now = self.now();
        let mut cloud = self.cloud.lock().unwrap();
        cloud.add_fault(text.parse().unwrap(), now).unwrap()
    }

    pub(crate) fn clear(&self, fault: u32) {
        let now = self.now();
        assert!(self.cloud.lock().unwrap().clear_fault(fault, now));
    }

    /// The groups of a region, by name.
    pub(crate) fn groups(&self, region: &str) -> Vec<GroupReport> {
        // A group that was just made launches when time goes on.
        let now = self.now();
        let mut cloud = self.cloud.lock().unwrap();
        cloud.advance(now);
        let mut groups = cloud.aws().groups(region);
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }

    /// What the first instance of a group is made of.
    pub(crate) fn launch(&self, region: &str, group: &str) -> Launch {
        let groups = self.groups(region);
        let group = groups.iter().find(|found| found.name == group).unwrap();
        let id = &group.members[0].instance_id;
        self.cloud.lock().unwrap().aws().launch(region, id).unwrap()
    }

    /// What was asked for and is not simulated.
    pub(crate) fn notices(&self) -> Vec<String> {
        let notices = self.cloud.lock().unwrap().take_notices();
        notices.iter().map(|notice| format!("{notice:?}")).collect()
    }
}

//! Owns a fleet of the large image in a lab.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vmimage_tests::lab::{Lab, nodes};
use vmimage_tests::project::{Project, Ran, repository, run};
use vmimage_tests::wait::{wait_for, wait_until};

/// A fleet that is up; one at a time, because two would take each other's time.
pub(crate) struct Fleet(
    Lab,
    #[expect(dead_code, reason = "is held")] MutexGuard<'static, ()>,
);

static ONE: Mutex<()> = Mutex::new(());

/// A project with the fleets, and the large image baked, once for all tests.
fn project() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = Project::lasting("roles");
        bake(&project, "virtualmin", "image");
        let fleet = fs::read_to_string(repository().join("tests/fleets/roles.toml")).unwrap();
        project.write("roles.toml", &fleet);
        project.write("regions.toml", &two_regions(&fleet));
        project
    })
}

fn bake(project: &Project, image: &str, out: &str) {
    let standins = project.standins();
    let format = ["--format", "rootfs", "--stand-in", &standins];
    project.done(&[&["bake", image, "--out", out], &format[..]].concat());
}

/// The same with a second region, and one database in each alone.
fn two_regions(fleet: &str) -> String {
    let (head, _roles) = fleet.split_once("[role.web]").unwrap();
    let region = "[[region]]\nname = \"eu-west-1\"\nwave = 2\n\n";
    let none: String = ["web", "api", "storage", "monitoring"]
        .map(|role| format!("[role.{role}]\nmin = 0\ndesired = 0\n\n"))
        .concat();
    let database = "[role.database]\ninstance-type = \"t3.medium\"\nmin = 1\ndesired = 1\nmax = 1\ndata-volume-gib = 10\n";
    format!("{head}{region}{none}{database}")
}

/// One region with so many nodes of some roles. Three storage nodes are in the form with an arbiter.
fn of_roles(counts: &[(&str, u32)]) -> String {
    let fleet = fs::read_to_string(repository().join("tests/fleets/roles.toml")).unwrap();
    let (head, _roles) = fleet.split_once("[role.web]").unwrap();
    let roles = ["web", "api", "storage", "database", "monitoring"].map(|role| {
        let count = counts.iter().find(|(named, _)| *named == role);
        let count = count.map_or(0, |(_, count)| *count);
        let volumes = match (role, count) {
            ("storage", 0..=3) => "data-volume-gib = 10\narbiter-volume-gib = 1\n",
            ("storage", _) => "data-volume-gib = 10\n",
            _ => "",
        };
        let most = count.max(3);
        format!("[role.{role}]\nmin = {count}\ndesired = {count}\nmax = {most}\n{volumes}\n")
    });
    format!("{head}{}", roles.concat())
}

impl Fleet {
    /// A region without a node.
    pub(crate) fn empty(name: &str) -> Self {
        Self::of(name, &[])
    }

    /// A region with so many nodes of some roles.
    pub(crate) fn of(name: &str, counts: &[(&str, u32)]) -> Self {
        project().write("some.toml", &of_roles(counts));
        Self::up(name, "some.toml")
    }

    /// Every role on Debian 12.
    pub(crate) fn of_bookworm(name: &str) -> Self {
        let project = project();
        bake(project, "virtualmin-bookworm", "bookworm");
        fs::copy(project.path("roles.toml"), project.path("bookworm.toml")).unwrap();
        project.replace("bookworm.toml", "\"virtualmin\"", "\"virtualmin-bookworm\"");
        Self::with_image(name, "bookworm.toml", "bookworm")
    }

    pub(crate) fn up(name: &str, file: &str) -> Self {
        Self::with_image(name, file, "image")
    }

    fn with_image(name: &str, file: &str, image: &str) -> Self {
        // A test that failed while it held it is no other's business.
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Lab::new(project(), name);
        let ran = lab.up(file, image);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, ran.stdout);
        Self(lab, turn)
    }

    /// Makes the fleet so many nodes of these roles, and none of the others.
    pub(crate) fn apply(&self, counts: &[(&str, u32)]) {
        let file = format!("{}.toml", counts.len());
        project().write(&file, &of_roles(counts));
        let ran = self.0.vmimage(&["fleet", "apply", "--fleet", &file]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, ran.stdout);
    }

    /// How many nodes of a role are in service.
    pub(crate) fn in_service(&self, role: &str) -> usize {
        let status = self.0.status();
        nodes(&status)
            .filter(|node| node.name.starts_with(role) && node.lifecycle == "InService")
            .count()
    }

    /// The nodes' names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.instances().into_iter().map(|(name, _)| name).collect()
    }

    /// Names and instances, sorted.
    pub(crate) fn instances(&self) -> Vec<(String, String)> {
        let status = self.0.status();
        let mut all: Vec<(String, String)> = nodes(&status)
            .map(|node| (node.name.clone(), node.instance.clone()))
            .collect();
        all.sort();
        all
    }

    /// Units that failed, with their nodes.
    pub(crate) fn failed_units(&self) -> Vec<String> {
        let status = self.0.status();
        nodes(&status)
            .flat_map(|node| {
                node.failed_units
                    .iter()
                    .map(move |unit| format!("{} {unit}", node.name))
            })
            .collect()
    }

    pub(crate) fn exec(&self, node: &str, command: &[&str]) -> Ran {
        self.0.run(&[&["exec", node, "--"], command].concat())
    }

    /// What a command says that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, node: &str, command: &[&str]) -> String {
        let ran = self.exec(node, command);
        assert_eq!(
            ran.code, 0,
            "{node} {command:?}: {}{}",
            ran.stdout, ran.stderr
        );
        ran.stdout
    }

    /// What a command says that must succeed within two minutes.
    #[track_caller]
    pub(crate) fn soon(&self, node: &str, command: &[&str]) -> String {
        let mut said = String::new();
        wait_until(
            Duration::from_mins(2),
            &format!("{node} can {command:?}"),
            || {
                let ran = self.exec(node, command);
                said = ran.stdout;
                ran.code == 0
            },
        );
        said
    }

    /// What MariaDB says, without column names.
    #[track_caller]
    pub(crate) fn sql(&self, node: &str, statements: &str) -> String {
        self.done(node, &sql(statements)).trim_end().to_owned()
    }

    /// Waits until MariaDB says this; until then it may refuse, what is asked for may not be there.
    #[track_caller]
    pub(crate) fn soon_says(&self, node: &str, statements: &str, wanted: &str) {
        let what = format!("{node} says {wanted} to {statements}");
        wait_for(Duration::from_mins(2), &what, || {
            let ran = self.exec(node, &sql(statements));
            let is_so = ran.code == 0 && ran.stdout.trim_end() == wanted;
            is_so.then_some(()).ok_or(ran.stdout + &ran.stderr)
        });
    }

    /// An object of the cluster's state.
    pub(crate) fn object(&self, key: &str) -> String {
        let unsigned = ["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
        self.ask("s3", &format!("roles-state/roles/{key}"), &unsigned)
    }

    /// Changes a secret.
    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        let body = serde_json::json!({
            "Name": format!("/vmimage/roles/{name}"),
            "Value": value,
            "Type": "SecureString",
            "Overwrite": true,
        });
        let target = "x-amz-target: AmazonSSM.PutParameter";
        let kind = "content-type: application/x-amz-json-1.1";
        let headers = ["--header", target, "--header", kind];
        let body = body.to_string();
        self.ask("ssm", "", &[&headers[..], &["--data", &body]].concat());
    }

    /// Asks a service of the lab's AWS as the operator.
    fn ask(&self, service: &str, path: &str, arguments: &[&str]) -> String {
        let variables = self.0.variables();
        let keys =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| variables[name].as_str());
        let ran = run(Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body"])
            .args(["--max-time", "30", "--user", &keys.join(":")])
            .args(["--aws-sigv4", &format!("aws:amz:us-east-1:{service}")])
            .args(arguments)
            .arg(format!("{}/{path}", variables["AWS_ENDPOINT_URL"])));
        assert_eq!(ran.code, 0, "{path}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// What a node reports when it is asked to now.
    pub(crate) fn report(&self, node: &str) -> serde_json::Value {
        // One that the timer has begun may have looked before.
        let report = "while [ \"$(systemctl is-active vmimage-report.service)\" = activating ]; do sleep 0.1; done
            systemctl start vmimage-report.service";
        self.done(node, &["sh", "-c", report]);
        let instance = self.0.instance("us-east-1", node);
        let report = self.object(&format!("us-east-1/nodes/{instance}.json"));
        serde_json::from_str(&report).unwrap()
    }

    /// Writes a file in a node.
    pub(crate) fn write(&self, node: &str, path: &str, content: &str) {
        let encoded = BASE64_STANDARD.encode(content);
        let write = "printf %s \"$2\" | base64 --decode > \"$1\"";
        self.done(node, &["sh", "-ec", write, "sh", path, &encoded]);
    }

    /// Lets the lab's AWS go wrong, until [`Self::end_faults`].
    pub(crate) fn add_fault(&self, fault: &[&str]) {
        self.0.done(&[&["fault", "add"], fault].concat());
    }

    /// All is well again.
    pub(crate) fn end_faults(&self) {
        self.0.done(&["fault", "clear"]);
    }

    /// Cuts a node's power and waits until another instance is in service under its name.
    pub(crate) fn replace(&self, node: &str, patience: Duration) {
        let before = self.0.instance("us-east-1", node);
        self.0.done(&["kill", node]);
        wait_until(patience, &format!("{node} is replaced"), || {
            let status = self.0.status();
            nodes(&status).any(|other| {
                other.name == node && other.instance != before && other.lifecycle == "InService"
            }) && !nodes(&status).any(|other| other.instance == before)
        });
    }

    pub(crate) fn partition(&self, what: &str) {
        self.0.done(&["partition", what]);
    }

    pub(crate) fn heal(&self) {
        self.0.done(&["heal"]);
    }
}

fn sql(statements: &str) -> [&str; 5] {
    [
        "mariadb",
        "--skip-column-names",
        "--batch",
        "-e",
        statements,
    ]
}

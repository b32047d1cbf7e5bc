//! The engine as a process, with a metadata service, a simulated AWS and folders of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vmimage_lab::aws::{Image, ImageState};
use vmimage_lab::imds::Instance;
use vmimage_lab::node::NodeLaunch;
use vmimage_lab::wire::{CertificateAuthority, Clock, Cloud, Listener, Server, serve};
use vmimage_plan::definition::Architecture;
use vmimage_plan::role::Engine;
pub(crate) use vmimage_tests::metadata::{Answer, Faults, Namespace, answer, listen, status};
use vmimage_tests::wait::wait_until;

pub(crate) use super::program::{How, Program, argv};

pub(crate) const REGION: &str = "eu-west-1";

/// How the engine ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// An engine, and the program that runs it where the machine itself cannot.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) engine: Engine<'static>,
    pub(crate) emulator: &'static str,
}

/// Everything that one node needs.
pub(crate) struct World {
    machine: Machine,
    pub(crate) namespace: Namespace,
    pub(crate) cloud: Arc<Mutex<Cloud>>,
    pub(crate) clock: Clock,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) instance: String,
    operator: String,
    folder: tempfile::TempDir,
    _server: Server,
}

/// How long groups wait for a sign of life.
const HOOK_SECS: u32 = 600;

/// Tags of a storage node.
pub(crate) const TAGS: [(&str, &str); 4] = [
    ("vmimage:role", "storage"),
    ("vmimage:cluster", "hosting"),
    ("vmimage:state", "s3://state/hosting"),
    ("vmimage:slot", "2"),
];

impl World {
    /// With an instance that its group has just launched, tagged as a storage node.
    pub(crate) fn new() -> Self {
        Self::with(&[], &TAGS, |_| {})
    }

    /// The same with another engine.
    pub(crate) fn on(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// With faults of the metadata service, these tags on the instance, and whatever else is to be
    /// different.
    pub(crate) fn with(
        faults: Faults,
        tags: &[(&str, &str)],
        change: impl FnOnce(&mut Instance),
    ) -> Self {
        Self::made(HOOK_SECS, faults, tags, change)
    }

    /// With a group that waits so long for a sign of life.
    pub(crate) fn with_hook(secs: u32) -> Self {
        Self::made(secs, &[], &TAGS, |_| {})
    }

    fn made(
        hook_secs: u32,
        faults: Faults,
        tags: &[(&str, &str)],
        change: impl FnOnce(&mut Instance),
    ) -> Self {
        let namespace = Namespace::new();
        let clock = Clock::real();
        let mut cloud = Cloud::example(7);
        let image = Image {
            name: "virtualmin-1".to_owned(),
            description: "a test".to_owned(),
            architecture: "x86_64".to_owned(),
            root_volume_gib: 8,
            tags: [].into(),
            state: ImageState::Available,
        };
        let ami = cloud
            .aws_mut()
            .register_image(REGION, image, Duration::ZERO);
        let key = cloud.credentials().operator().clone();
        let cloud = Arc::new(Mutex::new(cloud));
        let authority = CertificateAuthority::new().unwrap();
        let listener = Listener::Http(namespace.bind("127.0.0.1:8080"));
        let account = Arc::clone(&cloud);
        let ticking = clock.clone();
        let server = serve(
            vec![listener],
            account,
            ticking,
            &authority,
            Arc::new(|| {}),
        );
        let machine = Machine {
            engine: Engine::of(Architecture::X86_64).unwrap(),
            emulator: "",
        };
        let mut world = Self {
            machine,
            namespace,
            cloud,
            clock,
            requests: Arc::default(),
            instance: String::new(),
            operator: format!("{}:{}", key.access_key_id, key.secret_access_key),
            folder: tempfile::tempdir().unwrap(),
            _server: server.unwrap(),
        };
        world.launch_group(&ami.unwrap(), tags, hook_secs);
        let described = {
            let mut cloud = world.cloud.lock().unwrap();
            let role = cloud.instance_role("node", &world.instance, Duration::ZERO);
            let launch = cloud.aws().launch(REGION, &world.instance).unwrap();
            let mut instance = NodeLaunch::new(&launch, Some(role)).instance;
            change(&mut instance);
            instance
        };
        world.requests = listen(&world.namespace, described, faults);
        world
    }

    /// A state bucket, and a group with its hook that launches one instance.
    fn launch_group(&mut self, ami: &str, tags: &[(&str, &str)], hook_secs: u32) {
        self.curl("us-east-1", "s3", "state", &["--request", "PUT"]);
        let mut template = vec![
            "Action=CreateLaunchTemplate".to_owned(),
            "Version=2016-11-15".to_owned(),
            "LaunchTemplateName=node".to_owned(),
            format!("LaunchTemplateData.ImageId={ami}"),
            "LaunchTemplateData.InstanceType=t3.medium".to_owned(),
            "LaunchTemplateData.MetadataOptions.InstanceMetadataTags=enabled".to_owned(),
            "LaunchTemplateData.TagSpecification.1.ResourceType=instance".to_owned(),
        ];
        template.extend(tag_parameters(
            "LaunchTemplateData.TagSpecification.1",
            tags,
        ));
        self.ec2(&template);
        let hook = "LifecycleHookSpecificationList.member.1";
        self.query(
            "autoscaling",
            &[
                "Action=CreateAutoScalingGroup",
                "Version=2011-01-01",
                "AutoScalingGroupName=hosting-storage-2",
                "LaunchTemplate.LaunchTemplateName=node",
                "LaunchTemplate.Version=1",
                "MinSize=0",
                "MaxSize=1",
                "DesiredCapacity=1",
                "AvailabilityZones.member.1=eu-west-1a",
                &format!("{hook}.LifecycleHookName=vmimage-launch"),
                &format!("{hook}.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING"),
                &format!("{hook}.HeartbeatTimeout={hook_secs}"),
                &format!("{hook}.DefaultResult=ABANDON"),
            ],
        );
        wait_until(Duration::from_secs(20), "the group launches", || {
            self.member()
                .is_some_and(|(_, state)| state == "Pending:Wait")
        });
        self.instance = self.member().unwrap().0;
    }

    /// The group's one instance and its lifecycle state.
    pub(crate) fn member(&self) -> Option<(String, String)> {
        let cloud = self.cloud.lock().unwrap();
        let groups = cloud.aws().groups(REGION);
        let member = groups.first()?.members.first()?;
        Some((member.instance_id.clone(), member.lifecycle.clone()))
    }

    /// Waits until the group has taken the instance into service.
    #[track_caller]
    pub(crate) fn is_in_service(&self) {
        wait_until(Duration::from_secs(20), "it is in service", || {
            self.member()
                .is_some_and(|(id, state)| id == self.instance && state == "InService")
        });
    }

    /// Asks the simulated AWS as the operator.
    pub(crate) fn query(&self, service: &str, parameters: &[&str]) -> String {
        let mut arguments = Vec::new();
        for parameter in parameters {
            arguments.extend(["--data-urlencode", parameter]);
        }
        self.curl(REGION, service, "", &arguments)
    }

    fn ec2(&self, parameters: &[String]) -> String {
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        self.query("ec2", &parameters)
    }

    /// Makes the data volume of the slot; gives its id.
    pub(crate) fn create_volume(&self, size_gib: u32) -> String {
        let mut parameters = vec![
            "Action=CreateVolume".to_owned(),
            "Version=2016-11-15".to_owned(),
            "AvailabilityZone=eu-west-1a".to_owned(),
            format!("Size={size_gib}"),
            "TagSpecification.1.ResourceType=volume".to_owned(),
        ];
        parameters.extend(tag_parameters("TagSpecification.1", &TAGS));
        let said = self.ec2(&parameters);
        let (_, after) = said.split_once("<volumeId>").unwrap();
        after.split('<').next().unwrap().to_owned()
    }

    /// An object of the cluster's state.
    pub(crate) fn object(&self, key: &str) -> String {
        self.curl("us-east-1", "s3", &format!("state/hosting/{key}"), &[])
    }

    /// Makes a secret.
    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        let body = format!(
            r#"{{"Name":"/vmimage/hosting/{name}","Value":"{value}","Type":"SecureString"}}"#
        );
        let target = "x-amz-target: AmazonSSM.PutParameter";
        let kind = "content-type: application/x-amz-json-1.1";
        self.curl(
            REGION,
            "ssm",
            "",
            &["--header", target, "--header", kind, "--data", &body],
        );
    }

    fn curl(&self, region: &str, service: &str, path: &str, arguments: &[&str]) -> String {
        // Debian 12's curl does not send it by itself.
        let unsigned = ["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
        let output = Command::new("ip")
            .args(["netns", "exec", &self.namespace.0])
            .args([
                "curl",
                "--silent",
                "--show-error",
                "--fail-with-body",
                "--user",
                &self.operator,
            ])
            .args(["--aws-sigv4", &format!("aws:amz:{region}:{service}")])
            .args(if service == "s3" { &unsigned[..] } else { &[] })
            .args(arguments)
            .arg(format!("http://127.0.0.1:8080/{path}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{service} {arguments:?}: {said}{complained}"
        );
        said
    }

    /// A path in the node's own folders, of which it has two: `/var/lib/vmimage` and `/run`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The journal of an instance.
    pub(crate) fn journal(&self, instance: &str) -> String {
        fs::read_to_string(self.path("state").join(instance).join("journal")).unwrap()
    }

    /// What is written to a file that steps write to; empty if there is none.
    pub(crate) fn trace(&self) -> String {
        fs::read_to_string(self.path("run/trace")).unwrap_or_default()
    }

    /// Starts the engine with a program.
    pub(crate) fn start(&self, program: &Program, task: &str) -> Child {
        let engine = self.path("engine");
        let bytes = self.machine.engine.executable(&program.bytes());
        // One that runs cannot be written to.
        let new = self.path("engine.new");
        fs::write(&new, bytes).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(&new, &engine).unwrap();
        for folder in ["state", "run"] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        Command::new("ip")
            .args(["netns", "exec", &self.namespace.0])
            .args(["unshare", "--mount", "--uts", "sh", "-ec", INSIDE, "sh"])
            .arg(self.folder.path())
            .args([task, self.machine.emulator])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the engine to its end.
    pub(crate) fn run(&self, program: &Program) -> Outcome {
        Outcome::of(self.start(program, "launch"))
    }

    /// What the engine says when all goes well, without times.
    pub(crate) fn report(&self, program: &Program) -> Outcome {
        Outcome::of(self.start(program, "report"))
    }
}

/// Tags as parameters of EC2, of the first specification at `specification`.
fn tag_parameters(specification: &str, tags: &[(&str, &str)]) -> Vec<String> {
    let tags = (1..).zip(tags).flat_map(|(number, (key, value))| {
        let tag = format!("{specification}.Tag.{number}");
        [format!("{tag}.Key={key}"), format!("{tag}.Value={value}")]
    });
    tags.collect()
}

/// The node's folders lie over the machine's, of which `/var/lib` is hidden.
const INSIDE: &str = "mount -t tmpfs none /var/lib; mkdir /var/lib/vmimage
mount --bind \"$1/state\" /var/lib/vmimage
exec 3<\"$1/engine\"; mount --bind \"$1/run\" /mnt; mkdir -p /mnt/vmimage
mount --bind /mnt /run; exec $3 /proc/self/fd/3 \"$2\"";

impl Outcome {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        Self {
            code: output.status.code(),
            said: without_times(&String::from_utf8(output.stdout).unwrap()),
        }
    }
}

/// Times become `T`.
fn without_times(said: &str) -> String {
    let words = said.split_inclusive([' ', '\n']);
    let words: Vec<&str> = words.collect();
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).map_or("", |next| next.trim_end());
        if next == "ms" && word.trim_end().bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str("T ");
        } else {
            text.push_str(word);
        }
    }
    text
}

/// Permission bits.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

impl World {
    /// The last two numbers of the node's address, as they stand in its host name.
    pub(crate) fn host_end(&self) -> String {
        let cloud = self.cloud.lock().unwrap();
        let launch = cloud.aws().launch(REGION, &self.instance).unwrap();
        let [_, _, third, fourth] = launch.private_ipv4.octets();
        format!("{third}-{fourth}")
    }
}

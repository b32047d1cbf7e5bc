//! Owns an account to test, and short ways to ask it.

use std::time::Duration;

use crate::aws::{
    ApiError, Aws, Caller, Change, Image, ImageState, Machines, Params, QueryCall, RegionSettings,
    Service, Settings,
};

/// The region that tests work in.
pub(super) const REGION: &str = "eu-west-1";

/// An account with an image, and its time.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) aws: Aws,
    pub(super) now: Duration,
    pub(super) image: String,
    pub(super) subnets: Vec<String>,
}

impl Bed {
    /// Two regions with three zones each. Nobody runs the machines.
    pub(super) fn new() -> Self {
        Self::seeded(1)
    }

    pub(super) fn seeded(seed: u64) -> Self {
        let region = |name: &str, octet| RegionSettings {
            name: name.to_owned(),
            vpc: [10, octet],
            zones: 3,
        };
        let mut aws = Aws::new(Settings {
            account_id: "123456789012".to_owned(),
            seed,
            regions: vec![region(REGION, 1), region("us-east-1", 2)],
        });
        let image = aws
            .register_image(REGION, Self::image(), Duration::ZERO)
            .unwrap();
        let mut bed = Self {
            aws,
            now: Duration::ZERO,
            image,
            subnets: Vec::new(),
        };
        let body = bed.ec2("DescribeSubnets", "");
        bed.subnets = texts(&body, "subnetId");
        bed
    }

    /// The machines are run by the test.
    pub(super) fn real() -> Self {
        let mut bed = Self::new();
        bed.aws.set_machines(Machines::Real);
        bed
    }

    pub(super) fn image() -> Image {
        Image {
            name: "virtualmin-1".to_owned(),
            description: "a test".to_owned(),
            architecture: "x86_64".to_owned(),
            root_volume_gib: 8,
            tags: [("vmimage:image".to_owned(), "virtualmin".to_owned())].into(),
            state: ImageState::Available,
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.aws.advance(self.now);
    }

    pub(super) fn query(
        &mut self,
        service: Service,
        region: &str,
        action: &str,
        body: &str,
    ) -> Result<String, ApiError> {
        let params = Params::parse(body.as_bytes()).unwrap();
        let caller = Caller {
            access_key_id: "AKIAEXAMPLE".to_owned(),
            arn: "arn:aws:iam::123456789012:user/operator".to_owned(),
        };
        self.aws.query(&QueryCall {
            service,
            region,
            action,
            version: "2016-11-15",
            params: &params,
            caller: &caller,
            now: self.now,
            request_id: "r-1",
        })
    }

    #[track_caller]
    pub(super) fn ec2(&mut self, action: &str, body: &str) -> String {
        self.query(Service::Ec2, REGION, action, body).unwrap()
    }

    #[track_caller]
    pub(super) fn ec2_error(&mut self, action: &str, body: &str) -> ApiError {
        self.query(Service::Ec2, REGION, action, body).unwrap_err()
    }

    #[track_caller]
    pub(super) fn scaling(&mut self, action: &str, body: &str) -> String {
        let service = Service::AutoScaling;
        self.query(service, REGION, action, body).unwrap()
    }

    #[track_caller]
    pub(super) fn scaling_error(&mut self, action: &str, body: &str) -> ApiError {
        let service = Service::AutoScaling;
        self.query(service, REGION, action, body).unwrap_err()
    }

    #[track_caller]
    pub(super) fn elb(&mut self, action: &str, body: &str) -> String {
        self.query(Service::ElbV2, REGION, action, body).unwrap()
    }

    #[track_caller]
    pub(super) fn elb_error(&mut self, action: &str, body: &str) -> ApiError {
        let service = Service::ElbV2;
        self.query(service, REGION, action, body).unwrap_err()
    }

    /// Asks for every line of `table` (`code action parameters`, with `@name` in the place of a
    /// value) and expects the code.
    pub(super) fn refuses(&mut self, service: Service, table: &str, values: &[(&str, &str)]) {
        for line in table.lines() {
            let mut line = line.trim().to_owned();
            for (name, value) in values {
                line = line.replace(&format!("@{name}"), value);
            }
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (code, action, body) = (word(), word(), word());
            let answer = self.query(service, REGION, action, body);
            let refused = answer.err().map(|error| error.code.into_owned());
            assert_eq!(refused.as_deref(), Some(code), "{line}");
        }
    }

    /// A launch template of the image; gives its id.
    pub(super) fn template(&mut self, name: &str) -> String {
        let body = format!(
            "LaunchTemplateName={name}&LaunchTemplateData.ImageId={}\
             &LaunchTemplateData.InstanceType=t3.micro",
            self.image
        );
        text(&self.ec2("CreateLaunchTemplate", &body), "launchTemplateId")
    }

    /// A group `g` over all zones with the template `tpl` (made if need be) and what `more` says.
    pub(super) fn group(&mut self, sizes: [u32; 3], more: &str) {
        let query = "LaunchTemplateName.1=tpl";
        let service = Service::Ec2;
        if self
            .query(service, REGION, "DescribeLaunchTemplates", query)
            .is_err()
        {
            self.template("tpl");
        }
        let [min, desired, max] = sizes;
        let body = format!(
            "AutoScalingGroupName=g&LaunchTemplate.LaunchTemplateName=tpl&LaunchTemplate.Version=1\
             &MinSize={min}&MaxSize={max}&DesiredCapacity={desired}&VPCZoneIdentifier={}{more}",
            self.subnets.join(",")
        );
        self.scaling("CreateAutoScalingGroup", &body);
        self.pass(0);
    }

    /// The members of `g`: ids and lifecycle states.
    pub(super) fn members(&mut self) -> Vec<(String, String)> {
        let reports = self.aws.groups(REGION);
        let members = reports.first().map(|group| group.members.clone());
        members
            .unwrap_or_default()
            .into_iter()
            .map(|member| (member.instance_id, member.lifecycle))
            .collect()
    }

    /// The lifecycle states of the members of `g`, sorted.
    pub(super) fn states(&mut self) -> Vec<String> {
        let mut states: Vec<String> = self.members().into_iter().map(|(_, state)| state).collect();
        states.sort();
        states
    }

    /// What the outside must do, as a short text each: `launch i-1`.
    pub(super) fn changes(&mut self) -> Vec<String> {
        let changes = self.aws.take_changes().into_iter();
        changes
            .map(|change| match change {
                Change::Launch(launch) => format!("launch {}", launch.instance_id),
                Change::Terminate { instance_id, .. } => format!("terminate {instance_id}"),
                Change::Stop { instance_id, .. } => format!("stop {instance_id}"),
                Change::Start(launch) => format!("start {}", launch.instance_id),
                Change::Reboot { instance_id, .. } => format!("reboot {instance_id}"),
                Change::Metadata(launch) => format!(
                    "metadata {} {}",
                    launch.instance_id,
                    launch.target_lifecycle_state.unwrap_or_default()
                ),
                Change::VolumeAttached {
                    instance_id,
                    attachment,
                    ..
                } => format!("attach {} {instance_id}", attachment.volume_id),
                Change::VolumeDetached {
                    instance_id,
                    attachment,
                    ..
                } => format!("detach {} {instance_id}", attachment.volume_id),
                Change::VolumeDeleted { volume_id, .. } => format!("delete {volume_id}"),
            })
            .collect()
    }
}

/// Every text of elements called `name`, in order.
pub(super) fn texts(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = body.split(&open).skip(1);
    parts
        .map(|part| part.split(&close).next().unwrap_or_default().to_owned())
        .collect()
}

/// The first text of an element called `name`.
#[track_caller]
pub(super) fn text(body: &str, name: &str) -> String {
    let found = texts(body, name).into_iter().next();
    found.unwrap_or_else(|| panic!("no <{name}> in {body}"))
}

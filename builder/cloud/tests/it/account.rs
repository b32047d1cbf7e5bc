//! An account in memory: what it has is an inventory, and what is performed changes that. Like AWS it
//! makes one object for one client token, and keeps what has the name of something new.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use vmimage_cloud::{CallError, CloudError, FleetReport, Made, Outcome, Perform, execute_plan};
use vmimage_plan::Sources;
use vmimage_plan::definition::{Architecture, FLEET_FILE, Fleet, load_fleet};
use vmimage_plan::fleet::action::{GroupChanges, NewGroup, NewVersion, TemplateVersion};
use vmimage_plan::fleet::inventory::{
    BucketInventory, BucketObservation, GroupInventory, ImageInventory, ParameterInventory,
    RegionInventory, RegionObservation, SecurityGroupInventory, SubnetInventory,
    TargetGroupInventory, TemplateInventory, VolumeInventory, VpcInventory,
};
use vmimage_plan::fleet::{Action, FleetInventory, FleetPlan, FleetUserData, plan_fleet};
use vmimage_plan::sources::SourceFile;

/// Two regions, every role small, a secret.
pub(crate) const FLEET: &str = r#"format = 1
cluster = "hosting"
domain = "example.org"
state = "s3://example-state/hosting"
image = "small"
primary = "us-east-1"
secrets = ["database/replication"]

[[region]]
name = "us-west-2"
wave = 1

[[region]]
name = "us-east-1"
wave = 2

[role.database]
desired = 2
"#;

pub(crate) fn fleet(text: &str) -> Fleet {
    let mut sources = Sources::default();
    for (path, text) in [("images/small.toml", ""), (FLEET_FILE, text)] {
        let bytes = text.as_bytes().to_vec();
        let executable = false;
        sources.insert(path, SourceFile { bytes, executable });
    }
    let (fleet, problems) = load_fleet(&sources, FLEET_FILE);
    assert_eq!(problems, []);
    fleet.expect("it has no problems")
}

/// Made once: no test here changes what nodes run.
fn user_data(fleet: &Fleet) -> &'static FleetUserData {
    static MADE: OnceLock<FleetUserData> = OnceLock::new();
    MADE.get_or_init(|| {
        FleetUserData::new(fleet, &[], &[], Architecture::X86_64).expect("empty programs are small")
    })
}

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Before it has changed anything.
    Before(usize),
    /// After it has: the reply is lost.
    After(usize),
}

pub(crate) struct Account {
    pub(crate) inventory: RefCell<FleetInventory>,
    tokens: RefCell<BTreeMap<(String, String), Outcome>>,
    calls: Cell<usize>,
    fault: Cell<Option<Fault>>,
}

impl Account {
    /// With an image and a default VPC in each region, and nothing else.
    pub(crate) fn new(fleet: &Fleet) -> Self {
        let regions = fleet.regions.iter().map(|region| RegionObservation {
            region: region.name.clone(),
            found: Ok(fresh_region(&region.name)),
        });
        Self {
            inventory: RefCell::new(FleetInventory {
                account: "123456789012".to_owned(),
                bucket: BucketObservation::Missing,
                regions: regions.collect(),
            }),
            tokens: RefCell::default(),
            calls: Cell::new(0),
            fault: Cell::new(None),
        }
    }

    pub(crate) fn plan(&self, fleet: &Fleet) -> FleetPlan {
        plan_fleet(fleet, user_data(fleet), &self.inventory.borrow())
    }

    /// Plans and executes, as an apply does.
    pub(crate) fn apply(&self, fleet: &Fleet, fault: Option<Fault>) -> FleetReport {
        let plan = self.plan(fleet);
        self.execute(&plan, fault, &AtomicBool::new(false))
    }

    pub(crate) fn execute(
        &self,
        plan: &FleetPlan,
        fault: Option<Fault>,
        stop: &AtomicBool,
    ) -> FleetReport {
        self.calls.set(0);
        self.fault.set(fault);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without drivers needs nothing");
        runtime.block_on(execute_plan(plan, self, stop, &mut |_| {}))
    }

    pub(crate) fn change(&self, region: &str, change: impl FnOnce(&mut RegionInventory)) {
        let mut inventory = self.inventory.borrow_mut();
        let mut regions = inventory.regions.iter_mut();
        let found = regions.find(|found| found.region == region);
        let found = found.expect("the account has the fleet's regions");
        change(found.found.as_mut().expect("it can be read"));
    }

    /// What was made for a token before, or now.
    fn once(&self, region: &str, token: &str, make: impl FnOnce() -> Outcome) -> Outcome {
        let key = (region.to_owned(), token.to_owned());
        let earlier = self.tokens.borrow().get(&key).cloned();
        earlier.unwrap_or_else(|| {
            let outcome = make();
            self.tokens.borrow_mut().insert(key, outcome.clone());
            outcome
        })
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    fn do_it(&self, region: &str, action: &Action, made: &Made) -> Outcome {
        let done = || Outcome::Done("done".to_owned());
        match action {
            Action::CreateBucket { .. } => {
                let mut inventory = self.inventory.borrow_mut();
                if inventory.bucket == BucketObservation::Missing {
                    inventory.bucket = BucketObservation::Found(BucketInventory {
                        region: region.to_owned(),
                        public_access_block: false,
                        encryption: false,
                    });
                }
            }
            Action::BlockPublicAccess { .. } => self.bucket(|b| b.public_access_block = true),
            Action::EncryptBucket { .. } => self.bucket(|bucket| bucket.encryption = true),
            Action::PutParameter {
                parameter,
                value,
                data_type,
                ..
            } => self.put_parameter(region, parameter, Some(value), data_type),
            Action::PutSecret {
                parameter,
                from_region,
                ..
            } => {
                if let Some(from) = from_region {
                    let there = |found: &mut RegionInventory| {
                        assert!(found.parameters.contains_key(parameter), "{from} has it");
                    };
                    self.change(from, there);
                }
                self.put_parameter(region, parameter, None, "text");
            }
            Action::CreateVolume {
                zone,
                size_gib,
                tags,
                token,
            } => {
                return self.once(region, token, || {
                    let id = format!("vol-{}", tags["Name"]);
                    let volume = VolumeInventory {
                        id: id.clone(),
                        zone: zone.clone(),
                        size_gib: *size_gib,
                        attached: false,
                        tags: tags.clone(),
                    };
                    self.change(region, |found| found.volumes.push(volume));
                    Outcome::Done(id)
                });
            }
            Action::CreateLaunchTemplate {
                name,
                tags,
                version,
            } => {
                return self.once(region, &version.token, || {
                    let template = TemplateInventory {
                        id: format!("lt-{name}"),
                        name: name.clone(),
                        tags: tags.clone(),
                        latest: 0,
                        versions: BTreeMap::new(),
                    };
                    self.change(region, |found| found.templates.push(template));
                    self.add_version(region, name, version)
                });
            }
            Action::CreateLaunchTemplateVersion { name, version, .. } => {
                return self.once(region, &version.token, || {
                    self.add_version(region, name, version)
                });
            }
            Action::CreateTargetGroup {
                name,
                settings,
                tags,
            } => {
                let arn = format!("arn:{region}:{name}");
                self.change(region, |found| {
                    if !found.target_groups.iter().any(|group| group.arn == arn) {
                        found.target_groups.push(TargetGroupInventory {
                            arn: arn.clone(),
                            name: name.clone(),
                            tags: tags.clone(),
                            settings: settings.clone(),
                        });
                    }
                });
                let name = name.clone();
                return Outcome::TargetGroup { name, arn };
            }
            Action::ModifyTargetGroup { arn, health, .. } => self.change(region, |found| {
                let mut groups = found.target_groups.iter_mut();
                let group = groups.find(|group| &group.arn == arn);
                group.expect("it is there").settings.health = health.clone();
            }),
            Action::CreateGroup(group) => self.create_group(region, group, made),
            Action::TagGroup { name, tags } => self.group(region, name, |group| {
                for key in tags.keys() {
                    group.unpropagated.remove(key);
                }
                group.tags.extend(tags.clone());
            }),
            Action::PutLaunchHook { name, hook } => self.group(region, name, |group| {
                group.launch_hooks.retain(|other| other.name != hook.name);
                group.launch_hooks.push(hook.clone());
            }),
            Action::AttachTargetGroup { name, target_group } => {
                let made = made.target_groups.get(&target_group.name);
                let arn = target_group.arn.as_ref().or(made).expect("it was made");
                self.group(region, name, |group| {
                    group.target_groups = vec![arn.clone()];
                });
            }
            Action::UpdateGroup { name, changes } => {
                self.group(region, name, |group| update(group, changes, made));
            }
        }
        done()
    }

    fn bucket(&self, change: impl FnOnce(&mut BucketInventory)) {
        let mut inventory = self.inventory.borrow_mut();
        let BucketObservation::Found(bucket) = &mut inventory.bucket else {
            panic!("it was made before");
        };
        change(bucket);
    }

    fn put_parameter(&self, region: &str, name: &str, value: Option<&String>, data_type: &str) {
        let (value, data_type) = (value.cloned(), data_type.to_owned());
        let parameter = ParameterInventory { value, data_type };
        self.change(region, |found| {
            found.parameters.insert(name.to_owned(), parameter);
        });
    }

    fn add_version(&self, region: &str, name: &str, version: &NewVersion) -> Outcome {
        let mut number = 0;
        self.change(region, |found| {
            let mut templates = found.templates.iter_mut();
            let template = templates.find(|template| template.name == name);
            let template = template.expect("it is there");
            template.latest += 1;
            number = template.latest;
            template.versions.insert(number, version.data.clone());
        });
        let template = name.to_owned();
        Outcome::TemplateVersion { template, number }
    }

    fn group(&self, region: &str, name: &str, change: impl FnOnce(&mut GroupInventory)) {
        self.change(region, |found| {
            let group = found.groups.iter_mut().find(|group| group.name == name);
            change(group.expect("it is there"));
        });
    }

    fn create_group(&self, region: &str, new: &NewGroup, made: &Made) {
        let target_groups = new.target_group.iter().map(|wanted| {
            let known = wanted.arn.as_ref();
            known
                .or_else(|| made.target_groups.get(&wanted.name))
                .expect("it was made")
        });
        let group = GroupInventory {
            name: new.name.clone(),
            min: new.min,
            max: new.max,
            desired: new.desired,
            subnets: new.subnets.clone(),
            template: Some(new.template.clone()),
            version: number(&new.template, new.version, made),
            target_groups: target_groups.cloned().collect(),
            tags: new.tags.clone(),
            unpropagated: BTreeSet::new(),
            launch_hooks: vec![new.launch_hook.clone()],
            health_check_grace_secs: new.health_check_grace_secs,
            deleting: false,
            instances: new.desired,
            in_service: new.desired,
            launches: Vec::new(),
            launched: true,
        };
        self.change(region, |found| {
            if !found.groups.iter().any(|other| other.name == group.name) {
                found.groups.push(group);
            }
        });
    }
}

fn number(template: &str, version: TemplateVersion, made: &Made) -> String {
    match version {
        TemplateVersion::Number(number) => number.to_string(),
        TemplateVersion::Made => made.versions[template].to_string(),
    }
}

fn update(group: &mut GroupInventory, changes: &GroupChanges, made: &Made) {
    group.min = changes.min.unwrap_or(group.min);
    group.max = changes.max.unwrap_or(group.max);
    group.desired = changes.desired.unwrap_or(group.desired);
    if let Some(subnets) = &changes.subnets {
        group.subnets.clone_from(subnets);
    }
    if let Some((template, version)) = &changes.template {
        group.template = Some(template.clone());
        group.version = number(template, *version, made);
    }
    let grace = changes.health_check_grace_secs;
    group.health_check_grace_secs = grace.unwrap_or(group.health_check_grace_secs);
}

impl Perform for Account {
    async fn perform(
        &self,
        region: &str,
        action: &Action,
        made: &Made,
    ) -> Result<Outcome, CloudError> {
        let call = self.calls.replace(self.calls.get() + 1);
        let refused = || CloudError {
            doing: "do what was asked".to_owned(),
            region: region.to_owned(),
            source: CallError::refused("ec2", "Anything", "InternalError", "An error", "1").into(),
        };
        if self.fault.get() == Some(Fault::Before(call)) {
            return Err(refused());
        }
        let outcome = self.do_it(region, action, made);
        if self.fault.get() == Some(Fault::After(call)) {
            return Err(refused());
        }
        Ok(outcome)
    }
}

fn fresh_region(region: &str) -> RegionInventory {
    let subnet = |zone: &str| SubnetInventory {
        id: format!("subnet-{region}{zone}"),
        vpc: format!("vpc-{region}"),
        zone: format!("{region}{zone}"),
        tagged: false,
    };
    RegionInventory {
        images: vec![ImageInventory {
            id: format!("ami-{region}"),
            created: "2026-01-02T03:04:05.000Z".to_owned(),
            state: "available".to_owned(),
            root_device: "/dev/xvda".to_owned(),
            fingerprint: Some("f00d".to_owned()),
        }],
        vpcs: vec![VpcInventory {
            id: format!("vpc-{region}"),
            ranges: vec!["10.0.0.0/16".to_owned()],
        }],
        subnets: vec![subnet("a"), subnet("b")],
        security_groups: vec![SecurityGroupInventory {
            id: format!("sg-{region}"),
            vpc: format!("vpc-{region}"),
            tagged: false,
        }],
        ..RegionInventory::default()
    }
}

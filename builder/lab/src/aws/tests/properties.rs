//! Owns the tests of what must hold whatever happens: long seeded sequences of calls, events and
//! time, and the rules looked at after every step.

use std::collections::BTreeSet;

use super::*;
use crate::aws::ids::Ids;

const MAX: usize = 6;

/// A sequence of whatever users and machines do.
struct Play {
    bed: Bed,
    ids: Ids,
    volumes: Vec<String>,
    log: Vec<String>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut bed = Bed::seeded(seed);
        bed.aws.set_machines(Machines::Real);
        bed.group(
            [0, 2, 6],
            "&LifecycleHookSpecificationList.member.1.LifecycleHookName=up\
             &LifecycleHookSpecificationList.member.1.LifecycleTransition=autoscaling:EC2_INSTANCE_LAUNCHING\
             &LifecycleHookSpecificationList.member.1.HeartbeatTimeout=60\
             &LifecycleHookSpecificationList.member.2.LifecycleHookName=down\
             &LifecycleHookSpecificationList.member.2.LifecycleTransition=autoscaling:EC2_INSTANCE_TERMINATING\
             &LifecycleHookSpecificationList.member.2.HeartbeatTimeout=30",
        );
        let mut volumes = Vec::new();
        for zone in ["eu-west-1a", "eu-west-1b"] {
            let body = format!("AvailabilityZone={zone}&Size=1");
            volumes.push(text(&bed.ec2("CreateVolume", &body), "volumeId"));
        }
        Self {
            bed,
            ids: Ids::new(seed, "play"),
            volumes,
            log: Vec::new(),
        }
    }

    fn choose(&mut self, of: usize) -> usize {
        let number = self.ids.number() % u64::try_from(of).unwrap();
        usize::try_from(number).unwrap()
    }

    /// Some call; it may be refused.
    fn call(&mut self, service: Service, action: &str, body: &str) {
        let answer = self.bed.query(service, bed::REGION, action, body);
        let code = answer.err().map_or("ok".into(), |error| error.code);
        self.log.push(format!("{action} {body}: {code}"));
    }

    fn step(&mut self) {
        let members = self.bed.members();
        let place = self.choose(members.len().max(1));
        let id = members
            .get(place)
            .map_or("i-0".to_owned(), |(id, _)| id.clone());
        let (now, scaling) = (self.bed.now, Service::AutoScaling);
        match self.choose(18) {
            0 => {
                let desired = self.choose(MAX + 1);
                let body = format!("AutoScalingGroupName=g&DesiredCapacity={desired}");
                self.call(scaling, "SetDesiredCapacity", &body);
            }
            1 => self.bed.aws.instance_failed(bed::REGION, &id, "broke", now),
            2..=4 => self.bed.aws.instance_running(bed::REGION, &id, now),
            5..=6 => self.complete(&id),
            7 => {
                let body = format!("InstanceId={id}&ShouldDecrementDesiredCapacity=false");
                self.call(scaling, "TerminateInstanceInAutoScalingGroup", &body);
            }
            8 => self.call(
                Service::Ec2,
                "TerminateInstances",
                &format!("InstanceId.1={id}"),
            ),
            9 => {
                let standby = format!("AutoScalingGroupName=g&InstanceIds.member.1={id}");
                let enter = format!("{standby}&ShouldDecrementDesiredCapacity=true");
                self.call(scaling, "EnterStandby", &enter);
            }
            10 => {
                let aside = members.iter().find(|(_, state)| state == "Standby");
                let id = aside.map_or(&id, |(id, _)| id);
                let standby = format!("AutoScalingGroupName=g&InstanceIds.member.1={id}");
                self.call(scaling, "ExitStandby", &standby);
            }
            11 | 14..=17 => self.attach(&id),
            12 => {
                let zone = ["eu-west-1a", "eu-west-1b", "eu-west-1c"][self.choose(3)];
                let room = [Some(0), Some(2), None][self.choose(3)];
                self.bed.aws.set_capacity(bed::REGION, zone, room);
            }
            _ => {
                let body = "LaunchTemplateName=tpl&SourceVersion=1&LaunchTemplateData.KeyName=k";
                self.call(Service::Ec2, "CreateLaunchTemplateVersion", body);
            }
        }
        let seconds = self.choose(8);
        self.bed.pass(u64::try_from(seconds).unwrap());
    }

    /// Mostly an action that is open.
    fn complete(&mut self, id: &str) {
        let members = self.bed.members().into_iter();
        let mut open: Vec<(String, String)> = members
            .filter(|(_, state)| state.ends_with(":Wait"))
            .collect();
        open.push((id.to_owned(), "Pending:Wait".to_owned()));
        let (id, state) = open.swap_remove(self.choose(open.len()));
        let hook = if state == "Pending:Wait" {
            "up"
        } else {
            "down"
        };
        let result = ["CONTINUE", "CONTINUE", "ABANDON"][self.choose(3)];
        let body = format!(
            "AutoScalingGroupName=g&LifecycleHookName={hook}&InstanceId={id}\
             &LifecycleActionResult={result}"
        );
        self.call(Service::AutoScaling, "CompleteLifecycleAction", &body);
    }

    /// Mostly an instance in the volume's zone, where only the volume itself can refuse.
    fn attach(&mut self, id: &str) {
        let place = self.choose(2);
        let volume = self.volumes[place].clone();
        let zone = ["eu-west-1a", "eu-west-1b"][place];
        let members = self.bed.aws.groups(bed::REGION).remove(0).members;
        let near: Vec<String> = members
            .into_iter()
            .filter(|member| member.zone == zone && member.state == "running")
            .map(|member| member.instance_id)
            .collect();
        let id = match self.choose(near.len() + 1) {
            0 => id.to_owned(),
            chosen => near[chosen - 1].clone(),
        };
        if self.choose(4) == 0 {
            self.call(Service::Ec2, "DetachVolume", &format!("VolumeId={volume}"));
        } else {
            let body = format!("VolumeId={volume}&InstanceId={id}&Device=/dev/sdf");
            self.call(Service::Ec2, "AttachVolume", &body);
        }
    }

    /// The rules.
    fn check(&mut self) {
        let group = self.bed.aws.groups(bed::REGION).remove(0);
        let ending = |state: &str| state.starts_with("Terminating");
        let members = || group.members.iter();
        let counted = members().filter(|one| !ending(&one.lifecycle) && one.lifecycle != "Standby");
        let surplus = 1; // While it spreads over its zones.
        assert!(
            counted.count() <= MAX + surplus,
            "{group:?}\n{:#?}",
            self.log
        );
        for member in members() {
            if member.lifecycle == "InService" {
                assert_ne!(member.state, "terminated", "{group:?}\n{:#?}", self.log);
            }
        }
        let addresses: BTreeSet<_> = members().map(|one| one.private_ipv4).collect();
        assert_eq!(addresses.len(), group.members.len());
        // A volume is attached once, to an instance of its zone that has it.
        let body = self.bed.ec2("DescribeInstances", "");
        for volume in &self.volumes {
            let holders = body
                .matches(&format!("<volumeId>{volume}</volumeId>"))
                .count();
            assert!(holders <= 1, "{volume}\n{:#?}", self.log);
        }
        let body = self
            .bed
            .ec2("DescribeLaunchTemplateVersions", "LaunchTemplateName=tpl");
        let numbers = texts(&body, "versionNumber").into_iter().rev();
        for (place, number) in numbers.enumerate() {
            assert_eq!(number, (place + 1).to_string());
        }
    }

    /// Nothing disturbs any more: the group must become what it wants.
    fn settle(&mut self) {
        for zone in ["eu-west-1a", "eu-west-1b", "eu-west-1c"] {
            self.bed.aws.set_capacity(bed::REGION, zone, None);
        }
        for _ in 0..400 {
            for (id, state) in self.bed.members() {
                let now = self.bed.now;
                match state.as_str() {
                    "Pending" => self.bed.aws.instance_running(bed::REGION, &id, now),
                    "Pending:Wait" | "Terminating:Wait" => {
                        for hook in ["up", "down"] {
                            let body = format!(
                                "AutoScalingGroupName=g&LifecycleHookName={hook}&InstanceId={id}\
                                 &LifecycleActionResult=CONTINUE"
                            );
                            self.call(Service::AutoScaling, "CompleteLifecycleAction", &body);
                        }
                    }
                    _ => (),
                }
            }
            self.bed.pass(5);
            self.check();
        }
        let group = self.bed.aws.groups(bed::REGION).remove(0);
        let serving = group
            .members
            .iter()
            .filter(|one| one.lifecycle == "InService");
        let wanted = usize::try_from(group.desired).unwrap();
        assert_eq!(serving.count(), wanted, "{group:?}\n{:#?}", self.log);
        let others = group
            .members
            .iter()
            .filter(|one| one.lifecycle != "InService");
        let left: Vec<&str> = others.map(|one| one.lifecycle.as_str()).collect();
        assert!(
            left.iter().all(|state| *state == "Standby"),
            "{left:?}\n{:#?}",
            self.log
        );
    }
}

#[test]
fn whatever_happens_the_rules_hold_and_a_group_recovers() {
    let mut log = Vec::new();
    for seed in 0..40 {
        let mut play = Play::new(seed);
        for _ in 0..150 {
            play.step();
            play.check();
        }
        play.settle();
        log.extend(play.log);
    }
    // The sequences did what they are for.
    for (action, ending) in [
        ("AttachVolume", "ok"),
        ("AttachVolume", "VolumeInUse"),
        ("AttachVolume", "InvalidVolume.ZoneMismatch"),
        ("DetachVolume", "ok"),
        ("CompleteLifecycleAction", "ok"),
        ("TerminateInstanceInAutoScalingGroup", "ok"),
        ("EnterStandby", "ok"),
        ("ExitStandby", "ok"),
        ("SetDesiredCapacity", "ok"),
    ] {
        let times = log
            .iter()
            .filter(|line| line.starts_with(action) && line.ends_with(&format!(": {ending}")));
        let times = times.count();
        assert!(times >= 10, "{action} {ending}: {times}");
    }
}

/// Parameters, several of each sort.
const WORDS: &str = "AutoScalingGroupName InstanceId InstanceId.1 Filter.1.Name Filter.1.Value.1 \
    MaxResults NextToken LaunchTemplateName LaunchTemplateData.ImageId LaunchTemplateVersion.1 \
    VolumeId Device MinSize MaxSize DesiredCapacity TargetGroupArn Name Port Tags.member.1.Key \
    ResourceId.1 Tag.1.Key HeartbeatTimeout LifecycleHookName SourceVersion Size \
    HttpPutResponseHopLimit AvailabilityZone InstanceIds.member.1 LifecycleActionResult \
    ShouldDecrementDesiredCapacity ScalingProcesses.member.1 MinCount MaxCount ImageId InstanceType";
/// What may be in them.
const VALUES: &str = "g tpl i-0 -1 0 1 99999999999999999999 \u{1f980} tag:x * true x.y $Latest \
    CONTINUE eu-west-1a";

#[test]
fn no_request_makes_it_panic() {
    let mut ids = Ids::new(7, "requests");
    let mut bed = Bed::new();
    bed.group([0, 1, 2], "");
    bed.pass(5);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut values: Vec<&str> = VALUES.split_whitespace().collect();
    values.push("");
    let mut pick = |of: usize| {
        let number = ids.number() % u64::try_from(of).unwrap();
        usize::try_from(number).unwrap()
    };
    let mut refused = 0;
    for (service, tables) in [
        (Service::Ec2, ec2::TABLES),
        (Service::AutoScaling, autoscaling::TABLES),
        (Service::ElbV2, elbv2::TABLES),
    ] {
        for operation in tables.iter().copied().flatten() {
            let known: Vec<&str> = words
                .iter()
                .copied()
                .filter(|name| {
                    let one = Params::from_pairs([(*name, "x")]).unwrap();
                    operation.check(&one).is_ok()
                })
                .collect();
            for _ in 0..60 {
                let pairs =
                    (0..known.len()).map(|place| (known[place], values[pick(values.len())]));
                let body: Vec<String> = pairs
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let answer = bed.query(service, bed::REGION, operation.name, &body.join("&"));
                refused += usize::from(answer.is_err());
                bed.pass(1);
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

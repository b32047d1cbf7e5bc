"""EC2, Auto Scaling and load balancing against moto, where moto 5 is right: each step asks both for the same and
compares what it names of the answers. Every simulator has its own ids: they are kept under names, which take their
places in requests (`@web`) and in answers.

Left out is what moto does at once, not at all or otherwise than AWS: time and states on the way, target health,
hooks, activities, instance refreshes, template versions (pages, inheritance, tokens, user data), limits, which version
an instance of a group has; and what it takes though AWS refuses it: a second group or listener of the same place, tags of
what is not there, zones that are not there, deleting a group with instances without force."""

import re
import unittest

import jmespath
from botocore.exceptions import ClientError

from lab import REGION, LabTest
from test_moto import Moto


class Side:
    """One of the two, with its ids."""

    def __init__(self, clients, wait):
        self.clients = clients
        self.wait = wait
        self.names = {}

    def filled(self, value):
        """Parameters, with this side's ids for names."""
        if isinstance(value, dict):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, str):
            return re.sub(r"@([a-z0-9]+)", lambda found: self.names[found[1]], value)
        return value

    def plain(self, value):
        """An answer, with names for ids; lists in an order of their own."""
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return sorted((self.plain(one) for one in value), key=repr)
        if isinstance(value, str):
            for name, known in self.names.items():
                value = value.replace(known, f"@{name}")
        return value

    def ask(self, service, operation, parameters, shown="null", **keeps):
        try:
            answer = getattr(self.clients[service], operation)(**self.filled(parameters))
        except ClientError as error:
            response = error.response
            return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
        for name, path in keeps.items():
            self.names[name] = jmespath.search(path, answer)
        return self.plain(jmespath.search(shown, answer))


def tags(kind, *pairs):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs]}]


def one(name, *values):
    return [{"Name": name, "Values": list(values)}]


# Service, operation, parameters; what of the answer is compared; what is kept under which name. `None`: time passes.
PLACES = [
    ("ec2", "describe_availability_zones", {}, "AvailabilityZones[].[ZoneName, State, RegionName]", {}),
    ("ec2", "describe_vpcs", {}, "Vpcs[].[IsDefault, State]", {"vpc": "Vpcs[0].VpcId"}),
    (
        "ec2",
        "describe_subnets",
        {"Filters": one("vpc-id", "@vpc")},
        "Subnets[].[AvailabilityZone, DefaultForAz, State, VpcId]",
        {f"subnet{letter}": f"Subnets[?AvailabilityZone=='{REGION}{letter}'] | [0].SubnetId" for letter in "ab"},
    ),
    (
        "ec2",
        "describe_security_groups",
        {"Filters": one("group-name", "default")},
        "SecurityGroups[].[GroupName, VpcId]",
        {},
    ),
]
RUN = {"ImageId": "@image", "InstanceType": "t3.micro", "SubnetId": "@subneta"}
INSTANCE = "Reservations[].Instances[].[InstanceId, State.Name, InstanceType, ImageId, SubnetId, Tags, Placement.AvailabilityZone]"
INSTANCES = [
    (
        "ec2",
        "run_instances",
        {**RUN, "MinCount": 2, "MaxCount": 2, "TagSpecifications": tags("instance", ("role", "web"), ("n", "1"))},
        "Instances[].[State.Name, InstanceType, ImageId, SubnetId, Tags]",
        {"one": "Instances[0].InstanceId", "two": "Instances[1].InstanceId"},
    ),
    None,
    ("ec2", "describe_instances", {"InstanceIds": ["@one", "@two"]}, INSTANCE, {}),
    ("ec2", "describe_instances", {"Filters": one("tag:role", "web")}, INSTANCE, {}),
    ("ec2", "describe_instances", {"Filters": one("tag:role", "w*")}, INSTANCE, {}),
    ("ec2", "describe_instances", {"Filters": one("tag:role", "database")}, INSTANCE, {}),
    ("ec2", "describe_instances", {"Filters": one("tag-key", "n")}, INSTANCE, {}),
    ("ec2", "describe_instances", {"Filters": one("instance-state-name", "stopped")}, INSTANCE, {}),
    ("ec2", "describe_instances", {"InstanceIds": ["i-0123456789abcdef0"]}),
    ("ec2", "create_tags", {"Resources": ["@one"], "Tags": [{"Key": "n", "Value": "2"}, {"Key": "x", "Value": ""}]}),
    (
        "ec2",
        "describe_tags",
        {"Filters": one("resource-id", "@one")},
        "Tags[].[Key, Value, ResourceId, ResourceType]",
        {},
    ),
    ("ec2", "delete_tags", {"Resources": ["@one"], "Tags": [{"Key": "x"}]}),
    ("ec2", "describe_tags", {"Filters": one("key", "n", "x")}, "Tags[].[Key, Value, ResourceId]", {}),
    ("ec2", "stop_instances", {"InstanceIds": ["@two"]}, "StoppingInstances[].[InstanceId, PreviousState.Name]", {}),
    None,
    ("ec2", "describe_instances", {"Filters": one("instance-state-name", "stopped")}, INSTANCE, {}),
    ("ec2", "start_instances", {"InstanceIds": ["@two"]}, "StartingInstances[].[InstanceId, PreviousState.Name]", {}),
    None,
    ("ec2", "terminate_instances", {"InstanceIds": ["@two"]}, "TerminatingInstances[].[InstanceId, PreviousState.Name]", {}),
    None,
    ("ec2", "describe_instances", {"InstanceIds": ["@two"]}, "Reservations[].Instances[].State.Name", {}),
    ("ec2", "terminate_instances", {"InstanceIds": ["i-0123456789abcdef0"]}),
    ("ec2", "run_instances", {**RUN, "MinCount": 1, "MaxCount": 1, "DryRun": True}),
]
VOLUME = "Volumes[].[VolumeId, Size, State, VolumeType, AvailabilityZone, Tags, Attachments[].[InstanceId, Device, State]]"
MADE = {"AvailabilityZone": f"{REGION}a", "Size": 5, "VolumeType": "gp3"}
VOLUMES = [
    (
        "ec2",
        "create_volume",
        {**MADE, "TagSpecifications": tags("volume", ("slot", "1"))},
        "[Size, VolumeType, AvailabilityZone, Tags]",
        {"volume": "VolumeId"},
    ),
    None,
    ("ec2", "describe_volumes", {"VolumeIds": ["@volume"]}, VOLUME, {}),
    ("ec2", "describe_volumes", {"Filters": one("tag:slot", "1")}, VOLUME, {}),
    ("ec2", "describe_volumes", {"VolumeIds": ["vol-0123456789abcdef0"]}),
    ("ec2", "attach_volume", {"VolumeId": "@volume", "InstanceId": "@one", "Device": "/dev/sdf"}, "[InstanceId, Device]", {}),
    None,
    ("ec2", "describe_volumes", {"VolumeIds": ["@volume"]}, VOLUME, {}),
    ("ec2", "describe_volumes", {"Filters": one("attachment.instance-id", "@one") + one("tag-key", "slot")}, VOLUME, {}),
    ("ec2", "delete_volume", {"VolumeId": "@volume"}),
    ("ec2", "detach_volume", {"VolumeId": "@volume", "InstanceId": "@one"}, "[InstanceId, Device]", {}),
    None,
    ("ec2", "describe_volumes", {"Filters": one("status", "available")}, VOLUME, {}),
    ("ec2", "delete_volume", {"VolumeId": "@volume"}),
    None,
    ("ec2", "describe_volumes", {"VolumeIds": ["@volume"]}),
    ("ec2", "delete_volume", {"VolumeId": "vol-0123456789abcdef0"}),
]
DATA = {"ImageId": "@image", "InstanceType": "t3.micro", "TagSpecifications": tags("instance", ("role", "web"))}
TEMPLATE = "[LaunchTemplateName, DefaultVersionNumber, LatestVersionNumber, Tags]"
VERSION = "[LaunchTemplateId, VersionNumber, DefaultVersion, VersionDescription, LaunchTemplateData.[ImageId, InstanceType]]"
TEMPLATES = [
    (
        "ec2",
        "create_launch_template",
        {
            "LaunchTemplateName": "web",
            "VersionDescription": "first",
            "LaunchTemplateData": DATA,
            "TagSpecifications": tags("launch-template", ("cluster", "c")),
        },
        f"LaunchTemplate.{TEMPLATE}",
        {"template": "LaunchTemplate.LaunchTemplateId"},
    ),
    ("ec2", "create_launch_template", {"LaunchTemplateName": "web", "LaunchTemplateData": DATA}),
    (
        "ec2",
        "create_launch_template_version",
        {"LaunchTemplateName": "web", "LaunchTemplateData": {**DATA, "InstanceType": "t3.small"}},
        f"LaunchTemplateVersion.{VERSION}",
        {},
    ),
    ("ec2", "describe_launch_templates", {"LaunchTemplateNames": ["web"]}, f"LaunchTemplates[].{TEMPLATE}", {}),
    ("ec2", "describe_launch_templates", {"LaunchTemplateIds": ["@template"]}, f"LaunchTemplates[].{TEMPLATE}", {}),
    ("ec2", "describe_launch_templates", {"Filters": one("tag:cluster", "c")}, f"LaunchTemplates[].{TEMPLATE}", {}),
    ("ec2", "describe_launch_templates", {"LaunchTemplateNames": ["none"]}),
    ("ec2", "describe_launch_template_versions", {"LaunchTemplateName": "web"}, f"LaunchTemplateVersions[].{VERSION}", {}),
    (
        "ec2",
        "describe_launch_template_versions",
        {"LaunchTemplateName": "web", "Versions": ["$Default", "$Latest"]},
        f"LaunchTemplateVersions[].{VERSION}",
        {},
    ),
    (
        "ec2",
        "modify_launch_template",
        {"LaunchTemplateName": "web", "DefaultVersion": "2"},
        f"LaunchTemplate.{TEMPLATE}",
        {},
    ),
    (
        "ec2",
        "run_instances",
        {"LaunchTemplate": {"LaunchTemplateName": "web"}, "SubnetId": "@subneta", "MinCount": 1, "MaxCount": 1},
        "Instances[].[InstanceType, ImageId, SubnetId]",
        {},
    ),
    ("ec2", "delete_launch_template", {"LaunchTemplateName": "web"}, "LaunchTemplate.LaunchTemplateName", {}),
    ("ec2", "describe_launch_templates", {"LaunchTemplateNames": ["web"]}),
]
GROUP = {
    "AutoScalingGroupName": "g",
    "LaunchTemplate": {"LaunchTemplateName": "for-groups", "Version": "1"},
    "MinSize": 1,
    "MaxSize": 3,
    "DesiredCapacity": 2,
    "VPCZoneIdentifier": "@subneta",
    "HealthCheckGracePeriod": 120,
    "Tags": [{"Key": "role", "Value": "web", "PropagateAtLaunch": True}],
}
NAMED = {"AutoScalingGroupName": "g"}
SIZES = (
    "AutoScalingGroups[].[AutoScalingGroupName, MinSize, MaxSize, DesiredCapacity, AvailabilityZones, VPCZoneIdentifier,"
    " HealthCheckType, HealthCheckGracePeriod, LaunchTemplate.[LaunchTemplateName, Version], TargetGroupARNs,"
    " Tags[].[Key, Value, PropagateAtLaunch, ResourceId, ResourceType], SuspendedProcesses[].ProcessName,"
    " Instances[].[LifecycleState, HealthStatus, AvailabilityZone, ProtectedFromScaleIn]]"
)
SHOW = ("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": ["g"]}, SIZES, {})
GROUPS = [
    (
        "ec2",
        "create_launch_template",
        {"LaunchTemplateName": "for-groups", "LaunchTemplateData": {"ImageId": "@image", "InstanceType": "t3.micro"}},
    ),
    ("autoscaling", "create_auto_scaling_group", GROUP),
    None,
    SHOW,
    ("ec2", "describe_instances", {"Filters": one("tag:aws:autoscaling:groupName", "g") + one("instance-state-name", "running")},
     "Reservations[].Instances[].[InstanceType, ImageId, Tags[?Key=='role']]", {}),
    ("autoscaling", "describe_auto_scaling_instances", {}, "AutoScalingInstances[].[AutoScalingGroupName, LifecycleState]", {}),
    ("autoscaling", "set_desired_capacity", {**NAMED, "DesiredCapacity": 3}),
    None,
    SHOW,
    ("autoscaling", "update_auto_scaling_group", {**NAMED, "MinSize": 0, "DesiredCapacity": 1, "HealthCheckGracePeriod": 60}),
    None,
    SHOW,
    (
        "autoscaling",
        "create_or_update_tags",
        {"Tags": [{"ResourceId": "g", "ResourceType": "auto-scaling-group", "Key": "k", "Value": "v", "PropagateAtLaunch": False}]},
    ),
    ("autoscaling", "describe_tags", {"Filters": one("auto-scaling-group", "g")}, "Tags[].[ResourceId, Key, Value, PropagateAtLaunch]", {}),
    ("autoscaling", "delete_tags", {"Tags": [{"ResourceId": "g", "ResourceType": "auto-scaling-group", "Key": "k"}]}),
    ("autoscaling", "suspend_processes", {**NAMED, "ScalingProcesses": ["AZRebalance", "ReplaceUnhealthy"]}),
    SHOW,
    ("autoscaling", "resume_processes", {**NAMED, "ScalingProcesses": ["AZRebalance"]}),
    SHOW,
    ("autoscaling", "update_auto_scaling_group", {"AutoScalingGroupName": "none", "MinSize": 0}),
    ("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": ["none"]}, "AutoScalingGroups", {}),
    ("autoscaling", "delete_auto_scaling_group", {**NAMED, "ForceDelete": True}),
    None,
    SHOW,
    ("autoscaling", "delete_auto_scaling_group", NAMED),
]
CHECK = {
    "HealthCheckProtocol": "HTTPS",
    "HealthCheckPath": "/ready",
    "HealthCheckIntervalSeconds": 7,
    "HealthCheckTimeoutSeconds": 3,
    "HealthyThresholdCount": 3,
    "UnhealthyThresholdCount": 4,
    "Matcher": {"HttpCode": "200-399"},
}
TARGET = (
    "TargetGroups[].[TargetGroupArn, TargetGroupName, Protocol, Port, VpcId, TargetType, HealthCheckProtocol, HealthCheckPort,"
    " HealthCheckPath, HealthCheckIntervalSeconds, HealthCheckTimeoutSeconds, HealthyThresholdCount,"
    " UnhealthyThresholdCount, Matcher.HttpCode]"
)
FORWARD = [{"Type": "forward", "TargetGroupArn": "@targets"}]
LISTENER = "Listeners[].[LoadBalancerArn, Port, Protocol, DefaultActions[].[Type, TargetGroupArn]]"
BALANCER = "LoadBalancers[].[LoadBalancerName, Scheme, Type, VpcId, IpAddressType, AvailabilityZones[].[ZoneName, SubnetId]]"
BALANCING = [
    (
        "elbv2",
        "create_target_group",
        {"Name": "web", "Protocol": "HTTPS", "Port": 443, "VpcId": "@vpc", **CHECK},
        TARGET,
        {"targets": "TargetGroups[0].TargetGroupArn"},
    ),
    ("elbv2", "create_target_group", {"Name": "web", "Protocol": "HTTP", "Port": 80, "VpcId": "@vpc"}),
    ("elbv2", "create_target_group", {"Name": "plain", "Protocol": "HTTP", "Port": 80, "VpcId": "@vpc"}, TARGET,
     {"plain": "TargetGroups[0].TargetGroupArn"}),
    ("elbv2", "create_target_group", {"Name": "-a", "Protocol": "HTTP", "Port": 80, "VpcId": "@vpc"}),
    ("elbv2", "describe_target_groups", {"Names": ["web"]}, TARGET, {}),
    ("elbv2", "describe_target_groups", {"TargetGroupArns": ["@targets", "@plain"]}, TARGET, {}),
    ("elbv2", "describe_target_groups", {"Names": ["none"]}),
    ("elbv2", "modify_target_group", {"TargetGroupArn": "@targets", "HealthCheckPath": "/health"}, TARGET, {}),
    (
        "elbv2",
        "create_load_balancer",
        {"Name": "front", "Scheme": "internal", "Subnets": ["@subneta", "@subnetb"], "Tags": [{"Key": "cluster", "Value": "c"}]},
        BALANCER,
        {"balancer": "LoadBalancers[0].LoadBalancerArn"},
    ),
    ("elbv2", "describe_load_balancers", {"Names": ["front"]}, BALANCER, {}),
    ("elbv2", "describe_load_balancers", {"Names": ["none"]}),
    ("elbv2", "describe_tags", {"ResourceArns": ["@balancer"]}, "TagDescriptions[].[ResourceArn, Tags]", {}),
    ("elbv2", "add_tags", {"ResourceArns": ["@targets"], "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}),
    ("elbv2", "remove_tags", {"ResourceArns": ["@targets"], "TagKeys": ["a"]}),
    ("elbv2", "describe_tags", {"ResourceArns": ["@targets"]}, "TagDescriptions[].[ResourceArn, Tags]", {}),
    (
        "elbv2",
        "create_listener",
        {"LoadBalancerArn": "@balancer", "Port": 80, "Protocol": "HTTP", "DefaultActions": FORWARD},
        LISTENER,
        {"listener": "Listeners[0].ListenerArn"},
    ),
    ("elbv2", "describe_listeners", {"LoadBalancerArn": "@balancer"}, LISTENER, {}),
    ("elbv2", "describe_target_groups", {"LoadBalancerArn": "@balancer"}, "TargetGroups[].LoadBalancerArns", {}),
    ("elbv2", "delete_target_group", {"TargetGroupArn": "@targets"}),
    ("elbv2", "modify_listener", {"ListenerArn": "@listener", "Port": 8080}, LISTENER, {}),
    ("elbv2", "delete_listener", {"ListenerArn": "@listener"}),
    ("elbv2", "describe_listeners", {"LoadBalancerArn": "@balancer"}, LISTENER, {}),
    ("elbv2", "delete_target_group", {"TargetGroupArn": "@targets"}),
    ("elbv2", "describe_target_groups", {"TargetGroupArns": ["@targets"]}),
    ("elbv2", "delete_load_balancer", {"LoadBalancerArn": "@balancer"}),
    ("elbv2", "describe_load_balancers", {"LoadBalancerArns": ["@balancer"]}),
]


class Alike(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        moto = Moto()
        cls.addClassCleanup(moto.close)
        services = ("ec2", "autoscaling", "elbv2")
        cls.ours = Side({name: cls.lab.client(name) for name in services}, lambda: cls.lab.tell("advance 600"))
        cls.theirs = Side({name: moto.client(name) for name in services}, lambda: None)
        cls.ours.names["image"] = cls.lab.tell(f"image {REGION}")["image"]
        images = cls.theirs.clients["ec2"].describe_images(Owners=["amazon"])["Images"]
        cls.theirs.names["image"] = images[0]["ImageId"]

    def compare(self, script):
        for number, step in enumerate(script):
            if step is None:
                self.ours.wait()
                continue
            service, operation, parameters, *rest = step
            shown, keeps = rest or ("null", {})
            with self.subTest(number=number, operation=operation, parameters=parameters):
                ours, theirs = (
                    side.ask(service, operation, parameters, shown, **keeps) for side in (self.ours, self.theirs)
                )
                self.assertEqual(ours, theirs)
                # Where something is compared, nothing is refused.
                self.assertFalse(rest and isinstance(ours, tuple), ours)

    def test_compute(self):
        self.compare(PLACES + INSTANCES + VOLUMES + TEMPLATES)

    def test_scaling(self):
        self.compare(PLACES + GROUPS)

    def test_balancing(self):
        self.compare(PLACES + BALANCING)


if __name__ == "__main__":
    unittest.main()

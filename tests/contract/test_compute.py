"""EC2, Auto Scaling and load balancing on the wire: what clients read, the errors that fleets rely on,
pages, and time."""

import base64
import unittest

from lab import REGION, LabTest

TAGS = [{"Key": "vmimage:role", "Value": "web"}]


class Compute(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ec2 = cls.lab.client("ec2")
        cls.scaling = cls.lab.client("autoscaling")
        cls.balancing = cls.lab.client("elbv2")
        cls.image = cls.lab.tell(f"image {REGION}")["image"]
        cls.subnets = [one["SubnetId"] for one in cls.ec2.describe_subnets()["Subnets"]]

    def run_instances(self, count=1, **more):
        return self.ec2.run_instances(
            ImageId=self.image, InstanceType="t3.micro", MinCount=count, MaxCount=count, **more
        )["Instances"]

    def template(self, name, **data):
        made = self.ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": self.image, "InstanceType": "t3.micro", **data},
        )
        return made["LaunchTemplate"]["LaunchTemplateId"]

    def group(self, name, size=1, most=4, **more):
        self.template(name)
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
            MinSize=0,
            MaxSize=most,
            DesiredCapacity=size,
            VPCZoneIdentifier=",".join(self.subnets),
            **more,
        )

    def members(self, name):
        groups = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return groups[0]["Instances"]

    def test_places(self):
        self.assertEqual(len(self.subnets), 3)
        zones = [zone["ZoneName"] for zone in self.ec2.describe_availability_zones()["AvailabilityZones"]]
        self.assertEqual(zones, [f"{REGION}{letter}" for letter in "abc"])
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]
        self.assertEqual((vpc["CidrBlock"], vpc["IsDefault"]), ("10.2.0.0/16", True))

    def test_instances(self):
        made = self.run_instances(
            TagSpecifications=[{"ResourceType": "instance", "Tags": TAGS}],
            UserData="#!/bin/sh\n",
            ClientToken="instances-1",
        )
        again = self.run_instances(
            TagSpecifications=[{"ResourceType": "instance", "Tags": TAGS}],
            UserData="#!/bin/sh\n",
            ClientToken="instances-1",
        )
        instance = made[0]["InstanceId"]
        self.assertEqual(again[0]["InstanceId"], instance)
        self.assertEqual(made[0]["State"]["Name"], "pending")
        self.lab.tell("advance 120")
        found = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        self.assertEqual((found["State"]["Name"], found["Tags"], found["ImageId"]), ("running", TAGS, self.image))
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.lab.tell("advance 120")
        found = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        self.assertEqual(found["State"]["Name"], "terminated")
        call = self.ec2.describe_instances
        self.refused("InvalidInstanceID.NotFound", 400, call, InstanceIds=["i-0123456789abcdef0"])
        self.refused("InvalidInstanceID.Malformed", 400, call, InstanceIds=["x"])
        self.refused("DryRunOperation", 412, self.run_instances, DryRun=True)

    def test_instances_are_paged(self):
        made = {one["InstanceId"] for one in self.run_instances(23, TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "paged", "Value": "yes"}]}
        ])}
        pages = list(
            self.ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "tag:paged", "Values": ["yes"]}], PaginationConfig={"PageSize": 10}
            )
        )
        found = [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(set(found), made)

    def test_launch_templates(self):
        self.template("templates", UserData=base64.b64encode(b"#!/bin/sh\n").decode())
        version = self.ec2.create_launch_template_version
        data = {"InstanceType": "t3.small"}
        two = version(LaunchTemplateName="templates", SourceVersion="1", LaunchTemplateData=data, ClientToken="two")
        self.assertEqual(two["LaunchTemplateVersion"]["VersionNumber"], 2)
        inherited = two["LaunchTemplateVersion"]["LaunchTemplateData"]
        self.assertEqual((inherited["ImageId"], inherited["InstanceType"]), (self.image, "t3.small"))
        again = version(LaunchTemplateName="templates", SourceVersion="1", LaunchTemplateData=data, ClientToken="two")
        self.assertEqual(again["LaunchTemplateVersion"]["VersionNumber"], 2)
        for _ in range(20):
            version(LaunchTemplateName="templates", SourceVersion="1", LaunchTemplateData=data)
        found, pages = self.pages(
            self.ec2,
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            LaunchTemplateName="templates",
            PaginationConfig={"PageSize": 10},
        )
        self.assertEqual(sorted(one["VersionNumber"] for one in found), list(range(1, 23)))
        self.assertEqual(pages, 3)
        self.refused("InvalidLaunchTemplateName.AlreadyExistsException", 400, self.template, name="templates")
        call = self.ec2.describe_launch_templates
        missing = "InvalidLaunchTemplateName.NotFoundException"
        self.refused(missing, 400, call, LaunchTemplateNames=["nothing"])

    def test_volumes(self):
        instance = self.run_instances(SubnetId=self.subnets[0])[0]["InstanceId"]
        other = self.run_instances(SubnetId=self.subnets[0])[0]["InstanceId"]
        self.lab.tell("advance 120")
        volume = self.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=8, VolumeType="gp3")["VolumeId"]
        self.lab.tell("advance 60")
        self.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
        attach = self.ec2.attach_volume
        self.refused("VolumeInUse", 400, attach, VolumeId=volume, InstanceId=other, Device="/dev/sdf")
        self.refused("VolumeInUse", 400, self.ec2.delete_volume, VolumeId=volume)

    def test_groups_start_what_they_want(self):
        self.group("wanting", size=3, Tags=[{"Key": "vmimage:role", "Value": "web", "PropagateAtLaunch": True}])
        self.lab.tell("advance 300")
        members = self.members("wanting")
        states = [(one["LifecycleState"], one["LaunchTemplate"]["Version"]) for one in members]
        self.assertEqual(states, [("InService", "1")] * 3)
        self.assertEqual(sorted(one["AvailabilityZone"] for one in members), [f"{REGION}{z}" for z in "abc"])
        self.scaling.set_desired_capacity(AutoScalingGroupName="wanting", DesiredCapacity=1)
        self.lab.tell("advance 600")
        self.assertEqual(len(self.members("wanting")), 1)
        refused = self.scaling.set_desired_capacity
        self.refused("ValidationError", 400, refused, AutoScalingGroupName="wanting", DesiredCapacity=9)
        self.refused("ValidationError", 400, refused, AutoScalingGroupName="nothing", DesiredCapacity=1)
        self.refused("AlreadyExists", 400, self.scaling.create_auto_scaling_group, AutoScalingGroupName="wanting",
                     MinSize=0, MaxSize=1, VPCZoneIdentifier=self.subnets[0],
                     LaunchTemplate={"LaunchTemplateName": "wanting", "Version": "1"})
        activities = self.scaling.describe_scaling_activities(AutoScalingGroupName="wanting")["Activities"]
        self.assertEqual(len([one for one in activities if one["Description"].startswith("Launching")]), 3)

    def test_hooks_hold_instances_back(self):
        hook = {
            "LifecycleHookName": "configured",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "HeartbeatTimeout": 600,
            "DefaultResult": "ABANDON",
        }
        self.group("hooked", LifecycleHookSpecificationList=[hook])
        self.lab.tell("advance 120")
        member = self.members("hooked")[0]
        self.assertEqual(member["LifecycleState"], "Pending:Wait")
        complete = self.scaling.complete_lifecycle_action
        parameters = {
            "AutoScalingGroupName": "hooked",
            "LifecycleHookName": "configured",
            "InstanceId": member["InstanceId"],
            "LifecycleActionResult": "CONTINUE",
        }
        complete(**parameters)
        self.lab.tell("advance 60")
        self.assertEqual(self.members("hooked")[0]["LifecycleState"], "InService")
        self.refused("ValidationError", 400, complete, **parameters)

    def test_zones_without_room(self):
        for letter in "abc":
            self.lab.tell(f"fault capacity zone={REGION}{letter}")
        self.refused("InsufficientInstanceCapacity", 500, self.run_instances)
        self.lab.tell("clear")
        self.assertEqual(len(self.run_instances()), 1)

    def test_describes_that_lag(self):
        self.lab.tell("advance 10")
        self.lab.tell(f"fault stale region={REGION} by=5s")
        instance = self.run_instances()[0]["InstanceId"]
        call = self.ec2.describe_instances
        self.refused("InvalidInstanceID.NotFound", 400, call, InstanceIds=[instance])
        self.lab.tell("advance 6")
        self.assertEqual(len(call(InstanceIds=[instance])["Reservations"]), 1)

    def test_a_lost_reply_is_found_again_by_its_token(self):
        self.lab.tell("fault lose-reply action=RunInstances count=1")
        retrying = self.lab.client("ec2", attempts=3)
        made = retrying.run_instances(
            ImageId=self.image,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            ClientToken="lost-reply",
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "lost", "Value": "yes"}]}],
        )
        self.assertEqual(made["ResponseMetadata"]["RetryAttempts"], 1)
        found = self.ec2.describe_instances(Filters=[{"Name": "tag:lost", "Values": ["yes"]}])["Reservations"]
        self.assertEqual(len(found), 1)

    def test_target_groups(self):
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        make = self.balancing.create_target_group
        made = make(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath="/health")["TargetGroups"][0]
        arn = made["TargetGroupArn"]
        instance = self.run_instances()[0]["InstanceId"]
        self.lab.tell("advance 120")
        self.balancing.register_targets(TargetGroupArn=arn, Targets=[{"Id": instance}])
        health = self.balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        self.assertEqual([one["Target"]["Id"] for one in health], [instance])
        gone = arn[:-4] + "0000"
        self.refused("TargetGroupNotFound", 400, self.balancing.describe_target_health, TargetGroupArn=gone)


if __name__ == "__main__":
    unittest.main()

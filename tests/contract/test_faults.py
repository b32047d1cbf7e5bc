"""Faults on demand, as clients see them."""

import time
import unittest

from botocore.exceptions import ConnectionClosedError, HTTPClientError, IncompleteReadError, ResponseStreamingError

from lab import REGION, LabTest

BREAKS = (ConnectionClosedError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


class Faults(LabTest):
    def setUp(self):
        self.ssm = self.lab.client("ssm")

    def put(self, name, client=None):
        return (client or self.ssm).put_parameter(Name=name, Value="v", Type="String")

    def test_throttling_has_each_services_code(self):
        self.lab.tell("fault throttle")
        for service, call, code, status in [
            ("ec2", lambda client: client.describe_regions(), "RequestLimitExceeded", 503),
            ("autoscaling", lambda client: client.describe_auto_scaling_groups(), "Throttling", 400),
            ("elbv2", lambda client: client.describe_target_groups(), "Throttling", 400),
            ("ssm", lambda client: client.get_parameter(Name="/x"), "ThrottlingException", 400),
            ("s3", lambda client: client.list_buckets(), "SlowDown", 503),
        ]:
            with self.subTest(service):
                client = self.lab.client(service)
                self.refused(code, status, lambda: call(client))

    def test_clients_retry_what_is_throttled(self):
        self.lab.tell("fault throttle service=ssm action=PutParameter count=2")
        answer = self.put("/retried", self.lab.client("ssm", attempts=4))
        self.assertEqual(answer["ResponseMetadata"]["RetryAttempts"], 2)

    def test_failures_before_the_effect_change_nothing(self):
        self.lab.tell("fault fail action=PutParameter count=1")
        self.refused("InternalServerError", 500, self.put, name="/before")
        self.refused("ParameterNotFound", 400, self.ssm.get_parameter, Name="/before")

    def test_failures_after_the_effect_leave_it(self):
        self.lab.tell("fault fail-after action=PutParameter count=1")
        self.refused("InternalServerError", 500, self.put, name="/after")
        self.assertEqual(self.ssm.get_parameter(Name="/after")["Parameter"]["Value"], "v")
        # The retry of a lost reply finds what it made itself.
        self.lab.tell("fault lose-reply action=PutParameter count=1")
        client = self.lab.client("ssm", attempts=3)
        self.refused("ParameterAlreadyExists", 400, self.put, name="/lost", client=client)
        self.assertEqual(self.ssm.get_parameter(Name="/lost")["Parameter"]["Version"], 1)

    def test_a_region_goes_down_and_comes_back(self):
        self.lab.tell(f"fault down region={REGION} from=10s until=20s")
        other = self.lab.client("ssm", region="us-east-1")
        for seconds, up in [(0, True), (9, True), (1, False), (9, False), (1, True)]:
            self.lab.tell(f"advance {seconds}")
            if up:
                self.refused("ParameterNotFound", 400, self.ssm.get_parameter, Name="/none")
            else:
                with self.assertRaises(ConnectionClosedError):
                    self.ssm.get_parameter(Name="/none")
            self.refused("ParameterNotFound", 400, other.get_parameter, Name="/none")

    def test_responses_come_late_or_end_early(self):
        self.put("/slow")
        self.lab.tell("fault slow action=GetParameter by=300ms count=1")
        begun = time.monotonic()
        self.ssm.get_parameter(Name="/slow")
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)
        # botocore takes a JSON answer that was cut for an empty one: clients must look at what they get.
        self.lab.tell("fault cut action=GetParameter at=10 count=1")
        self.assertNotIn("Parameter", self.ssm.get_parameter(Name="/slow"))
        self.assertEqual(self.ssm.get_parameter(Name="/slow")["Parameter"]["Value"], "v")
        s3 = self.lab.client("s3")
        s3.create_bucket(Bucket="cut", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="cut", Key="k", Body=b"x" * 1_000)
        self.lab.tell("fault cut action=GetObject at=10 count=1")
        with self.assertRaises(BREAKS):
            s3.get_object(Bucket="cut", Key="k")["Body"].read()
        self.assertEqual(len(s3.get_object(Bucket="cut", Key="k")["Body"].read()), 1_000)

    def test_faults_that_make_no_sense_are_refused(self):
        for text, message in [
            ("throttle p=2", "`p=2`: expected a probability between 0 and 1, with six decimals at most"),
            ("throttle region=mars-1", "no region of this lab is called `mars-1`"),
        ]:
            with self.assertRaises(AssertionError) as caught:
                self.lab.tell(f"fault {text}")
            self.assertEqual(str(caught.exception), message)


if __name__ == "__main__":
    unittest.main()

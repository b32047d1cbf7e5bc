"""Who may speak to the simulator: signatures, tokens, clocks, in the words of each protocol."""

import datetime
import http.client
import socket
import unittest
import urllib.error
import urllib.request
from unittest import mock

import botocore.auth

from botocore import UNSIGNED

from lab import ACCOUNT, LabTest

CALLS = {
    "sts": lambda client: client.get_caller_identity(),
    "ec2": lambda client: client.describe_regions(),
    "autoscaling": lambda client: client.describe_auto_scaling_groups(),
    "elbv2": lambda client: client.describe_target_groups(),
    "ssm": lambda client: client.get_parameter(Name="/nothing"),
    "s3": lambda client: client.list_buckets(),
}

class Signatures(LabTest):
    def each(self, table, **settings):
        for service, (code, status) in table.items():
            with self.subTest(service):
                client = self.lab.client(service, **settings)
                self.refused(code, status, lambda: CALLS[service](client))

    def test_the_operator_is_who_it_is(self):
        identity = self.lab.client("sts").get_caller_identity()
        self.assertEqual(identity["Account"], ACCOUNT)
        self.assertEqual(identity["Arn"], f"arn:aws:iam::{ACCOUNT}:user/operator")

    def test_sts_answers_in_any_region(self):
        for region in ("us-east-1", "sa-east-1", "aws-global"):
            identity = self.lab.client("sts", region=region).get_caller_identity()
            self.assertEqual(identity["Account"], ACCOUNT)

    def test_unsigned(self):
        missing = ("MissingAuthenticationToken", 403)
        self.each(
            {
                "ec2": missing,
                "autoscaling": missing,
                "elbv2": missing,
                "ssm": ("MissingAuthenticationTokenException", 400),
                "s3": ("AccessDenied", 403),
            },
            signature_version=UNSIGNED,
        )

    def test_unknown_key(self):
        keys = {"aws_access_key_id": "AKIANOBODY", "aws_secret_access_key": "x"}
        invalid = ("InvalidClientTokenId", 403)
        self.each(
            {
                "sts": invalid,
                "ec2": ("AuthFailure", 401),
                "autoscaling": invalid,
                "elbv2": invalid,
                "ssm": ("UnrecognizedClientException", 400),
                "s3": ("InvalidAccessKeyId", 403),
            },
            keys=keys,
        )

    def test_wrong_secret(self):
        mismatch = ("SignatureDoesNotMatch", 403)
        self.each(
            {
                "sts": mismatch,
                "ec2": ("AuthFailure", 401),
                "autoscaling": mismatch,
                "elbv2": mismatch,
                "ssm": ("InvalidSignatureException", 400),
                "s3": mismatch,
            },
            keys={**self.lab.keys, "aws_secret_access_key": "x"},
        )

    def test_region_that_is_not_there(self):
        mismatch = ("SignatureDoesNotMatch", 403)
        self.each(
            {
                "ec2": ("AuthFailure", 401),
                "autoscaling": mismatch,
                "ssm": ("InvalidSignatureException", 400),
                "s3": ("AuthorizationHeaderMalformed", 400),
            },
            region="sa-east-1",
        )

    def test_clocks_that_differ(self):
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=20)
        mismatch = ("SignatureDoesNotMatch", 403)
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: later):
            self.each(
                {
                    "sts": mismatch,
                    "ec2": ("RequestExpired", 400),
                    "ssm": ("InvalidSignatureException", 400),
                    "s3": ("RequestTimeTooSkewed", 403),
                }
            )

    def test_roles_have_tokens_that_expire(self):
        self.lab.tell("lifetime 3600")
        keys = self.lab.tell("issue web i-0123456789abcdef0")
        role = self.lab.client("sts", keys=keys)
        self.assertEqual(
            role.get_caller_identity()["Arn"],
            f"arn:aws:sts::{ACCOUNT}:assumed-role/web/i-0123456789abcdef0",
        )
        without = {**keys, "aws_session_token": None}
        self.refused("InvalidClientTokenId", 403, self.lab.client("sts", keys=without).get_caller_identity)
        self.lab.tell("advance 1799")
        self.assertEqual(self.lab.tell("issue web i-0123456789abcdef0"), keys)
        self.lab.tell("advance 1801")
        self.assertNotEqual(self.lab.tell("issue web i-0123456789abcdef0"), keys)
        self.each(
            {
                "sts": ("ExpiredToken", 403),
                "ec2": ("RequestExpired", 400),
                "ssm": ("ExpiredTokenException", 400),
                "s3": ("ExpiredToken", 400),
            },
            keys=keys,
        )

    def test_presigned(self):
        s3 = self.lab.client("s3", signature_version="s3v4", s3={"addressing_style": "path"})
        s3.create_bucket(
            Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        parameters = {"Bucket": "presigned", "Key": "a b/ü+"}
        put = s3.generate_presigned_url("put_object", parameters, ExpiresIn=60)
        request = urllib.request.Request(put, data=b"body", method="PUT")
        with urllib.request.urlopen(request) as response:
            self.assertEqual(response.status, 200)
        get = s3.generate_presigned_url("get_object", parameters, ExpiresIn=60)
        with urllib.request.urlopen(get) as response:
            self.assertEqual(response.read(), b"body")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(get.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))
        with caught.exception as refused:
            self.assertEqual(refused.code, 403)
            self.assertIn(b"<Code>SignatureDoesNotMatch</Code>", refused.read())
        identity = self.lab.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
        with urllib.request.urlopen(identity) as response:
            self.assertIn(ACCOUNT.encode(), response.read())

    def test_outdated_signatures(self):
        old = self.lab.client("s3", signature_version="s3")
        self.refused("InvalidRequest", 400, old.list_buckets)

    def test_what_is_not_simulated_is_named(self):
        self.lab.tell("notices")
        for service, call, code, status in [
            ("ec2", lambda client: client.describe_vpn_gateways(), "InvalidAction", 400),
            ("autoscaling", lambda client: client.describe_adjustment_types(), "InvalidAction", 400),
            ("ssm", lambda client: client.describe_instance_information(), "UnknownOperationException", 400),
            ("iam", lambda client: client.list_users(), "UnknownService", 400),
        ]:
            client = self.lab.client(service)
            self.refused(code, status, lambda: call(client))
        self.assertEqual(
            self.lab.tell("notices"),
            [
                "ec2:DescribeVpnGateways",
                "autoscaling:DescribeAdjustmentTypes",
                "ssm:DescribeInstanceInformation",
                "iam:ListUsers",
            ],
        )

class Raw(LabTest):
    """What botocore would never send."""

    def send(self, method, path, body=b"", headers=None):
        host = self.lab.endpoint.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def test_refusals_have_the_shape_of_their_protocol(self):
        form = {"content-type": "application/x-www-form-urlencoded"}
        for body, shape in [
            (b"Action=X&Version=2016-11-15", b"<Response><Errors><Error><Code>MissingAuthenticationToken"),
            (b"Action=X&Version=2011-01-01", b"<ErrorResponse xmlns=\"http://autoscaling"),
            (b"Action=X&Version=2015-12-01", b"<ErrorResponse xmlns=\"http://elasticload"),
            (b"Action=X&Version=2011-06-15", b"<ErrorResponse xmlns=\"https://sts"),
        ]:
            status, answer = self.send("POST", "/", body, form)
            self.assertEqual(status, 403)
            self.assertIn(shape, answer)
        status, answer = self.send("POST", "/", b"{}", {"x-amz-target": "AmazonSSM.GetParameter"})
        self.assertEqual(status, 400)
        self.assertIn(b'"__type":"MissingAuthenticationTokenException"', answer)
        status, answer = self.send("GET", "/bucket/key")
        self.assertEqual(status, 403)
        self.assertIn(b"<Error><Code>AccessDenied</Code>", answer)

    def test_bodies_that_are_too_large(self):
        form = {"content-type": "application/x-www-form-urlencoded"}
        status, answer = self.send("POST", "/", b"Action=X&Version=2011-01-01&A=" + b"x" * 1_048_576, form)
        self.assertEqual(status, 413)
        self.assertIn(b"<Code>RequestEntityTooLarge</Code>", answer)

    def test_garbage_is_answered(self):
        host, port = self.lab.endpoint.removeprefix("http://").split(":")
        for garbage in [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]:
            with socket.create_connection((host, int(port)), timeout=10) as raw:
                raw.sendall(garbage)
                self.assertTrue(raw.recv(1_000).startswith(b"HTTP/1.1 400 Bad Request"), garbage)

if __name__ == "__main__":
    unittest.main()

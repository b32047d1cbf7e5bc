"""The ordinary `aws` command, with nothing but environment variables; over TLS as well."""

import filecmp
import json
import os
import subprocess
import sys
import tempfile
import unittest

from lab import ACCOUNT, REGION, LabTest

AWS = os.path.join(os.path.dirname(sys.executable), "aws")


class Command(LabTest):
    def aws(self, *words, fails=False, endpoint=None, **environment):
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": self.home.name,
            "AWS_ENDPOINT_URL": endpoint or self.lab.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.lab.keys["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.lab.keys["aws_secret_access_key"],
            **environment,
        }
        done = subprocess.run([AWS, *words], env=variables, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode != 0, fails, done.stderr)
        return done.stderr if fails else done.stdout

    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)

    def test_sts(self):
        self.assertEqual(json.loads(self.aws("sts", "get-caller-identity"))["Account"], ACCOUNT)

    def test_tls_with_the_labs_authority(self):
        bundle = os.path.join(self.home.name, "ca.pem")
        with open(bundle, "w") as file:
            file.write(self.lab.certificate)
        endpoint = f"https://localhost:{self.lab.tls_port}"
        trusted = self.aws("sts", "get-caller-identity", endpoint=endpoint, AWS_CA_BUNDLE=bundle)
        self.assertEqual(json.loads(trusted)["Account"], ACCOUNT)
        # Over TLS the payload is not signed, and its checksum follows in a trailer.
        keys = {**self.lab.keys, "verify": bundle}
        s3 = self.lab.client("s3", endpoint=endpoint, keys=keys, s3={"addressing_style": "path"})
        s3.create_bucket(Bucket="trailer", CreateBucketConfiguration={"LocationConstraint": REGION})
        for algorithm in ("CRC32", "SHA256"):
            s3.put_object(Bucket="trailer", Key="k", Body=b"x" * 200_000, ChecksumAlgorithm=algorithm)
            got = s3.get_object(Bucket="trailer", Key="k")
            self.assertEqual(got["Body"].read(), b"x" * 200_000)
            self.assertIn(f"Checksum{algorithm}", got)
        refused = self.aws("sts", "get-caller-identity", endpoint=endpoint, fails=True)
        self.assertIn("CERTIFICATE_VERIFY_FAILED", refused)

    def test_files_go_there_and_back(self):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(3):
                with open(os.path.join(folder, f"f{number}"), "w") as file:
                    file.write(str(number))
            self.aws("s3", "mb", "s3://files")
            self.aws("s3", "sync", folder, "s3://files/all")
            self.assertEqual(self.aws("s3", "cp", "s3://files/all/f1", "-"), "1")
            self.assertEqual(self.aws("s3", "ls", "s3://files/"), "                           PRE all/\n")
            self.assertEqual(len(self.aws("s3", "ls", "s3://files/all/").splitlines()), 3)
            self.aws("s3", "rb", "--force", "s3://files")
            self.assertIn("NoSuchBucket", self.aws("s3", "ls", "s3://files", fails=True))

    def test_large_files_go_in_parts(self):
        with tempfile.TemporaryDirectory() as folder:
            there, back = (os.path.join(folder, name) for name in ("there", "back"))
            with open(there, "wb") as file:
                file.write(os.urandom(19 * 1024 * 1024))
            self.aws("s3", "mb", "s3://large")
            self.aws("s3", "cp", there, "s3://large/file")
            self.aws("s3", "cp", "s3://large/file", back)
            self.assertTrue(filecmp.cmp(there, back, shallow=False))
            head = json.loads(self.aws("s3api", "head-object", "--bucket", "large", "--key", "file"))
            self.assertTrue(head["ETag"].endswith('-3"'), head["ETag"])

    def test_parameters(self):
        self.aws("ssm", "put-parameter", "--name", "/c/a", "--value", "v", "--type", "SecureString")
        shown = self.aws(
            "ssm", "get-parameter", "--name", "/c/a", "--with-decryption", "--query", "Parameter.Value", "--output", "text"
        )
        self.assertEqual(shown, "v\n")

    def test_refusals_read_well(self):
        refused = self.aws("ec2", "describe-vpn-gateways", fails=True)
        self.assertIn(
            "An error occurred (InvalidAction) when calling the DescribeVpnGateways operation: The action "
            "DescribeVpnGateways is not valid for this web service.",
            refused,
        )


if __name__ == "__main__":
    unittest.main()

"""The same calls against moto, where moto 5 is right: the answers must be the same but for ids, times
and addresses. Left out is what moto does not check (names like `a/b`, sizes) or gives where AWS does not (the
checksum of the whole with a part)."""

import subprocess
import sys
import unittest

from botocore.exceptions import ClientError

from lab import REGION, Lab, LabTest

# Members that no two simulators have alike.
IGNORED = {
    "ResponseMetadata",
    "LastModifiedDate",
    "LastModified",
    "CreationDate",
    "LastModifiedUser",
    "Owner",
    "Location",
    "NextToken",
    "NextContinuationToken",
    # moto names no checksum type, and computes none where the client sends none.
    "ChecksumType",
    "ChecksumCRC64NVME",
    # moto leaves these out of some answers.
    "Policies",
    "Selector",
    "KeyId",
    "ServerSideEncryption",
    "AcceptRanges",
    "BucketRegion",
    "EncodingType",
    "BucketArn",
    "Prefix",
    "Delimiter",
    "StartAfter",
    "Tier",
    # moto leaves it out of descriptions.
    "ARN",
}


def plain(value):
    """Without what is not alike."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in sorted(value.items()) if key not in IGNORED}
    if isinstance(value, list):
        # The order of parameters is nobody's promise.
        return sorted((plain(one) for one in value), key=repr)
    if hasattr(value, "read"):
        return value.read()
    return value


class Moto:
    """A moto server of its own."""

    keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x"}

    def __init__(self):
        code = (
            "from moto.server import ThreadedMotoServer; import sys\n"
            "s = ThreadedMotoServer('127.0.0.1', 0, verbose=False); s.start()\n"
            "print(s.get_host_and_port()[1], flush=True); sys.stdin.read(); s.stop()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    client = Lab.client

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def outcome(call, parameters):
    try:
        return plain(call(**parameters))
    except ClientError as error:
        response = error.response
        return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])


PUT = {"Type": "String", "Value": "v"}
SSM = [
    ("put_parameter", {"Name": "/a/x", **PUT}),
    ("put_parameter", {"Name": "/a/x", **PUT}),
    ("put_parameter", {"Name": "/a/x", "Value": "w", "Type": "String", "Overwrite": True}),
    ("put_parameter", {"Name": "/a/y/z", **PUT, "Description": "d", "Tags": [{"Key": "k", "Value": "v"}]}),
    ("put_parameter", {"Name": "/a/list", "Type": "StringList", "Value": "a,b"}),
    ("put_parameter", {"Name": "/a/secret", "Type": "SecureString", "Value": "s"}),
    ("put_parameter", {"Name": "/aws/x", **PUT}),
    ("get_parameter", {"Name": "/a/x"}),
    ("get_parameter", {"Name": "/a/x:1"}),
    ("get_parameter", {"Name": "/a/x:7"}),
    ("get_parameter", {"Name": "/a/none"}),
    ("get_parameter", {"Name": "/a/secret", "WithDecryption": True}),
    ("get_parameters", {"Names": ["/a/x", "/a/none", "/a/list"]}),
    ("get_parameters_by_path", {"Path": "/a", "WithDecryption": True}),
    ("get_parameters_by_path", {"Path": "/a", "Recursive": True, "WithDecryption": True}),
    ("get_parameters_by_path", {"Path": "/a", "MaxResults": 11}),
    ("label_parameter_version", {"Name": "/a/x", "ParameterVersion": 1, "Labels": ["live"]}),
    ("get_parameter", {"Name": "/a/x:live"}),
    ("label_parameter_version", {"Name": "/a/x", "ParameterVersion": 9, "Labels": ["live"]}),
    ("describe_parameters", {"ParameterFilters": [{"Key": "Path", "Option": "Recursive", "Values": ["/a/y"]}]}),
    ("list_tags_for_resource", {"ResourceType": "Parameter", "ResourceId": "/a/y/z"}),
    ("delete_parameter", {"Name": "/a/x"}),
    ("delete_parameter", {"Name": "/a/x"}),
    ("delete_parameters", {"Names": ["/a/list", "/a/none"]}),
]
HERE = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
OBJECT = {"Bucket": "alike", "Key": "k"}
S3 = [
    ("create_bucket", {"Bucket": "alike", **HERE}),
    ("create_bucket", {"Bucket": "alike", **HERE}),
    ("create_bucket", {"Bucket": "alike-2"}),
    ("head_bucket", {"Bucket": "alike-none"}),
    ("get_bucket_location", {"Bucket": "alike"}),
    ("put_object", {**OBJECT, "Body": b"1", "IfNoneMatch": "*", "ContentType": "text/x", "Metadata": {"m": "1"}}),
    ("put_object", {**OBJECT, "Body": b"2", "IfNoneMatch": "*"}),
    ("put_object", {**OBJECT, "Body": b"2", "IfMatch": '"c4ca4238a0b923820dcc509a6f75849b"'}),
    ("put_object", {**OBJECT, "Body": b"3", "IfMatch": '"c4ca4238a0b923820dcc509a6f75849b"'}),
    ("get_object", OBJECT),
    ("get_object", {**OBJECT, "Range": "bytes=9-"}),
    ("get_object", {"Bucket": "alike", "Key": "none"}),
    ("head_object", {"Bucket": "alike", "Key": "none"}),
    ("get_object", {**OBJECT, "IfMatch": '"x"'}),
    ("put_object", {"Bucket": "alike", "Key": "d/1", "Body": b""}),
    ("put_object", {"Bucket": "alike", "Key": "d/2", "Body": b""}),
    ("list_objects_v2", {"Bucket": "alike", "Delimiter": "/"}),
    ("list_objects_v2", {"Bucket": "alike", "Prefix": "d/", "MaxKeys": 1}),
    ("copy_object", {"Bucket": "alike", "Key": "c", "CopySource": {"Bucket": "alike", "Key": "k"}}),
    ("put_bucket_tagging", {"Bucket": "alike", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    ("get_bucket_tagging", {"Bucket": "alike"}),
    ("get_bucket_lifecycle_configuration", {"Bucket": "alike"}),
    ("get_bucket_policy", {"Bucket": "alike"}),
    ("delete_bucket", {"Bucket": "alike"}),
    ("delete_objects", {"Bucket": "alike", "Delete": {"Objects": [{"Key": k} for k in ("k", "c", "d/1", "d/2", "no")]}}),
    ("delete_object", OBJECT),
    ("delete_bucket", {"Bucket": "alike"}),
    ("delete_bucket", {"Bucket": "alike"}),
]


class Alike(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.moto = Moto()
        cls.addClassCleanup(cls.moto.close)

    def compare(self, service, script):
        ours, theirs = self.lab.client(service), self.moto.client(service)
        for number, (operation, parameters) in enumerate(script):
            with self.subTest(number=number, operation=operation, parameters=parameters):
                self.assertEqual(
                    outcome(getattr(ours, operation), parameters), outcome(getattr(theirs, operation), parameters)
                )

    def test_parameter_store(self):
        self.compare("ssm", SSM)

    def test_s3(self):
        self.compare("s3", S3)


if __name__ == "__main__":
    unittest.main()

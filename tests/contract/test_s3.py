"""S3: buckets, objects, conditional writes, listings."""

import datetime
import http.client
import unittest

from lab import ACCOUNT, REGION, LabTest


class Buckets(LabTest):
    def setUp(self):
        self.s3 = self.lab.client("s3")

    def create(self, name, region=REGION, client=None):
        (client or self.s3).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})

    def test_life(self):
        self.create("life")
        self.s3.head_bucket(Bucket="life")
        self.assertEqual(self.s3.get_bucket_location(Bucket="life")["LocationConstraint"], REGION)
        self.assertIn("life", [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]])
        self.refused("BucketAlreadyOwnedByYou", 409, self.create, name="life")
        self.s3.put_object(Bucket="life", Key="k", Body=b"")
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket="life")
        self.s3.delete_object(Bucket="life", Key="k")
        self.s3.delete_bucket(Bucket="life")
        self.refused("404", 404, self.s3.head_bucket, Bucket="life")
        self.refused("NoSuchBucket", 404, self.s3.delete_bucket, Bucket="life")
        self.refused("NoSuchBucket", 404, self.s3.get_object, Bucket="life", Key="k")

    def test_names_and_places(self):
        east = self.lab.client("s3", region="us-east-1")
        east.create_bucket(Bucket="in-the-east")
        east.create_bucket(Bucket="in-the-east")
        self.assertIsNone(east.get_bucket_location(Bucket="in-the-east")["LocationConstraint"])
        illegal = "IllegalLocationConstraintException"
        self.refused(illegal, 400, self.s3.create_bucket, Bucket="nowhere")
        self.refused(illegal, 400, self.create, name="nowhere", region="ap-northeast-1")
        self.refused("InvalidLocationConstraint", 400, self.create, name="nowhere", region="us-east-1")
        self.refused("InvalidLocationConstraint", 400, self.create, name="nowhere", region="mars-1")
        for name in ("UPPER", "a.-b..c", "192.168.0.1"):
            self.refused("InvalidBucketName", 400, self.create, name=name)

    def test_another_region_sends_on(self):
        # botocore follows by itself; a client that does not sees where to go.
        self.create("sent-on")
        east = self.lab.client("s3", region="us-east-1")
        east.put_object(Bucket="sent-on", Key="k", Body=b"x")
        self.assertEqual(self.s3.get_object(Bucket="sent-on", Key="k")["Body"].read(), b"x")
        signed = self.lab.client("s3", region="us-east-1", signature_version="s3v4", s3={"addressing_style": "path"})
        url = signed.generate_presigned_url("get_object", {"Bucket": "sent-on", "Key": "k"})
        host = self.lab.endpoint.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", url.removeprefix(self.lab.endpoint))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        self.assertEqual((response.status, response.headers["x-amz-bucket-region"]), (301, REGION))
        self.assertIn(b"<Code>PermanentRedirect</Code>", body)

    def test_configuration(self):
        self.create("configured")
        on = {"Bucket": "configured"}
        block = self.s3.get_public_access_block(**on)["PublicAccessBlockConfiguration"]
        self.assertEqual(set(block.values()), {True})
        self.s3.put_public_access_block(PublicAccessBlockConfiguration={**block, "BlockPublicAcls": False}, **on)
        self.assertFalse(self.s3.get_public_access_block(**on)["PublicAccessBlockConfiguration"]["BlockPublicAcls"])
        self.s3.delete_public_access_block(**on)
        self.refused("NoSuchPublicAccessBlockConfiguration", 404, self.s3.get_public_access_block, **on)
        rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
        self.s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": rules}, **on)
        found = self.s3.get_bucket_encryption(**on)["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(found, rules)
        self.refused("NoSuchLifecycleConfiguration", 404, self.s3.get_bucket_lifecycle_configuration, **on)
        rules = [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 3}}]
        self.s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": rules}, **on)
        self.assertEqual(self.s3.get_bucket_lifecycle_configuration(**on)["Rules"], rules)
        call = self.s3.put_bucket_lifecycle_configuration
        empty = {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}}]}
        self.refused("MalformedXML", 400, call, LifecycleConfiguration=empty, **on)
        self.refused("NoSuchTagSet", 404, self.s3.get_bucket_tagging, **on)
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        self.s3.put_bucket_tagging(Tagging={"TagSet": tags}, **on)
        self.assertEqual(self.s3.get_bucket_tagging(**on)["TagSet"], tags)
        self.refused("NoSuchBucketPolicy", 404, self.s3.get_bucket_policy, **on)
        self.refused("MalformedPolicy", 400, self.s3.put_bucket_policy, Policy="no", **on)
        self.refused("NotImplemented", 501, self.s3.get_bucket_acl, **on)

    def test_owners(self):
        self.create("owned")
        self.s3.head_bucket(Bucket="owned", ExpectedBucketOwner=ACCOUNT)
        self.refused("403", 403, self.s3.head_bucket, Bucket="owned", ExpectedBucketOwner="000000000000")


class Objects(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = cls.lab.client("s3")
        for name in ("objects", "versions"):
            cls.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key, body=b"body", **more):
        return self.s3.put_object(Bucket="objects", Key=key, Body=body, **more)

    def get(self, key, **more):
        return self.s3.get_object(Bucket="objects", Key=key, **more)

    def test_round_trip(self):
        key = "a b/ü+&=?#%20'\"<>.txt"
        put = self.put(key, b"x" * 100_000, ContentType="text/x", Metadata={"a-b": "c d"}, CacheControl="no-store")
        got = self.get(key)
        self.assertEqual(got["Body"].read(), b"x" * 100_000)
        self.assertEqual(got["ETag"], put["ETag"])
        self.assertEqual(got["ContentType"], "text/x")
        self.assertEqual(got["CacheControl"], "no-store")
        self.assertEqual(got["Metadata"], {"a-b": "c d"})
        self.assertEqual(got["ChecksumCRC32"], put["ChecksumCRC32"])
        self.assertNotIn("ContentEncoding", got)
        head = self.s3.head_object(Bucket="objects", Key=key)
        self.assertEqual((head["ContentLength"], head["ETag"]), (100_000, put["ETag"]))
        self.refused("NoSuchKey", 404, self.get, key="none")
        self.refused("404", 404, self.s3.head_object, Bucket="objects", Key="none")
        self.refused("KeyTooLongError", 400, self.put, key="x" * 1_025)
        self.refused("MetadataTooLarge", 400, self.put, key="m", Metadata={"m": "x" * 2_050})

    def test_checksums(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            with self.subTest(algorithm):
                put = self.put("sum", b"123456789", ChecksumAlgorithm=algorithm)
                got = self.get("sum", ChecksumMode="ENABLED")
                self.assertEqual(got[f"Checksum{algorithm}"], put[f"Checksum{algorithm}"])
        # With TLS botocore leaves the payload unsigned and sends the checksum in a trailer.
        self.refused("BadDigest", 400, self.put, key="sum", ChecksumCRC32="AAAAAA==")
        self.refused("BadDigest", 400, self.put, key="sum", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        self.refused("InvalidDigest", 400, self.put, key="sum", ContentMD5="AAAA")

    def test_ranges(self):
        self.put("range", b"0123456789")
        for text, body, content_range in [
            ("bytes=0-3", b"0123", "bytes 0-3/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
            ("bytes=-2", b"89", "bytes 8-9/10"),
        ]:
            got = self.get("range", Range=text)
            self.assertEqual((got["Body"].read(), got["ContentRange"]), (body, content_range))
            self.assertEqual(got["ResponseMetadata"]["HTTPStatusCode"], 206)
        self.refused("InvalidRange", 416, self.get, key="range", Range="bytes=10-")

    def test_conditional_writes(self):
        first = self.put("claim", b"1", IfNoneMatch="*")
        self.refused("PreconditionFailed", 412, self.put, key="claim", body=b"2", IfNoneMatch="*")
        second = self.put("claim", b"2", IfMatch=first["ETag"])
        self.refused("PreconditionFailed", 412, self.put, key="claim", body=b"3", IfMatch=first["ETag"])
        self.assertEqual(self.get("claim")["Body"].read(), b"2")
        self.refused("NoSuchKey", 404, self.put, key="claim-none", IfMatch=first["ETag"])
        self.lab.tell("fault conflict service=s3 action=PutObject count=1")
        self.refused("ConditionalRequestConflict", 409, self.put, key="claim", IfMatch=second["ETag"])
        self.put("claim", b"3", IfMatch=second["ETag"])
        delete = self.s3.delete_object
        self.refused("PreconditionFailed", 412, delete, Bucket="objects", Key="claim", IfMatch=second["ETag"])

    def test_conditional_reads(self):
        tag = self.put("read")["ETag"]
        self.assertEqual(self.get("read", IfMatch=tag)["Body"].read(), b"body")
        self.refused("PreconditionFailed", 412, self.get, key="read", IfMatch='"x"')
        self.refused("304", 304, self.get, key="read", IfNoneMatch=tag)
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        self.refused("304", 304, self.get, key="read", IfModifiedSince=later)
        earlier = later - datetime.timedelta(days=9)
        self.refused("PreconditionFailed", 412, self.get, key="read", IfUnmodifiedSince=earlier)

    def test_listing(self):
        keys = [f"list/{a}/{b}" for a in "abc" for b in range(4)] + ["list/top", "list/ü ü"]
        for key in keys:
            self.put(key)
        found, pages = self.pages(self.s3, "list_objects_v2", "Contents", Bucket="objects", Prefix="list/")
        self.assertEqual([one["Key"] for one in found], sorted(keys))
        self.assertEqual(pages, 1)
        config = {"PageSize": 3}
        for operation in ("list_objects_v2", "list_objects"):
            with self.subTest(operation):
                found, pages = self.pages(
                    self.s3, operation, "Contents", Bucket="objects", Prefix="list/", PaginationConfig=config
                )
                self.assertEqual([one["Key"] for one in found], sorted(keys))
                self.assertEqual(pages, 5)
                split = {"Bucket": "objects", "Prefix": "list/", "Delimiter": "/"}
                paginator = self.s3.get_paginator(operation)
                pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}, **split))
                prefixes = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
                contents = [one["Key"] for page in pages for one in page.get("Contents", [])]
                self.assertEqual(prefixes, ["list/a/", "list/b/", "list/c/"])
                self.assertEqual(contents, ["list/top", "list/ü ü"])
                self.assertEqual(len(pages), 3)
        after = self.s3.list_objects_v2(Bucket="objects", Prefix="list/", StartAfter="list/c/2")
        self.assertEqual([one["Key"] for one in after["Contents"]], ["list/c/3", "list/top", "list/ü ü"])
        none = self.s3.list_objects_v2(Bucket="objects", Prefix="list/", MaxKeys=0)
        self.assertEqual((none["KeyCount"], none["IsTruncated"]), (0, False))
        call = self.s3.list_objects_v2
        self.refused("InvalidArgument", 400, call, Bucket="objects", MaxKeys=-1)
        self.refused("InvalidArgument", 400, call, Bucket="objects", ContinuationToken="x")

    def test_copies(self):
        self.put("copy-a", b"a", ContentType="text/a", Metadata={"m": "1"})
        copy = self.s3.copy_object
        source = {"Bucket": "objects", "Key": "copy-a"}
        done = copy(Bucket="objects", Key="copy-b", CopySource=source)
        got = self.get("copy-b")
        self.assertEqual((got["Body"].read(), got["ContentType"], got["Metadata"]), (b"a", "text/a", {"m": "1"}))
        self.assertEqual(done["CopyObjectResult"]["ETag"], got["ETag"])
        copy(Bucket="objects", Key="copy-b", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"})
        self.assertEqual(self.get("copy-b")["Metadata"], {"n": "2"})
        self.refused("InvalidRequest", 400, copy, Bucket="objects", Key="copy-a", CopySource=source)
        self.refused(
            "PreconditionFailed", 412, copy, Bucket="objects", Key="c", CopySource=source, CopySourceIfMatch='"x"'
        )
        missing = {"Bucket": "objects", "Key": "copy-none"}
        self.refused("NoSuchKey", 404, copy, Bucket="objects", Key="c", CopySource=missing)

    def test_deletes(self):
        for number in range(3):
            self.put(f"delete/{number}")
        objects = [{"Key": f"delete/{number}"} for number in range(3)] + [{"Key": "delete/none"}]
        done = self.s3.delete_objects(Bucket="objects", Delete={"Objects": objects})
        self.assertEqual([one["Key"] for one in done["Deleted"]], [one["Key"] for one in objects])
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket="objects", Prefix="delete/"))
        self.s3.delete_object(Bucket="objects", Key="delete/none")
        many = [{"Key": str(number)} for number in range(1_001)]
        self.refused("MalformedXML", 400, self.s3.delete_objects, Bucket="objects", Delete={"Objects": many})

    def test_object_tags(self):
        self.put("tagged", Tagging="a=1&b=x%20y")
        tags = self.s3.get_object_tagging(Bucket="objects", Key="tagged")["TagSet"]
        self.assertEqual(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"}])
        many = "&".join(f"k{n}=v" for n in range(11))
        self.refused("BadRequest", 400, self.put, key="tagged", Tagging=many)

    def test_versions(self):
        on = {"Bucket": "versions"}
        old = self.s3.put_object(Key="k", Body=b"0", **on)
        self.assertNotIn("VersionId", old)
        self.s3.put_bucket_versioning(VersioningConfiguration={"Status": "Enabled"}, **on)
        self.assertEqual(self.s3.get_bucket_versioning(**on)["Status"], "Enabled")
        one = self.s3.put_object(Key="k", Body=b"1", **on)["VersionId"]
        two = self.s3.put_object(Key="k", Body=b"2", **on)["VersionId"]
        self.assertEqual(self.s3.get_object(Key="k", VersionId=one, **on)["Body"].read(), b"1")
        self.assertEqual(self.s3.get_object(Key="k", VersionId="null", **on)["Body"].read(), b"0")
        marker = self.s3.delete_object(Key="k", **on)
        self.assertTrue(marker["DeleteMarker"])
        self.refused("NoSuchKey", 404, self.s3.get_object, Key="k", **on)
        self.refused("MethodNotAllowed", 405, self.s3.get_object, Key="k", VersionId=marker["VersionId"], **on)
        self.refused("NoSuchVersion", 404, self.s3.get_object, Key="k", VersionId="x" * 32, **on)
        listed, pages = self.pages(self.s3, "list_object_versions", "Versions", PaginationConfig={"PageSize": 2}, **on)
        self.assertEqual([version["VersionId"] for version in listed], [two, one, "null"])
        self.assertEqual(pages, 2)
        self.s3.delete_object(Key="k", VersionId=marker["VersionId"], **on)
        self.assertEqual(self.s3.get_object(Key="k", **on)["Body"].read(), b"2")


if __name__ == "__main__":
    unittest.main()

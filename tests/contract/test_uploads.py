"""S3: uploads in parts, as `aws s3 cp` and backup programs make them."""

import base64
import hashlib
import io
import unittest
import zlib

import boto3
from boto3.s3.transfer import TransferConfig

from lab import REGION, LabTest

MIB = 1024 * 1024
# The least that a part has which is not the last.
PART = 5 * MIB


def etag(*parts):
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def sha256(data):
    return hashlib.sha256(data).digest()


def text(digest):
    return base64.b64encode(digest).decode()


class Uploads(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3 = cls.lab.client("s3")
        cls.s3.create_bucket(Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": REGION})

    def begin(self, key, **more):
        made = self.s3.create_multipart_upload(Bucket="uploads", Key=key, **more)
        return {"Bucket": "uploads", "Key": key, "UploadId": made["UploadId"]}

    def part(self, upload, number, body, **more):
        sent = self.s3.upload_part(PartNumber=number, Body=body, **upload, **more)
        sums = {name: value for name, value in sent.items() if name in ("ChecksumCRC32", "ChecksumSHA256")}
        return {"PartNumber": number, "ETag": sent["ETag"], **sums}

    def complete(self, upload, parts, **more):
        return self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **more)

    def get(self, key, **more):
        return self.s3.get_object(Bucket="uploads", Key=key, **more)

    def test_parts_become_one_object(self):
        first, last = b"a" * PART, b"end"
        upload = self.begin("k", ContentType="text/x", Metadata={"m": "1"}, Tagging="a=1")
        parts = [self.part(upload, 7, last), self.part(upload, 2, b"other"), self.part(upload, 2, first)]
        self.assertEqual(parts[2]["ETag"], f'"{hashlib.md5(first).hexdigest()}"')
        self.refused("NoSuchKey", 404, self.get, key="k")
        done = self.complete(upload, [parts[2], parts[0]])
        self.assertEqual((done["ETag"], done["Bucket"], done["Key"]), (etag(first, last), "uploads", "k"))
        got = self.get("k")
        self.assertEqual(got["Body"].read(), first + last)
        self.assertEqual((got["ContentType"], got["Metadata"], got["ETag"]), ("text/x", {"m": "1"}, done["ETag"]))
        tags = self.s3.get_object_tagging(Bucket="uploads", Key="k")["TagSet"]
        self.assertEqual(tags, [{"Key": "a", "Value": "1"}])
        part = self.get("k", Range=f"bytes={PART - 1}-{PART}")["Body"].read()
        self.assertEqual(part, b"ae")
        self.refused("NoSuchUpload", 404, self.complete, upload=upload, parts=[parts[2]])
        # A copy is one piece.
        source = {"Bucket": "uploads", "Key": "k"}
        copy = self.s3.copy_object(Bucket="uploads", Key="copy", CopySource=source)["CopyObjectResult"]
        self.assertEqual(copy["ETag"], f'"{hashlib.md5(first + last).hexdigest()}"')

    def test_parts_that_are_wrong(self):
        upload = self.begin("wrong")
        small, last = self.part(upload, 1, b"small"), self.part(upload, 2, b"last")
        for code, parts in [
            ("EntityTooSmall", [small, last]),
            ("InvalidPartOrder", [last, small]),
            ("InvalidPartOrder", [last, last]),
            ("InvalidPart", [{**small, "ETag": last["ETag"]}]),
            ("InvalidPart", [{**small, "PartNumber": 3}]),
            ("MalformedXML", []),
        ]:
            with self.subTest(code, parts=parts):
                self.refused(code, 400, self.complete, upload=upload, parts=parts)
        for number in (0, 10_001):
            self.refused("InvalidArgument", 400, self.part, upload=upload, number=number, body=b"")
        self.refused("BadDigest", 400, self.part, upload=upload, number=1, body=b"x", ChecksumCRC32="AAAAAA==")
        other = {**upload, "Key": "another"}
        self.refused("NoSuchUpload", 404, self.part, upload=other, number=1, body=b"")
        self.refused("InvalidRequest", 400, self.complete, upload=upload, parts=[last], MpuObjectSize=5)
        # After all that it can still be completed.
        self.complete(upload, [last], MpuObjectSize=4)
        self.assertEqual(self.get("wrong")["Body"].read(), b"last")

    def test_conditions(self):
        self.s3.put_object(Bucket="uploads", Key="claim", Body=b"1")
        upload = self.begin("claim")
        parts = [self.part(upload, 1, b"2")]
        self.refused("PreconditionFailed", 412, self.complete, upload=upload, parts=parts, IfNoneMatch="*")
        self.assertEqual(self.get("claim")["Body"].read(), b"1")
        self.complete(upload, parts, IfMatch=self.get("claim")["ETag"])
        self.assertEqual(self.get("claim")["Body"].read(), b"2")

    def test_an_upload_is_listed_and_aborted(self):
        upload = self.begin("listed")
        for number in range(1, 6):
            self.part(upload, number, b"x" * number)
        listed, pages = self.pages(self.s3, "list_parts", "Parts", PaginationConfig={"PageSize": 2}, **upload)
        self.assertEqual([(part["PartNumber"], part["Size"]) for part in listed], [(n, n) for n in range(1, 6)])
        self.assertEqual(pages, 3)
        self.s3.abort_multipart_upload(**upload)
        self.refused("NoSuchUpload", 404, self.s3.list_parts, **upload)
        self.refused("NoSuchUpload", 404, self.s3.abort_multipart_upload, **upload)
        self.refused("NoSuchKey", 404, self.get, key="listed")

    def test_checksums(self):
        first, last = b"b" * PART, b"end"
        upload = self.begin("sums", ChecksumAlgorithm="SHA256")
        parts = [self.part(upload, n, body, ChecksumAlgorithm="SHA256") for n, body in ((1, first), (2, last))]
        self.assertEqual(parts[1]["ChecksumSHA256"], text(sha256(last)))
        call = self.part
        self.refused("InvalidRequest", 400, call, upload=upload, number=3, body=b"", ChecksumAlgorithm="CRC32")
        bare = [{name: part[name] for name in ("PartNumber", "ETag")} for part in parts]
        self.refused("InvalidRequest", 400, self.complete, upload=upload, parts=bare)
        wrong = [{**parts[0], "ChecksumSHA256": parts[1]["ChecksumSHA256"]}, parts[1]]
        self.refused("InvalidPart", 400, self.complete, upload=upload, parts=wrong)
        done = self.complete(upload, parts)
        composite = text(sha256(sha256(first) + sha256(last))) + "-2"
        self.assertEqual((done["ChecksumSHA256"], done["ChecksumType"]), (composite, "COMPOSITE"))
        got = self.get("sums", ChecksumMode="ENABLED")
        self.assertEqual((got["ChecksumSHA256"], got["ChecksumType"]), (composite, "COMPOSITE"))

        upload = self.begin("sums", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        parts = [self.part(upload, n, body) for n, body in ((1, first), (2, last))]
        whole = text(zlib.crc32(first + last).to_bytes(4, "big"))
        bad = {"ChecksumCRC32": "AAAAAA==", "ChecksumType": "FULL_OBJECT"}
        self.refused("BadDigest", 400, self.complete, upload=upload, parts=parts, **bad)
        done = self.complete(upload, parts, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
        self.assertEqual((done["ChecksumCRC32"], done["ChecksumType"]), (whole, "FULL_OBJECT"))
        call = self.begin
        self.refused("InvalidRequest", 400, call, key="k", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")

    def test_what_boto3_does_with_large_files(self):
        keys = self.lab.keys
        s3 = boto3.Session(region_name=REGION, **keys).client("s3", endpoint_url=self.lab.endpoint)
        self.addCleanup(s3.close)
        body = bytes(range(256)) * (21 * MIB // 256)
        s3.upload_fileobj(io.BytesIO(body), "uploads", "large", Config=TransferConfig(multipart_chunksize=8 * MIB))
        got = io.BytesIO()
        s3.download_fileobj("uploads", "large", got)
        self.assertEqual(sha256(got.getvalue()), sha256(body))
        expected = etag(body[: 8 * MIB], body[8 * MIB : 16 * MIB], body[16 * MIB :])
        self.assertEqual(s3.head_object(Bucket="uploads", Key="large")["ETag"], expected)


if __name__ == "__main__":
    unittest.main()

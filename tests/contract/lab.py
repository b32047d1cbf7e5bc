"""Owns a running simulator for the contract suite, and clients of botocore for it."""

import json
import os
import subprocess
import unittest

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-west-1"
ACCOUNT = "123456789012"


class Lab:
    """A simulator with three regions and virtual time; obeys `tell`."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.environ["LAB_ENDPOINT"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = json.loads(self.process.stdout.readline())
        self.endpoint = hello["endpoint"]
        self.tls_port = hello["tls_port"]
        self.certificate = hello["certificate"]
        self.keys = {
            "aws_access_key_id": hello["access_key_id"],
            "aws_secret_access_key": hello["secret_access_key"],
        }

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def client(self, service, region=REGION, attempts=1, keys=None, endpoint=None, **settings):
        session = botocore.session.Session()
        config = Config(
            retries={"total_max_attempts": attempts, "mode": "standard"},
            connect_timeout=5,
            read_timeout=20,
            **settings,
        )
        return session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint or self.endpoint,
            config=config,
            **(keys or self.keys),
        )

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class LabTest(unittest.TestCase):
    """One simulator per class."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)

    def tearDown(self):
        self.lab.tell("clear")

    def refused(self, code, status, call, **parameters):
        """The call is refused with exactly this; gives the whole response."""
        with self.assertRaises(ClientError) as caught:
            call(**parameters)
        response = caught.exception.response
        found = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
        self.assertEqual(found, (code, status), response["Error"].get("Message"))
        return response

    def pages(self, client, operation, member, **parameters):
        """All items of all pages, and how many pages there were."""
        pages = list(client.get_paginator(operation).paginate(**parameters))
        return [item for page in pages for item in page.get(member, [])], len(pages)

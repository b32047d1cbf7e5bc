"""Pages of DescribeInstances a second: the simulator against moto, in one run."""

import http.client
import os
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lab import REGION, Lab
from test_moto import Moto

INSTANCES = int(os.environ["INSTANCES"])
SECONDS = float(os.environ["SECONDS_EACH"])
PAGE = 100


def fill(server, image):
    """Starts so many instances, as many at once as EC2 takes."""
    ec2 = server.client("ec2", attempts=3)
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    left, number = INSTANCES, 0
    while left > 0:
        count = min(left, 500)
        ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            MinCount=count,
            MaxCount=count,
            SubnetId=subnets[number % len(subnets)],
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "vmimage:role", "Value": f"role-{number}"}]}
            ],
        )
        left -= count
        number += 1


def rate(server):
    """One page again and again over one connection; the request is signed once."""
    keys = Credentials(server.keys["aws_access_key_id"], server.keys["aws_secret_access_key"])
    body = f"Action=DescribeInstances&Version=2016-11-15&MaxResults={PAGE}"
    request = AWSRequest(
        "POST", server.endpoint + "/", {"Content-Type": "application/x-www-form-urlencoded"}, body
    )
    SigV4Auth(keys, "ec2", REGION).add_auth(request)
    headers = dict(request.prepare().headers.items())
    connection = http.client.HTTPConnection(server.endpoint.removeprefix("http://"), timeout=60)

    def ask():
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return answer

    answer = ask()
    assert answer.count(b"<instanceId>") == PAGE, answer.count(b"<instanceId>")
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        ask()
        count += 1
    taken = time.perf_counter() - begun
    connection.close()
    return count / taken, len(answer)


def measure(name, server, image, cores):
    # All its threads on one core, which is not the client's if there are two.
    for thread in os.listdir(f"/proc/{server.process.pid}/task"):
        os.sched_setaffinity(int(thread), {cores[-1]})
    fill(server, image)
    pages, size = rate(server)
    print(f"{name:6} {pages:9.1f} pages of {PAGE} a second, {size / 1024:.0f} KiB each", flush=True)
    return pages


def main():
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    lab, moto = Lab(), Moto()
    try:
        ours = measure("lab", lab, lab.tell(f"image {REGION}")["image"], cores)
        theirs = measure("moto", moto, "ami-12c6146b", cores)
    finally:
        lab.close()
        moto.close()
    print(f"with {INSTANCES} instances the lab answers {ours / theirs:.0f} times as fast as moto")


if __name__ == "__main__":
    main()

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
    """Starts so many instances, a page at once: moto counts launches where AWS counts instances."""
    ec2 = server.client("ec2", attempts=3)
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    for number in range(INSTANCES // PAGE):
        tags = [{"Key": "vmimage:role", "Value": f"role-{number}"}]
        ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            MinCount=PAGE,
            MaxCount=PAGE,
            SubnetId=subnets[number % len(subnets)],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )


def processor_seconds(process):
    """What a process has used of the processor, which other programs do not change."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask_for(server, page):
    """A function that asks for the first page; one connection, and a request that is signed once."""
    keys = Credentials(server.keys["aws_access_key_id"], server.keys["aws_secret_access_key"])
    body = f"Action=DescribeInstances&Version=2016-11-15&MaxResults={page}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", server.endpoint + "/", form, body)
    SigV4Auth(keys, "ec2", REGION).add_auth(request)
    headers = dict(request.prepare().headers.items())
    connection = http.client.HTTPConnection(server.endpoint.removeprefix("http://"), timeout=300)

    def ask():
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return answer

    return ask


def measure(name, server, image, cores, page):
    # All its threads on one core, which is not the client's if there are two.
    for thread in os.listdir(f"/proc/{server.process.pid}/task"):
        os.sched_setaffinity(int(thread), {cores[-1]})
    fill(server, image)
    ask = ask_for(server, page)
    answer = ask()
    assert answer.count(b"<instanceId>") == PAGE, answer.count(b"<instanceId>")
    count, begun, used = 0, time.perf_counter(), processor_seconds(server.process)
    while time.perf_counter() - begun < SECONDS:
        ask()
        count += 1
    taken = time.perf_counter() - begun
    used = max(processor_seconds(server.process) - used, 0.01)
    print(
        f"{name:5} {count / taken:8.1f} pages of {PAGE} a second, {count / used:8.1f} a second of its core, "
        f"{len(answer) / 1024:.0f} KiB each",
        flush=True,
    )
    return count / used


def main():
    cores = sorted(os.sched_getaffinity(0))
    lab, moto = Lab(), Moto()
    os.sched_setaffinity(0, {cores[0]})
    try:
        ours = measure("lab", lab, lab.tell(f"image {REGION}")["image"], cores, PAGE)
        theirs = measure("moto", moto, "ami-12c6146b", cores, 1)
    finally:
        lab.close()
        moto.close()
    print(f"with {INSTANCES} instances the lab needs 1/{ours / theirs:.0f} of moto's time")


if __name__ == "__main__":
    main()

"""Parts of `bench-roles`.

watch FILE   until it is ended: what every engine on this machine takes, by instance
nodes        names and instances of the nodes of a `lab status --json`
tell FOLDER FILE [BEFORE]
             a table of what was watched, and of what the consoles in the folder say, but for
             instances that were watched before
"""

import collections
import json
import pathlib
import re
import signal
import sys
import time

# Of a step that takes less nobody asks.
SHOWN_MS = 300
# What the engine itself may take for the web role.
LIMIT_MS, LIMIT_KIB = 20, 2048
STEP = re.compile(r"vmimage: \d+/\d+ (.*): (?:done|as it should be), (\d+) ms")
READY = re.compile(r"vmimage: (i-\w+) is a node of \S+: (\w+), ready after (\d+) ms")


def engines():
    """Processes of the engine, and the signs of life that they fork, which take less, by instance."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text() == "firstboot\n":
                yield folder, re.search(r"(i-[0-9a-f]+)", (folder / "cgroup").read_text())[1]
        except (OSError, TypeError):
            continue


def watch(file):
    running = True

    def end(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, end)
    known, seen, searched = {}, {}, 0.0
    while running:
        # Not often: whoever has looked at a process in /proc makes its end dearer, for its parent.
        if time.monotonic() - searched > 0.3:
            known.update(engines())
            searched = time.monotonic()
        for folder, instance in list(known.items()):
            try:
                seconds = int((folder / "schedstat").read_text().split()[0]) / 1e9
                status = (folder / "status").read_text()
            except OSError:
                del known[folder]
                continue
            peak = re.search(r"VmHWM:\s+(\d+)", status)
            if peak:
                seen[str(folder), instance] = (seconds, int(peak[1]))
        time.sleep(0.005)
    rows = [(instance, *taken) for (_, instance), taken in seen.items()]
    pathlib.Path(file).write_text(json.dumps(rows))


def nodes():
    for region in json.load(sys.stdin)["regions"]:
        for group in region["groups"]:
            for node in group["nodes"]:
                print(f"{region['region']}/{node['name']}={node['instance']}")


def tell(folder, file, before=None):
    folder = pathlib.Path(folder)
    earlier = json.loads((folder / before).read_text()) if before else []
    known = {instance for instance, _, _ in earlier}
    own = collections.defaultdict(lambda: (0.0, 0))
    for instance, seconds, peak in json.loads((folder / file).read_text()):
        own[instance] = max(own[instance], (seconds, peak))
    rows = []
    for console in folder.glob("*.console"):
        text = console.read_text(errors="replace")
        steps = [(name, int(ms)) for name, ms in STEP.findall(text)]
        for instance, role, ms in READY.findall(text)[:1]:
            if instance not in known:
                rows.append((role, int(ms), instance, steps))
    print(f"limit of the web role: {LIMIT_MS} ms of the engine's own, {LIMIT_KIB} KiB")
    print("role        ready after  engine's own  its peak  steps of %d ms and more" % SHOWN_MS)
    for role, ms, instance, steps in sorted(rows):
        seconds, peak = own[instance]
        long = ", ".join(f"{name} {took / 1000:.1f} s" for name, took in steps if took >= SHOWN_MS)
        print(f"{role:<11} {ms / 1000:9.1f} s  {seconds * 1000:9.1f} ms  {peak:5} KiB  {long}")


if sys.argv[1] == "watch":
    watch(sys.argv[2])
elif sys.argv[1] == "nodes":
    nodes()
else:
    tell(*sys.argv[2:])

"""cratond as process 1, as in a container that runs nothing else: parts that end with it must not take it for the one that orphans go to."""
import subprocess
from pathlib import Path

import pytest
from hub_client import Platform, running


class First(Platform):
    """In a namespace of processes of its own."""

    def cratond(self, *more):
        if "--stop" in more:
            return super().cratond(*more)     # from outside
        return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *super().cratond(*more)]


@pytest.fixture(scope="module")
def platform():
    with running("--smtp", "smtp://127.0.0.1:9", "--smtp-from", "hub@example.org", prepared=False, kind=First) as p:
        yield p


def children(pid):
    listed = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True).stdout
    return [int(child) for child in listed.split()]


def test_its_parts_stay(platform):
    platform.administrator()
    [first] = children(platform.process.pid)
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] for pid in children(first)]
    assert [b"cratond", b"--role=hub"] in lines and any(line[0] == b"craton-fetch" for line in lines), lines
    assert "hub ended" not in platform.log.read_text() and "craton-fetch ended" not in platform.log.read_text()


def test_it_is_stopped_from_where_it_can_be_seen(platform):
    """The number in its file, 1, is not what is believed: from outside it is init's, and from another container that container's own."""
    beside = subprocess.run([*platform.cratond(), "--stop"], capture_output=True, text=True)
    assert beside.returncode != 0 and "another container" in beside.stderr and platform.process.poll() is None
    outside = subprocess.run(platform.cratond("--stop"), capture_output=True, text=True)
    assert outside.returncode == 0 and platform.process.wait(60) is not None, outside

"""The helper has one thread. While a home is being deleted or lies on a disk that does not answer, the machine's account files are locked by somebody, or
the packet filter's program does not come back, it goes on: servers start and stop, HAProxy is started again, and the end of the platform is not kept waiting."""
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest
from hub_client import OwnEtc, has_ended, running, wait_for
from test_removal import fill, gone, held, make
from test_session import server, start, stop


# Stands before the packet filter's program, and keeps to itself as long as the file `slow` is there.
NFT = """#!/bin/sh
if [ "$1" = -f ] && [ -e FOLDER/slow ]; then
    : >FOLDER/begun
    exec sleep 600
fi
FOLDER/nft "$@" || exit 0
"""


class SlowFilter(OwnEtc):
    def __init__(self):
        super().__init__()
        self.slow, self.begun, self.before = self.folder / "slow", self.folder / "begun", self.folder / "before-nft"
        shutil.copy2("/usr/sbin/nft", self.folder / "nft")
        self.before.write_text(NFT.replace("FOLDER", str(self.folder)))
        self.before.chmod(0o755)

    def cratond(self, *more):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /usr/sbin/nft && exec "$@"', str(self.before),
                *super().cratond(*more)]


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True, kind=SlowFilter) as p:
        p.admin = p.administrator()
        p.ada = make(p, "ada")
        yield p


def test_while_a_home_is_deleted(platform):
    bob = make(platform, "bob")
    rm = held(platform, bob)
    begin = time.monotonic()
    start(platform.ada)
    make(platform, "clara")  # a new account too
    pid = platform.haproxy_pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: platform.haproxy_pid() not in (0, pid), 10)
    platform.wait_ready()
    stop(platform.ada)
    assert time.monotonic() - begin < 180       # what is deleted there is held for ever
    # The end does not wait for it either; afterwards the removal goes on.
    begin = time.monotonic()
    platform.process.terminate()
    platform.process.wait(60)
    assert time.monotonic() - begin < 20
    wait_for(lambda: has_ended(rm), 10)  # it was killed with the helper, and may be at its last steps
    platform.start()
    gone(platform, bob)


class Hung(threading.Thread):
    """A file system that takes every question and answers none, as a network disk whose server is gone: who asks cannot even be killed. Seen by the
    platform alone, which has mounts of its own."""

    def __init__(self, platform, path):
        super().__init__(daemon=True)
        self.inside, self.path, self.hangs = ["nsenter", "--mount", "--target", str(platform.process.pid)], str(path), True
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        subprocess.run([*self.inside, "mount", "-i", "-t", "fuse", "-o", options, "hung", self.path], pass_fds=[self.fd], check=True)
        _, _, unique = struct.unpack_from("IIQ", os.read(self.fd, 1 << 17))        # the kernel says hello
        hello = struct.pack("IIIIHHI", 7, 31, 0, 0, 16, 12, 1 << 16).ljust(64, b"\0")
        os.write(self.fd, struct.pack("IiQ", 16 + len(hello), 0, unique) + hello)
        self.start()

    def run(self):
        while self.hangs:
            if select.select([self.fd], [], [], 0.1)[0]:
                os.read(self.fd, 1 << 17)

    def end(self):
        self.hangs = False
        self.join()
        os.close(self.fd)        # who waits gets an error
        subprocess.run([*self.inside, "umount", "-l", self.path], check=True)


def test_while_a_home_does_not_answer(platform):
    """One person's: that start ends and says why, others start and stop meanwhile; when the disk is back all is well."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("needs fuse: a file system that answers nothing")
    hanna, ada = make(platform, "hanna"), platform.ada
    start(ada)
    disk = Hung(platform, hanna.home)
    try:
        assert hanna.post("/hub/spawn", {}, "/hub/home").status == 303
        oskar = make(platform, "oskar")
        stop(ada)
        wait_for(lambda: not server(hanna), 40)
        assert "does not answer: the disk on which it lies may be gone" in hanna.get("/hub/home").text
    finally:
        disk.end()
    for person in (hanna, oskar):
        start(person)
        stop(person)


def test_while_the_account_files_are_locked(platform):
    """useradd waits up to 15 seconds for this lock."""
    platform.wait_prepared()        # the lock is held for one start, which should be short; where the machine was too slow for that, for one with other accounts
    for names in (("dora", "emil"), ("dana", "egon"), ("doris", "enzo")):
        dora, emil = (platform.add_person(platform.admin, name) for name in names)
        dora.name, emil.name = names
        with open(platform.etc / ".pwd.lock", "ab") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            begin = time.monotonic()
            for person in (dora, emil):
                assert person.post("/hub/spawn", {}, "/hub/home").status == 303
            start(platform.ada)  # whose account is there
            waited = server(dora).get("pending") == server(emil).get("pending") == "spawn"
            # Who changes the mind is not kept waiting.
            assert emil.post("/hub/stop", {}, "/hub/home").status == 303
            wait_for(lambda: not server(emil), 20)
            in_time = time.monotonic() - begin < 12
        assert waited or not in_time
        stop(platform.ada)
        if in_time:
            break
        if server(dora):
            stop(dora)
    else:
        raise AssertionError("ada's start waited for the lock each time, or the machine is too slow for this test to mean anything")
    wait_for(lambda: server(dora).get("ready"), 60)
    start(emil)
    stop(emil)
    stop(dora)


def test_removal_while_the_account_files_are_locked(platform):
    fred = make(platform, "fred")
    fill(fred)
    with open(platform.etc / ".pwd.lock", "ab") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert platform.admin.post("/hub/admin/act", {"user": "fred", "action": "remove", "confirm": "fred"}, "/hub/admin").status == 303
        wait_for(lambda: not (platform.folder / "state/home/fred").exists(), 20)
        start(platform.ada)
        stop(platform.ada)
    gone(platform, fred)


def test_while_the_packet_filter_does_not_answer(platform):
    """Whoever needs it waits for it, five seconds at most; in them others start. Where the machine was too slow for that it is tried with another account."""
    for name in ("gina", "hugo", "ines"):
        person = platform.add_person(platform.admin, name)
        person.name = name
        before = len(platform.log.read_text())
        platform.slow.touch()
        assert person.post("/hub/spawn", {}, "/hub/home").status == 303
        wait_for(platform.begun.exists)
        assert platform.ada.post("/hub/spawn", {}, "/hub/home").status == 303
        wait_for(lambda: "no owner rules" in platform.log.read_text()[before:])
        platform.slow.unlink()
        platform.begun.unlink()
        for one in (platform.ada, person):
            wait_for(lambda: server(one).get("ready"), 120)
        said = platform.log.read_text()[before:]
        for one in (platform.ada, person):
            stop(one)
        begun = re.search(r"server started server=ada\.\d+", said).start()
        assert said.index("no owner rules") < re.search(rf"server started server={name}\.\d+", said).start()
        if begun < said.index("no owner rules"):
            break
        wait_for(lambda: "owner rules are in force" in platform.log.read_text()[before:], 60)
    else:
        raise AssertionError("ada's start waited for the packet filter each time")

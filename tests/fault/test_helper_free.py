"""The helper has one thread. While a home is being deleted, or the machine's account files are locked by somebody, it goes on: servers
start and stop, HAProxy is started again, and the end of the platform is not kept waiting."""
import fcntl
import os
import signal
import time

import pytest
from hub_client import OwnEtc, has_ended, running, wait_for
from test_removal import fill, gone, held, make
from test_session import server, start, stop


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True, kind=OwnEtc) as p:
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
    assert time.monotonic() - begin < 60
    # The end does not wait for it either; afterwards the removal goes on.
    begin = time.monotonic()
    platform.process.terminate()
    platform.process.wait(60)
    assert time.monotonic() - begin < 20
    wait_for(lambda: has_ended(rm), 10)  # it was killed with the helper, and may be at its last steps
    platform.start()
    gone(platform, bob)


def test_while_the_account_files_are_locked(platform):
    """useradd waits up to 15 seconds for this lock."""
    dora, emil = (platform.add_person(platform.admin, name) for name in ("dora", "emil"))
    dora.name, emil.name = "dora", "emil"
    platform.wait_prepared()        # the lock is held for one start, which should be short
    with open(platform.etc / ".pwd.lock", "ab") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        begin = time.monotonic()
        for person in (dora, emil):
            assert person.post("/hub/spawn", {}, "/hub/home").status == 303
        start(platform.ada)  # whose account is there
        assert server(dora).get("pending") == server(emil).get("pending") == "spawn"
        # Who changes the mind is not kept waiting.
        assert emil.post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: not server(emil), 3)
        assert time.monotonic() - begin < 12, "the lock was held too long for this test to mean anything"
    wait_for(lambda: server(dora).get("ready"), 60)
    start(emil)
    stop(emil)
    stop(dora)
    stop(platform.ada)


def test_removal_while_the_account_files_are_locked(platform):
    fred = make(platform, "fred")
    fill(fred)
    with open(platform.etc / ".pwd.lock", "ab") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert platform.admin.post("/hub/admin/act", {"user": "fred", "action": "remove", "confirm": "fred"}, "/hub/admin").status == 303
        wait_for(lambda: not (platform.folder / "state/home/fred").exists(), 5)
        start(platform.ada)
        stop(platform.ada)
    gone(platform, fred)

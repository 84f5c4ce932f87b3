"""Kills, restarts, upgrades, backup and restore: what users have running goes on, and nothing is lost."""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import websocket
from browser import Browser, Refused
from conftest import SOURCE, Person
from test_journey import invite


@pytest.fixture
def working(platform, admin):
    """A person with a variable in a kernel."""
    person = Person(platform)
    person.join(invite(admin), "w" + os.urandom(4).hex())
    server, _ = person.start_server()
    with server.start_kernel("") as kernel:
        kernel.run("kept = 6 * 7")
        yield person, server, kernel
    person.stop_server()


def value(kernel):
    """The variable, over the channel as it is."""
    outputs, _ = kernel.run("print(kept)")
    return outputs[0]["text"].strip()


def while_open(kernel, work):
    """Does the work while somebody reads the kernel's channel, as a page does (pings are answered); it must stay open throughout."""
    worker = Worker(work)
    worker.start()
    kernel.channel.settimeout(0.2)
    while worker.is_alive():
        try:
            assert kernel.channel.recv(), "the channel was closed"
        except websocket.WebSocketTimeoutException:
            pass
    if worker.error:
        raise worker.error
    return worker.answer


class Worker(threading.Thread):
    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.answer, self.error = work, None, None

    def run(self):
        try:
            self.answer = self.work()
        except BaseException as e:
            self.error = e


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.1)


def still_served(person, server):
    """A new request through hub and proxy reaches the same server with its kernel, after a moment of finding it again."""

    def found():
        try:
            return person.open_server().url == server.url and len(server.api("GET", "kernels")) == 1
        except (AssertionError, OSError, Refused) as e:
            print("still_served:", repr(e)[:300])
            return False

    wait_for(found)
    return True


def test_kill_cratond(platform, working):
    person, server, kernel = working
    os.kill(platform.helper_pid(), signal.SIGKILL)
    assert value(kernel) == "42"  # the open websocket
    while_open(kernel, platform.up)
    assert value(kernel) == "42" and while_open(kernel, lambda: still_served(person, server))
    # The new hub has compared what it wants with what the proxy has, and cut nothing.
    while_open(kernel, lambda: time.sleep(2))
    assert value(kernel) == "42" and platform.ask("status")["proxy"]["repairs"] == 0


def test_kill_the_proxy(platform, working):
    person, server, kernel = working
    proxies = [pid for pid, words in platform.processes().items() if words.startswith("haproxy")]
    assert proxies
    for pid in proxies:
        os.kill(pid, signal.SIGKILL)
    assert still_served(person, server)
    kernel.channel.close()
    kernel.channel = kernel._connect(kernel.session["kernel"]["id"])
    assert value(kernel) == "42"


def test_stop_keep_servers(platform, working):
    person, server, kernel = working
    while_open(kernel, lambda: platform.up("--stop", "--keep-servers"))
    assert platform.up("--status", check=False).returncode == 3
    assert value(kernel) == "42"
    while_open(kernel, platform.up)
    assert value(kernel) == "42" and still_served(person, server)


def test_stop_when_the_hub_is_gone(platform, admin):
    """What a killed cratond leaves is named by --status and ended by --stop."""
    person = Person(platform)
    person.join(invite(admin), "w" + os.urandom(4).hex())
    kernel = person.start_server()[0].start_kernel("")
    kernel.run("kept = 6 * 7")
    os.kill(platform.helper_pid(), signal.SIGKILL)
    wait_for(lambda: platform.up("--status", check=False).returncode == 3)
    assert "processes of it go on" in platform.up("--status", check=False).stdout
    assert value(kernel) == "42"
    assert "have ended" in platform.up("--stop").stdout
    wait_for(lambda: not platform.processes())
    assert "is not running" in platform.up("--stop").stdout
    platform.up()
    person.start_server()
    person.stop_server()


def test_backup_and_restore(platform, admin, tmp_path):
    file = tmp_path / "backup.tar"
    platform.up("--backup", file)
    assert file.stat().st_mode & 0o077 == 0
    later = Person(platform)
    later.join(invite(admin), "later")
    assert platform.ask("status")["users"] >= 2
    platform.up("--restore", file)
    for person in (admin, later):
        person.browser = Browser()
    assert "/hub/home" in admin.sign_in().url
    with pytest.raises(Refused):
        later.sign_in()


def test_interrupted_demo_leaves_no_account(platform):
    process = subprocess.Popen(
        [SOURCE / "up", "--state", platform.state, "--run", platform.run, "--prefix", platform.copy, "--demo"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background job has it ignored
    for line in process.stdout:
        if "running welcome" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode != 0
    wait_for(lambda: not any("demo" in s["user"] for s in platform.ask("status")["servers"]))
    wait_for(lambda: not [line for line in Path("/etc/passwd").read_text().splitlines()
                          if line.startswith(platform.accounts + "demo") and str(platform.state) in line])


@pytest.mark.timeout(900)  # it builds everything
def test_upgrade_leaves_servers_alone(platform, working, tmp_path):
    """A changed source: built, installed, the database backed up first; the running server keeps its environment.

    The last test of these: who called ./up again would build the source of before. Compiled without optimization, which takes a fraction of the time.
    """
    person, server, kernel = working
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=SOURCE, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        target = tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):     # what somebody has there for a moment may be gone
            shutil.copy(SOURCE / name, target)
    with (tmp_path / "clone/share/welcome/NEWS.md").open("w") as f:
        f.write("Something new.\n")
    before, generation = platform.helper_pid(), os.readlink(platform.copy / "env/current")
    answer = while_open(kernel, lambda: platform.up(source=tmp_path / "clone", before=["env", "CFLAGS=-O0"], seconds=900))
    assert "database backed up" in answer.stdout
    assert list((platform.state / "hub").glob("before-upgrade-*.sqlite"))
    assert platform.helper_pid() != before and os.readlink(platform.copy / "env/current") != generation
    assert value(kernel) == "42" and still_served(person, server)
    outputs, _ = kernel.run("import nc_time_axis; print('a module not loaded before')")
    assert "a module" in outputs[0]["text"]

"""A platform of its own for these tests: software by hard links from CRATON_PREFIX, state and sockets apart, unusual ports.

Needs root (own user ids). At the end it is uninstalled with ./up, and nothing of it may be left.
"""
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "share/demo"), str(SOURCE / "tests/wire")]
from browser import Browser, Refused, forms  # noqa: E402
from hub_client import PORTS, free_ports, unused_prefix  # noqa: E402
from kernel import Server  # noqa: E402

UIDS = 100


class Platform:
    def __init__(self, prefix):
        self.prefix = Path(prefix)
        tag = secrets.token_hex(3)
        self.state, self.run = Path(f"/var/tmp/craton-e2e-{tag}"), Path(f"/run/craton-e2e-{tag}")
        self.copy = self.prefix.parent / f"e2e-{tag}"
        self.port = free_ports()
        self.hub = f"http://127.0.0.1:{self.port}"
        # By the port, which nobody else has: above an installed Craton's and those of tests/wire, between those of tests/simulated.
        group, place = divmod(self.port - PORTS, 100)
        self.uid_first = 210000 + group * 20000 + place * UIDS
        self.accounts = unused_prefix()

    def up(self, *arguments, source=SOURCE, check=True, before=(), seconds=400):
        command = [*before, source / "up", "--state", self.state, "--run", self.run, "--prefix", self.copy, *arguments]
        answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds)
        if check:
            assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        return answer

    def start(self):
        subprocess.run(["cp", "-al", self.prefix, self.copy], check=True)
        self.state.mkdir(mode=0o711)
        (self.state / "config").write_text(f"uid-first = {self.uid_first}\naccount-prefix = {self.accounts}\n")
        return self.up("--no-demo", "--port", self.port)

    def ask(self, command):
        text = subprocess.run(
            [self.copy / "bin/cratond", "--state", self.state, "--run", self.run, "--prefix", self.copy, f"--{command}", "--json"],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        return json.loads(text)

    def cgroups(self):
        """Control groups of this platform, named after its RUN."""
        name = 2166136261
        for byte in str(self.run).encode():
            name = (name ^ byte) * 16777619 & 0xFFFFFFFF
        return [d for d, _, _ in os.walk("/sys/fs/cgroup") if f"/craton-{name:08x}" in d]   # passes over what goes away meanwhile

    def helper_pid(self):
        return int((self.run / "cratond.pid").read_text())

    def processes(self):
        """pid -> command line of everything that belongs to this platform."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    uid = entry.stat().st_uid
                except OSError:
                    continue
                if str(self.run) in words or str(self.copy) in words or self.uid_first <= uid < self.uid_first + UIDS:
                    found[int(entry.name)] = words
        return found


class Person:
    """Somebody with a browser."""

    def __init__(self, platform):
        self.platform, self.hub, self.browser = platform, platform.hub, Browser()
        self.name = self.password = None

    def join(self, link, name, password="correct horse battery"):
        self.name, self.password = name, password
        page = self.browser.get(link)
        return self.send(page, "join", username=name, password=password, password_again=password)

    def send(self, page, action, **values):
        form = next(f for f in forms(page.text) if action in f.action)
        try:
            return self.browser.submit(page, form, values)
        except Refused as refused:  # an administrator who signed in a while ago
            if refused.status != 403 or "Is it still you?" not in str(refused):
                raise
        again = self.browser.get(self.hub + "/hub/again")
        self.browser.submit(again, next(f for f in forms(again.text) if f.action.endswith("/hub/again")), {"again_password": self.password})
        return self.browser.submit(page, form, values)

    def home(self):
        return self.browser.get(self.hub + "/hub/home")

    def sign_in(self):
        return self.send(self.browser.get(self.hub + "/hub/login"), "login", username=self.name, password=self.password)

    def start_server(self):
        """Presses Start; returns (server, messages of the progress)."""
        page, messages = self.home(), []
        self.send(page, "spawn")
        for event in self.browser.events(f"{self.hub}/hub/api/users/{self.name}/server/progress"):
            messages.append(event.get("message"))
            assert not event.get("failed"), event
            if event.get("ready"):
                break
        return self.open_server(), messages

    def open_server(self):
        lab = self.browser.get(self.hub + "/hub/user-redirect/lab")
        assert f"/user/{self.name}/lab" in lab.url
        return Server(self.browser, lab.url[: lab.url.index("/lab") + 1])

    def stop_server(self, seconds=120):
        self.send(self.home(), "stop")
        end = time.monotonic() + seconds
        while not any("spawn" in f.action for f in forms(self.home().text)):
            assert time.monotonic() < end, "the server does not stop"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def platform():
    if os.geteuid() != 0:
        pytest.skip("needs root: every user gets an own user id")
    p = Platform(os.environ["CRATON_PREFIX"])
    try:
        p.start()
        yield p
        groups = p.cgroups()
        p.up("--uninstall", "--purge")
        left = {
            "processes": p.processes(),
            "accounts": [line for line in Path("/etc/passwd").read_text().splitlines() if str(p.state) in line],
            "cgroups": p.cgroups(),
            "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(p.state) in line or str(p.run) in line],
            "files": [str(d) for d in (p.state, p.run, p.copy) if d.exists()],
        }
        assert not any(left.values()), f"--uninstall --purge left {left}"
        assert groups, "there were no control groups to remove"
    finally:
        for pid in p.processes():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        for folder in (p.copy, p.state, p.run):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def admin(platform):
    """The first administrator, made with the link that ./up prints."""
    person = Person(platform)
    person.join(platform.up("--admin-link").stdout.strip(), "ada")
    return person


@pytest.fixture
def refused():
    return Refused

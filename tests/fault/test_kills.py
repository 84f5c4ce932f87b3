"""Kills with -9 at random instants, while people start, use and stop servers: of the hub, the proxy, the helper, the prepared parent
and user servers. What can go on goes on; kernels keep their variables; afterwards routes, database and processes agree, and no request
reaches another person's server.

CRATON_SEED chooses victims and instants; 32 kills in ./check, 220 with CRATON_LONG.
"""
import os
import pwd
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from hub_client import request, running, wait_for
from test_session import Lab, server, server_pid, start

SEED = int(os.environ.get("CRATON_SEED", "1"))
KILLS = 220 if os.environ.get("CRATON_LONG") else 32
REQUESTS = 8000 if os.environ.get("CRATON_LONG") else 1500
STEADY, RESTLESS = ("anna", "boris", "clara"), ("dora", "emil")


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True) as p:
        yield p


class Supervisor(threading.Thread):
    """What systemd does: starts cratond again when it has died."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self.platform, self.go_on, self.restarts = platform, True, 0

    def run(self):
        while self.go_on:
            if self.platform.process.poll() is not None:
                self.restarts += 1
                try:
                    self.platform.start()
                except RuntimeError:
                    pass  # killed again before it was ready; if it never becomes ready, the end of the test says so
            time.sleep(0.05)


class Restless(threading.Thread):
    """Somebody who starts and stops without end. Refusals are fine while something is being killed; wrong answers are not."""

    def __init__(self, person, rng):
        super().__init__(daemon=True)
        self.person, self.rng, self.go_on, self.rounds, self.wrong = person, rng, True, 0, []

    def run(self):
        while self.go_on:
            try:
                state = server(self.person)
                if state.get("ready"):
                    self.person.post("/hub/stop", {}, "/hub/home")
                    self.rounds += 1
                elif not state:
                    self.person.post("/hub/spawn", {}, "/hub/home")
            except (OSError, ValueError, KeyError, AttributeError, AssertionError):
                pass  # no answer, or half of one: the hub or the proxy has just been killed
            except Exception as e:  # noqa: BLE001
                self.wrong.append(repr(e))
            time.sleep(self.rng.uniform(0.1, 1.0))


def helper(platform, rng):
    platform.process.kill()


def hub(platform, rng):
    os.kill(platform.hub_pid(), signal.SIGKILL)


def proxy(platform, rng):
    os.kill(int((platform.run / "haproxy.pid").read_text().split()[0]), signal.SIGKILL)


def prepared_parent(platform, rng):
    pids = re.findall(rf"prepared parent is ready of={rng.choice(['servers', 'kernels'])} pid=(\d+)", platform.log.read_text())
    if b"prepared.py" not in Path(f"/proc/{pids[-1]}/cmdline").read_bytes():
        raise ValueError("the number belongs to another process now")
    os.kill(int(pids[-1]), signal.SIGKILL)


def restless_server(platform, rng):
    os.kill(server_pid(platform, rng.choice(RESTLESS)), signal.SIGKILL)


VICTIMS = [(hub, 4), (helper, 3), (proxy, 3), (prepared_parent, 2), (restless_server, 3)]


def kill_one(platform, rng):
    victim = rng.choices([v for v, _ in VICTIMS], [w for _, w in VICTIMS])[0]
    try:
        victim(platform, rng)
    except (OSError, AssertionError, ValueError, IndexError, KeyError):
        return None  # not there at this instant: another kill has just had it
    return victim.__name__


def kernel_answers(lab, deadline=40):
    """The variable is still there. Connections through a proxy that is being killed may break: tried again."""
    end = time.monotonic() + deadline
    while True:
        try:
            return lab.run(lab.kernel, "kept")
        except Exception:  # noqa: BLE001
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


def processes(platform):
    """Accounts with a user server."""
    found = set()
    for user in pwd.getpwall():
        if user.pw_name.startswith(platform.accounts):
            try:
                server_pid(platform, user.pw_name.removeprefix(platform.accounts))
                found.add(user.pw_name.removeprefix(platform.accounts))
            except AssertionError:
                pass
    return found


def routes(platform, names):
    return {name for name in names if request("GET", f"http://{name}.localhost:{platform.port + 1}/user/{name}/api").status == 200}


def agree(platform, admin, names):
    """Routes, hub and processes name the same people."""
    known = {n for n in names if admin.api("GET", f"/hub/api/users/{n}").json()["servers"].get("", {}).get("ready")}
    return known == routes(platform, names) == processes(platform) and known


def test_kills(platform):
    print(f"seed {SEED}, {KILLS} kills")
    rng = random.Random(SEED)
    admin = platform.administrator()
    labs, people = [], {}
    for name in STEADY + RESTLESS:
        people[name] = platform.add_person(admin, name)
        people[name].name = name
    for name in STEADY:
        start(people[name])
        lab = Lab(people[name])
        assert lab.open().status == 200
        lab.kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        lab.run(lab.kernel, f"kept = 'of {name}'")
        labs.append(lab)
    pids = {name: server_pid(platform, name) for name in STEADY}
    restless = [Restless(people[name], random.Random(f"{SEED} {name}")) for name in RESTLESS]
    supervisor = Supervisor(platform)
    for thread in (supervisor, *restless):
        thread.start()
    done = {}
    try:
        while sum(done.values()) < KILLS:
            time.sleep(rng.uniform(0.02, 1.2))
            name = kill_one(platform, rng)
            if name:
                done[name] = done.get(name, 0) + 1
            if name and sum(done.values()) % 8 == 0:
                for lab in labs:
                    assert kernel_answers(lab) == f"'of {lab.person.name}'", f"seed {SEED}: {done}"
    finally:
        for thread in restless:
            thread.go_on = False
        for thread in restless:
            thread.join(60)
        supervisor.go_on = False
        supervisor.join(60)
        print(done, f"restarts {supervisor.restarts}, rounds {[r.rounds for r in restless]}")
    assert {name: server_pid(platform, name) for name in STEADY} == pids, f"seed {SEED}: a server that nobody killed has gone"
    assert not [r.wrong for r in restless if r.wrong]
    platform.wait_ready(40)
    # What was being started or stopped when the last kill came is brought to an end.
    wait_for(lambda: all((server(people[n]) or {"ready": True}).get("ready") for n in people), 60)
    known = wait_for(lambda: agree(platform, admin, list(people)), 60, 0.5)
    assert set(STEADY) <= known
    wrong = misrouted(platform, sorted(known), rng)
    assert wrong == 0, f"seed {SEED}: {wrong} requests reached another server"
    for lab in labs:
        assert kernel_answers(lab) == f"'of {lab.person.name}'"


def misrouted(platform, names, rng):
    """Of random requests: a server answers 200 only below its own prefix."""
    wrong = 0
    for _ in range(REQUESTS):
        name = rng.choice(names)
        answer = request("GET", f"http://{name}.localhost:{platform.port + 1}/user/{name}/api")
        wrong += answer.status != 200 or "X-JupyterHub-Version" not in answer.headers
    return wrong

"""What is killed, who starts it again, and the people meanwhile: some come, sign in, start a server, open a kernel and compute with it until
the end; others start and stop without end."""
import collections
import contextlib
import http.client
import os
import pwd
import re
import signal
import socket
import sqlite3
import threading
import time
from pathlib import Path

import websocket
from hub_client import Person, request
from test_session import Lab, server, server_pid

PATIENCE_S = 600        # for one step of a person, however often something is killed meanwhile
NOBODY_ANSWERS = (OSError, ValueError, KeyError, AttributeError, http.client.HTTPException, websocket.WebSocketException)


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


# ---- people ----

class NotYet(OSError):
    """An answer that says to come again."""


class Wrong(Exception):
    """An answer that nobody may ever get, whatever is killed."""


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
            except (*NOBODY_ANSWERS, AssertionError):
                pass  # no answer, or half of one: the hub or the proxy has just been killed
            except Exception as e:  # noqa: BLE001
                self.wrong.append(repr(e))
            time.sleep(self.rng.uniform(0.1, 1.0))


class Guest(threading.Thread):
    """Somebody who comes and works. What breaks while something is being killed is tried again; a kernel that has answered once stays."""

    def __init__(self, platform, name, rng):
        super().__init__(daemon=True)
        self.platform, self.name_of, self.rng = platform, name, rng
        self.person = Person(platform)
        self.person.name = name
        self.lab, self.phase, self.wrong = Lab(self.person), "away", None
        self.kernel = self.kernel_pid = self.server_pid = None
        self.cells, self.over = 0, threading.Event()

    def run(self):
        try:
            for phase in ("signs in", "starts", "opens", "gets a kernel"):
                self.phase = phase
                self.patiently({"signs in": self.sign_in, "starts": self.start_server, "opens": self.open, "gets a kernel": self.get_kernel}[phase])
            self.phase = "computes"
            while not self.over.is_set():
                self.patiently(self.compute)
                self.over.wait(self.rng.uniform(0.5, 3))
            self.patiently(self.compute)    # when all kills are over
            self.phase = "done"
        except Exception as e:  # noqa: BLE001
            self.wrong = f"{self.name_of} {self.phase}: {e!r}"

    def patiently(self, step):
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return step()
            except NOBODY_ANSWERS:
                if time.monotonic() > end:
                    raise
                time.sleep(self.rng.uniform(0.1, 0.6))

    def sign_in(self):
        answer = self.person.sign_in(self.name_of)
        if answer.status != 303:
            raise NotYet(f"{answer.status} {answer.text[:300]}")

    def start_server(self):
        """Pressed again when a start was broken off."""
        state = server(self.person)
        if not state:
            self.person.post("/hub/spawn", {}, "/hub/home")
        if not state.get("ready"):
            raise NotYet(f"{state}")

    def open(self):
        page = self.lab.open()
        if page.status != 200 or "jupyter-config-data" not in page.text:
            raise NotYet(f"{page.status} {page.url}")
        whose = re.search(r'"hubServerUser": "([^"]*)"', page.text)
        if not whose or whose[1] != self.name_of:
            raise Wrong(f"the page of {whose and whose[1]}")

    def get_kernel(self):
        """The one that is there, when the answer to an earlier wish was lost."""
        listed = self.lab.api("GET", "kernels").json()
        self.kernel = listed[0]["id"] if listed else self.lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        said = self.cell("import os, numpy; kept = globals().get('kept', {}); (os.environ['JUPYTERHUB_USER'], os.getpid())")
        name, pid = re.fullmatch(r"\('([^']*)', (\d+)\)", said).groups()
        if name != self.name_of:
            raise Wrong(f"a kernel of {name}")
        self.server_pid = server_pid(self.platform, self.name_of)
        self.kernel_pid = int(pid)

    def compute(self):
        """A cell whose answer was lost may have been run: run again, it changes nothing."""
        n = self.cells + 1
        said = self.cell(f"kept[{n}] = int(numpy.arange({n} + 1).sum()); (len(kept), sum(kept.values()), os.getpid())")
        if said != f"({n}, {sum(i * (i + 1) // 2 for i in range(n + 1))}, {self.kernel_pid})":
            raise Wrong(f"after {n} cells: {said}")
        self.cells = n

    def cell(self, code):
        try:
            said = self.lab.run(self.kernel, code)
        except AssertionError as e:
            raise Wrong(f"the cell failed: {e}") from e
        if said is None:
            raise NotYet("no result")
        return said


# ---- victims ----

def helper(world, rng):
    world.platform.process.kill()


def hub(world, rng):
    os.kill(world.platform.hub_pid(), signal.SIGKILL)


def proxy(world, rng):
    os.kill(int((world.platform.run / "haproxy.pid").read_text().split()[0]), signal.SIGKILL)


def parent_pid(platform, kind):
    """Of the prepared parent that was made last; ValueError when it is not there (any more)."""
    pids = re.findall(rf"prepared parent is ready of={kind} pid=(\d+)", platform.log.read_text())
    if not pids or b"prepared.py" not in Path(f"/proc/{pids[-1]}/cmdline").read_bytes():
        raise ValueError("the number belongs to another process now")
    return int(pids[-1])


def prepared_parent(world, rng):
    os.kill(parent_pid(world.platform, rng.choice(["servers", "kernels"])), signal.SIGKILL)


def restless_server(world, rng):
    os.kill(server_pid(world.platform, rng.choice(world.restless).person.name), signal.SIGKILL)


VICTIMS = {hub: 4, helper: 3, proxy: 3, prepared_parent: 2, restless_server: 3}


def kill_one(world, rng):
    victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
    try:
        victim(world, rng)
    except (OSError, AssertionError, ValueError, IndexError, KeyError):
        return None  # not there at this instant: another kill has just had it
    return victim.__name__


def calm(platform):
    """Everything is there again, also what starts are forked from."""
    try:
        return platform.hub_pid() and parent_pid(platform, "servers") and parent_pid(platform, "kernels")
    except (OSError, ValueError):
        return False


# ---- afterwards ----

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


def database(platform):
    """Name and generation of what should run."""
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True) as db:
        return set(db.execute("SELECT u.name || '.' || s.generation FROM servers s JOIN users u ON u.id = s.user_id WHERE s.running = 1"))


def forked(platform):
    """How many of the servers that run were forked from the prepared parent."""
    count = 0
    for record in (platform.folder / "state/runner/servers").iterdir():
        with contextlib.suppress(FileNotFoundError):       # of one that has just ended
            count += "\npreimported 1\n" in record.read_text()
    return count


def ask_proxy(platform, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(platform.run / "proxy.sock"))
        s.sendall(command.encode() + b"\n")
        with s.makefile("rb") as answer:
            return answer.read().decode()


def mapped(platform):
    """What HAProxy's map of routes says, as (name and generation): the key names the person, the value the account, which is the same here."""
    lines = [line.split() for line in ask_proxy(platform, f"show map {platform.run / 'routes.map'}").splitlines() if line.strip()]
    for _, key, value in lines:
        if key != f"/user/{value.rpartition('.')[0]}/":
            raise Wrong(f"{key} leads to {value}")
    return {(value,) for _, _, value in lines}


def answering(platform, names):
    return {name for name in names if request("GET", f"http://{name}.localhost:{platform.port + 1}/user/{name}/api").status == 200}


def agree(platform, admin, names):
    """Routes, hub, database and processes name the same people; HAProxy and the database the same generations."""
    known = {n for n in names if admin.api("GET", f"/hub/api/users/{n}").json()["servers"].get("", {}).get("ready")}
    rows = database(platform)
    return (rows == mapped(platform) and known == {row[0].rpartition(".")[0] for row in rows}
            and known == answering(platform, names) == processes(platform) and known)


def misrouted(platform, names, rng, requests):
    """Of random requests: a server answers 200 below its own prefix at its own address, and nobody else's path is answered there.
    (name of the address, name in the path, status): how often it was not so."""
    wrong = collections.Counter()
    for _ in range(requests):
        at, path = rng.choice(names), rng.choice(names)
        if rng.random() < 0.75:
            path = at
        answer = request("GET", f"http://{at}.localhost:{platform.port + 1}/user/{path}/api")
        if at == path:
            right = answer.status == 200 and "X-JupyterHub-Version" in answer.headers
        else:
            right = answer.status != 200 and "X-JupyterHub-Version" not in answer.headers
        if not right:
            wrong[at, path, answer.status] += 1
    return dict(wrong)

"""The memory limit of a server: what was ended, that the rest goes on, and that the person is told with the limit in force; and what is kept beside
the limit: memory that outlives the server, its log, its folders in RUN."""
import os
import pwd
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import websocket
from hub_client import Platform, control_groups, request, running, wait_for
from simulated import Simulated, simulated
from test_named_servers import start as start_named
from test_session import Lab, server, server_pid, start, stop

EAT = "b = bytearray()\nwhile True:\n    b += b'x' * (32 << 20)"


@pytest.fixture(scope="module")
def lab():
    """A server with a limit of 512 MiB."""
    with running("--memory", "512M", "--named-servers", "1") as p:
        person = p.add_person(p.administrator(), "mira")
        person.name = "mira"
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        yield lab


def new_kernel(lab):
    return lab.api("POST", "kernels", {"name": "python3"}).json()["id"]


def eat(lab, kernel):
    """Runs EAT; the kernel does not live to answer."""
    try:
        lab.run(kernel, EAT)
    except (websocket.WebSocketException, OSError, AssertionError):
        pass


def told(person):
    page = person.get("/hub/home").text
    return page if "memory limit of" in page else None


def test_a_kernel_over_the_limit(lab):
    """The kernel goes; the server, another kernel and its variables stay; the home page names the limit."""
    other, hungry = new_kernel(lab), new_kernel(lab)
    lab.run(other, "kept = 'here'")
    pid = server_pid(lab.platform, "mira")
    assert "memory limit of" not in lab.person.get("/hub/home").text
    threading.Thread(target=eat, args=(lab, hungry), daemon=True).start()
    page = wait_for(lambda: told(lab.person), 60, 0.5)
    assert "512 MiB was reached" in page and "Its variables are gone" in page
    assert server_pid(lab.platform, "mira") == pid
    assert lab.run(other, "kept") == "'here'"


def test_a_kernel_of_a_further_server(lab):
    """It is said beside that server, and not of the ordinary one."""
    person = lab.person
    stop(person)
    start(person)
    side = start_named(person, "side")
    assert side.open().status == 200 and "memory limit of" not in person.get("/hub/home").text
    threading.Thread(target=eat, args=(side, new_kernel(side)), daemon=True).start()
    page = wait_for(lambda: told(person), 60, 0.5)
    ordinary, _, further = page.partition("<h2 id=\"named-title\">")
    assert "512 MiB was reached" in further and "memory limit of" not in ordinary
    assert person.api("DELETE", "/hub/api/users/mira/servers/side", {"remove": True}).status in (202, 204)


def test_a_server_over_the_limit(lab):
    """The server's own process is what needs the memory."""
    person, platform = lab.person, lab.platform
    stop(person)
    start(person)
    assert "memory limit of" not in person.get("/hub/home").text  # that was an earlier server's
    stop(person)
    folder = Path(pwd.getpwnam(platform.accounts + "mira").pw_dir) / ".jupyter"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_server_config.py").write_text(
        "import threading, time\ndef eat():\n    time.sleep(4)\n    b = bytearray()\n    while True:\n        b += b'x' * (32 << 20)\n"
        "threading.Thread(target=eat, daemon=True).start()\n")
    owner = folder.parent.stat()
    for path in (folder, folder / "jupyter_server_config.py"):
        os.chown(path, owner.st_uid, owner.st_gid)
    person.post("/hub/spawn", {}, "/hub/home")
    wait_for(lambda: not server(person), 90, 0.3)
    page = person.get("/hub/home").text
    assert "It ran out of memory: the limit is 512 MiB" in page, page
    assert request("GET", f"http://mira.localhost:{platform.port + 1}/user/mira/api").status == 424
    shutil.rmtree(folder)
    start(person)


ALL_BYTES = 640 << 20


class Narrow(Platform):
    """Everything of it, the servers too, has ALL_BYTES of memory: a machine that has given away more than it has."""

    def __init__(self):
        super().__init__()
        root = Path("/sys/fs/cgroup")
        self.v1 = not (root / "cgroup.controllers").exists()
        base = root / "memory" if self.v1 else root
        self.all = base / self.folder.name
        self.own = self.all / "own"          # below: a group of version 2 that has processes has no groups with limits
        self.own.mkdir(parents=True)
        (self.all / ("memory.limit_in_bytes" if self.v1 else "memory.max")).write_text(str(ALL_BYTES))
        if not self.v1:
            (base / "cgroup.subtree_control").write_text("+memory +pids")

    def cratond(self, *more):
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(self.own), *super().cratond(*more)]

    def stop(self):
        super().stop()
        for group in sorted(control_groups(self.all.name), key=lambda path: len(path.parts), reverse=True):
            wait_for(lambda g=group: not (g / "cgroup.procs").exists() or not (g / "cgroup.procs").read_text(), 20)
            group.rmdir()


def test_the_memory_of_all_is_used_up():
    """Nobody is told of a limit that was not reached, and the operator is told what it was. The rest goes on."""
    with running(prepared=False, kind=Narrow) as p:
        person = p.add_person(p.administrator(), "mira")
        person.name = "mira"
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        hub, pid = p.hub_pid(), server_pid(p, "mira")
        threading.Thread(target=eat, args=(lab, new_kernel(lab)), daemon=True).start()
        page = wait_for(lambda: (text := person.get("/hub/home").text) and "the memory of the machine was used up" in text and text, 60, 0.5)
        assert "memory limit of" not in page
        assert "or of all servers together, was used up" in p.log.read_text()
        assert p.hub_pid() == hub and server_pid(p, "mira") == pid
        stop(person)


LEAVE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
segment = libc.shmget(0, 1 << 20, 0o1000)            # IPC_CREAT: a segment that not even its owner may read
queue, semaphore = libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600)
os.makedirs("/dev/shm/left-{name}/deep", exist_ok=True)
for path in ("/dev/shm/left-{name}/deep/file", "/dev/shm/left-{name}-file", "/tmp/left-{name}-file"):
    open(path, "w").write("x")
min(segment, queue, semaphore) >= 0"""
GROW = """
import ctypes, os
def grow(size):
    log = next(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.realpath("/proc/self/fd/" + fd).endswith("/mira.log"))
    return ctypes.CDLL(None, use_errno=True).fallocate(log, 1, ctypes.c_long(0), ctypes.c_long(size)) or os.fstat(log).st_blocks * 512 >= size
grow(1 << 26)"""


def left_of(uid):
    here = [path for path in Path("/dev/shm").iterdir() if path.lstat().st_uid == uid]
    for kind in ("shm", "sem", "msg"):
        head, *rows = [line.split() for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()]
        here += [row for row in rows if row[head.index("uid")] == str(uid)]
    return here


def test_what_is_left_in_memory_goes_with_the_last_server(lab):
    """It counts for nobody when the server has ended. Somebody else's stays, and with the account goes what lies in /tmp."""
    platform, admin = lab.platform, lab.platform.administrator("root2")
    others = platform.add_person(admin, "nils")
    others.name = "nils"
    start(others)
    for who in (lab, Lab(others)):
        assert who.open().status == 200
        assert who.run(new_kernel(who), LEAVE.format(name=who.person.name)) == "True"
    mine, theirs = (pwd.getpwnam(platform.accounts + name).pw_uid for name in ("mira", "nils"))
    assert len(left_of(mine)) >= 5 and len(left_of(theirs)) >= 5
    made = int(time.time())
    wait_for(lambda: int(time.time()) > made)      # what was made in the second of the end stays until the next one
    stop(lab.person)
    wait_for(lambda: not left_of(mine), 30)
    assert len(left_of(theirs)) >= 5
    assert admin.api("DELETE", "/hub/api/users/nils").status == 204
    wait_for(lambda: not left_of(theirs) and not Path("/tmp/left-nils-file").exists(), 60)
    assert Path("/tmp/left-mira-file").exists()
    Path("/tmp/left-mira-file").unlink()
    start(lab.person)


def test_a_log_is_bounded_also_by_what_does_not_make_it_longer(lab):
    """Programs of a server have its log open, and may allocate space behind its end (FALLOC_FL_KEEP_SIZE); at the end of the server nobody looks again."""
    log = lab.platform.folder / "state/log/mira.log"
    taken = lambda: log.stat().st_blocks * 512  # noqa: E731
    assert lab.open().status == 200
    assert lab.run(new_kernel(lab), GROW) == "True"
    wait_for(lambda: taken() < 9 << 20, 30)
    try:
        lab.run(new_kernel(lab), GROW + "\nos.kill(-1, 9)")      # all of the account
    except (websocket.WebSocketException, OSError):
        pass
    wait_for(lambda: not server(lab.person), 60)
    assert taken() < 9 << 20 and "begins again here" in log.read_text()
    start(lab.person)


class SmallRun(Simulated):
    """Its sockets lie on a file system of 32 MiB, as those of a small machine do in /run."""

    def __init__(self, period_s=300):
        super().__init__(period_s)
        self.run.mkdir(mode=0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0755", "tmpfs", self.run], check=True)

    def stop(self):
        try:
            super().stop()
        finally:
            subprocess.run(["umount", "-l", self.run], check=False)


def test_who_fills_the_folder_of_sockets_stops():
    """Each account may write there: its own servers end, and everybody else goes on."""
    with simulated(3, 3, kind=SmallRun) as platform:
        greedy, other, late = platform.names
        platform.start_servers([greedy, other])
        uid = platform.first
        script = "cd $0 && mkdir -p deep/er && chmod 0 deep && (yes > deep-file; yes > last) 2>/dev/null; true"
        subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c", script, platform.run / f"r/{uid}"], check=True)
        wait_for(lambda: platform.processes() == {other}, 60)
        wait_for(lambda: shutil.disk_usage(platform.run).free > 24 << 20, 60)
        assert "filled the folder" in (platform.folder / f"state/log/{greedy}.log").read_text() and f"account={greedy}" in platform.log.read_text()
        platform.start_servers([greedy, other, late])
        assert platform.processes() == set(platform.names)

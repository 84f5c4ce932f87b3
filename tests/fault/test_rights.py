"""Who holds a socket that a network can reach, and with which rights: read from /proc, for every process of a running platform."""
import ast
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hub_client import PREFIX, running
from test_session import Lab, start


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True) as p:
        yield p


def descendants(pid):
    """pid and all processes below it, also those that have re-parented to it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents.setdefault(int((folder / "stat").read_text().rpartition(")")[2].split()[1]), []).append(int(folder.name))
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def network_inodes():
    """Inodes of sockets that speak IP."""
    inodes = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        path = Path(f"/proc/net/{table}")
        if path.exists():
            inodes |= {line.split()[9] for line in path.read_text().splitlines()[1:]}
    return inodes - {"0"}


def sockets_of(pid):
    found = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found


def status_of(pid):
    """Nothing: it has ended."""
    try:
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    except OSError:
        return {}


def is_server_of(pid, owner):
    try:
        return status_of(pid).get("Uid", "none").split()[0] == str(owner) and b"singleuser" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


def test_processes_with_network_sockets(platform, admin):
    person = platform.add_person(admin, "grace")
    person.name = "grace"
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    lab.kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    assert lab.run(lab.kernel, "6 * 7") == "42"
    ip, helper, hub = network_inodes(), platform.process.pid, platform.hub_pid()
    haproxy = platform.haproxy_pid()
    family = descendants(helper) + [haproxy]
    holders = {pid for pid in family if sockets_of(pid) & ip}
    assert haproxy in holders  # the search finds what is there
    assert helper not in holders and hub not in holders
    for pid in holders:
        status = status_of(pid)
        if not status:
            continue
        name = status["Name"].strip()
        assert "0" not in status["Uid"].split(), f"{name} is root"
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0 and int(status["CapAmb"], 16) == 0, name
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", name
    # The hub has no network socket and could not open one; it has no right either.
    status = status_of(hub)
    assert status["Uid"].split() == [str(pwd.getpwnam("craton").pw_uid)] * 4 and int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    # User servers listen on no port at all.
    owner = pwd.getpwnam(platform.accounts + "grace").pw_uid
    listening = {line.split()[9] for table in ("tcp", "tcp6") if Path(f"/proc/net/{table}").exists()
                 for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:] if line.split()[3] == "0A"}
    for pid in family:
        if is_server_of(pid, owner):
            assert not sockets_of(pid) & listening


def test_what_users_run_is_not_theirs_to_change():
    """Everything below the prefix that their processes execute or load belongs to root, and nobody else may write to it."""
    roots, found = [PREFIX / "bin", PREFIX / "lib", PREFIX / "share", (PREFIX / "env/current").resolve()], []
    for root in roots:
        for folder, folders, files in os.walk(root):
            for name in [".", *folders, *files]:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if status.st_uid != 0 or status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode):
                    found.append(path)
    assert all(root.is_dir() for root in roots) and not found, found[:20]


CODE = """
import os, socket
def attempts(path):
    s = socket.socket(socket.AF_UNIX)
    found = []
    for what, act in (("CONNECTED", lambda: s.connect(path)), ("LISTED", lambda: os.listdir(path)), ("READ", lambda: open(path, "rb").read(1)),
                      ("REPLACED", lambda: os.symlink("/etc/passwd", path + "-x")), ("REMOVED", lambda: os.unlink(path)),
                      ("LINKED", lambda: os.link(path, os.path.expanduser("~/x")))):
        try:
            act()
            found.append(what)
        except OSError as e:
            pass
    return found
attempts"""


def test_what_another_account_cannot_touch(platform, admin):
    """From inside a user's server: the platform's sockets and files, and all of another person who has a server with a kernel."""
    labs = []
    for name in ("victim", "curious"):
        person = platform.add_person(admin, name)
        person.name = name
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        lab.kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        labs.append(lab)
    victim, curious = labs
    assert victim.run(victim.kernel, "open('secret', 'w').write('x')") == "1"
    victim_uid = pwd.getpwnam(platform.accounts + "victim").pw_uid
    home = Path(pwd.getpwnam(platform.accounts + "victim").pw_dir)
    own = {p for folder in ("u", "r") for p in (platform.run / folder).rglob("*") if p.lstat().st_uid == victim_uid}
    sockets = {p for p in own if p.is_socket()}
    # The server's socket and those of the kernel are really there, so the list is not an empty one.
    assert any(p.is_relative_to(platform.run / "u") for p in sockets) and any(p.is_relative_to(platform.run / "r") for p in sockets), own
    paths = own | {home, home / "secret", platform.run / "control.sock", platform.run / "proxy.sock", platform.run / "route",
                   platform.run / "route/api", *(platform.run / "route").iterdir(), platform.folder / "state/hub",
                   platform.folder / "state/hub/hub.sqlite", platform.folder / "state/runner", platform.folder / "state/log"}
    for path in paths:
        assert os.path.lexists(path), path
        curious.run(curious.kernel, CODE)
        assert curious.run(curious.kernel, f"attempts({str(path)!r})") == "[]", path
    # The same attempts at what is one's own succeed.
    assert curious.run(curious.kernel, "open('mine', 'w').write('x'); attempts('mine')") != "[]"
    # Nor is anything of the other person's processes to be seen beyond what ps shows.
    pid = next(p for p in descendants(platform.process.pid) if is_server_of(p, victim_uid))
    for name in ("environ", "mem", "maps", "fd"):
        assert curious.run(curious.kernel, f"attempts('/proc/{pid}/{name}')") == "[]", name
    assert curious.run(curious.kernel, f"""
try:
    import os; os.kill({pid}, 15); answer = "KILLED"
except PermissionError:
    answer = "refused"
answer""") == "'refused'"


ATTRIBUTES = """
import ctypes, fcntl, os, struct
def change():
    said = []
    with open("attributes", "w") as f:
        flags = fcntl.ioctl(f, 0x80086601, bytes(8))                 # FS_IOC_GETFLAGS
        extended = fcntl.ioctl(f, 0x801C581F, bytes(28))             # FS_IOC_FSGETXATTR
        for request, value in ((0x40086602, flags), (0x401C5820, extended)):
            try:
                fcntl.ioctl(f, request, value)
                said.append(0)
            except OSError as e:
                said.append(e.errno)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(469, -100, b"attributes", bytes(24), 24, 0)         # file_setattr
    return said + [ctypes.get_errno()]
change()
"""


def test_attributes_of_files_stay(platform, admin):
    """With them people could leave the project by which a file system counts their home; the same calls succeed outside of a server."""
    person = platform.add_person(admin, "attila")
    person.name = "attila"
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    assert ast.literal_eval(lab.run(kernel, ATTRIBUTES)) == [1, 1, 1]
    owner = pwd.getpwnam(platform.accounts + "attila")
    code = f"import os\nos.setgid({owner.pw_gid})\nos.setuid({owner.pw_uid})\nos.chdir({owner.pw_dir!r})\n" + ATTRIBUTES.replace("\nchange()", "\nprint(change())")
    outside = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert ast.literal_eval(outside)[:2] == [0, 0]


LISTEN = """
import socket, threading
def serve(family, host):
    s = socket.create_server((host, 0), family=family)
    def answer():
        while True:
            s.accept()[0].sendall(b"hello")
    threading.Thread(target=answer, daemon=True).start()
    return s.getsockname()[1]
[serve(socket.AF_INET, "127.0.0.1"), serve(socket.AF_INET6, "::1")]"""
VISIT = """
import socket
def visit(host, port):
    try:
        with socket.create_connection((host, port), {seconds}) as s:
            return s.recv(10).decode()
    except TimeoutError:
        return "no answer"
[visit(*where) for where in {places!r}]"""
COME_FROM = """
import socket
def reached(address, port):
    try:
        socket.create_connection(("127.0.0.1", port), 2, (address, 0)).close()
        return True
    except TimeoutError:
        return False
[reached(address, port) for address in ("127.0.0.1", "127.0.0.9", "127.9.9.9") for port in {ports!r}]"""


def test_owner_rules(platform, admin):
    """What a person's program serves on the loopback answers that person and the machine's own programs, and no other person; also after a
    restart of the helper, which must not forget whom it knows."""
    if "owner rules are in force" not in platform.log.read_text():
        pytest.skip("needs nft: the packet filter")
    labs = []
    for name in ("serving", "prying"):
        person = platform.add_person(admin, name)
        person.name = name
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        lab.kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        labs.append(lab)
    serving, prying = labs
    other = serving.api("POST", "kernels", {"name": "python3"}).json()["id"]
    ports = ast.literal_eval(serving.run(serving.kernel, LISTEN))
    places = list(zip(("127.0.0.1", "::1"), ports))
    # The limits of HAProxy are per address: an account has one of the loopback.
    public = [platform.port, platform.port + 1, platform.port + 2]
    assert ast.literal_eval(serving.run(serving.kernel, COME_FROM.format(ports=public))) == [True] * 3 + [False] * 6
    assert ast.literal_eval(serving.run(serving.kernel, COME_FROM.format(ports=ports[:1]))) == [True] * 3
    for port in public:
        socket.create_connection(("127.0.0.1", port), 60, ("127.0.0.9", 0)).close()
    for _ in range(2):
        assert ast.literal_eval(serving.run(other, VISIT.format(places=places, seconds=60))) == ["hello", "hello"]
        assert ast.literal_eval(prying.run(prying.kernel, VISIT.format(places=places, seconds=2))) == ["no answer", "no answer"]
        for place in places:
            with socket.create_connection(place, 60) as s:
                assert s.recv(10) == b"hello"
        platform.process.kill()
        platform.process.wait()
        platform.start()


def test_owner_rules_of_a_neighbour(platform, admin):
    """Another platform on this machine may give out the same range of uids. Its table, which does not know our accounts, must not part them
    from themselves."""
    if "owner rules are in force" not in platform.log.read_text():
        pytest.skip("needs nft: the packet filter")
    person = platform.add_person(admin, "neighboured")
    person.name = "neighboured"
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    serving, visiting = (lab.api("POST", "kernels", {"name": "python3"}).json()["id"] for _ in range(2))
    places = list(zip(("127.0.0.1", "::1"), ast.literal_eval(lab.run(serving, LISTEN))))
    table = re.findall(r"owner rules are in force.*table=(\S+)", platform.log.read_text())[-1]
    rules = subprocess.run(["nft", "list", "table", "inet", table], capture_output=True, text=True, check=True).stdout
    assert "elements" in rules
    strange = re.sub(r"elements = \{[^}]*\}", "", rules).replace(f"table inet {table}", "table inet craton-neighbour")
    subprocess.run(["nft", "-f", "-"], input=strange, text=True, check=True)
    try:
        assert ast.literal_eval(lab.run(visiting, VISIT.format(places=places, seconds=60))) == ["hello", "hello"]
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "craton-neighbour"], check=True)


def test_helper_and_hub_hold_only_unix_sockets(platform):
    for pid in (platform.process.pid, platform.hub_pid()):
        inodes = sockets_of(pid)
        assert inodes and not inodes & network_inodes()

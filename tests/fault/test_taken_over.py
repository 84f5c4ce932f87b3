"""A hub that was taken over: what it can send to a running privileged helper. The helper goes on, and gets a hub that it can talk to."""
import ctypes
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from hub_client import control_groups, running, wait_for
from test_session import server_pid, start, stop

HEADER = (Path(__file__).resolve().parents[2] / "src/platform/runner/protocol.h").read_text()
MAGIC = int(re.search(r"CR_MSG_MAGIC = (0x[0-9A-Fa-f]+)", HEADER)[1], 16)
KINDS = re.findall(r"^    X\(([A-Z_]+),", HEADER, re.MULTILINE)
CONFIG, START, STOP, LIST, REMOVE = map(KINDS.index, ("CONFIG", "START", "STOP", "LIST", "REMOVE_ACCOUNT"))


class Start(ctypes.Structure):
    """cr_msg_start after its head."""

    _fields_ = [("account", ctypes.c_char * 33), ("server", ctypes.c_char * 33), ("generation", ctypes.c_uint64),
                ("memory", ctypes.c_uint64), ("cpu", ctypes.c_uint32), ("pids", ctypes.c_uint32),
                ("profile", ctypes.c_char * 33), ("answers", ctypes.c_char * 1297), ("disk", ctypes.c_uint64),
                ("user", ctypes.c_char * 256), ("token", ctypes.c_char * 65), ("folders", ctypes.c_uint32), ("cleaning", ctypes.c_uint32),
                ("cluster", ctypes.c_uint64), ("numbers", ctypes.c_uint32 * 5), ("software", ctypes.c_char * 33),
                ("name", ctypes.c_char * 33), ("environment", ctypes.c_char * 8192), ("cert", ctypes.c_char * 2048), ("key", ctypes.c_char * 512)]


@pytest.fixture(scope="module")
def platform():
    with running() as p:
        p.ada = p.administrator("ada")
        p.ada.name = "ada"
        yield p


def hub_socket(pid):
    """The hub's end of the pair."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        fd = libc.syscall(438, pidfd, 3, 0)  # pidfd_getfd
    finally:
        os.close(pidfd)
    if fd < 0:
        pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    return socket.socket(fileno=fd)


def packet(kind, rest=b"", magic=MAGIC):
    return struct.pack("<II", magic, kind) + rest


def server_id(account, generation):
    return struct.pack("<33s33s6xQ", account, b"", generation)


def start_packet(account, generation=1 << 40, **more):
    return packet(START, bytes(Start(**{"account": account, "generation": generation, "memory": 1 << 30, "user": b"u", "token": b"a" * 64, **more})))


def present(platform):
    try:
        return platform.hub_pid()
    except (OSError, ValueError):
        return None


# Every kind of damage is in unit runner_protocol; here some of each sort, because each hub that ends makes the next wait longer.
@pytest.mark.parametrize("name, bad", [
    ("empty", b""),  # reads like the end of the connection
    ("long", b"x" * 70000), ("one byte less", start_packet(b"eve")[:-1]), ("settings", packet(CONFIG, bytes(4000))),
    ("a log's name", start_packet(b"cratond")), ("purge 2", packet(REMOVE, struct.pack("<I33s3x", 2, b"ada"))),
])
def test_a_bad_packet_ends_the_hub(platform, name, bad):
    helper, hub = platform.process.pid, platform.hub_pid()
    with hub_socket(hub) as s:
        s.send(bad)
    wait_for(lambda: present(platform) not in (None, hub), 40)
    platform.wait_ready()
    assert platform.process.poll() is None and platform.process.pid == helper
    assert not os.path.exists(platform.folder / "state/home/eve")


def test_afterwards_servers_start(platform):
    start(platform.ada)
    stop(platform.ada)


def test_descriptors_and_accounts_that_are_not_ours(platform):
    helper, hub = platform.process.pid, platform.hub_pid()
    begin = len(os.listdir(f"/proc/{helper}/fd"))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
    with hub_socket(hub) as s:
        for _ in range(20):
            socket.send_fds(s, [packet(LIST)], files)
        s.send(packet(STOP, struct.pack("<I4x", 0) + server_id(b"eve", 1 << 41)))
        for account in (b"root", b"daemon", b"nobody"):
            s.send(packet(REMOVE, struct.pack("<I33s3x", 1, account)))
    for fd in files:
        os.close(fd)
    start(platform.ada)  # all before this has been read
    stop(platform.ada)
    assert platform.hub_pid() == hub
    wait_for(lambda: len(os.listdir(f"/proc/{helper}/fd")) <= begin, 20)
    for account in ("root", "daemon", "nobody"):
        assert subprocess.run(["getent", "passwd", account], stdout=subprocess.DEVNULL).returncode == 0


def test_more_than_the_operator_gives(platform):
    """The limits of a forged start are the settings' (--memory 1G), and a profile that is in no file starts nothing."""
    hub, generation = platform.hub_pid(), 1 << 42
    with hub_socket(hub) as s:
        s.send(start_packet(b"ada", generation, profile=b"huge"))
        s.send(start_packet(b"ada", generation + 1, answers=b"x=y\n"))
        s.send(start_packet(b"ada", generation + 2, memory=1 << 50, pids=1 << 20))
        wait_for(lambda: server_pid_or_none(platform), 30)
        record = dict(line.split(" ", 1) for line in (platform.folder / f"state/runner/servers/ada.{generation + 2}").read_text().split("\n") if " " in line)
        assert record["memory_bytes"] == str(1 << 30) and record["pids"] == "1024", record
        for path in control_groups(f"/ada.{generation + 2}"):
            for name, most in (("memory.limit_in_bytes", 1 << 30), ("memory.max", 1 << 30), ("pids.max", 1024)):
                assert not (path / name).exists() or int((path / name).read_text()) == most
        s.send(packet(STOP, struct.pack("<I4x", 0) + server_id(b"ada", generation + 2)))
    wait_for(lambda: not server_pid_or_none(platform), 30)
    assert platform.hub_pid() == hub and platform.log.read_text().count("server not started") == 2


def server_pid_or_none(platform):
    try:
        return server_pid(platform, "ada")
    except (AssertionError, KeyError):
        return None

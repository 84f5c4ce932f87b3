"""The control socket: who asks there, what it is asked, how long an answer may be. And who is asked."""
import os
import pwd
import socket
import sqlite3
import subprocess
import sys

import pytest
from hub_client import Platform, running, wait_for

MANY = 1500


@pytest.fixture(scope="module")
def own():
    """Not everybody's platform: its database is changed by hand."""
    with running(prepared=False) as p:
        p.administrator()
        yield p


def connected(platform):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(str(platform.run / "control.sock"))
    return s


def answer_to(platform, text):
    with connected(platform) as s:
        try:
            s.sendall(text)
            return s.makefile("rb").read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("text", [
    b"\n", b"{}\n", b"[" * 3000 + b"\n", b'{"command":7}\n', b'{"command":"status","command":"admin-link"}\n', b'{"command":"sta\xff"}\n',
    b'{"command":"status"}{"command":"admin-link"}\n', b'{"command":"status\\u0000"}\n', b"GET / HTTP/1.1\r\n\r\n",
])
def test_what_is_no_question(platform, text):
    assert b'"status":"INVALID"' in answer_to(platform, text)


def test_half_a_question_and_one_too_long(platform):
    pid = platform.hub_pid()
    with connected(platform) as half:
        half.sendall(b'{"command":"admin-')
        assert platform.hub_pid() == pid  # others are answered meanwhile
    assert answer_to(platform, b"x" * 5000) == b""
    held = [connected(platform) for _ in range(16)]
    with connected(platform) as one_more:
        assert one_more.recv(1) == b""  # closed at once
    for s in held:
        s.close()
    assert wait_for(lambda: answer_to(platform, b'{"command":"status"}\n'), 10)
    assert platform.hub_pid() == pid


def test_other_users_cannot_ask(platform):
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(platform.run / 'control.sock')!r})"
    p = subprocess.run([sys.executable, "-c", code], user=pwd.getpwnam("nobody").pw_uid, group=65534, extra_groups=[], capture_output=True)
    assert p.returncode == 1 and b"PermissionError" in p.stderr


def test_a_status_longer_than_the_socket_takes_at_once(own):
    database = own.folder / "state/hub/hub.sqlite"
    with sqlite3.connect(database, timeout=10) as db:
        columns = ", ".join(r[1] for r in db.execute("PRAGMA table_info(users)") if r[1] not in ("id", "name", "account", "admin"))
        for i in range(MANY):
            db.execute(f"INSERT INTO users (name, account, admin, {columns}) SELECT ?, ?, 0, {columns} FROM users WHERE admin LIMIT 1", (f"gone{i}",) * 2)
        db.execute("INSERT INTO removals (user_id, problem, next_ms) SELECT id, ?, ? FROM users WHERE name LIKE 'gone%'", ("x" * 250, 1 << 50))
    told = subprocess.run(own.cratond("--status"), capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("NOT removed yet") == MANY
    with connected(own) as never_read:  # keeps nobody else waiting
        never_read.sendall(b'{"command":"status"}\n')
        assert own.ask(command="status")["users"] == MANY + 1


@pytest.mark.parametrize("user, believed", [("nobody", False), ("root", True)])
def test_a_socket_of_somebody_else_is_not_asked(user, believed):
    """The directory of sockets of a platform without root may lie in /tmp, where anybody can make it first."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a second account")
    p = Platform()
    account = pwd.getpwnam(user)
    p.run.mkdir()
    os.chown(p.run, account.pw_uid, account.pw_gid)
    code = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True); c = s.accept()[0]; "
            "asked = c.makefile('rb').readline(); asked and c.sendall(b'{\"text\":\"http://elsewhere.example/\"}\\n'); print(asked)")
    other = subprocess.Popen([sys.executable, "-c", code, str(p.run / "control.sock")], stdout=subprocess.PIPE, text=True, user=account.pw_uid,
                             group=account.pw_gid, extra_groups=[], cwd="/")
    try:
        other.stdout.readline()
        told = subprocess.run(p.cratond("--admin-link"), capture_output=True, text=True, timeout=60)
        assert ("elsewhere" in told.stdout) == believed, told
        assert (told.returncode == 0) == believed
        assert believed or "belongs to somebody else" in told.stderr
        assert ("admin-link" in other.communicate(timeout=60)[0]) == believed  # nothing was asked either
    finally:
        other.kill()
        other.wait()
        p.run.joinpath("control.sock").unlink()
        p.run.rmdir()
        p.folder.rmdir()

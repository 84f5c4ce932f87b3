"""Settings of roles: what cratond says of them before it starts, and that it does not start with bad ones."""
import subprocess

import pytest
from hub_client import BUILD, PREFIX


@pytest.fixture
def state(tmp_path):
    for folder in ("roles", "services"):
        (tmp_path / folder).mkdir()
    return tmp_path


def cratond(state, *more):
    return subprocess.run([BUILD / "src/platform/cratond", "--state", state, "--run", "/tmp/craton-none", "--prefix", PREFIX, *more], capture_output=True,
                          text=True, timeout=30)


def put(path, text, mode=0o644):
    path.write_text(text)
    path.chmod(mode)


def test_good_settings(state):
    put(state / "services/culler.conf", "scope = list:users\n")
    put(state / "services/culler.token", "0123456789abcdef" * 4, 0o600)
    put(state / "roles/user.conf", "scope = shares!user\n")
    put(state / "roles/tutor.conf", "scope = access:servers!group=course\nuser = ada\nuser = bob\ngroup = tutors\nservice = culler\n")
    a = cratond(state, "--check")
    assert a.returncode == 0, a.stderr
    assert "role tutor: 1 scopes for 2 people, 1 groups, 1 services" in a.stdout and "role user: 1 scopes for everybody" in a.stdout
    assert "a group whose people have it" in cratond(state, "--role-help").stdout


@pytest.mark.parametrize("name, text, mode, says, hint", [
    ("tutor", "scope = list:users\nscope = list:people\n", 0o600, "tutor.conf: line 2: scope", ""),
    ("tutor", "users = ada\n", 0o600, "tutor.conf: line 1: there is no setting 'users'", "--role-help"),
    ("tutor", "user = a/b\n", 0o600, "tutor.conf: line 1: user", ""), ("tutor", "scope = inherit\n", 0o600, "for tokens", ""),
    ("tutor", "service = nosuch\n", 0o600, "there is no service nosuch", ""), ("admin", "scope = list:users\n", 0o600, "JupyterHub's own", ""),
    ("user", "user = ada\n", 0o600, "everybody has the role user", ""), ("Tutor", "", 0o600, "cannot name a role", ""),
    ("tutor", "scope = list:users\n", 0o666, "is not a file that only its owner can write", "chmod go-w"),
    ("tutor", "x" * 70000, 0o600, "longer than 64 KiB", ""), ("tutor", "scope = list:users\0", 0o600, "NUL byte", ""),
])
def test_bad_settings(state, name, text, mode, says, hint):
    put(state / f"roles/{name}.conf", text, mode)
    for action in (["--check"], []):      # and it does not start with them
        a = cratond(state, *action)
        assert a.returncode != 0 and says in a.stderr and hint in a.stderr, a.stderr

"""Settings of services: what cratond says of them before it starts, and that it does not start with bad ones."""
import subprocess

import pytest
from hub_client import BUILD, PREFIX

CONF = "# stops what is idle\nscope = list:users\nscope = delete:servers!group=course\n"
TOKEN = "0123456789abcdef" * 4


@pytest.fixture
def state(tmp_path):
    (tmp_path / "services").mkdir()
    return tmp_path


def cratond(state, *more):
    return subprocess.run([BUILD / "src/platform/cratond", "--state", state, "--run", "/tmp/craton-none", "--prefix", PREFIX, *more], capture_output=True, text=True,
                          timeout=30)


def put(state, name, text, mode):
    path = state / "services" / name
    path.write_text(text)
    path.chmod(mode)


def test_good_settings(state):
    put(state, "culler.conf", CONF, 0o644)
    put(state, "culler.token", TOKEN + "\n", 0o600)
    put(state, "boss.conf", "admin = yes\n", 0o600)
    put(state, "boss.token", TOKEN[::-1], 0o400)
    put(state, "board.conf", "oauth_redirect_uri = https://board.example/back\noauth_client_allowed_scope = self\n", 0o600)
    put(state, "board.token", TOKEN[1:], 0o600)
    put(state, "near.conf", "oauth_redirect_uri = http://127.0.0.1:9000/back\ntrusted = yes\noauth_no_confirm = yes\n", 0o600)
    put(state, "near.token", TOKEN[2:], 0o600)
    a = cratond(state, "--check")
    assert a.returncode == 0, a.stderr
    assert "service boss: administrator, and 0 scopes" in a.stdout and "service culler: 2 scopes" in a.stdout
    assert "people sign in to it, as client service-board, back at https://board.example/back" in a.stdout
    assert "people sign in to it without being asked, as client service-near" in a.stdout
    assert TOKEN not in a.stdout + a.stderr
    assert "oauth_redirect_uri" in cratond(state, "--service-help").stdout and "delete:servers!group=course" in cratond(state, "--service-help").stdout


@pytest.mark.parametrize("files, says, hint", [
    ({"culler.conf": (CONF + "scope = list:people\n", 0o600)}, "culler.conf: line 4: scope", ""),
    ({"culler.conf": (CONF + "token = x\n", 0o600)}, "line 4: there is no setting 'token'", "token has a file of its own"),
    ({"culler.conf": ("scope = self\n", 0o600)}, "'self' is for people", ""),
    ({"culler.conf": (CONF, 0o666)}, "is not a file that only its owner can write", "chmod go-w"),
    ({"culler.conf": (CONF, 0o600), "culler.token": (TOKEN, 0o640)}, "culler.token is not a file that only its owner can read", "chmod 600"),
    ({"culler.conf": (CONF, 0o600), "culler.token": None}, "cannot use", ""),
    ({"culler.conf": (CONF, 0o600), "culler.token": ("short", 0o600)}, "the token has 5 characters", "openssl rand -hex 32"),
    ({"culler.conf": (CONF, 0o600), "culler.token": ("", 0o600)}, "the token has 0 characters", ""),
    ({"culler.conf": (CONF, 0o600), "culler.token": (TOKEN + "\n" + TOKEN, 0o600)}, "more than one line", ""),
    ({"Culler.conf": (CONF, 0o600)}, "cannot name a service", ""),
    ({"culler.conf": ("x" * 20000, 0o600)}, "longer than 16 KiB", ""),
    ({"culler.conf": ("scope = list:users\0", 0o600)}, "NUL byte", ""),
    ({"culler.conf": ("oauth_redirect_uri = http://127.0.0.1:9000/back\n", 0o600)}, "would send it their cookies", "host name of its own"),
    ({"culler.conf": ("oauth_redirect_uri = http://127.0.0.1:8000/back\ntrusted = yes\n", 0o600)}, "is the hub itself", ""),
    ({"culler.conf": ("oauth_redirect_uri = https://ada.localhost:9000/back\n", 0o600)}, "host of the hub or of user servers", "trusted = yes"),
    ({"culler.conf": ("oauth_redirect_uri = https://u:p@board.example/back\n", 0o600)}, "line 1: oauth_redirect_uri", ""),
    ({"a.conf": (CONF, 0o600), "b.conf": (CONF, 0o600), "a.token": (TOKEN, 0o600), "b.token": (TOKEN, 0o600)}, "a and b have the same token", ""),
])
def test_bad_settings(state, files, says, hint):
    put(state, "culler.token", TOKEN, 0o600)
    for name, file in files.items():
        if file:
            put(state, name, *file)
        else:
            (state / "services" / name).unlink()
    for action in (["--check"], []):      # and it does not start with them
        a = cratond(state, *action)
        assert a.returncode != 0 and says in a.stderr and hint in a.stderr, a.stderr
        assert TOKEN not in a.stdout + a.stderr


def test_check_names_the_mistakes_of_every_file(state):
    """One in each: who mends the first does not meet the next one afterwards."""
    put(state, "culler.token", TOKEN, 0o600)
    put(state, "culler.conf", CONF + "scoope = list:users\n", 0o600)
    (state / "profiles.yaml").write_text("profiles:\n  - slug: usual\n    memroy: 2G\n")
    a = cratond(state, "--check")
    assert a.returncode != 0 and "there is no setting 'scoope'; did you mean 'scope'?" in a.stderr and "has no key 'memroy'; did you mean 'memory'?" in a.stderr, a.stderr

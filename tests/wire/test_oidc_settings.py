"""Settings of identity providers: what cratond says of them before it starts, and that it does not start with bad ones."""
import os
import subprocess

import pytest
from hub_client import BUILD, PREFIX

GOOD = "preset = egi\nclient-id = hub\nallow = urn:mace:egi.eu:group:vo.example.eu:role=member#aai.egi.eu\n"


@pytest.fixture
def state(tmp_path):
    (tmp_path / "signin").mkdir()
    return tmp_path


def cratond(state, *more):
    return subprocess.run([BUILD / "src/platform/cratond", "--state", state, "--run", "/tmp/craton-none", "--prefix", PREFIX, *more], capture_output=True, text=True,
                          timeout=30)


def put(state, name, text, mode=0o600):
    path = state / "signin" / name
    path.write_text(text)
    path.chmod(mode)


def test_good_settings(state):
    put(state, "egi.conf", GOOD, 0o644)
    put(state, "egi.secret", "a secret of the client\n")
    put(state, "work.conf", "preset = keycloak\nissuer = https://sso.example.org/realms/x\nclient-id = hub\nallow = staff\ncallback = jupyterhub\n")
    a = cratond(state, "--check")
    assert a.returncode == 0, a.stderr
    assert "sign-in egi: https://aai.egi.eu/auth/realms/egi\n" in a.stdout and "http://127.0.0.1:8000/hub/signin/egi/callback" in a.stdout
    assert "sign-in work: https://sso.example.org/realms/x (no client secret)" in a.stdout and "/hub/oauth_callback" in a.stdout
    assert "a secret of the client" not in a.stdout + a.stderr


def test_no_provider(state):
    assert cratond(state, "--check").returncode == 0
    (state / "signin").rmdir()
    assert cratond(state, "--check").returncode == 0


@pytest.mark.parametrize("files, says, hint", [
    ({"egi.conf": (GOOD + "allow = urn:mace:egi.eu:grup:x\n", 0o600)}, "egi.conf: line 4: allow", ""),
    ({"egi.conf": (GOOD + "client_secret = x\n", 0o600)}, "line 4: there is no setting 'client_secret'", "secret has a file of its own"),
    ({"egi.conf": (GOOD, 0o666)}, "is not a file that only its owner can write", "chmod go-w"),
    ({"egi.conf": (GOOD, 0o600), "egi.secret": ("x", 0o640)}, "egi.secret is not a file that only its owner can read", "chmod 600"),
    ({"egi.conf": (GOOD, 0o600), "egi.secret": ("", 0o600)}, "egi.secret: the secret is empty", ""),
    ({"egi.conf": (GOOD, 0o600), "egi.secret": ("two\nlines", 0o600)}, "more than one line", ""),
    ({"EGI.conf": (GOOD, 0o600)}, "cannot name a provider", ""),
    ({"egi.conf": ("", 0o600)}, "the file is empty", ""),
    ({"egi.conf": ("x" * 40000, 0o600)}, "longer than 32 KiB", ""),
    ({"egi.conf": (GOOD.replace("client-id = hub\n", ""), 0o600)}, "client-id = ...' is missing", ""),
    ({"egi.conf": ("preset = egi\nclient-id = x\n", 0o600)}, "nobody may sign in", "allow = *"),
    ({"a.conf": (GOOD, 0o600), "b.conf": (GOOD, 0o600)}, "a and b have the same issuer", ""),
    ({"a.conf": (GOOD + "callback = jupyterhub\n", 0o600), "b.conf": (GOOD.replace("= egi\n", "= egi-dev\n") + "callback = jupyterhub\n", 0o600)}, "only one can", ""),
])
def test_bad_settings(state, files, says, hint):
    for name, (text, mode) in files.items():
        put(state, name, text, mode)
    for how in (("--check",), ()):                # the start says the same, and ends
        a = cratond(state, *how)
        assert a.returncode != 0 and says in a.stderr and hint in a.stderr, a.stderr


def test_a_link_is_not_followed(state):
    put(state, "real", "secret")
    put(state, "egi.conf", GOOD)
    os.symlink(state / "signin" / "real", state / "signin" / "egi.secret")
    assert "cannot use" in cratond(state, "--check").stderr


def test_help_names_every_setting(state):
    text = cratond(state, "--signin-help").stdout
    assert all(f"\n  {key} = " in text for key in ("preset", "issuer", "client-id", "allow", "admin", "apply-url", "contact", "clock-skew", "callback"))

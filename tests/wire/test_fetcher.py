"""craton-fetch in a small internet of its own: names, certificates, TLS."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_client import BUILD


@pytest.fixture(scope="module")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces")
    script = Path(__file__).with_name("fetcher_world.py")
    ran = subprocess.run(["unshare", "-n", "-m", sys.executable, script, BUILD / "src/platform/craton-fetch"], capture_output=True, text=True, timeout=150)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_good_certificate(world):
    assert world["good"] == {"status": 200, "body": "hello from 443"}
    assert "good.example" in world["asked"]       # by the name server, through the filter
    assert world["headers"][0]["Authorization"] == "Bearer b" and "Cookie" not in world["headers"][0]


@pytest.mark.parametrize("case, word", [("unknown authority", "certificate"), ("other name", "good.example"), ("too old", "expired"), ("TLS 1.1", ""), ("no TLS", ""),
                                        ("nobody", "connect"), ("unknown name", "resolve"), ("not ours", "not one of an identity provider"),
                                        ("mail elsewhere", "mail server"), ("mail as a page", "mail server"), ("a page as mail", "mail server"),
                                        ("mail by a path", "mail server"), ("a second recipient", "bad argument"), ("a second sender", "bad argument")])
def test_what_is_not_spoken_to(world, case, word):
    assert world[case]["status"] == 0 and word in world[case]["error"] and world[case]["body"] == ""


def test_redirects_are_not_followed(world):
    assert world["redirect"] == {"status": 302, "body": "hello from 443"}

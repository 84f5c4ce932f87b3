"""Certificates by ACME: got from Pebble, as names appear, exchanged under open websockets, kept over kills; proved over HTTP and over DNS."""
import pwd
import ssl
import stat
import subprocess
import time

import pytest
from acme_world import DOMAIN, certified
from hub_client import Platform, request, wait_for
from test_session import Lab, start

LATE = 90  # Pebble answers in a second; the machine may have much to do


@pytest.fixture(scope="module")
def platform():
    with certified() as p:
        p.wait_for_names(DOMAIN)
        p.admin = p.administrator()
        yield p


def person(platform, name):
    p = platform.add_person(platform.admin, name)
    p.name = name
    return p


def test_the_hub_has_a_certificate_and_keeps_its_keys(platform):
    assert platform.served() == {DOMAIN}
    wait_for(lambda: platform.tls()["problem"] == "" and platform.tls()["until_s"] > time.time(), 30)
    state = platform.folder / "state"
    owner = pwd.getpwnam("craton-acme").pw_uid
    for folder, whose, mode in (("acme", 0, 0o750), ("acme/private", owner, 0o700), (f"acme/{DOMAIN}", owner, 0o700), ("tls", 0, 0o700)):
        assert ((state / folder).stat().st_uid, stat.S_IMODE((state / folder).stat().st_mode)) == (whose, mode), folder
    keys = [*(state / "acme").rglob("*key*.pem"), state / "tls/key.pem"]
    assert len(keys) >= 3
    for key in keys:
        assert not key.stat().st_mode & 0o177, key
        assert key.stat().st_uid == (owner if "acme" in key.parts else 0), key
    assert not any(line in platform.log.read_text() + (state / "log/acme.log").read_text() for line in (state / "tls/key.pem").read_text().splitlines()[1:-1])


def test_the_port_of_the_proofs_answers_nothing_else(platform):
    door = f"http://127.0.0.1:{platform.acme_port}"
    answer = request("GET", door + "/.well-known/acme-challenge/some-token_1234")
    token, _, thumbprint = answer.text.partition(".")
    assert answer.status == 200 and token == "some-token_1234" and len(thumbprint) == 43
    for path in ("/", "/hub/login", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/a b", "/.well-known/acme-challenge/..%2f..%2fx", "/x/.well-known/acme-challenge/abcdefgh",
                 "/.well-known/acme-challenge/abcdefgh/x", "/.well-known/acme-challenge/%[env(PATH)]"):
        answer = request("GET", door + path.replace(" ", "%20"))
        assert answer.status == 302 and answer.location == platform.hub + "/", path
    assert request("POST", door + "/.well-known/acme-challenge/some-token_1234", "x").status == 405


def test_names_appear_under_an_open_websocket(platform):
    ada = person(platform, "ada")
    start(ada)
    platform.wait_for_names(DOMAIN, f"ada.{DOMAIN}")
    with pytest.raises(ssl.SSLError):
        platform.served(f"nobody.{DOMAIN}")
    lab = Lab(ada)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    ws = lab.connect(kernel)
    assert lab.run(kernel, "kept = 6 * 7; kept", ws) == "42"
    pid = platform.haproxy_pid()
    start(person(platform, "bea"))
    platform.wait_for_names(DOMAIN, f"ada.{DOMAIN}", f"bea.{DOMAIN}")
    assert platform.served(f"bea.{DOMAIN}", platform.port + 1) == {DOMAIN, f"ada.{DOMAIN}", f"bea.{DOMAIN}"}
    assert lab.run(kernel, "kept", ws) == "42"
    ws.close()
    assert platform.haproxy_pid() == pid
    assert "certificate exchanged" in platform.log.read_text()


def test_what_was_got_outlives_kills(platform):
    """And what is good is not asked for again."""
    before, names = platform.pebble.orders(), platform.served()
    platform.process.kill()
    platform.process.wait()
    for half in ("key", "cert"):      # as if the kill had come between the two files
        (platform.folder / f"state/tls/{half}.pem").write_text("torn\n")
        platform.start()
        assert platform.served() == names
        platform.process.kill()
        platform.process.wait()
    platform.start()
    time.sleep(7)      # two looks
    assert platform.served() == names and platform.pebble.orders() == before


def test_a_server_that_is_not_there(platform):
    """The old certificate goes on being served, and it is said what is missing."""
    before = platform.served()
    platform.pebble.stop()
    start(person(platform, "carl"))
    problem = wait_for(lambda: platform.tls()["problem"], LATE, 0.5)
    assert "uacme ended with" in problem and platform.pebble.url in problem
    assert problem in platform.ask(command="status")["text"]
    assert "no certificate by ACME" in platform.log.read_text()
    assert "needs a look.</strong> uacme ended with" in platform.admin.get("/hub/admin").text
    assert platform.served(trust=False) == before


def test_the_first_certificate_is_waited_for():
    """A hub starts without its CA, with a certificate that nobody believes."""
    with certified(with_pebble=False) as p:
        assert p.served(trust=False) == {DOMAIN, f"*.{DOMAIN}"}
        assert "uacme ended with" in wait_for(lambda: p.tls()["problem"], LATE, 0.5)


HOOK = """#!/bin/sh
# What an operator's does at the operator's DNS.
test "$2" = dns-01 || exit 1
grep -q '^Seccomp:.2$' /proc/self/status && grep -q '^NoNewPrivs:.1$' /proc/self/status || exit 1     # it is confined, and so is what it runs
case $1 in
begin) exec curl -sf -d "{\\"host\\": \\"_acme-challenge.$3.\\", \\"value\\": \\"$5\\"}" http://127.0.0.1:%d/set-txt ;;
*) exec curl -sf -d "{\\"host\\": \\"_acme-challenge.$3.\\"}" http://127.0.0.1:%d/clear-txt ;;
esac
"""


def test_a_wildcard_by_dns():
    with certified(hook=HOOK) as p:
        p.wait_for_names(DOMAIN, f"anybody.{DOMAIN}")
        assert p.served() == {DOMAIN, f"*.{DOMAIN}"}
        with pytest.raises(OSError):      # nobody asks there
            request("GET", f"http://127.0.0.1:{p.acme_port}/")


@pytest.mark.parametrize("options, message", [
    (("--acme", "http://ca.example.org/dir", "--domain", DOMAIN), "is not an https:// address"),
    (("--acme", "https://-x/", "--domain", DOMAIN), "is not an https:// address"),
    (("--acme", "letsencrypt"), "TLS needs --domain"),
    (("--acme", "letsencrypt", "--domain", DOMAIN, "--acme-contact", "nobody"), "is not a mail address"),
    (("--acme", "letsencrypt", "--domain", DOMAIN, "--acme-contact", "--help@x"), "is not a mail address"),
    (("--acme", "letsencrypt", "--domain", DOMAIN, "--tls", "/a", "--tls-key", "/b"), "--acme and --tls exclude each other"),
    (("--acme", "letsencrypt", "--domain", DOMAIN, "--behind-proxy", "10.0.0.0/8"), "--acme and --behind-proxy exclude each other"),
    (("--acme-hook", "/x"), "belong to --acme"),
    (("--acme", "letsencrypt", "--domain", DOMAIN, "--acme-port", "8001"), "is one of the three ports"),
])
def test_settings_that_cannot_be(platform, options, message):
    answer = subprocess.run(Platform.cratond(platform, "--check", *options), capture_output=True, text=True)
    assert answer.returncode != 0 and message in answer.stderr, answer.stderr

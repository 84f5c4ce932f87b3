"""TLS as cratond serves it, with certificates that openssl makes here: renewed while people work, broken, about to end. And a proxy in
front that does TLS: whose word about the address of a client is believed."""
import os
import signal
import socket
import ssl
import subprocess
import time

import pytest
from hub_client import Platform, Visitor, request, running, wait_for
from test_session import Lab, start

NAME = "localhost"  # users are at ACCOUNT.localhost


def write(platform, what, common_name="", days=90, key=True, cert=True):
    """A fresh pair in place of the old one, or half of it."""
    made = [platform.folder / "fresh.key", platform.folder / "fresh.crt"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", made[0], "-out",
                    made[1], "-days", str(days), "-subj", f"/CN={common_name}", "-addext", f"subjectAltName=DNS:{NAME},DNS:*.{NAME}"],
                   check=True, capture_output=True)
    if cert:
        os.replace(made[1], platform.folder / f"{what}.crt")
    if key:
        os.replace(made[0], platform.folder / f"{what}.key")


def served(platform, port=None):
    """The common name in the certificate of a new connection."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port or platform.port), 10) as s, context.wrap_socket(s, server_hostname=NAME) as t:
        der = t.getpeercert(True)
    subject = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"], input=ssl.DER_cert_to_PEM_cert(der), text=True,
                             capture_output=True, check=True).stdout
    return subject.rsplit("= ", 1)[1].strip()


def with_pair(p):
    p.hub = p.door = f"https://{NAME}:{p.port}"
    p.options = ("--domain", NAME, "--tls", str(p.folder / "a.crt"), "--tls-key", str(p.folder / "a.key"))
    write(p, "a", "first.example.org")


@pytest.fixture(scope="module")
def platform():
    with running(prepared=False, before=with_pair) as p:
        p.admin = p.administrator()
        yield p


def tls(platform):
    return platform.ask(command="status")["tls"]


def test_a_person_works_through_renewals(platform):
    """A kernel's websocket is open while the pair is exchanged: under a running cratond, and between two."""
    ada = platform.add_person(platform.admin, "ada")
    ada.name = "ada"
    start(ada)
    lab = Lab(ada)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    ws = lab.connect(kernel)
    lab.run(kernel, "kept = 'through'", ws)
    assert served(platform) == served(platform, platform.port + 1) == "first.example.org"
    pid = platform.haproxy_pid()
    write(platform, "a", "second.example.org", days=60)
    wait_for(lambda: served(platform) == "second.example.org", 30, 0.5)
    assert served(platform, platform.port + 1) == "second.example.org"
    assert lab.run(kernel, "kept", ws) == "'through'"
    wait_for(lambda: abs(tls(platform)["until_s"] - time.time() - 60 * 86400) < 3600, 5)
    assert "certificate until" in platform.ask(command="status")["text"]
    subprocess.run(platform.cratond("--stop", "--keep-servers"), check=True, capture_output=True)
    platform.process.wait(90)
    write(platform, "a", "third.example.org")
    platform.start()
    wait_for(lambda: served(platform) == "third.example.org", 10)
    assert lab.run(kernel, "kept", ws) == "'through'"
    assert platform.haproxy_pid() == pid
    ws.close()
    # A HAProxy that is started anew serves the pair that was exchanged.
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: platform.haproxy_pid() not in (0, pid), 20)
    platform.wait_ready()
    assert served(platform) == "third.example.org"


def test_a_broken_pair_is_refused(platform):
    write(platform, "a", "good.example.org")
    wait_for(lambda: served(platform) == "good.example.org", 30, 0.5)
    write(platform, "a", "other.example.org", key=False)
    problem = wait_for(lambda: tls(platform)["problem"], 30, 0.5)
    assert "refuses" in problem and "a.crt" in problem
    assert "NOT served" in platform.ask(command="status")["text"]
    assert "certificate refused, the one of before is served" in platform.log.read_text()
    assert served(platform) == "good.example.org"
    # Also by a HAProxy that is started now, and after a restart of cratond.
    pid = platform.haproxy_pid()
    platform.process.kill()
    platform.process.wait()
    os.kill(pid, signal.SIGKILL)
    platform.start()
    assert served(platform) == "good.example.org"
    assert wait_for(lambda: tls(platform)["problem"], 10)
    (platform.folder / "a.key").write_text("nothing of a key\n")
    wait_for(lambda: "no PEM block" in tls(platform)["problem"], 30, 0.5)
    write(platform, "a", "mended.example.org")
    wait_for(lambda: served(platform) == "mended.example.org", 30, 0.5)
    wait_for(lambda: tls(platform)["problem"] == "", 5)


def test_an_end_that_is_near_is_said(platform):
    assert "RENEW IT" not in platform.ask(command="status")["text"]
    assert "The certificate of this hub" not in platform.admin.get("/hub/admin").text
    write(platform, "a", "soon.example.org", days=5)
    wait_for(lambda: served(platform) == "soon.example.org", 30, 0.5)
    wait_for(lambda: "RENEW IT" in platform.ask(command="status")["text"], 5)
    wait_for(lambda: "the certificate ends soon" in platform.log.read_text(), 5)
    assert "The certificate of this hub ends soon: 20" in platform.admin.get("/hub/admin").text


def test_first_start_with_a_broken_pair():
    ended = []

    class Refused(Platform):
        def stop(self):
            ended.append(self.process.wait(60))
            super().stop()

    def before(p):
        with_pair(p)
        write(p, "a", "other.example.org", key=False)

    with pytest.raises(RuntimeError, match="HAProxy refuses the certificate"), running(prepared=False, kind=Refused, before=before):
        pass
    assert ended[0] != 0


# ---- behind a proxy ----

FRONT, STRANGER = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def behind():
    def before(p):
        p.hub = "https://hub.example.org"

    with running("--domain", "hub.example.org", "--behind-proxy", FRONT + "/32,10.1.0.0/16", prepared=False, before=before) as p:
        yield p


def test_the_front_proxy_is_believed(behind):
    link = behind.ask(command="admin-link")["url"]
    assert link.startswith("https://hub.example.org/hub/join/")
    root = Visitor(behind, "203.0.113.7")
    assert root.join(link, "root1").status == 303
    assert "user=root1 from=203.0.113.7" in behind.log.read_text()
    # Of a list the last one, which the front proxy has seen itself; what a client wrote before it is not believed.
    again = Visitor(behind, "198.51.100.1, 203.0.113.8")
    assert again.sign_in("root1").status == 303
    assert "user=root1 from=203.0.113.8" in behind.log.read_text()
    assert "198.51.100.1" not in behind.log.read_text()
    assert any("Secure" in c for c in Visitor(behind, "203.0.113.9").get("/hub/login").cookies())


def test_others_may_not_come_in_at_all(behind):
    for port in (behind.port, behind.port + 1):
        answer = request("GET", f"http://127.0.0.1:{port}/hub/login", headers={"Host": "hub.example.org", "X-Forwarded-For": "203.0.113.7"}, source=STRANGER)
        assert answer.status == 403, port
    assert request("GET", f"{behind.door}/hub/login", headers={"Host": "hub.example.org"}).status == 200

"""IPv6: the loopback, all addresses of both families with TLS, proxies in front; that a network of /64 is one address; and HSTS."""
import socket
import subprocess

import pytest
from hub_client import PASSWORD, Person, Platform, Visitor, request, running

NAME = "hub.example.org"


@pytest.fixture(scope="module", autouse=True)
def six():
    with socket.socket(socket.AF_INET6) as s:
        s.bind(("::1", 0))


class Loopback(Platform):
    def __init__(self):
        super().__init__()
        self.hub = self.door = f"http://[::1]:{self.port}"
        self.to = "::1"
        self.options = ("--bind", "::1")


def test_the_loopback():
    with running(prepared=False, kind=Loopback) as p:
        link = p.ask(command="admin-link")["url"]
        assert link.startswith(f"http://[::1]:{p.port}/hub/join/")
        root = Person(p)
        answer = root.join(link, "root1")
        assert answer.status == 303 and any(c.startswith("__Host-craton-login=") for c in answer.cookies())
        assert root.get("/hub/admin").status == 200
        assert "user=root1 from=::1" in p.log.read_text()
        user = f"http://ada.localhost:{p.port + 1}/user/ada/lab"
        answer = request("GET", user, headers={"Sec-Fetch-Mode": "navigate"}, to="::1")
        assert answer.status == 302 and answer.location == f"{p.hub}/hub/user/ada/lab"
        for port in (p.port, p.port + 1):
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), 5)
        assert request("GET", f"http://127.0.0.1:{p.port + 2}/hub/api").status == 200      # servers of this machine
        assert "Strict-Transport-Security" not in root.get("/hub/home").headers
        assert root.ask("GET", "/hub/home", headers={"Host": f"127.0.0.1:{p.port}"}).status == 421


class Everywhere(Platform):
    def __init__(self):
        super().__init__()
        self.hub = self.door = f"https://{NAME}:{self.port}"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.folder / "a.key", "-out",
                        self.folder / "a.crt", "-days", "30", "-subj", "/CN=x", "-addext", f"subjectAltName=DNS:{NAME},DNS:*.{NAME}"], check=True, capture_output=True)
        self.options = ("--bind", "::", "--domain", NAME, "--tls", str(self.folder / "a.crt"), "--tls-key", str(self.folder / "a.key"))


def test_both_families_with_tls():
    """Each comes as what it is: an address of IPv4 is not one of a network of IPv6 that all others are in, too."""
    with running(prepared=False, kind=Everywhere) as p:
        root = Person(p)
        root.to = "::1"
        assert root.join(p.ask(command="admin-link")["url"], "root1").status == 303
        four = Person(p)
        assert four.sign_in("root1").status == 303
        log = p.log.read_text()
        assert "user=root1 from=::1" in log and "user=root1 from=127.0.0.1" in log and "::ffff" not in log
        for to in ("::1", "127.0.0.1"):
            for url in (f"{p.door}/hub/login", f"{p.door}/hub/health", f"https://ada.{NAME}:{p.port + 1}/user/ada/api", f"https://ada.{NAME}:{p.port + 1}/"):
                answer = request("GET", url, to=to)
                assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"], url
            assert request("GET", f"https://other.example.org:{p.port}/", to=to).headers["Strict-Transport-Security"]
        cookies = Person(p).get("/hub/login").cookies()
        assert cookies and all("; Secure" in c and c.startswith("__Host-") for c in cookies)


class Behind(Platform):
    def __init__(self):
        super().__init__()
        self.hub, self.to = f"https://{NAME}", "::1"
        self.options = ("--bind", "::", "--domain", NAME, "--behind-proxy", "::1/128,2001:db8:f::/48")


@pytest.fixture(scope="module")
def behind():
    with running(prepared=False, kind=Behind) as p:
        yield p


def test_a_proxy_in_front(behind):
    root = Visitor(behind, "198.51.100.1, 2001:db8:1:2:3:4:5:6")
    assert root.join(behind.ask(command="admin-link")["url"], "root1").status == 303
    assert "user=root1 from=2001:db8:1:2:3:4:5:6" in behind.log.read_text() and "198.51.100.1" not in behind.log.read_text()
    assert root.get("/hub/home").headers["Strict-Transport-Security"] == "max-age=31536000"
    # Who is not that proxy is not let in, whatever it says.
    for port in (behind.port, behind.port + 1):
        answer = request("GET", f"http://{NAME}:{port}/hub/login", headers={"X-Forwarded-For": "2001:db8:1:2::1"}, to="127.0.0.1")
        assert answer.status == 403, port


def test_guesses_from_one_network(behind):
    """Another address of the same /64 is no other guesser; the next /64 is."""
    statuses = []
    for i in range(80):
        statuses.append(Visitor(behind, f"2001:db8:5:5::{i + 1:x}").sign_in(f"nobody{i}", "wrong and wrong").status)
        if statuses[-1] == 429:
            break
    assert statuses[-1] == 429 and set(statuses[:-1]) == {403}, statuses
    far = Visitor(behind, "2001:db8:5:5:ffff:ffff:ffff:ffff")
    assert any(far.sign_in("root1", "wrong and wrong").status == 429 for _ in range(3))     # the pause may be over; each guess that is let through doubles it
    assert Visitor(behind, "2001:db8:5:6::1").sign_in("root1", PASSWORD).status == 303

"""Sign-in at a real Keycloak that is set up like EGI Check-in: same paths, same claims, same demand for PKCE."""
import html
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest
from hub_client import Person, Platform, free_ports, request, wait_for
from provider_client import MANAGER, MEMBER, begin, finish, write_provider
from realm import realm, user

USERS = [user("alice", "Alice", "Astro", 1, MEMBER, "urn:mace:egi.eu:group:vo.example.eu:field:role=member#aai.egi.eu"),
         user("bob", "Bob", "Bio", 2, "urn:mace:egi.eu:group:vo.other.eu:role=member#aai.egi.eu"), user("carol", "Carol", "Climate", 3),
         user("mia", "Mia", "Manager", 4, MEMBER, MANAGER)]


class Keycloak:
    def __init__(self, home, work, hub):
        self.port = free_ports()
        self.base = f"http://127.0.0.1:{self.port}/auth"
        self.issuer = f"{self.base}/realms/egi"
        self.home = work / "keycloak"
        shutil.copytree(home, self.home, symlinks=True)
        (self.home / "data" / "import").mkdir(parents=True, exist_ok=True)
        (self.home / "data" / "import" / "egi.json").write_text(json.dumps(realm(hub, USERS)))
        self.log = open(work / "keycloak.log", "wb")

    def start(self):
        environment = {**os.environ, "KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin", "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
                       "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true"}
        self.process = subprocess.Popen(
            [self.home / "bin" / "kc.sh", "start-dev", "--import-realm", "--http-host=127.0.0.1", f"--http-port={self.port}", "--http-relative-path=/auth",
             f"--http-management-port={self.port + 1}", "--cache=local"], stdout=self.log, stderr=self.log, env=environment, cwd=self.home,
            start_new_session=True)
        wait_for(self.is_up, 400, 1)

    def is_up(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()[-2000:]
        try:
            return request("GET", self.issuer + "/.well-known/openid-configuration").status == 200
        except OSError:
            return False

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)

    def admin(self, method, path, body=None):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        token = request("POST", self.base + "/realms/master/protocol/openid-connect/token",
                        urlencode({"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}), form).json()["access_token"]
        a = request(method, f"{self.base}/admin/realms/egi{path}", json.dumps(body) if body is not None else None,
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        assert a.status < 300, a.text
        return a.json() if a.body else None


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    home = Path(os.environ["CRATON_KEYCLOAK"])
    p = Platform()
    p.keycloak = Keycloak(home, tmp_path_factory.mktemp("keycloak"), p.hub)
    try:
        p.keycloak.start()
        write_provider(p, "egi", ["preset = egi", f"issuer = {p.keycloak.issuer}", "client-id = craton-hub", f"allow = {MEMBER}", f"admin = {MANAGER}"],
                       "craton-hub-secret")
        p.start()
        yield p
    finally:
        p.keycloak.stop()
        p.stop()
        shutil.rmtree(p.folder, ignore_errors=True)


def walk(person, name, password=None):
    """Keycloak's own page; answers the address to which it sends the browser, or its page when it does not."""
    start, jar = begin(person, "egi"), {}

    def keep(a):
        for line in a.cookies():
            key, _, rest = line.partition("=")
            jar[key] = rest.partition(";")[0]
        return a

    page = keep(request("GET", start))
    form = re.search(r'<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"', page.text)
    assert form, page.text[:1000]
    a = keep(request("POST", urljoin(start, html.unescape(form.group(1))), urlencode({"username": name, "password": password or f"{name}-password", "credentialId": ""}),
                     {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}))
    return a.location or a.text


def sign_in(platform, name):
    person = Person(platform)
    person.back = walk(person, name)
    person.answer = finish(person, person.back)
    return person


def test_member(platform):
    alice = sign_in(platform, "alice")
    assert alice.answer.location == "/hub/home", alice.answer.text
    model = alice.api("GET", "/hub/api/user").json()
    assert model["name"] == "alice" and model["groups"] == ["egi:vo.example.eu", "egi:vo.example.eu:field"] and not model["admin"]
    assert model["user_info"]["display_name"] == "Alice Astro"


def test_administrator(platform):
    assert sign_in(platform, "mia").get("/hub/admin").status == 200


def test_not_a_member(platform):
    bob, carol = sign_in(platform, "bob").answer, sign_in(platform, "carol").answer
    assert bob.status == carol.status == 403 and "vo.other.eu" in bob.text and "No group at all was received" in carol.text
    page = sign_in(platform, "mia").get("/hub/admin").text
    assert "2" * 64 + "@egi.eu" in page and "3" * 64 + "@egi.eu" in page


def test_wrong_password_stays_there(platform):
    person = Person(platform)
    assert "kc-form-login" in walk(person, "alice", "wrong") and "__Host-craton-login" not in person.jar


def test_replayed_code(platform):
    alice = sign_in(platform, "alice")
    other = Person(platform)
    assert finish(other, alice.back).status == 403


def test_rotated_keys(platform):
    assert sign_in(platform, "alice").answer.status == 303
    for alg in ("RS256", "PS256"):
        platform.keycloak.admin("POST", "/components", {"name": f"new-{alg}", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
                                                        "config": {"priority": ["200"], "algorithm": [alg], "enabled": ["true"], "active": ["true"]}})
    time.sleep(31)      # at most two fetches a minute
    assert sign_in(platform, "alice").answer.status == 303


@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS512"])
def test_other_algorithms(platform, alg):
    client = platform.keycloak.admin("GET", "/clients?clientId=craton-hub")[0]
    client["attributes"]["id.token.signed.response.alg"] = alg
    platform.keycloak.admin("PUT", f"/clients/{client['id']}", client)
    first = sign_in(platform, "alice").answer
    if first.status != 303:      # its key is newer than the last fetch
        time.sleep(31)
        first = sign_in(platform, "alice").answer
    assert first.status == 303, first.text


def test_hmac_is_refused(platform):
    """Keycloak can sign with the client secret as well; here that is no signature."""
    client = platform.keycloak.admin("GET", "/clients?clientId=craton-hub")[0]
    client["attributes"]["id.token.signed.response.alg"] = "HS256"
    platform.keycloak.admin("PUT", f"/clients/{client['id']}", client)
    a = sign_in(platform, "alice").answer
    client["attributes"]["id.token.signed.response.alg"] = "RS256"
    platform.keycloak.admin("PUT", f"/clients/{client['id']}", client)
    assert a.status == 403 and "HS256" in a.text and "not allowed here" in a.text


def test_signed_out_there(platform):
    """Keycloak tells the hub: of one session, then of all of a person. And the page that a person is sent to is there."""
    first, second, mia = (sign_in(platform, name) for name in ("alice", "alice", "mia"))
    number = platform.keycloak.admin("GET", "/users?username=alice")[0]["id"]
    sessions = platform.keycloak.admin("GET", f"/users/{number}/sessions")
    newest = max(sessions, key=lambda s: s["start"])["id"]
    platform.keycloak.admin("DELETE", f"/sessions/{newest}")
    wait_for(lambda: second.get("/hub/home").status == 303, 30)
    assert first.get("/hub/home").status == 200
    platform.keycloak.admin("POST", f"/users/{number}/logout")
    wait_for(lambda: first.get("/hub/home").status == 303, 30)
    assert mia.get("/hub/home").status == 200
    way = Person(platform).get("/hub/signin/egi/signout").location
    assert way.startswith(platform.keycloak.issuer + "/protocol/openid-connect/logout?")
    page = request("GET", way)      # a browser that is not signed in there is sent straight back
    assert page.status == 302 and page.location.startswith(f"{platform.hub}/hub/logout"), (page.status, page.location)


def test_disabled_there(platform):
    number = platform.keycloak.admin("GET", "/users?username=alice")[0]["id"]
    platform.keycloak.admin("PUT", f"/users/{number}", {"enabled": False})
    person = Person(platform)
    assert "kc-form-login" in walk(person, "alice") and "__Host-craton-login" not in person.jar


def test_membership_withdrawn(platform):
    mia = sign_in(platform, "mia")
    found = platform.keycloak.admin("GET", "/users?username=mia")[0]
    found["attributes"].pop("eduperson_entitlement")
    platform.keycloak.admin("PUT", f"/users/{found['id']}", found)
    assert sign_in(platform, "mia").answer.status == 403
    assert mia.get("/hub/home").status == 303

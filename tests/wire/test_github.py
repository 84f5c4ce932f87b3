"""Sign-in by GitHub's OAuth 2. GitHub itself cannot be reached from a test, nor is there a server of its makers to run; what answers here is written
after its documentation ("Authorizing OAuth apps"; REST API: users, emails, organizations, teams), under the addresses of GitHub Enterprise Server."""
import base64
import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hub_client import Person, free_ports, running
from provider_client import Stopped, begin, finish, write_provider

SECRET = "0123456789abcdef0123456789abcdef01234567"


class GitHub(Stopped):
    def __init__(self):
        self.port = free_ports()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.reset()
        github = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                github.serve(self, b"")

            def do_POST(self):
                github.serve(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def reset(self):
        self.user = {"login": "octo-ada", "id": 583231, "node_id": "x", "name": "Ada Octo", "email": None, "site_admin": False}
        self.emails = [{"email": "other@example.net", "primary": False, "verified": True, "visibility": None},
                       {"email": "ada@example.org", "primary": True, "verified": True, "visibility": "private"}]
        self.orgs = [{"login": "pangeo-data", "id": 1}, {"login": "xarray.contrib", "id": 2}]
        self.teams = [{"slug": "hub-admins", "name": "Hub Admins", "organization": {"login": "pangeo-data", "id": 1}}]
        self.override, self.codes, self.asked = {}, {}, []

    def begin(self, url):
        """What the browser would do at the page: agree."""
        parts = urlsplit(url)
        ask = {k: v[0] for k, v in parse_qs(parts.query).items()}
        assert parts.path == "/login/oauth/authorize" and ask["client_id"] == "Iv1.0123" and ask["scope"] == "read:user user:email read:org"
        assert ask["code_challenge_method"] == "S256"
        code = os.urandom(10).hex()
        self.codes[code] = ask
        return ask["redirect_uri"] + "?" + urlencode({"code": code, "state": ask["state"]})

    def exchange(self, form):
        ask = self.codes.pop(form.get("code"), None)
        if form.get("client_id") != "Iv1.0123" or form.get("client_secret") != SECRET:
            return {"error": "incorrect_client_credentials", "error_description": "The client_id and/or client_secret passed are incorrect."}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not ask or ask["redirect_uri"] != form["redirect_uri"] or ask["code_challenge"] != challenge:
            return {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
        return {"access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "scope": "read:org,read:user,user:email", "token_type": "bearer"}

    def answer(self, handler, body):
        path = handler.path
        self.asked.append(path)
        if path in self.override:
            return self.override[path]
        if path == "/login/oauth/access_token":      # 200 also when it says no
            assert handler.headers["Accept"] == "application/json"
            return 200, self.exchange({k: v[0] for k, v in parse_qs(body.decode()).items()})
        if not handler.headers.get("User-Agent"):
            return 403, {"message": "Request forbidden by administrative rules."}
        if handler.headers.get("Authorization") != "Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a":
            return 401, {"message": "Bad credentials"}
        return {"/api/v3/user": (200, self.user), "/api/v3/user/emails?per_page=100": (200, self.emails), "/api/v3/user/orgs?per_page=100": (200, self.orgs),
                "/api/v3/user/teams?per_page=100": (200, self.teams)}.get(path, (404, {"message": "Not Found"}))

    def serve(self, handler, body):
        status, value = self.answer(handler, body)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json; charset=utf-8")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@pytest.fixture(scope="module")
def platform():
    def before(p):
        p.github = github
        write_provider(p, "github", ["preset = github", f"issuer = {github.issuer}", "client-id = Iv1.0123", "allow = pangeo-data", "allow-email = @example.com",
                                     "admin = pangeo-data/hub-admins"], SECRET)

    with GitHub() as github, running(prepared=False, before=before) as p:
        yield p


@pytest.fixture(autouse=True)
def fresh(platform):
    platform.github.reset()


def sign_in(platform):
    person = Person(platform)
    person.answer = finish(person, platform.github.begin(begin(person, "github")))
    return person


def test_organizations_and_teams_are_groups(platform):
    ada = sign_in(platform)
    assert ada.answer.status == 303, ada.answer.text
    model = ada.api("GET", "/hub/api/user").json()
    assert model["name"] == "octo-ada" and model["admin"] and model["user_info"]["display_name"] == "Ada Octo"
    assert model["groups"] == ["github:pangeo-data", "github:pangeo-data/hub-admins", "github:xarray.contrib"]
    assert SECRET not in platform.log.read_text() and "gho_" not in platform.log.read_text()


def test_the_number_decides_and_not_the_name(platform):
    first = sign_in(platform)
    created = first.api("GET", "/hub/api/user").json()["created"]
    platform.github.user["login"] = "renamed"
    again = sign_in(platform).api("GET", "/hub/api/user").json()
    assert again["name"] == "octo-ada" and again["created"] == created
    platform.github.user.update(login="octo-ada", id=999)      # somebody else took the name that was given up there
    assert sign_in(platform).api("GET", "/hub/api/user").json()["name"] == "octo-ada-2"


def test_what_is_taken_away(platform):
    ada = sign_in(platform)
    platform.github.teams = []
    assert not sign_in(platform).api("GET", "/hub/api/user").json()["admin"]
    platform.github.orgs = [{"login": "xarray.contrib"}]
    out = sign_in(platform)
    assert out.answer.status == 403 and "xarray.contrib" in out.answer.text and "pangeo-data" in out.answer.text
    assert ada.get("/hub/home").status == 303


@pytest.mark.parametrize("address, verified, primary, comes_in", [
    ("eve@example.com", True, True, True), ("eve@example.com", False, True, False), ("eve@example.com", True, False, False), ("eve@example.com.evil.org", True, True, False)])
def test_a_verified_primary_address(platform, address, verified, primary, comes_in):
    platform.github.orgs = platform.github.teams = []
    platform.github.user.update(id=4711, login="eve", email="eve@example.com")      # what a profile says counts for nothing
    platform.github.emails = [{"email": address, "primary": primary, "verified": verified}]
    assert (sign_in(platform).answer.status == 303) == comes_in


def test_an_administrator_is_not_asked_again_there(platform):
    ada = sign_in(platform)
    page = ada.get("/hub/again").text
    assert "Prove it at" not in page
    csrf = ada.csrf("/hub/home")
    assert ada.send("/hub/again/github", {"_csrf": csrf}).status == 400
    assert ada.api("POST", "/hub/api/users/octo-ada/tokens", {}).status == 403
    assert "/hub/signin/github/signout" not in Person(platform).get("/hub/logout").text


FAULTS = {
    "no user": ("/api/v3/user", (200, {"message": "x"})),
    "number as text": ("/api/v3/user", (200, {"id": "583231", "login": "octo-ada"})),
    "name with a slash": ("/api/v3/user", (200, {"id": 583231, "login": "pangeo-data/hub-admins"})),
    "negative number": ("/api/v3/user", (200, {"id": -1, "login": "octo-ada"})),
    "twice": ("/api/v3/user", (200, b'{"id": 583231, "id": 1, "login": "octo-ada"}')),
    "broken": ("/api/v3/user", (200, b'{"id": 583231')),
    "too large": ("/api/v3/user/orgs?per_page=100", (200, b"[" + b'{"login": "pangeo-data"},' * 20000 + b"{}]")),
    "orgs as an object": ("/api/v3/user/orgs?per_page=100", (200, {"login": "pangeo-data"})),
    "orgs refused": ("/api/v3/user/orgs?per_page=100", (403, {"message": "Resource not accessible"})),
    "away": ("/api/v3/user/teams?per_page=100", (502, b"")),
    "token refused": ("/api/v3/user", (401, {"message": "Bad credentials"})),
    "no token": ("/login/oauth/access_token", (200, {"scope": ""})),
    "code refused": ("/login/oauth/access_token", (200, {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."})),
    "another type": ("/login/oauth/access_token", (200, {"access_token": "x", "token_type": "mac"})),
    "token with a line break": ("/login/oauth/access_token", (200, {"access_token": "x\r\nX-Evil: 1", "token_type": "bearer"})),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_goes_wrong_lets_nobody_in(platform, what):
    path, answer = FAULTS[what]
    platform.github.override[path] = answer
    person = sign_in(platform)
    assert person.answer.status in (403, 502, 503), person.answer.status
    assert "__Host-craton-login" not in person.jar and path in platform.github.asked


def test_odd_names_are_no_groups(platform):
    platform.github.orgs += [{"login": "a/b"}, {"login": 5}, {}, "x", {"login": "ü"}]
    platform.github.teams += [{"slug": "x/y", "organization": {"login": "pangeo-data"}}, {"slug": "x"}, {"slug": "x", "organization": []}]
    assert sign_in(platform).api("GET", "/hub/api/user").json()["groups"] == ["github:pangeo-data", "github:pangeo-data/hub-admins", "github:xarray.contrib"]


def test_an_answer_of_another_sign_in(platform):
    person, other = Person(platform), Person(platform)
    back = platform.github.begin(begin(person, "github"))
    begin(other, "github")
    assert finish(other, back).status == 403 and "__Host-craton-login" not in other.jar
    assert finish(person, back).status == 303
    assert finish(person, back).status == 403      # once

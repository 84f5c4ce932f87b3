"""Every request that the hub knows, made by somebody whose business it is not: the list is the table of routes itself, so that a new request is attempted too.

What is attempted is numbered in docs/attempts.md. The hub's state is compared before and after, and each request is made at the end by somebody who may.
"""
import itertools
import json
import re
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hub_client import Person, Platform, request, running

SOURCE = Path(__file__).resolve().parents[2] / "src/platform"
ROUTES = [(method.removeprefix("CR_"), path, kind, csrf)
          for methods, path, kind, csrf in re.findall(r'\{((?:CR_[A-Z]+(?: \| )?)+),\s*"([^"]+)",\s*CR_ROUTE_(\w+),\s*CR_CSRF_(\w+),', (SOURCE / "hub/routes.c").read_text())
          for method in methods.split(" | ")]
API = [(method, path) for method, path, kind, _ in ROUTES if kind == "API"]
# Those that are about somebody, and those that are for who looks after all.
ABOUT = [r for r in API if re.search(":(name|owner|group)", r[1]) and r[1] != "/hub/api/authorizations/token/:token"]
FOR_ALL = [r for r in API if r not in ABOUT and r[1] not in ("/hub/api/user", "/hub/api/authorizations/token/:token")]
FORMS = [(path, kind) for method, path, kind, _ in ROUTES if method == "POST" and kind in ("PAGE", "PAGE_ADMIN")]
PAGES = [(path, kind) for method, path, kind, _ in ROUTES if method == "GET" and kind.startswith("PAGE")]
NOTE = "what the victim calls this token"
FORM = "application/x-www-form-urlencoded"
# Where nothing in the body would be no attempt.
BODIES = {
    ("PATCH", "/hub/api/users/:name"): {"name": "taken"},
    ("POST", "/hub/api/users/:name/activity"): {"last_activity": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
    ("PATCH", "/hub/api/users/:name/server"): {"display_name": "taken"},
    ("PATCH", "/hub/api/users/:name/servers/:server"): {"display_name": "taken"},
    ("DELETE", "/hub/api/users/:name/servers/:server"): {"remove": True},
    ("POST", "/hub/api/users/:name/tokens"): {"note": "taken"},
    ("POST", "/hub/api/shares/:owner/*"): {"user": "eve"}, ("PATCH", "/hub/api/shares/:owner/*"): {"user": "friend"},
    ("POST", "/hub/api/groups/:group/users"): {"users": ["eve"]}, ("DELETE", "/hub/api/groups/:group/users"): {"users": ["victim"]},
    ("PUT", "/hub/api/groups/:group/properties"): {"colour": "red"},
    ("POST", "/hub/api/users"): {"usernames": ["made-by-eve"]}, ("POST", "/hub/api/groups"): {"groups": ["made-by-eve"]},
    ("POST", "/hub/api/start-ahead"): {"group": "team"}, ("PATCH", "/hub/api/proxy"): {"ip": "127.0.0.1"},
}


class Sharing(Platform):
    def __init__(self):
        super().__init__()
        (self.folder / "state/roles").mkdir(mode=0o711, parents=True)
        (self.folder / "state/roles/user.conf").write_text("scope = shares!user\n")


@pytest.fixture(scope="module")
def hub():
    with running("--named-servers", "2", prepared=False, kind=Sharing) as p:
        root = p.administrator()
        p.people = {"root1": root, **{name: p.add_person(root, name) for name in ("victim", "friend", "eve")}}
        for name, person in p.people.items():
            person.name = name
        p.token = {name: person.api("POST", f"/hub/api/users/{name}/tokens", {"note": NOTE}).json()["token"] for name, person in p.people.items()}
        p.number = p.people["victim"].api("GET", "/hub/api/users/victim/tokens").json()["api_tokens"][0]["id"]
        p.token["narrow eve"] = p.people["eve"].api("POST", "/hub/api/users/eve/tokens", {"scopes": ["read:users!user=eve"]}).json()["token"]
        p.token["narrow victim"] = p.people["victim"].api("POST", "/hub/api/users/victim/tokens", {"scopes": ["read:users:name!user=victim"]}).json()["token"]
        p.token["wrong"] = "0" * 64
        # The state is read so often that one token would have to wait.
        p.readers = itertools.cycle([root.api("POST", "/hub/api/users/root1/tokens", {}).json()["token"] for _ in range(10)])
        assert p.people["victim"].api("PUT", "/hub/api/users/victim/servers/lab2").status == 201
        p.people["victim"].get("/hub/home")
        for method, path, body in (("POST", "groups/team", None), ("POST", "groups/team/users", {"users": ["victim"]}), ("POST", "shares/victim/lab2", {"user": "friend"}),
                                   ("POST", "shares/victim/lab2", {"group": "team"}), ("POST", "share-codes/victim/lab2", {})):
            answer = as_(p, "root1", method, "/hub/api/" + path, body)
            assert answer.status in (200, 201), (path, answer.text)
        yield p


def as_(hub, who, method, path, body=None, **more):
    """With a token, as programs of this machine ask; who "nobody" has none."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", **more}
    if who != "nobody":
        headers["Authorization"] = f"token {next(hub.readers) if who == 'root1' else hub.token[who]}"
    return request(method, f"http://127.0.0.1:{hub.port + 2}{path}", json.dumps(body) if body is not None else None, headers)


def fill(hub, path, name="victim"):
    shared = "/shared/" in path or path.startswith(("/hub/api/shares", "/hub/api/share-codes"))
    return re.sub(r":\w+|\*$", lambda m: {":name": name, ":owner": name, ":server": "lab2", ":token": hub.number, ":group": "team", "*": "lab2" if shared else "lab",
                                          ":link": "0" * 64, ":provider": "none", ":service": "none", ":id": "1"}[m.group()], path)


def body_of(method, path):
    return BODIES.get((method, path), {} if method in ("POST", "PUT", "PATCH") else None)


def state(hub):
    """All that the attempts would change."""
    found = {path: as_(hub, "root1", "GET", "/hub/api/" + path).json() for path in
             ("users", "groups", "users/victim/tokens", "users/eve/tokens", "shares/victim", "share-codes/victim", "users/friend/shared", "start-ahead", "groups/team/shared")}
    return without_times(found)


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not k.startswith("last_")}
    return sorted((without_times(v) for v in value), key=str) if isinstance(value, list) else value


@pytest.fixture
def unchanged(hub):
    before = state(hub)
    yield
    assert state(hub) == before
    assert hub.people["victim"].get("/hub/home").status == 200


def test_the_table_is_read():
    assert len(API) > 60 and len(ABOUT) > 40 and len(FOR_ALL) > 12 and len(FORMS) > 25 and len(PAGES) > 25


@pytest.mark.parametrize("who", ["eve", "eve's browser", "narrow eve", "narrow victim", "friend", "nobody", "wrong"])
def test_rest_about_somebody_else(hub, unchanged, who):
    for method, path in ABOUT:
        target, body = fill(hub, path), body_of(method, path)
        answer = hub.people["eve"].api(method, target, body) if who == "eve's browser" else as_(hub, who, method, target, body)
        if who == "narrow victim" and (method, path) == ("GET", "/hub/api/users/:name"):
            assert set(answer.json()) <= {"kind", "name", "admin", "user_info", "groups"}, answer.text      # every token says whose it is
            continue
        if who == "friend" and path.startswith(("/hub/api/shares", "/hub/api/users/:name/server")) and method == "GET":
            assert NOTE not in answer.text
        assert answer.status in (403, 404), (who, method, target, answer.status, answer.text)
        assert NOTE not in answer.text and "token_id" not in answer.text


@pytest.mark.parametrize("who", ["eve", "eve's browser", "narrow eve", "friend", "nobody", "wrong"])
def test_rest_about_all(hub, unchanged, who):
    for method, path in FOR_ALL:
        target, body = fill(hub, path), body_of(method, path)
        answer = hub.people["eve"].api(method, target, body) if who == "eve's browser" else as_(hub, who, method, target, body)
        if answer.status == 200 and method == "GET":       # lists are cut to what one may see
            assert not re.search("victim|root1|team", answer.text), (who, target, answer.text)
            continue
        assert answer.status in (403, 404), (who, method, target, answer.status, answer.text)


@pytest.mark.parametrize("name", ["victim/../victim", "%76ictim", "VICTIM", "eve/../victim", "eve%2f..%2fvictim", "/victim", "victim%00", "victim;", "eve/tokens/../../victim",
                                  "vict%c4%b1m", "%76%69%63%74%69%6d", "%2576ictim", "victim%20", "eve%26victim", "victim%0a", "eve/%2e%2e/victim", "%ef%bd%96ictim"])
def test_odd_spellings_of_a_name(hub, name):
    """Of the victim's list of tokens; the plain one is answered to the victim."""
    path = f"/hub/api/users/{name}/tokens"
    for who in ("eve", "narrow victim"):
        answer = as_(hub, who, "GET", path)
        assert answer.status in (400, 403, 404) and NOTE not in answer.text, answer.text
    assert NOTE in as_(hub, "victim", "GET", "/hub/api/users/victim/tokens").text


def test_tokens_where_they_do_not_belong(hub):
    """In the address, in a cookie, in a form, as a name's password, beside another one."""
    base, token = f"http://127.0.0.1:{hub.port + 2}/hub/api", hub.token["victim"]
    good = {"Authorization": f"token {token}"}
    assert request("GET", base + "/users/victim/tokens", headers=good).status == 200
    for path, headers in ((f"/users/victim/tokens?token={token}", {}), (f"/users/victim/tokens?access_token={token}", {}), ("/users/victim/tokens", {"Cookie": f"token={token}"}),
                          ("/users/victim/tokens", {"Cookie": f"__Host-craton-login={token}"}), ("/users/victim/tokens", {"X-Api-Token": token}),
                          ("/users/victim/tokens", {"Authorization": token}), ("/users/victim/tokens", {"Authorization": f"token {token}0"}),
                          ("/users/victim/tokens", {"Authorization": f"token {token[:-1]}"}), ("/users/victim/tokens", {"Authorization": f"token {token.upper()}"}),
                          ("/users/victim/tokens", {"Authorization": f"token {hub.token['eve']}, token {token}"}), ("/users/victim/tokens", {"Authorization": f"Digest {token}"})):
        assert request("GET", base + path, headers=headers).status in (400, 403), (path, headers)
    # At the pages a token is nothing: they are for browsers.
    assert request("GET", hub.hub + "/hub/home", headers=good).status == 303
    assert request("GET", hub.hub + "/hub/admin", headers={"Authorization": f"token {hub.token['root1']}"}).status == 303


def test_pages_of_somebody_else(hub):
    eve = hub.people["eve"]
    for path, kind in PAGES:
        target = fill(hub, path)
        if kind == "PAGE_ADMIN":
            assert eve.get(target).status == 403, target
        elif ":name" in path:
            answer = eve.get(target)
            assert answer.status in (403, 404) or (300 < answer.status < 304 and answer.location.startswith("/hub/")), (target, answer.status, answer.location)
            assert NOTE not in answer.text
    for path, kind in FORMS:
        if kind == "PAGE_ADMIN":
            assert eve.post(fill(hub, path), {"user": "victim", "action": "disable"}, "/hub/home").status == 403, path


def done(hub):
    with sqlite3.connect(f"file:{hub.folder}/state/hub/hub.sqlite?mode=ro", uri=True, timeout=10) as db:
        return db.execute("SELECT count(*) FROM audit WHERE result = 'done'").fetchone()[0]


ELSEWHERE = {"another origin": {"Origin": "http://eve.localhost:8001"}, "no origin": {"Origin": None}, "a null origin": {"Origin": "null"},
             "another port": {"Origin": "http://127.0.0.1:1"}, "https": {"Origin": "https://127.0.0.1"}, "said to be cross-site": {"Sec-Fetch-Site": "cross-site"},
             "said to be same-site": {"Sec-Fetch-Site": "same-site"}, "a frame": {"Sec-Fetch-Dest": "iframe"}}


@pytest.mark.parametrize("way", ["no token", "zeroes", "of another session", "of no session", "in the address", "as text", *ELSEWHERE])
def test_every_form_by_another_page(hub, unchanged, way):
    """In an administrator's name, with that cookie; what is in the form is right except the one thing."""
    root, before = hub.people["root1"], done(hub)
    right, headers = root.csrf(), ELSEWHERE.get(way, {})
    token = {"no token": None, "zeroes": "0" * 64, "of another session": hub.people["eve"].csrf(), "of no session": Person(hub).csrf("/hub/login"), "in the address": None}.get(way, right)
    for path, _ in FORMS:
        fields = {"user": "victim", "username": "victim", "action": "disable", "server": "lab2", "id": "1", "group": "team", "text": "taken", "on": "yes", "scope": "victim/lab2"}
        target = fill(hub, path, "root1")
        if token:
            fields["_csrf"] = token
        if way == "in the address":
            target += "?" + urlencode({"_csrf": right})
        answer = root.send(target, fields, {**headers, **({"Content-Type": "text/plain"} if way == "as text" else {})})
        assert answer.status in ((403, 415, 400) if way == "as text" else (403,)), (way, target, answer.status, answer.text[:300])
    assert root.get("/hub/home").status == 200 and done(hub) == before


@pytest.mark.parametrize("way", ["no token", "zeroes", "of another session", *ELSEWHERE])
def test_every_call_by_another_page(hub, unchanged, way):
    """The REST API with an administrator's cookie."""
    root, before = hub.people["root1"], done(hub)
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Sec-Fetch-Mode": "cors", **ELSEWHERE.get(way, {})}
    token = {"no token": None, "zeroes": "0" * 64, "of another session": hub.people["eve"].csrf()}.get(way, root.csrf())
    if token:
        headers["X-CSRF"] = token
    for method, path in API:
        if method == "GET" or path in ("/hub/api/shutdown",):
            continue
        answer = root.ask(method, fill(hub, path), json.dumps(body_of(method, path) or {}), headers)
        assert answer.status == 403, (way, method, path, answer.status, answer.text)
    assert done(hub) == before


def frames(answer):
    return answer.headers["X-Frame-Options"] == "DENY" and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_page_is_in_no_frame(hub):
    root, seen = hub.people["root1"], 0
    for path, _ in sorted(PAGES, key=lambda r: r[0] == "/hub/logout"):      # which is the last that is seen
        answer = root.get(fill(hub, path, "root1"))
        assert frames(answer), path
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            seen += 1
            policy = answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy and "base-uri" in policy and "unsafe" not in policy, path
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin" and answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", path
            assert answer.headers["Cache-Control"] == "no-store", path
    assert seen > 15
    # What is no page: errors of the hub, and of HAProxy before it.
    for method, path, headers, status in (("GET", "/hub/nowhere", {}, 404), ("DELETE", "/hub/login", {}, 405), ("GET", "/hub/api/users", {}, 403), ("GET", "/hub/static/none", {}, 404),
                                          ("GET", "/hub/login", {"Host": "evil.example"}, 421), ("GET", "/hub/login?" + "&" * 300, {}, 414), ("POST", "/hub/login", {"Transfer-Encoding": "chunked"}, 411)):
        answer = request(method, hub.hub + path, headers={"Accept": "text/html", **headers})
        assert answer.status == status and frames(answer), (path, answer.status)


def test_those_who_may_are_answered(hub):
    """The controls, after everything else: the same requests are carried out for the person or an administrator."""
    for method, path in sorted((r for r in ABOUT if r[0] == "GET"), key=str):
        who = "victim" if path.startswith("/hub/api/users/:name/shared") else "root1"
        answer = as_(hub, who, method, fill(hub, path))
        odd = {"/hub/api/users/:name/server/progress": 400, "/hub/api/users/:name/servers/:server/progress": 400, "/hub/api/users/:name/shared/:owner/*": 404}.get(path, 200)
        assert answer.status == odd, (path, answer.status, answer.text)
    for method, path, status in (("POST", "/hub/api/users/:name/activity", 200), ("PUT", "/hub/api/groups/:group/properties", 200), ("PATCH", "/hub/api/users/:name/servers/:server", 200),
                                 ("POST", "/hub/api/users/:name/tokens", 201), ("DELETE", "/hub/api/users/:name/tokens/:token", 204), ("POST", "/hub/api/shares/:owner/*", 200),
                                 ("PATCH", "/hub/api/shares/:owner/*", 200), ("DELETE", "/hub/api/share-codes/:owner/*", 204), ("DELETE", "/hub/api/shares/:owner/*", 204),
                                 ("POST", "/hub/api/groups/:group/users", 200), ("DELETE", "/hub/api/groups/:group/users", 200), ("DELETE", "/hub/api/groups/:group", 204),
                                 ("DELETE", "/hub/api/users/:name/servers/:server", 204), ("PATCH", "/hub/api/users/:name", 200)):
        answer = as_(hub, "root1", method, fill(hub, path), body_of(method, path))
        assert answer.status == status, (method, path, answer.status, answer.text)
    assert as_(hub, "root1", "DELETE", "/hub/api/users/taken").status == 204

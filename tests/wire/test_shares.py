"""A server that is shared: the guest goes in by OAuth at the real jupyterhub-singleuser, nobody else does, and what is taken away is gone;
links with a code; the pages for both."""
import html
import os
import re
import signal
import sqlite3
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import websocket
from hub_client import PASSWORD, Person, Platform, cpu_seconds, request, running, wait_for
from test_session import Lab, server, start, stop

ROLE = "# everybody may share the own server, with people and groups by name\nscope = shares!user\nscope = read:users:name\nscope = read:groups:name\n"
TUTOR = ("scope = access:servers!group=course\nscope = list:users!group=course\nscope = shares!group=course\nscope = tokens!group=course\nscope = groups!group=course\n"
         "user = root1\ngroup = tutors\n")
VISITOR = "scope = access:servers!user=ada\ngroup = visitors\n"
LONG = os.environ.get("CRATON_LONG")


class Sharing(Platform):
    def __init__(self):
        super().__init__()
        (self.folder / "state/roles").mkdir(mode=0o711, parents=True)
        (self.folder / "state/roles/user.conf").write_text(ROLE)
        (self.folder / "state/roles/tutor.conf").write_text(TUTOR)
        (self.folder / "state/roles/visitor.conf").write_text(VISITOR)


@pytest.fixture(scope="module")
def hub():
    with running(kind=Sharing) as p:
        yield p


@pytest.fixture(scope="module")
def people(hub):
    root = hub.administrator("root1")
    people = {"root1": root, **{name: hub.add_person(root, name) for name in ("ada", "bob", "eve")}}
    for name, person in people.items():
        person.name = name
    return people


@pytest.fixture(scope="module")
def ada(people):
    person = people["ada"]
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    assert lab.api("PUT", "contents/rivers.txt", {"type": "file", "format": "text", "content": "the Elbe"}).status == 201
    yield person
    if server(person):
        stop(person)


@pytest.fixture(autouse=True)
def nothing_shared(people):
    yield
    for path in ("shares", "share-codes"):
        assert people["ada"].api("DELETE", f"/hub/api/{path}/ada/").status == 204
    for name in ("ada", "bob", "eve"):
        assert shared_with(people[name]) == []


def enter(person, owner):
    """Goes to the owner's server and, when asked for the first time in this sign-in, agrees to go in."""
    lab = Lab(person, owner)
    answer = lab.open()
    assert answer.status == 200, answer.text
    if "jupyter-config-data" not in answer.text:
        where = html.unescape(re.search(r'action="(/hub/api/oauth2/authorize[^"]*)"', answer.text).group(1))
        token = re.search(r'name="_csrf" value="([0-9a-f]{64})"', answer.text).group(1)
        assert person.post(where, {}).status == 403  # a page of another site, or of the server, cannot agree in one's name
        answer = person.post(where, {"_csrf": token})
        assert answer.status == 302 and urlsplit(answer.location).netloc == lab.host
        assert lab.get(answer.location, headers={"Sec-Fetch-Mode": "navigate"}).status == 302
        assert "jupyter-config-data" in lab.open().text
    return lab


def give(owner, **body):
    answer = owner.api("POST", f"/hub/api/shares/{owner.name}/", body)
    assert answer.status == 200, answer.text
    return answer.json()


def shared_with(person):
    return person.api("GET", f"/hub/api/users/{person.name}/shared").json()["items"]


def refused(person, owner):
    lab = Lab(person, owner)
    answer = lab.open()
    assert answer.status == 403 and "belongs to somebody else" in answer.text
    assert person.get(f"/hub/user/{owner.name}/lab").status == 403
    return True


def test_a_guest_comes_in_and_nobody_else(hub, people, ada):
    bob, eve = people["bob"], people["eve"]
    assert refused(bob, ada)
    share = give(ada, user="bob")
    assert share["scopes"] == ["access:servers!server=ada/"] and share["server"]["ready"]
    assert "You go in as a guest" in Lab(bob, ada).open().text
    lab = enter(bob, ada)
    assert "the Elbe" in lab.api("GET", "contents/rivers.txt").text
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    assert lab.run(kernel, "import getpass; getpass.getuser()") == f"'{hub.accounts}ada'"
    assert lab.api("DELETE", f"kernels/{kernel}").status == 204
    # Who is asked once is not asked again, and others are not let in by it.
    again = Lab(bob, ada)
    assert again.open().status == 200 and "jupyter-config-data" in again.open().text
    assert refused(eve, ada)
    stolen = Lab(eve)  # the guest's cookies of that origin are nothing at another one
    stolen.jar = dict(lab.jar)
    assert "jupyter-config-data" not in stolen.open().text
    # At the hub the share is what it says and no more.
    assert set(bob.api("GET", "/hub/api/users/ada").json()) == {"kind", "name", "admin", "user_info"}  # the names of all are read in this platform
    for method, path in (("POST", "users/ada/server"), ("DELETE", "users/ada/server"), ("GET", "users/ada/tokens"),
                         ("POST", "shares/ada/"), ("GET", "shares/ada/"), ("GET", "share-codes/ada/"), ("PATCH", "users/ada")):
        assert bob.api(method, f"/hub/api/{path}", {} if method != "GET" else None).status in (403, 404), path
    assert bob.get("/hub/user/ada/lab/tree/x?a=1").location.endswith("/user/ada/lab/tree/x?a=1")  # a route that was lost is mended for guests too


def test_the_token_in_the_owners_hands(hub, people, ada):
    """The owner's server gets a token of the guest: it says who that is, and opens that server alone."""
    give(ada, user="bob")
    lab = enter(people["bob"], ada)
    page = lab.open().text
    token = re.search(r'"token": *"([0-9a-f]{64})"', page).group(1)
    api = f"http://127.0.0.1:{hub.port + 2}/hub/api/"
    model = request("GET", api + "user", headers={"Authorization": f"token {token}"}).json()
    assert model["name"] == "bob" and set(model["scopes"]) == {"access:servers!server=ada/", "read:users:name!user=bob", "read:users:groups!user=bob"}
    for method, path in (("POST", "users/bob/server"), ("GET", "users/bob/tokens"), ("POST", "users/bob/tokens"), ("GET", "shares/bob"),
                         ("DELETE", "users/bob/shared/ada/"), ("GET", "users/bob/shared"), ("POST", "users/bob/activity")):
        assert request(method, api + path, headers={"Authorization": f"token {token}"}).status == 403, path
    assert request("GET", f"http://127.0.0.1:{hub.port}/services/dask-gateway/api/v1/clusters/",
                   headers={"Authorization": f"jupyterhub {token}"}).status == 401
    # Its note names the server where it was given.
    listed = people["bob"].api("GET", "/hub/api/users/bob/tokens").json()["api_tokens"]
    assert [t for t in listed if t["oauth_client"] == "Server at /user/ada/"]
    # It ends with the sign-in that it was given in.
    assert people["bob"].post("/hub/logout", {}, "/hub/home").status in (302, 303)
    assert request("GET", api + "user", headers={"Authorization": f"token {token}"}).status == 403
    people["bob"].sign_in("bob")


@pytest.mark.parametrize("how", ["by the owner", "by the guest", "by the page", "with the password"])
def test_what_is_taken_away_is_gone(hub, people, ada, how):
    bob = people["bob"]
    give(ada, user="bob")
    lab = enter(bob, ada)
    token = re.search(r'"token": *"([0-9a-f]{64})"', lab.open().text).group(1)
    made = bob.api("POST", "/hub/api/users/bob/tokens", {"scopes": ["access:servers!server=ada/"]}).json()["token"]
    if LONG:
        kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        open_still = lab.connect(kernel)
    if how == "by the owner":
        assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob"}).json() == {}
    elif how == "by the guest":
        assert bob.api("DELETE", "/hub/api/users/bob/shared/ada/").status == 204
    elif how == "by the page":
        number = re.search(r'name="id" value="(\d+)">\s*<button type="submit" aria-label="Let bob in no longer"', ada.get("/hub/shares").text).group(1)
        assert ada.post("/hub/shares/remove", {"id": number}, "/hub/shares").status == 303
    else:  # somebody who knew the old one may have shared the server with himself
        answer = ada.post("/hub/password", {"password_now": PASSWORD, "password": PASSWORD, "password_again": PASSWORD}, "/hub/password")
        assert answer.status in (200, 303), answer.text
    for text in (token, made):
        answer = request("GET", f"http://127.0.0.1:{hub.port + 2}/hub/api/user", headers={"Authorization": f"token {text}"})
        assert answer.status == 403 or "access:servers!server=ada/" not in answer.json()["scopes"]
    assert refused(bob, ada)  # a new visit, though the old one was agreed to
    # With a token that the server has not seen: it asks the hub.
    assert request("GET", Lab(bob, ada).base + "api/contents", headers={"Authorization": f"token {made}"}).status == 403
    if LONG:
        time.sleep(61)
        assert lab.api("GET", "contents/rivers.txt").status == 403
        wait_for(lambda: is_cut(open_still), 20)
        with pytest.raises(websocket.WebSocketException):
            lab.connect(kernel)
        own = Lab(ada)
        assert own.open().status == 200 and own.run(kernel, "6 * 7") == "42"
        open_still.close()


def is_cut(ws):
    """Reads what has come."""
    ws.settimeout(0.5)
    try:
        while ws.recv():
            pass
        return True
    except websocket.WebSocketTimeoutException:
        return False
    except (websocket.WebSocketException, OSError):
        return True


def test_a_group_is_let_in(hub, people, ada):
    root, bob, eve = people["root1"], people["bob"], people["eve"]
    assert root.api("POST", "/hub/api/groups/team", {"users": ["bob"]}).status == 201
    assert give(ada, group="team")["kind"] == "group"
    lab = enter(bob, ada)
    assert "the Elbe" in lab.api("GET", "contents/rivers.txt").text and refused(eve, ada)
    assert "as one of the group team" in bob.get("/hub/home").text
    assert root.api("DELETE", "/hub/api/groups/team/users", {"users": ["bob"]}).status == 200
    assert refused(bob, ada)
    # A group that is made again under the old name was given nothing.
    assert root.api("POST", "/hub/api/groups/team/users", {"users": ["bob"]}).status == 200
    assert enter(bob, ada)
    assert root.api("DELETE", "/hub/api/groups/team").status == 204 and root.api("POST", "/hub/api/groups/team", {"users": ["bob"]}).status == 201
    assert refused(bob, ada)
    assert root.api("DELETE", "/hub/api/groups/team").status == 204


def test_a_guest_of_a_stopped_server(people, ada):
    eve = people["eve"]
    answer = eve.api("POST", "/hub/api/shares/eve/", {"user": "bob"})
    assert answer.status == 200 and not answer.json()["server"]["ready"]
    page = people["bob"].get("/hub/user/eve/lab")
    assert page.status == 424 and "eve starts it" in page.text
    assert people["bob"].api("POST", "/hub/api/users/eve/server").status in (403, 404)
    assert people["bob"].get("/hub/user/nobody/lab").status == people["ada"].get("/hub/user/eve/lab").status == 403
    assert eve.api("DELETE", "/hub/api/shares/eve/").status == 204


def test_a_role_of_a_group(hub, people, ada):
    """Tutors go into the servers of the course, and see who is in it; who is no tutor any more does neither."""
    root, eve = people["root1"], people["eve"]
    for group, name in (("course", "ada"), ("tutors", "eve")):
        assert root.api("POST", f"/hub/api/groups/{group}", {"users": [name]}).status == 201
    assert [u["name"] for u in eve.api("GET", "/hub/api/users").json()] == ["ada"]
    assert "the Elbe" in enter(eve, ada).api("GET", "contents/rivers.txt").text
    # A program's token: the server compares scopes as texts and knows nobody's groups (as with the real hub), so it needs the person's name in it.
    url, first = Lab(eve, ada).base + "api/contents/rivers.txt", len(audit(hub, 100000))
    for fields, status in (({}, 403), ({"scopes": ["access:servers!group=course"]}, 403), ({"scopes": ["access:servers!user=ada"]}, 200)):
        made = eve.api("POST", "/hub/api/users/eve/tokens", fields)
        assert made.status == 201, made.text
        assert request("GET", url, headers={"Authorization": f"token {made.json()['token']}"}).status == status, fields
    # Who is refused has not been in.
    via = [row for row in audit(hub, len(audit(hub, 100000)) - first) if row[0] == "server-entered"]
    assert via == [("server-entered", "done", "eve", "ada", "")], via
    assert eve.get("/hub/user/bob/lab").status == 403 and refused(people["bob"], ada)
    assert root.api("GET", "/hub/api/groups/tutors").json()["roles"] == ["tutor"]
    assert root.api("GET", "/hub/api/users/root1").json()["roles"] == ["user", "admin", "tutor"]
    assert root.api("GET", "/hub/api/users/eve").json()["roles"] == ["user"]
    assert root.api("DELETE", "/hub/api/groups/tutors/users", {"users": ["eve"]}).status == 200
    assert refused(eve, ada) and eve.api("GET", "/hub/api/users").status == 403
    for group in ("course", "tutors"):
        assert root.api("DELETE", f"/hub/api/groups/{group}").status == 204


# ---- links ----

def link_of(owner, days=1):
    answer = owner.post("/hub/shares", {"to": "link", "days": days}, "/hub/shares")
    assert answer.status == 200, answer.text
    return html.unescape(re.search(r'id="link"[^>]*value="([^"]+)"', answer.text).group(1))


def path_of(link):
    parts = urlsplit(link)
    return parts.path + "?" + parts.query


def accept(person, link):
    code = parse_qs(urlsplit(link).query)["code"][0]
    return person.post("/hub/accept-share", {"code": code}, "/hub/home")


def test_a_link_is_accepted(hub, people, ada):
    bob, eve = people["bob"], people["eve"]
    link = link_of(ada)
    assert link.startswith(hub.hub + "/hub/accept-share?code=")
    assert link not in ada.get("/hub/shares").text and "not accepted yet" in ada.get("/hub/shares").text
    page = bob.get(path_of(link))
    assert page.status == 200 and "ada shares a JupyterLab with you" in page.text
    assert shared_with(bob) == []  # looking is not accepting
    assert bob.post("/hub/accept-share", {"code": parse_qs(urlsplit(link).query)["code"][0]}).status == 403  # nor is what another page sends
    assert accept(bob, link).location.startswith(Lab(bob, ada).base)
    assert enter(bob, ada) and refused(eve, ada)
    assert "accepted once" in ada.get("/hub/shares").text
    # Who is not signed in comes back to it.
    stranger = Person(hub)
    answer = stranger.get(path_of(link))
    assert answer.status == 303 and answer.location.startswith("/hub/login?next=/hub/accept-share%3Fcode%3D")
    # Its end is not the end of what was accepted; that is taken away by itself.
    codes = ada.api("GET", "/hub/api/share-codes/ada/").json()["items"]
    assert ada.post("/hub/shares/remove", {"kind": "link", "id": codes[0]["id"][3:]}, "/hub/shares").status == 303
    assert eve.get(path_of(link)).status == accept(eve, link).status == 404 and refused(eve, ada)
    assert len(shared_with(bob)) == 1


def test_the_own_link(people, ada):
    link = link_of(ada)
    assert ada.get(path_of(link)).status == accept(ada, link).status == 403


@pytest.mark.parametrize("code", ["", "0" * 64, "0" * 63, "g" * 64, "'OR+1=1--", "a" * 3000])
def test_guessed_codes(people, ada, code):
    link_of(ada)
    bob = people["bob"]
    assert bob.get("/hub/accept-share?code=%00").status == 400
    for answer in (bob.get(f"/hub/accept-share?code={code}"), bob.post("/hub/accept-share", {"code": code}, "/hub/home")):
        assert answer.status == 404 and "not found or expired" in html.unescape(answer.text)
    assert bob.get("/hub/accept-share").status == 404
    assert shared_with(bob) == []


def test_an_expired_code(hub, people, ada):
    made = ada.api("POST", "/hub/api/share-codes/ada/", {"expires_in": 60}).json()
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE shares SET expires_ms = ? WHERE id = ?", (int(time.time() * 1000) - 1, int(made["id"][3:])))
    assert people["bob"].get(made["accept_url"]).status == accept(people["bob"], made["accept_url"]).status == 404
    assert ada.api("GET", "/hub/api/share-codes/ada/").json()["items"] == []


def test_a_code_is_for_one_server(people, ada):
    """Neither does it open another one, nor does its owner reach others' codes by it."""
    bob, eve = people["bob"], people["eve"]
    made = eve.api("POST", "/hub/api/share-codes/eve/", {}).json()
    assert accept(bob, made["accept_url"]).status == 303
    assert refused(bob, ada) and [s["server"]["user"]["name"] for s in shared_with(bob)] == ["eve"]
    other = link_of(ada)
    code = parse_qs(urlsplit(other).query)["code"][0]
    number = ada.api("GET", "/hub/api/share-codes/ada/").json()["items"][0]["id"]
    for what in (f"code={code}", f"id={number}"):
        assert eve.api("DELETE", f"/hub/api/share-codes/eve/?{what}").status == 404
        assert eve.api("DELETE", f"/hub/api/share-codes/ada/?{what}").status == 404
    assert eve.post("/hub/shares/remove", {"kind": "link", "id": number[3:]}, "/hub/shares").status == 404
    assert len(ada.api("GET", "/hub/api/share-codes/ada/").json()["items"]) == 1
    assert eve.api("DELETE", "/hub/api/shares/eve/").status == eve.api("DELETE", "/hub/api/share-codes/eve/").status == 204


def test_only_hashes_are_stored(hub, people, ada):
    code = parse_qs(urlsplit(link_of(ada)).query)["code"][0]
    stored = b"".join(path.read_bytes() for path in (hub.folder / "state/hub").glob("hub.sqlite*"))
    assert code.encode() not in stored and code not in hub.log.read_text()


# ---- who may give ----

@pytest.mark.parametrize("body, status, words", [
    ({"user": "nobody"}, 400, "No such user"), ({"user": "bob", "scopes": ["start:servers!server=bob/"]}, 400, "not allowed on sharing"),
    ({"user": "bob", "scopes": ["admin:servers"]}, 403, "Do not have permission"), ({"user": "bob", "scopes": ["self"]}, 403, "Do not have permission"),
    ({"user": "bob", "scopes": ["inherit"]}, 403, "Do not have permission"), ({"user": "bob", "scopes": ["no-such"]}, 400, "no-such"),
    ({"user": "bob", "scopes": ["access:servers"] * 33}, 400, "at most 32"), ({"user": "bob", "scopes": [7]}, 400, "list of texts"),
    ({"user": "bob" * 100}, 400, "No such user"), ({}, 400, "exactly one"),
])
def test_what_cannot_be_given(people, ada, body, status, words):
    answer = ada.api("POST", "/hub/api/shares/ada/", body)
    assert answer.status == status and words in answer.json()["message"], answer.text
    assert ada.api("GET", "/hub/api/shares/ada").json()["items"] == []


def test_others_servers_are_not_given(people, ada):
    """Not by somebody else, not with a share of it, not by a token that has less."""
    bob, eve = people["bob"], people["eve"]
    assert eve.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 404
    give(ada, user="bob")
    assert bob.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 404
    assert bob.api("POST", "/hub/api/share-codes/ada/", {}).status == 404
    token = ada.api("POST", "/hub/api/users/ada/tokens", {"scopes": ["shares!user=ada"]}).json()["token"]
    head = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    answer = request("POST", hub_api(ada) + "shares/ada/", '{"user": "eve"}', head)
    assert answer.status == 403 and "read:users:name" in answer.json()["message"]
    assert request("POST", hub_api(ada) + "shares/ada/", '{"user": "bob", "scopes": ["stop:servers"]}', head).status == 400
    # Who was given the right to share gives it on.
    assert give(ada, user="bob", scopes=["shares", "access:servers"])["scopes"] == ["access:servers!server=ada/", "shares!server=ada/"]
    assert bob.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 200 and len(shared_with(eve)) == 1


def hub_api(person):
    return f"http://127.0.0.1:{person.platform.port + 2}/hub/api/"


def test_nobody_pushes_deeds_out_of_the_audit_log(hub, people):
    """What costs nothing is done a thousand times a day; what is taken away, and what others do, is not counted."""
    flo = hub.add_person(people["root1"], "flo")
    flo.name = "flo"
    head = {"X-CSRF": flo.csrf(), "Content-Type": "application/json"}
    statuses = [flo.ask("POST", "/hub/api/shares/flo/", '{"user": "bob"}', head).status for _ in range(1002)]
    assert statuses == [200] * 1000 + [409] * 2
    answer = flo.post("/hub/shares", {"to": "link", "days": 1}, "/hub/shares")
    assert answer.status == 409 and "a day are enough" in answer.text and 'id="link"' not in answer.text
    assert flo.api("GET", "/hub/api/share-codes/flo/").json()["items"] == []       # no deed without its row
    assert flo.api("DELETE", "/hub/api/shares/flo/").status == 204 and shared_with(people["bob"]) == []
    assert people["eve"].api("POST", "/hub/api/shares/eve/", {"user": "bob"}).status == 200
    assert people["eve"].api("DELETE", "/hub/api/shares/eve/").status == 204
    assert flo.post("/hub/logout", {}, "/hub/home").status in (302, 303)


def test_many_shares_lock_nobody_out(hub, people, ada):
    """Others decide how many shares one has: with thousands of scopes one still has one's own."""
    bob = people["bob"]
    give(ada, user="bob")
    scopes = '["access:servers","delete:servers","read:servers","read:shares","servers","shares","start:servers","users:activity","users:shares"]'
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        [number] = db.execute("SELECT id FROM users WHERE name = 'bob'").fetchone()
        for i in range(600):
            owner = db.execute("INSERT INTO users (name, account, created_ms) VALUES (?, ?, 0)", (f"friend{i}", f"friend{i}")).lastrowid
            at = db.execute("INSERT INTO servers (user_id, name, generation, running) VALUES (?, '', 0, 0)", (owner,)).lastrowid
            db.execute("INSERT INTO shares (server_id, user_id, scopes, created_ms) VALUES (?, ?, ?, 0)", (at, number, scopes))
    try:
        held = bob.api("GET", "/hub/api/user").json()["scopes"]
        assert "access:servers!user=bob" in held and "servers!user=bob" in held and "access:servers!server=ada/" in held
        assert enter(bob, ada) and bob.get("/hub/home").status == 200
        began = cpu_seconds(hub.hub_pid())
        assert bob.api("GET", "/hub/api/users/bob").status == 200
        assert cpu_seconds(hub.hub_pid()) - began < 5
    finally:
        with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("DELETE FROM users WHERE name LIKE 'friend%'")


def test_what_an_administrator_gave_ends_with_the_right(people, ada):
    root, eve, bob = people["root1"], people["eve"], people["bob"]
    assert root.api("PATCH", "/hub/api/users/eve", {"admin": True}).status == 200
    assert eve.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 200
    code = eve.api("POST", "/hub/api/share-codes/ada/", {}).json()["accept_url"]
    assert accept(bob, code).status == 303 and len(shared_with(bob)) == 1
    assert root.api("PATCH", "/hub/api/users/eve", {"admin": False}).status == 200
    assert shared_with(eve) == shared_with(bob) == []
    assert refused(eve, ada) and bob.get(code).status == 404


def audit(hub, n):
    """The last n rows, oldest first: (kind, result, who, whom, detail)."""
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        return db.execute("SELECT kind, result, who, whom, detail FROM audit ORDER BY id DESC LIMIT ?", (n,)).fetchall()[::-1]


def test_the_audit_log(hub, people, ada):
    bob, eve, root = people["bob"], people["eve"], people["root1"]
    first = len(audit(hub, 100000))
    give(ada, user="bob", scopes=["access:servers", "read:servers"])
    enter(bob, ada)
    assert refused(eve, ada)
    assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob", "scopes": ["read:servers"]}).status == 200
    assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob", "scopes": ["read:servers"]}).status == 200    # nothing is left to take
    assert bob.api("DELETE", "/hub/api/users/bob/shared/ada/").status == 204
    assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    assert root.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 200
    assert enter(root, ada)
    link = link_of(ada)
    number = ada.api("GET", "/hub/api/share-codes/ada/").json()["items"][0]["id"]
    assert accept(bob, link).status == 303
    assert bob.get("/hub/accept-share?code=" + "0" * 64).status == 404
    assert ada.api("DELETE", "/hub/api/share-codes/ada/").status == ada.api("DELETE", "/hub/api/shares/ada/").status == 204
    assert ada.api("DELETE", "/hub/api/shares/ada/").status == 204
    assert ada.api("POST", "/hub/api/shares/ada/", {"user": "nobody"}).status == 400
    rows = audit(hub, len(audit(hub, 100000)) - first)
    all_of_it, access = 'server ada/, ["access:servers","read:servers"]', 'server ada/, ["access:servers"]'
    assert rows == [
        ("share-given", "done", "ada", "bob", all_of_it), ("server-entered", "done", "bob", "ada", ""), ("server-entered", "refused", "eve", "ada", ""),
        ("share-taken", "done", "ada", "bob", 'server ada/, ["read:servers"]'), ("share-taken", "done", "bob", "ada", access),
        ("share-given", "done", "root1", "eve", access), ("server-entered", "done", "root1", "ada", ""),
        ("share-link", "done", "ada", "ada", f"{number}, {access}"), ("share-accepted", "done", "bob", "ada", ""),
        ("share-accepted", "refused", "bob", "", "a link that is wrong, taken away or too old"),
        ("share-link-ended", "done", "ada", "ada", f"{number}, {access}"), ("share-taken", "done", "ada", "ada", "server ada/, all 2"),
    ]
    assert "Server shared" in root.get("/hub/admin/audit?kind=share-given&person=bob").text


def test_an_administrator_proves_it_first(hub, people, ada):
    """Neither is a server of another's given away, nor entered, with a session that was left behind."""
    root = people["root1"]
    root.proves = False

    def prove(minutes):
        with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("UPDATE sessions SET proved_ms = ?", (int(time.time() * 1000) - minutes * 60000,))
    try:
        assert enter(root, ada)
        prove(16)
        for path, body in (("shares/ada/", {"user": "bob"}), ("share-codes/ada/", {})):
            answer = root.api("POST", f"/hub/api/{path}", body)
            assert answer.status == 403 and "/hub/again" in answer.text
        for method, path in (("POST", "users/eve/server"), ("DELETE", "users/ada/server"), ("PATCH", "users/eve/server"), ("DELETE", "users/ada/tokens/a1")):
            answer = root.api(method, f"/hub/api/{path}", {"user_options": {}} if method == "PATCH" else None)
            assert answer.status == 403 and "/hub/again" in answer.text, path
        assert root.api("DELETE", "/hub/api/users/root1/tokens/a999999").status == 404      # what is one's own is not asked for
        for fields in ({"to": "user", "user": "bob"}, {"to": "link", "days": 1}):
            answer = root.post("/hub/shares", fields, "/hub/shares")
            assert answer.status == 403 and 'action="/hub/again"' in answer.text
        answer = Lab(root, ada).open()
        assert answer.status == 403 and 'action="/hub/again"' in answer.text
        assert root.prove(answer).location.startswith("/hub/api/oauth2/authorize?")      # and then it goes on where it was going
        prove(16)
        assert root.api("GET", "/hub/api/shares/ada/").status == 200 and shared_with(people["bob"]) == []
        assert give(ada, user="bob") and enter(people["bob"], ada)     # of others it is not asked
        root.proves = True
        assert "/hub/accept-share?code=" in link_of(root)     # what was wanted is done after the password
        assert root.api("DELETE", "/hub/api/share-codes/root1/").status == 204
        assert enter(root, ada)
        # Nobody has shared it with the administrator, and the page does not say so.
        with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("DELETE FROM tokens WHERE kind = 'oauth'")
        text = Lab(root, ada).open().text
        assert "a right that you have over this platform lets you in" in text and "shared with you, and" not in text
        assert "It is shared with you, and it is not yours" in Lab(people["bob"], ada).open().text
        # What is chosen for another's server is in the audit log.
        assert root.api("PATCH", "/hub/api/users/eve/server", {"user_options": {"a": "b"}}).status == 200
        row = hub.ask(command="admin", do="audit", args=[], kind="server-changed")["rows"][0]
        assert (row["by"], row["on"]) == ("root1", "eve")
    finally:
        prove(0)
        root.proves = True


def test_so_does_who_has_a_role(hub, people, ada):
    """A tutor who signed in long ago; of one who is none any more it is not asked."""
    root, eve = people["root1"], people["eve"]
    for group, name in (("course", "ada"), ("tutors", "eve")):
        assert root.api("POST", f"/hub/api/groups/{group}", {"users": [name]}).status == 201
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE sessions SET proved_ms = proved_ms - 960000 WHERE user_id = (SELECT id FROM users WHERE name = 'eve')")
    eve.proves = False
    try:
        answer = Lab(eve, ada).open()
        assert answer.status == 403 and 'action="/hub/again"' in answer.text
        assert eve.api("POST", "/hub/api/users/eve/tokens", {"scopes": ["access:servers!group=course"]}).status == 403
        assert root.api("DELETE", "/hub/api/groups/tutors/users", {"users": ["eve"]}).status == 200
        assert refused(eve, ada)
        assert eve.api("POST", "/hub/api/users/eve/tokens", {"expires_in": 60}).status == 201
        assert root.api("POST", "/hub/api/groups/tutors/users", {"users": ["eve"]}).status == 200
        assert eve.prove(eve.get("/hub/again")).location == "/hub/home" and enter(eve, ada)
    finally:
        eve.proves = True
        for group in ("course", "tutors"):
            assert root.api("DELETE", f"/hub/api/groups/{group}").status == 204


def test_what_guests_have_given_ends_with_them(people, ada):
    bob, eve = people["bob"], people["eve"]
    give(ada, user="bob", scopes=["access:servers", "shares"])
    code = bob.api("POST", "/hub/api/share-codes/ada/", {"expires_in": 86400}).json()["accept_url"]
    assert bob.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 200 and len(shared_with(eve)) == 1
    assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    assert shared_with(eve) == [] and refused(eve, ada)
    assert accept(bob, code).status == 404 and refused(bob, ada)    # nor has he kept a way back
    assert people["root1"].api("POST", "/hub/api/groups/team", {"users": ["bob"]}).status == 201      # and with a group
    give(ada, group="team", scopes=["access:servers", "shares"])
    assert bob.api("POST", "/hub/api/shares/ada/", {"user": "eve"}).status == 200 and len(shared_with(eve)) == 1
    assert people["root1"].api("DELETE", "/hub/api/groups/team").status == 204
    assert shared_with(eve) == [] and refused(eve, ada)


def test_pages(people, ada):
    bob = people["bob"]
    for fields, words in (({"to": "user", "user": "nobody"}, "No such user"), ({"to": "user", "user": "ada"}, "your own server"),
                          ({"to": "group", "group": "nobody"}, "No such group"), ({"to": "link", "days": "400"}, "1 to 365 days"),
                          ({"to": "user", "user": ""}, ""), ({"to": ""}, "say with whom")):
        answer = ada.post("/hub/shares", fields, "/hub/shares")
        assert answer.status == 400 and words in html.unescape(answer.text), answer.text
    assert ada.post("/hub/shares", {"to": "user", "user": " Bob "}, "/hub/shares").status == 303
    assert "<strong>bob</strong>" in ada.get("/hub/shares").text
    home = bob.get("/hub/home").text
    assert "JupyterLab of ada" in home and Lab(bob, ada).base in home
    number = re.search(r'name="id" value="(\d+)">\s*<button type="submit" aria-label="Give back the JupyterLab of ada"', home).group(1)
    assert people["eve"].post("/hub/shares/leave", {"id": number}, "/hub/home").status == 404
    assert bob.post("/hub/shares/leave", {"id": number}).status == 403  # without the form's token
    assert bob.post("/hub/shares/leave", {"id": number}, "/hub/home").status == 303
    assert "JupyterLab of ada" not in bob.get("/hub/home").text


def test_shares_are_kept_over_a_kill(hub, people, ada):
    give(ada, user="bob")
    hub.kill_hub()
    assert len(shared_with(people["bob"])) == 1 and enter(people["bob"], ada)


@pytest.mark.parametrize("how", ["share", "group"])
def test_what_a_guest_has_open_is_cut_after_a_kill(hub, people, ada, how):
    """The time of the cut is kept with the deed: a hub that is killed before it leaves it to the next one."""
    root = people["root1"]
    if how == "group":
        assert root.api("POST", "/hub/api/groups/crew", {"users": ["bob"]}).status == 201
    give(ada, **({"user": "bob"} if how == "share" else {"group": "crew"}))
    lab = enter(people["bob"], ada)
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    open_still = lab.connect(kernel)
    if how == "share":
        assert ada.api("PATCH", "/hub/api/shares/ada/", {"user": "bob"}).json() == {}
    else:
        assert root.api("DELETE", "/hub/api/groups/crew").status == 204
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        when = db.execute("SELECT guests_out_ms FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = 'ada'").fetchone()[0]
        assert 30 < when / 1000 - time.time() < 66
        db.execute("UPDATE servers SET guests_out_ms = ? WHERE guests_out_ms = ?", (when - 63000, when))     # a minute of waiting is left out
    assert not is_cut(open_still)
    hub.kill_hub()
    wait_for(lambda: is_cut(open_still), 60)
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        assert wait_for(lambda: db.execute("SELECT max(guests_out_ms) FROM servers").fetchone() == (0,), 20)
    assert Lab(ada).open().status == 200      # hers goes on
    assert ada_deletes(ada, kernel)


def test_nothing_is_taken_away_whose_guests_cannot_be_put_out(hub, people, ada):
    """That guests are cut is a part of the deed: where it cannot be written, they stay, and whoever did it is told."""
    root, bob = people["root1"], people["bob"]
    assert root.api("POST", "/hub/api/groups/crew", {"users": ["bob"]}).status == 201
    give(ada, user="bob"), give(ada, group="crew")
    enter(bob, ada)
    database = hub.folder / "state/hub/hub.sqlite"
    with sqlite3.connect(database, timeout=10) as db:
        db.execute("CREATE TRIGGER broken BEFORE UPDATE OF guests_out_ms ON servers WHEN new.guests_out_ms > 0 BEGIN SELECT RAISE(ABORT, 'for a test'); END")
    try:
        for person, method, path, body in (
                (ada, "PATCH", "/hub/api/shares/ada/", {"user": "bob"}), (ada, "DELETE", "/hub/api/shares/ada/", None),
                (ada, "PATCH", "/hub/api/shares/ada/", {"user": "bob", "scopes": ["access:servers!server=ada/"]}),
                (bob, "DELETE", "/hub/api/users/bob/shared/ada/", None), (root, "DELETE", "/hub/api/groups/crew", None),
                (root, "DELETE", "/hub/api/groups/crew/users", {"users": ["bob"]}), (root, "DELETE", "/hub/api/users/bob", None)):
            assert person.api(method, path, body).status >= 400, (method, path)
        assert len(shared_with(bob)) == 2 and root.api("GET", "/hub/api/groups/crew").json()["users"] == ["bob"]
    finally:
        with sqlite3.connect(database, timeout=10) as db:
            db.execute("DROP TRIGGER broken")
    assert enter(bob, ada)
    assert root.api("DELETE", "/hub/api/groups/crew").status == 204 and len(shared_with(bob)) == 1


def ada_deletes(ada, kernel):
    lab = Lab(ada)
    lab.open()
    return lab.api("DELETE", f"kernels/{kernel}").status == 204


def test_who_enters_with_a_token_is_in_the_audit_log(hub, people, ada):
    """Once an hour for each token and server; one's own server is nobody's business, and who is refused has not been in."""
    bob = people["bob"]
    give(ada, user="bob")
    first = len(audit(hub, 100000))
    url = Lab(bob, ada).base + "api/contents/rivers.txt"
    tokens = {name: people[name].api("POST", f"/hub/api/users/{name}/tokens", {}).json() for name in ("bob", "eve", "ada")}
    seen = {name: request("GET", url, headers={"Authorization": f"token {tokens[name]['token']}"}) for name in ("bob", "bob", "eve", "ada")}
    assert {name: a.status for name, a in seen.items()} == {"bob": 200, "eve": 403, "ada": 200} and "the Elbe" in seen["bob"].text
    assert request("GET", Lab(bob, ada).base + "api/status", headers={"Authorization": f"token {tokens['bob']['token']}"}).status == 200
    entered = [row for row in audit(hub, len(audit(hub, 100000)) - first) if row[0] == "server-entered"]
    assert entered == [("server-entered", "done", "bob", "ada", "")], entered
    with sqlite3.connect(f"file:{hub.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        assert db.execute("SELECT via FROM audit WHERE kind = 'server-entered' ORDER BY id DESC").fetchone() == (f"token {tokens['bob']['id']}",)
    # The number of a token that is gone is given again: it is another token all the same.
    ids = []
    for _ in range(2):
        made = bob.api("POST", "/hub/api/users/bob/tokens", {}).json()
        ids.append(made["id"])
        first = len(audit(hub, 100000))
        assert request("GET", url, headers={"Authorization": f"token {made['token']}"}).status == 200
        assert [row[:4] for row in audit(hub, len(audit(hub, 100000)) - first)] == [("server-entered", "done", "bob", "ada")], ids
        assert bob.api("DELETE", f"/hub/api/users/bob/tokens/{made['id']}").status == 204
    # Nobody says by a header which server asks, and no number makes the hub stumble.
    for at in ("0", "-1", "99999999999999999999", "1/../2", "x"):
        answer = request("GET", f"http://127.0.0.1:{hub.port + 2}/hub/api/at/{at}/user", headers={"Authorization": f"token {tokens['eve']['token']}", "X-Craton-At": "1"})
        assert answer.status in (200, 400, 404), (at, answer.status)
    for name in tokens:
        assert people[name].api("DELETE", f"/hub/api/users/{name}/tokens/{tokens[name]['id']}").status == 204


def test_tutors_take_no_administrator_into_the_course(people):
    """A role for the people of a group, held by who may fill the group, would make tutors administrators: by a token made for one."""
    root, eve = people["root1"], people["eve"]
    assert root.api("POST", "/hub/api/groups/course").status == 201
    assert root.api("POST", "/hub/api/groups/tutors", {"users": ["eve"]}).status == 201
    try:
        refused = eve.api("POST", "/hub/api/groups/course/users", {"users": ["bob", "root1"]})
        assert refused.status == 403 and "Only admins can put other admins into a group: root1" in refused.text
        assert root.api("GET", "/hub/api/groups/course").json()["users"] == []
        assert eve.api("POST", "/hub/api/users/root1/tokens", {}).status == 403
        assert eve.api("POST", "/hub/api/groups/course/users", {"users": ["bob"]}).status == 200
        assert root.api("POST", "/hub/api/groups/course/users", {"users": ["root1"]}).status == 200
    finally:
        for group in ("course", "tutors"):
            assert root.api("DELETE", f"/hub/api/groups/{group}").status == 204


def test_what_tutors_gave_ends_with_the_role(hub, people, ada):
    """With the deed, which is saved when the hub is killed."""
    root, bob, eve = people["root1"], people["bob"], people["eve"]
    for group, name in (("course", "ada"), ("tutors", "eve")):
        assert root.api("POST", f"/hub/api/groups/{group}", {"users": [name]}).status == 201
    try:
        assert eve.api("POST", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
        code = eve.api("POST", "/hub/api/share-codes/ada/", {}).json()["accept_url"]
        made = eve.api("POST", "/hub/api/users/ada/tokens", {}).json()
        head = {"Authorization": f"token {made['token']}", "Content-Type": "application/json"}
        assert request("POST", hub_api(ada) + "shares/ada/", '{"user": "eve"}', head).status == 200     # with ada's right, by eve's
        own = eve.api("POST", "/hub/api/shares/eve/", {"user": "bob"})
        assert own.status == 200
        hub.kill_hub()
        assert len(shared_with(bob)) == 2 and len(shared_with(eve)) == 1 and bob.get(code).status == 200
        assert request("GET", hub_api(ada) + "user", headers=head).json()["name"] == "ada"
        assert root.api("DELETE", "/hub/api/groups/tutors/users", {"users": ["eve"]}).status == 200
        hub.kill_hub()
        assert [s["server"]["user"]["name"] for s in shared_with(bob)] == ["eve"] and shared_with(eve) == []   # what is hers she goes on sharing
        assert bob.get(code).status == 404 and request("GET", hub_api(ada) + "user", headers=head).status == 403
        ended = [row for row in audit(hub, 10) if row[2] == "hub"]
        assert sorted({row[0] for row in ended}) == ["share-taken", "token-revoked"] and {row[3] for row in ended} == {"ada"} and len(ended) == 4
        assert any(made["id"] + ":" in row[4] for row in ended)
    finally:
        assert eve.api("DELETE", "/hub/api/shares/eve/").status == 204
        for group in ("course", "tutors"):
            assert root.api("DELETE", f"/hub/api/groups/{group}").status == 204


def put_out_at(hub):
    """When ada's guests are cut, in seconds from now; None: they are not."""
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        when = db.execute("SELECT guests_out_ms FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = 'ada'").fetchone()[0]
    return when / 1000 - time.time() if when else None


def without_the_minute(hub):
    """The wait for what servers remember is left out: a next hub cuts at once."""
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE servers SET guests_out_ms = guests_out_ms - 63000 WHERE guests_out_ms > 0")
    hub.kill_hub()


def nobody_is_put_out(hub):
    """Any more, by what tests before have done."""
    if put_out_at(hub) is not None:
        without_the_minute(hub)
        wait_for(lambda: put_out_at(hub) is None)


def by_token(owner, token, kernel):
    lab = Lab(owner)
    return websocket.create_connection(f"ws://127.0.0.1:{owner.platform.port + 1}/user/{owner.name}/api/kernels/{kernel}/channels", host=lab.host,
                                       header=[f"Authorization: token {token}"], timeout=60)


def kernel_of(owner):
    lab = Lab(owner)
    lab.open()
    return lab.api("POST", "kernels", {"name": "python3"}).json()["id"]


def test_who_came_with_a_token_is_put_out(hub, people, ada):
    """By a role alone: no share says that this person is there."""
    root, kernel = people["root1"], kernel_of(ada)
    tess = hub.add_person(root, "tess")
    assert root.api("POST", "/hub/api/groups/visitors", {"users": ["tess"]}).status == 201
    try:
        token = tess.api("POST", "/hub/api/users/tess/tokens", {}).json()["token"]
        nobody_is_put_out(hub)
        open_still = by_token(ada, token, kernel)
        assert root.api("DELETE", "/hub/api/groups/visitors/users", {"users": ["tess"]}).status == 200
        assert 30 < put_out_at(hub) < 66 and not is_cut(open_still)
        without_the_minute(hub)
        wait_for(lambda: is_cut(open_still), 60)
    finally:
        assert root.api("DELETE", "/hub/api/groups/visitors").status == 204
        assert ada_deletes(ada, kernel)


def test_what_a_revoked_token_has_open(hub, people, ada):
    """Also at the own server: it was revoked since somebody has got hold of it."""
    kernel = kernel_of(ada)
    made = ada.api("POST", "/hub/api/users/ada/tokens", {}).json()
    nobody_is_put_out(hub)
    open_still = by_token(ada, made["token"], kernel)
    hub.kill_hub()                  # each looks for such tokens at its start
    assert put_out_at(hub) is None
    assert ada.api("DELETE", f"/hub/api/users/ada/tokens/{made['id']}").status == 204
    hub.kill_hub()
    assert wait_for(lambda: put_out_at(hub)) < 66 and not is_cut(open_still)
    without_the_minute(hub)
    wait_for(lambda: is_cut(open_still), 60)
    assert ada_deletes(ada, kernel)


def test_a_cut_that_the_proxy_has_not_heard(hub, people, ada):
    """It is done when the proxy says so: until then it is asked again, also by a next hub."""
    kernel = kernel_of(ada)
    made = ada.api("POST", "/hub/api/users/ada/tokens", {}).json()
    nobody_is_put_out(hub)
    open_still = by_token(ada, made["token"], kernel)
    assert ada.api("DELETE", f"/hub/api/users/ada/tokens/{made['id']}").status == 204
    hub.kill_hub()
    wait_for(lambda: put_out_at(hub))
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE servers SET guests_out_ms = ? WHERE guests_out_ms > 0", [int(time.time() * 1000) + 25000])
    hub.kill_hub()
    wait_for(lambda: server(ada).get("ready"))
    proxy = int((hub.run / "haproxy.pid").read_text().split()[0])
    os.kill(proxy, signal.SIGSTOP)
    try:
        assert put_out_at(hub) > 0, "this machine was too slow for this test"
        time.sleep(put_out_at(hub) + 3)
        assert put_out_at(hub) is not None
    finally:
        os.kill(proxy, signal.SIGCONT)
    wait_for(lambda: is_cut(open_still), 60)
    wait_for(lambda: put_out_at(hub) is None, 60)
    assert ada_deletes(ada, kernel)


def test_a_role_that_the_operator_takes_back(hub, people, ada):
    """Who is in by it alone is put out, also who has signed out meanwhile; where the files are what they were nobody is."""
    root, eve, kernel = people["root1"], people["eve"], kernel_of(ada)
    for group, name in (("course", "ada"), ("tutors", "eve")):
        assert root.api("POST", f"/hub/api/groups/{group}", {"users": [name]}).status == 201
    nobody_is_put_out(hub)
    open_still = enter(eve, ada).connect(kernel)
    assert eve.post("/hub/logout", {}, "/hub/home").status in (302, 303)
    hub.kill_hub()
    assert put_out_at(hub) is None and not is_cut(open_still)
    (hub.folder / "state/roles/tutor.conf").write_text(TUTOR.replace("group = tutors\n", ""))
    hub.process.terminate()
    hub.process.wait(60)
    hub.start()
    assert wait_for(lambda: put_out_at(hub)) < 66 and not is_cut(open_still)
    without_the_minute(hub)
    wait_for(lambda: is_cut(open_still), 60)
    eve.sign_in("eve")
    assert refused(eve, ada) and Lab(ada).open().status == 200
    assert "roles or services are not what they were" in hub.log.read_text()

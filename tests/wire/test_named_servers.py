"""Servers beside the ordinary one, with the real jupyterhub-singleuser: side by side, apart, removed, limited, and told about."""
import contextlib
import html
import json
import re
import sqlite3
from urllib.parse import urlencode

import pytest
from hub_client import Platform, request, running, wait_for
from test_session import Lab

LIMIT = 2


class WithRoles(Platform):
    """Two named servers for everybody, four for crew."""

    def __init__(self):
        super().__init__()
        self.options = ("--named-servers", str(LIMIT), "--idle", "5000", "--idle-warning", "5000", "--idle-keep", "6000")
        roles = self.folder / "state/roles"
        roles.mkdir(parents=True)
        (self.folder / "state").chmod(0o711)
        (roles / "crew.conf").write_text("user = crew1\nnamed_servers = 4\n")
        (roles / "user.conf").write_text("scope = shares!user\nscope = read:users:name\n")


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True, kind=WithRoles) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


def make(platform, admin, name):
    person = platform.add_person(admin, name)
    person.name = name
    return person


class NamedLab(Lab):
    def __init__(self, person, server, owner=None):
        super().__init__(person, owner)
        self.base += server + "/"


def model(person, server, owner=None):
    return person.api("GET", f"/hub/api/users/{owner or person.name}/servers/{server}").json()


def start(person, server, body=None):
    answer = person.api("POST", f"/hub/api/users/{person.name}/servers/{server}", body if body is not None else {})
    assert answer.status == 202, answer.text
    wait_for(lambda: model(person, server).get("ready"), 120)
    return NamedLab(person, server)


def names(person):
    answer = person.api("GET", f"/hub/api/users/{person.name}?include_stopped_servers=1").json()
    return sorted(answer.get("servers", {}))


def remove(person, server):
    answer = person.api("DELETE", f"/hub/api/users/{person.name}/servers/{server}", {"remove": True})
    assert answer.status in (202, 204), answer.text
    wait_for(lambda: server not in names(person), 60)


def check_stopped(platform, person, server, lab):
    """Its path is not the ordinary server's, which runs: programs get 424, people the page that offers to start it."""
    wait_for(lambda: request("GET", lab.base + "api/status").status == 424, 30)
    answer = request("GET", lab.base + "lab/tree/x?a=1", headers={"Sec-Fetch-Mode": "navigate"})
    path = f"/hub/user/{person.name}/{server}/lab/tree/x?a=1"
    assert answer.status == 302 and answer.location == platform.hub + path, (answer.status, answer.location)
    page = person.get(path)
    assert page.status == 424 and f'name="server" value="{server}"' in page.text


def test_a_life(platform, admin):
    """Made without being started, started beside the default one, entered, told apart, stopped, removed."""
    person = make(platform, admin, "una")
    made = person.api("PUT", "/hub/api/users/una/servers/gpu", {"display_name": "Large one", "user_options": {"size": "large"}})
    assert made.status == 201, made.text
    assert made.json()["display_name"] == "Large one" and made.json()["user_options"] == {"size": "large"} and made.json()["stopped"]
    assert person.api("PUT", "/hub/api/users/una/servers/gpu", {}).status == 409
    assert person.api("POST", "/hub/api/users/una/server", {}).status == 202
    lab = start(person, "gpu")
    wait_for(lambda: person.api("GET", "/hub/api/users/una/server").json().get("ready"), 120)
    shown = model(person, "gpu")
    assert shown["url"] == "/user/una/gpu/" and shown["full_name"] == "una/gpu" and shown["progress_url"] == "/hub/api/users/una/servers/gpu/progress"
    assert shown["full_url"] == lab.base and shown["display_name"] == "Large one"
    log = platform.log.read_text()
    assert re.search(r"server ready user=una server=gpu", log)
    # Each is entered by its own client, with a cookie of its own path; they are different processes of one account and one home.
    page = lab.open("lab")
    assert page.status == 200 and '"hubServerName": "gpu"' in page.text and '"hubPrefix": "/hub/"' in page.text
    assert any("client_id=jupyterhub-user-una.gpu" in url for url in page.seen)
    ordinary = Lab(person)
    page = ordinary.open("lab")
    assert page.status == 200 and '"hubServerName": ""' in page.text
    assert set(lab.jar) != set(ordinary.jar)
    kernel = lab.api("POST", "kernels", {"name": "python3"})
    assert kernel.status == 201, kernel.text
    assert len(lab.api("GET", "kernels").json()) == 1 and ordinary.api("GET", "kernels").json() == []
    assert lab.api("PUT", "contents/from-gpu.txt", {"type": "file", "format": "text", "content": "x"}).status == 201
    assert ordinary.api("GET", "contents/from-gpu.txt").json()["content"] == "x"
    # The cookie of one is nothing at the other.
    mixed = Lab(person)
    mixed.jar = dict(lab.jar)
    assert mixed.get(mixed.base + "api/kernels", headers={"Accept": "application/json"}).status == 403
    # Each is said to end when it is not used, and can be kept, alone.
    page = re.split(r'<h2 id="named-title">', person.get("/hub/home").text)
    assert all("It will be stopped in" in part and ">Keep for" in part for part in page), page
    assert person.post("/hub/keep", {"server": "gpu"}, "/hub/home").status == 303
    page = re.split(r'<h2 id="named-title">', person.get("/hub/home").text)
    assert "It will be stopped in" in page[0] and "It will be stopped in" not in page[1] and re.search(r"It is kept for 1 hour \d+ minutes, used or not", page[1])
    # It posts its activity under its name.
    assert model(person, "gpu")["last_activity"]
    # Progress of what is ready, stop, its reason, and gone.
    stream = person.api("GET", "/hub/api/users/una/servers/gpu/progress")
    assert '"ready": true' in stream.text.replace('":true', '": true') and "/user/una/gpu/" in stream.text
    assert person.api("DELETE", "/hub/api/users/una/servers/gpu").status in (202, 204)
    wait_for(lambda: model(person, "gpu")["stopped"], 60)
    assert model(person, "gpu")["stop_reason"] == "It was stopped on request."
    check_stopped(platform, person, "gpu", lab)
    assert request("GET", lab.base + "api/status", headers={"Host": "other.localhost"}).status == 421
    assert person.api("GET", "/hub/api/users/una/server").json()["ready"], "the other one goes on"
    remove(person, "gpu")
    assert person.api("GET", "/hub/api/users/una/servers/gpu").status == 404
    assert person.api("DELETE", "/hub/api/users/una/servers/gpu").status == 404
    wait_for(lambda: request("GET", lab.base + "api/status").status == 404, 30)      # nobody's name any more: a path of the ordinary server
    # A running one is stopped and then removed; its routes and tokens go with it.
    start(person, "cpu")
    remove(person, "cpu")
    with contextlib.closing(sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM tokens t LEFT JOIN servers s ON s.id = t.server_id WHERE t.server_id IS NOT NULL AND s.id IS NULL").fetchone() == (0,)
    assert person.api("DELETE", "/hub/api/users/una/server", {"remove": True}).status == 400


def test_names_and_numbers(platform, admin):
    ann, crew = make(platform, admin, "ann1"), make(platform, admin, "crew1")
    url = "/hub/api/users/ann1/servers/"
    for bad in ("Lab", "a_b", "-a", "a-", "a%2Fb", "x" * 33, "lab", "api", "tree", "git-pull", "dask-1", "7up", "%20", "a..b"):
        answer = ann.api("PUT", url + bad, {})
        assert answer.status in (400, 404), (bad, answer.text)
    for title in ("x" * 121, "a\nb", "\u0007", "\u009b2J", "a\u202eb"):
        assert ann.api("PUT", url + "good", {"display_name": title}).status == 400
    assert ann.api("PUT", url + "good", {"user_options": {"x": "y" * 100000}}).status >= 400
    wait_for(lambda: "good" not in names(ann), 10)      # what was refused is not there and does not count
    assert names(ann) == [""] or names(ann) == []
    for i in range(LIMIT):
        assert ann.api("PUT", f"{url}s{i}", {}).status == 201
    for method in ("PUT", "POST"):
        answer = ann.api(method, url + "more", {})
        assert answer.status == 400 and f"already has the maximum of {LIMIT} named servers" in answer.text
    for i in range(4):
        assert crew.api("PUT", f"/hub/api/users/crew1/servers/s{i}", {}).status == 201
    assert crew.api("PUT", "/hub/api/users/crew1/servers/s4", {}).status == 400
    # Another's are out of reach, whether they are there or not.
    for method, body in (("GET", None), ("POST", {}), ("PUT", {}), ("PATCH", {"display_name": "x"}), ("DELETE", None)):
        for name in ("s0", "none"):
            assert crew.api(method, url + name, body).status == 404, (method, name)
    # A new name, and what may not be: one that is there, another's, a running one's.
    renamed = ann.api("PATCH", url + "s0", {"name": "t0", "display_name": "Tee"})
    assert renamed.status == 200 and renamed.json()["name"] == "t0" and renamed.json()["display_name"] == "Tee", renamed.text
    assert names(ann) == ["s1", "t0"] or names(ann) == ["", "s1", "t0"]
    assert ann.api("PATCH", url + "t0", {"name": "s1"}).status in (400, 409)
    assert ann.api("PATCH", url + "s0", {"display_name": "x"}).status == 404


def test_kill_of_the_hub(platform, admin):
    """A named server goes on and is found; one that was being removed is removed afterwards, however early the kill came."""
    person = make(platform, admin, "kit")
    lab = start(person, "one")
    assert lab.open("lab").status == 200
    platform.kill_hub()
    wait_for(lambda: model(person, "one").get("ready"), 60)
    assert lab.api("GET", "status").status == 200
    assert person.api("DELETE", "/hub/api/users/kit/servers/one", {"remove": True}).status == 202
    platform.kill_hub()
    wait_for(lambda: "one" not in names(person), 60)
    # The intent was written, and nothing else was done.
    start(person, "two")
    with contextlib.closing(sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=30)) as db:
        db.execute("UPDATE servers SET removing = 1 WHERE name = 'two'")
        db.commit()
    platform.kill_hub()
    wait_for(lambda: "two" not in names(person), 60)


def test_lists_say_what_each_says(platform, admin):
    """Lists read what they show for all people of a page at once: servers that run or not, groups, names."""
    lea, leo = make(platform, admin, "lea"), make(platform, admin, "leo")
    for group, people in (("z", ["leo", "lea"]), ("a", ["lea"])):
        assert admin.api("POST", f"/hub/api/groups/{group}", {"users": people}).status == 201
    assert leo.api("POST", "/hub/api/users/leo/server", {}).status == 202
    start(lea, "zwei"), start(lea, "eins")
    wait_for(lambda: leo.api("GET", "/hub/api/users/leo").json()["server"], 120)
    assert leo.api("POST", "/hub/api/users/leo/servers/rest", {}).status in (201, 202)
    wait_for(lambda: model(leo, "rest").get("ready"), 120)
    assert leo.api("DELETE", "/hub/api/users/leo/servers/rest").status in (202, 204)
    wait_for(lambda: "rest" not in leo.api("GET", "/hub/api/users/leo").json()["servers"], 60)
    for more in ("", "include_stopped_servers=1"):
        for order in ("name", "-id"):
            listed = admin.api("GET", f"/hub/api/users?sort={order}&{more}").json()
            assert len(listed) > 2
            for each in listed:
                alone = admin.api("GET", f"/hub/api/users/{each['name']}?{more}").json()
                for some in (each, alone):         # that goes on while we look
                    some.pop("last_activity")
                    for one in some["servers"].values():
                        one.pop("last_activity")
                assert each == alone
    by_name = {each["name"]: each for each in listed}
    assert by_name["lea"]["groups"] == ["a", "z"] and list(by_name["lea"]["servers"]) == ["", "eins", "zwei"] and by_name["lea"]["server"] is None
    assert list(by_name["leo"]["servers"]) == ["", "rest"] and by_name["leo"]["server"] == "/user/leo/" and by_name["leo"]["groups"] == ["z"]
    page = admin.get("/hub/admin").text
    rows = {name: re.search(rf"<h2>{name}.*?</p>", page, re.S).group(0) for name in ("lea", "leo")}
    assert "Server stopped, and 2 further running" in rows["lea"] and "Server running, last active" in rows["leo"]
    lines = {row["name"]: row for row in platform.ask(command="admin", do="people")["rows"]}
    assert lines["lea"]["server"] == "" and lines["leo"]["server"] == "running"
    for person in (lea, leo):
        assert admin.api("DELETE", f"/hub/api/users/{person.name}").status in (202, 204)
    for group in "az":
        assert admin.api("DELETE", f"/hub/api/groups/{group}").status == 204


def test_what_was_refused_is_not_there(platform, admin):
    """A start of a new server with a choice that does not fit leaves none; and one that is being removed is gone after its person was renamed."""
    person = make(platform, admin, "rosa")
    for body in ({"user_options": {"text": "x" * 5000}}, {"user_options": 5}, {"display_name": "<\n>"}):
        answer = person.api("POST", "/hub/api/users/rosa/servers/odd", body)
        assert answer.status in (400, 413), answer.text
        wait_for(lambda: "odd" not in names(person), 20)
    for name in ("one", "two"):
        assert person.api("PUT", f"/hub/api/users/rosa/servers/{name}", {}).status == 201
    assert person.api("DELETE", "/hub/api/users/rosa/servers/one", {"remove": True}).status in (202, 204)
    assert admin.api("PATCH", "/hub/api/users/rosa", {"name": "rosalind"}).status == 200
    person.name = "rosalind"
    assert names(person)[-1:] == ["two"] and "one" not in names(person)
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        wait_for(lambda: db.execute("SELECT count(*) FROM servers WHERE removing = 1").fetchone() == (0,), 20)


def test_share_of_one(platform, admin):
    """A guest of one of two servers comes into that one only."""
    owner, guest = make(platform, admin, "olga"), make(platform, admin, "gus")
    start(owner, "open")
    assert owner.api("POST", "/hub/api/users/olga/server", {}).status == 202
    given = owner.api("POST", "/hub/api/shares/olga/open", {"user": "gus"})
    assert given.status == 200, given.text
    assert given.json()["scopes"] == ["access:servers!server=olga/open"]
    wait_for(lambda: owner.api("GET", "/hub/api/users/olga/server").json().get("ready"), 120)
    lab = NamedLab(guest, "open", owner)
    page = lab.open("lab")
    assert "You go in as a guest" in page.text
    target = re.search(r'<form method="post" action="(/hub/api/oauth2[^"]*)"', page.text).group(1).replace("&amp;", "&")
    answer = guest.post(target, {}, "/hub/home")
    assert answer.status == 302
    for _ in range(3):
        answer = lab.get(answer.location, headers={"Sec-Fetch-Mode": "navigate"}) if answer.location.startswith("http") else answer
    assert lab.open("lab").status == 200 and lab.api("GET", "status").status == 200
    other = Lab(guest, owner)
    assert other.open("lab").status == 403
    # It ends with the server.
    remove(owner, "open")
    assert guest.api("GET", "/hub/api/users/gus/shared").json()["items"] == []


def test_paths_of_stopped_ones(platform, admin):
    """Beside an ordinary server that runs: one that never ran, renamed, after kills of the hub and of the proxy, without the ordinary one."""
    person = make(platform, admin, "pat")
    assert person.api("POST", "/hub/api/users/pat/server", {}).status == 202
    wait_for(lambda: person.api("GET", "/hub/api/users/pat/server").json().get("ready"), 120)
    ordinary = Lab(person)
    assert request("GET", ordinary.base + "one/api/status").status == 404
    assert person.api("PUT", "/hub/api/users/pat/servers/one", {}).status == 201
    check_stopped(platform, person, "one", NamedLab(person, "one"))
    assert person.api("PATCH", "/hub/api/users/pat/servers/one", {"name": "two"}).status == 200
    check_stopped(platform, person, "two", NamedLab(person, "two"))
    wait_for(lambda: request("GET", ordinary.base + "one/api/status").status == 404, 30)
    assert request("GET", ordinary.base + "twofold/api/status").status == 404
    platform.kill_hub()
    wait_for(lambda: request("GET", ordinary.base + "two/api/status").status == 424, 60)
    assert ordinary.open("lab").status == 200
    lab = start(person, "two")
    assert lab.open("lab").status == 200 and lab.api("GET", "status").status == 200
    # The entry goes with the ordinary server's; both are then not running.
    assert person.api("DELETE", "/hub/api/users/pat/servers/two").status in (202, 204)
    wait_for(lambda: model(person, "two")["stopped"], 60)
    check_stopped(platform, person, "two", lab)
    assert person.api("DELETE", "/hub/api/users/pat/server").status in (202, 204)
    wait_for(lambda: person.api("GET", "/hub/api/users/pat/server").json()["stopped"], 60)
    check_stopped(platform, person, "two", lab)


def test_the_page_of_shares(platform, admin):
    """Each server is shared on its own page; forms of one page do nothing to another server."""
    owner, guest = make(platform, admin, "page1"), make(platform, admin, "page2")
    assert owner.post("/hub/servers", {"server": "side", "title": "Side <b>"}, "/hub/home").status == 303
    assert 'href="/hub/shares?server=side"' in owner.get("/hub/home").text
    page = owner.get("/hub/shares?server=side")
    assert page.status == 200 and "Share your server Side &lt;b&gt;" in page.text and page.text.count('name="server" value="side"') == 2
    answer = owner.post("/hub/shares", {"server": "side", "to": "user", "user": "page2"}, "/hub/shares?server=side")
    assert answer.status == 303 and answer.location == "/hub/shares?server=side", answer.text
    assert "page2" in owner.get("/hub/shares?server=side").text and "page2" not in owner.get("/hub/shares").text
    (item,) = guest.api("GET", "/hub/api/users/page2/shared").json()["items"]
    assert item["server"]["name"] == "side" and item["scopes"] == ["access:servers!server=page1/side"]
    home = guest.get("/hub/home").text
    assert "JupyterLab of page1: Side &lt;b&gt;" in home
    waiting = guest.get("/hub/user/page1/side/lab")
    assert waiting.status == 424 and "JupyterLab of page1: Side &lt;b&gt;" in waiting.text
    # A link of its own, and no way from the page of one server to the shares of another.
    made = owner.post("/hub/shares", {"server": "side", "to": "link", "days": "1"}, "/hub/shares?server=side")
    assert made.status == 200 and "/hub/accept-share?code=" in made.text
    number = re.search(r'name="id" value="(\d+)"', made.text[made.text.index("Who may come in"):]).group(1)
    assert owner.post("/hub/shares/remove", {"server": "", "id": number}, "/hub/shares").status == 404
    for name in ("none", "../side", "Side", "a" * 200):
        assert owner.post("/hub/shares", {"server": name, "to": "user", "user": "page2"}, "/hub/shares").status == 404, name
        assert owner.get("/hub/shares?" + urlencode({"server": name})).status == 404, name
    assert guest.get("/hub/shares?server=side").status == 404, "it is not the guest's"
    answer = owner.post("/hub/shares/remove", {"server": "side", "id": number}, "/hub/shares?server=side")
    assert answer.status == 303 and answer.location == "/hub/shares?server=side"
    assert guest.api("GET", "/hub/api/users/page2/shared").json()["items"] == []


def test_disabled_with_all(platform, admin):
    person = make(platform, admin, "dora")
    start(person, "side")
    answer = admin.post("/hub/admin/act", {"user": "dora", "action": "disable"}, "/hub/admin")
    assert answer.status in (200, 303), answer.text
    wait_for(lambda: admin.api("GET", "/hub/api/users/dora/servers/side").json().get("stopped"), 60)


def test_switched_off():
    """Without the setting the calls say so, as JupyterHub does."""
    with running(prepared=False) as p:
        person = p.administrator()
        for method in ("POST", "PUT", "DELETE"):
            answer = person.api(method, "/hub/api/users/root1/servers/gpu", {} if method != "DELETE" else None)
            assert answer.status == 400 and json.loads(answer.text)["message"] == "Named servers are not enabled."


def test_pages(platform, admin):
    """On the home page one is added, started, followed, opened by its path, stopped and removed."""
    person = make(platform, admin, "hedy")
    page = person.get("/hub/home").text
    assert "Further servers" in page and f"you may have {LIMIT}" in page
    answer = person.post("/hub/servers", {"server": "side", "title": "Side <b>"}, "/hub/home")
    assert answer.status == 303 and answer.location == "/hub/spawn/hedy/side"
    assert "Start the server Side &lt;b&gt;" in person.get(answer.location).text
    for bad in ("", "lab", "Side", "../x"):
        assert person.post("/hub/servers", {"server": bad}, "/hub/home").status == 400, bad
    assert person.post("/hub/servers", {"server": "side"}, "/hub/home").status == 409
    answer = person.post("/hub/spawn", {"server": "side"}, "/hub/spawn/hedy/side")
    assert answer.status == 303 and answer.location == "/hub/spawn-pending/hedy/side"
    pending = person.get(answer.location)
    assert pending.status == 303 or 'data-progress="/hub/api/users/hedy/servers/side/progress?page=yes"' in pending.text
    wait_for(lambda: model(person, "side").get("ready"), 120)
    home = person.get("/hub/home").text
    assert f'href="http://hedy.localhost:{platform.port + 1}/user/hedy/side/lab"' in home and "It is not running. Your files are kept" in home
    assert person.get("/hub/spawn/hedy/side").location == f"http://hedy.localhost:{platform.port + 1}/user/hedy/side/lab"
    # A path at the hub leads to the server that it names; another's is none of one's own.
    lab = NamedLab(person, "side")
    assert person.get("/hub/user/hedy/side/lab/tree/x?a=1").location == lab.base + "lab/tree/x?a=1"
    assert person.get("/hub/spawn/root1/side").status == 404 and person.get("/hub/spawn/hedy/none").status == 404
    assert person.post("/hub/stop", {"server": "none"}, "/hub/home").status == 404
    assert person.post("/hub/stop", {"server": "side"}, "/hub/home").status == 303
    wait_for(lambda: model(person, "side")["stopped"], 60)
    page = person.get("/hub/user/hedy/side/lab")
    assert page.status == 424 and "Your server Side &lt;b&gt; is not running" in page.text and 'name="server" value="side"' in page.text
    assert person.post("/hub/servers/remove", {"server": ""}, "/hub/home").status == 400
    assert person.send("/hub/servers/remove", {"server": "side", "_csrf": "0" * 64}).status == 403
    assert person.post("/hub/servers/remove", {"server": "side"}, "/hub/home").status == 303
    wait_for(lambda: "side" not in names(person), 30)


def test_links_arrive(platform, admin):
    """A link of nbgitpuller reaches the server as it was written: while it runs, and after the start that it asks for."""
    person = make(platform, admin, "gita")
    rest = "git-pull?repo=https%3A%2F%2Fgit.example%2Fcourse&urlpath=lab%2Ftree%2Fcourse%2Fa%20b.ipynb&branch=main&x={y}"
    goal = f"http://gita.localhost:{platform.port + 1}/user/gita/{rest}"
    for path in ("/hub/user-redirect/", "/hub/user/gita/"):
        page = person.get(path + rest)
        assert page.status == 424 and html.unescape(re.search(r'name="next" value="([^"]*)"', page.text).group(1)) == rest
    answer = person.post("/hub/spawn", {"next": rest}, "/hub/home")
    assert answer.location.startswith("/hub/spawn-pending/gita?next=git-pull%3Frepo")
    page = person.get(answer.location)
    if page.status == 200:
        assert html.unescape(re.search(r'data-open="([^"]*)"', page.text).group(1)) == goal
    wait_for(lambda: person.api("GET", "/hub/api/users/gita/server").json().get("ready"), 120)
    assert person.get(answer.location).location == goal
    assert person.get("/hub/user-redirect/" + rest).location == goal
    # Nothing but the person's own origin, whatever a link says.
    for evil in ("//evil.example/", "http://evil.example/", "\\\\evil.example", "a\r\nX: y", "a b", "@evil.example/"):
        location = person.get("/hub/spawn-pending/gita?" + urlencode({"next": evil})).location
        assert location.startswith(f"http://gita.localhost:{platform.port + 1}/user/gita/") and "\n" not in location, location
    lab = Lab(person)
    assert lab.open("lab").status == 200

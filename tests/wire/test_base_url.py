"""Everything below a path that is not the root (--base-url), as JupyterHub's base_url: sign-in, servers, websockets, clusters, dashboards, the
REST API beside a real JupyterHub with the same base; and no page has a link or a form that leads out of it."""
import html
import os
import re
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from gateway_client import SMALL, Notebook
from hub_client import Person, Platform, request, running, wait_for
from rest_world import OurHub, RealHub, differences, read_accepted, read_rows, write_services
from test_dashboards import Owner, is_dashboard
from test_session import Lab, server, stop

BASE = "/earth/lab.v2"  # two segments, and a dot, which is no pattern


class Below(Platform):
    def __init__(self):
        super().__init__()
        self.base = BASE
        self.options = ("--base-url", BASE + "/", "--preimport", "no", "--gateway-memory", "8G")


class WithBoard(Below):
    """And a service that people sign in to, elsewhere."""

    BACK = "http://localhost:9/back"

    def __init__(self):
        super().__init__()
        for folder, name, text in (("services", "board.conf", f"oauth_redirect_uri = {self.BACK}\noauth_client_allowed_scope = list:users\n"),
                                   ("services", "board.token", "0123456789abcdef" * 4), ("roles", "user.conf", "scope = access:services!service=board\n")):
            path = self.folder / "state" / folder / name
            path.parent.mkdir(parents=True, mode=0o711, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        (self.folder / "state").chmod(0o711)


@pytest.fixture(scope="module")
def platform():
    with running(kind=WithBoard) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


@pytest.fixture(scope="module")
def ada(platform, admin):
    """With a server, and at home in it."""
    owner = Owner(platform, admin, "ada")
    person = owner.person
    person.name = "ada"
    assert person.post("/hub/spawn", {}, "/hub/home").location == f"{BASE}/hub/spawn-pending/ada"
    wait_for(lambda: server(person).get("ready"), 120)
    owner.lab = Lab(person)
    answer = owner.lab.open()
    assert answer.status == 200 and "jupyter-config-data" in answer.text, answer.seen
    yield owner
    stop(person)
    owner.close()


def inside(platform, url):
    """Does an address on a page of the hub lead below the base of the hub, or of a person?"""
    parts = urlsplit(urljoin(platform.hub + BASE + "/hub/x", url))
    return parts.path.startswith(BASE + "/") and (parts.netloc == urlsplit(platform.hub).netloc or parts.netloc.endswith(f".localhost:{platform.port + 1}"))


def addresses(page):
    """Links, forms, pictures, what scripts ask."""
    return re.findall(r'\b(?:href|src|action|formaction|data-[a-z]+)="((?:/|http)[^"]*)"', page)


def test_who_comes_without_it_is_taken_there(platform):
    door = platform.door
    assert request("GET", door + "/").location == f"{door}{BASE}/"
    assert request("GET", door + BASE).location == f"{door}{BASE}/"
    assert request("GET", f"{door}{BASE}/").location == f"{BASE}/hub/home"
    assert request("GET", door + "/hub/login?next=/x").location == f"{door}{BASE}/hub/login?next=/x"
    assert request("GET", f"{door}{BASE}x/hub/login").location == f"{door}{BASE}{BASE}x/hub/login"
    assert request("GET", f"{door}{BASE.replace('.', 'x')}/hub/health").status == 302
    answer = request("POST", door + "/hub/api/users", "{}", {"Content-Type": "application/json"})
    assert answer.status == 404 and f"{door}{BASE}/" in answer.json()["message"]
    assert request("GET", f"{door}{BASE}{BASE}/hub/health").status == 404
    # People's origins and the API port are nobody else's: there it may be missing.
    users, api = f"http://127.0.0.1:{platform.port + 1}", f"http://127.0.0.1:{platform.port + 2}"
    for path in ("/user/nobody/lab?a=1", BASE + "/user/nobody/lab?a=1"):
        answer = request("GET", users + path, headers={"Host": f"nobody.localhost:{platform.port + 1}", "Sec-Fetch-Mode": "navigate"})
        assert answer.location == f"{door}{BASE}/hub/user/nobody/lab?a=1"
    assert request("GET", users + "/", headers={"Sec-Fetch-Mode": "navigate"}).location == f"{door}{BASE}/"
    for path in ("/hub/api", BASE + "/hub/api"):
        assert request("GET", api + path).json()["version"]
    assert request("GET", api + BASE + "/hub/login").status == 404


def test_sign_in_and_where_it_leads(platform, ada):
    browser = Person(platform)
    answer = browser.get("/hub/token")
    assert answer.location == f"{BASE}/hub/login?next=/hub/token"
    for given, expect in (("/hub/token", "/hub/token"), (BASE + "/hub/token", "/hub/token"), (BASE + "x/hub/token", "/hub/home"), (BASE + BASE + "/hub/token", "/hub/home"),
                          (BASE + "//evil.example/hub/", "/hub/home"), (BASE + "/hub/logout", "/hub/home"), ("https://evil.example" + BASE + "/hub/", "/hub/home")):
        browser = Person(platform)
        assert browser.sign_in("ada", next_path=given).location == BASE + expect, given
    cookie = next(c for c in Person(platform).sign_in("ada").cookies() if "craton-login" in c)
    assert cookie.startswith("__Host-") and "Path=/;" in cookie
    assert browser.post("/hub/logout", {}, "/hub/home").status in (200, 303)


def test_a_session_in_jupyterlab(platform, ada):
    lab = ada.lab
    assert all("Path=" not in c or f"Path={BASE}/" in c for c in lab.get(lab.base + "lab").cookies())
    assert f'"baseUrl": "{BASE}/user/ada/"' in lab.open().text and f'"hubPrefix": "{BASE}/hub/"' in lab.open().text
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    assert lab.run(kernel, "6 * 7") == "42"
    assert lab.run(kernel, "import os; os.environ['JUPYTERHUB_BASE_URL'], os.environ['JUPYTERHUB_SERVICE_PREFIX']") == f"('{BASE}/', '{BASE}/user/ada/')"
    # What a program in there does: asks the hub who it is, at the address that it was given.
    code = ("import os, json, urllib.request as u; json.load(u.urlopen(u.Request(os.environ['JUPYTERHUB_API_URL'] + '/user', "
            "headers={'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']})))['name']")
    assert lab.run(kernel, code) == "'ada'"
    answer = ada.person.get("/hub/user-redirect/lab/tree/x?a=1")
    assert answer.location == f"http://ada.localhost:{platform.port + 1}{BASE}/user/ada/lab/tree/x?a=1"
    model = server(ada.person)
    assert model["url"] == f"{BASE}/user/ada/" and model["full_url"] == lab.base
    assert model["progress_url"] == f"{BASE}/hub/api/users/ada/server/progress" and model["full_progress_url"] == platform.hub + model["progress_url"]
    assert ada.person.api("GET", "/hub/api/users/ada").json()["server"] == f"{BASE}/user/ada/"


def test_a_cluster_and_its_dashboard(platform, ada):
    assert ada.link == f"http://ada.localhost:{platform.port + 1}{BASE}/services/dask-gateway/clusters/{ada.cluster.name}/status"
    assert is_dashboard(ada.tab.go(ada.link)), ada.tab.trail
    assert all(urlsplit(u).path.startswith(BASE + "/") for u in ada.tab.trail)
    assert {path for _, path in ada.tab.jars[ada.origin].values()} == {f"{BASE}/services/dask-gateway/clusters/"}
    page = ada.tab.ask(ada.page("info/main/workers.html"))
    style = urljoin(ada.page("info/main/workers.html"), re.search(r'href="([^"]*sortable[^"]*\.css)"', page.text)[1])
    assert ada.tab.ask(style, {"Referer": ada.page("info/main/workers.html")}).status == 200
    scripts = [urljoin(ada.link, s) for s in re.findall(r'src="([^"]*bokeh[^"]*\.js[^"]*)"', ada.tab.ask(ada.link).text)]
    assert scripts and all(ada.tab.ask(s, {}).status == 200 for s in scripts[:2])
    ada.cluster.scale(1)
    wait_for(lambda: len(ada.cluster.scheduler_info["workers"]) == 1, 90)
    client = ada.cluster.get_client()
    assert client.submit(lambda: 6 * 7).result(60) == 42
    client.close()
    assert f'href="{BASE}/hub/dashboard/services/dask-gateway/clusters/{ada.cluster.name}/status"' in ada.person.get("/hub/clusters").text


def test_a_notebook_finds_the_gateway(platform, ada):
    from dask_gateway import Gateway
    pid = next(int(p) for p in os.listdir("/proc") if p.isdigit() and is_server_of(p, platform, "ada"))
    given = dict(line.split("=", 1) for line in open(f"/proc/{pid}/environ").read().split("\0") if "=" in line)
    assert given["DASK_GATEWAY__ADDRESS"] == f"http://127.0.0.1:{platform.port + 2}{BASE}/services/dask-gateway"
    with Notebook(given), Gateway() as gateway:
        assert ada.cluster.name in [c.name for c in gateway.list_clusters()]
        name = gateway.submit(**SMALL)
        gateway.stop_cluster(name)


def is_server_of(pid, platform, name):
    try:
        text = open(f"/proc/{pid}/environ").read()
    except OSError:
        return False
    return f"JUPYTERHUB_API_URL=http://127.0.0.1:{platform.port + 2}{BASE}/" in text and f"\0JUPYTERHUB_USER={name}\0" in text


PAGES = ("/hub/home", "/hub/token", "/hub/password", "/hub/shares", "/hub/clusters", "/hub/spawn", "/hub/again", "/hub/admin", "/hub/admin/audit",
         "/hub/admin/invitations", "/hub/admin/clusters", "/hub/nowhere", "/hub/user/nobody/lab", "/hub/accept-share?code=x")


def test_no_page_leads_out(platform, admin, ada):
    strangers = Person(platform)
    link = platform.invite(admin, "zoe")
    pages = {f"{who} {path}": person.get(path) for who, person in (("admin", admin), ("ada", ada.person)) for path in PAGES}
    pages |= {path: strangers.get(path) for path in ("/hub/login", "/hub/nowhere", "/hub/signin/none", urlsplit(link).path)}
    carl = platform.add_person(admin, "carl")
    assert carl.post("/hub/spawn", {}, "/hub/home").location == f"{BASE}/hub/spawn-pending/carl"
    pages["pending"] = carl.get("/hub/spawn-pending/carl")
    assert f'data-home="{BASE}/hub/home"' in pages["pending"].text
    seen = 0
    for name, answer in pages.items():
        if answer.status in (302, 303):
            assert inside(platform, answer.location), (name, answer.location)
            continue
        found = addresses(answer.text)
        seen += len(found)
        assert found, name
        assert all(inside(platform, url) for url in found), (name, [u for u in found if not inside(platform, u)])
        for url in {u for u in found if "/hub/static/" in u}:
            assert strangers.get(url).status == 200, url
    assert seen > 150
    carl.post("/hub/stop", {}, "/hub/home")


def test_signing_in_to_a_service(platform, ada):
    """The page that asks sends its form below the base, and its No to the service."""
    query = urlencode({"client_id": "service-board", "redirect_uri": WithBoard.BACK, "response_type": "code", "state": "s"})
    page = ada.person.get("/hub/api/oauth2/authorize?" + query)
    assert page.status == 200, page.text
    form = html.unescape(re.search(r'<form method="post" action="([^"]*oauth2[^"]*)"', page.text)[1])
    assert form == f"{BASE}/hub/api/oauth2/authorize?{query}"
    mark = re.search(r'name="agreed" value="([0-9a-f]+)"', page.text)[1]
    answer = ada.person.post(form.removeprefix(BASE), {"agreed": mark}, csrf_from=form.removeprefix(BASE))
    assert answer.status == 302 and answer.location.startswith(WithBoard.BACK + "?code="), answer.text


def test_hints_name_addresses_that_are_there(platform, ada):
    answer = ada.person.api("GET", "/hub/user/nobody/lab")
    assert answer.status == 403 and f"{BASE}/hub/home" in answer.text and " /hub/home" not in answer.text
    answer = request("GET", f"http://127.0.0.1:{platform.port + 2}{BASE}/services/dask-gateway/api/v1/clusters/", headers={"Authorization": "Basic YTpi"})
    assert answer.status == 401 and f"{platform.hub}{BASE}/hub/token" in answer.text


# ---- beside the real JupyterHub ----

SAMPLE = ("version", "version-slash", "info", "health", "nowhere", "user-root", "user-ann", "user-stranger", "users", "users-ann", "users-limit", "users-limit-2",
          "users-offset", "users-past-end", "users-limit-text", "tokens", "token-make", "tokens-other", "proxy-ann", "stop-stopped", "progress-stopped", "shares-ann")


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    rows = [row for row in read_rows() if row.id in SAMPLE or (row.who == "root1" and "pagination" in row.line)]
    services = {}
    real = RealHub(tmp_path_factory.mktemp("real"), base=BASE)
    try:
        with running(kind=Below, before=lambda p: services.update(write_services(p))) as platform:
            ours = OurHub(platform, services)
            yield [(row, row.ask(real), row.ask(ours)) for row in rows]
    finally:
        real.stop()


def test_the_same_answers_as_the_real_one(replies):
    accepted = read_accepted()
    assert len(replies) >= len(SAMPLE)
    for row, real, ours in replies:
        left = [d for d in sorted(differences(real, ours)) if not accepted.accepts(row, d)]
        assert not left, f"{row.line}\n  differs in {left}\n  real {vars(real)}\n  ours {vars(ours)}"

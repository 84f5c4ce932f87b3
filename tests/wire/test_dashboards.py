"""Dashboards of clusters: the real scheduler's Bokeh pages at their person's origin, for that person signed in, and for nobody else."""
import contextlib
import json
import os
import re
import signal
import sqlite3
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import websocket
from gateway_client import SMALL, Member
from hub_client import Person, has_ended, request, running, wait_for
from test_shares import Sharing

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
COOKIE = "craton-dashboard"


@pytest.fixture(scope="module")
def platform():
    """One of its own: its hub and proxy are killed."""
    with running("--preimport", "no", "--gateway-memory", "8G", kind=Sharing) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


class Tab:
    """A browser's tab: follows links over origins, and keeps the cookies of each with their paths."""

    def __init__(self, person):
        self.person, self.jars, self.trail = person, {}, []

    def origin(self, url):
        return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"

    def cookies(self, url):
        kept = self.jars.get(self.origin(url), {})
        return "; ".join(f"{k}={v}" for k, (v, path) in kept.items() if urlsplit(url).path.startswith(path))

    def ask(self, url, headers=NAVIGATION, method="GET"):
        """One request, as this browser would send it."""
        parts = urlsplit(url)
        if self.origin(url) == self.person.hub:
            return self.person.ask(method, parts.path + ("?" + parts.query if parts.query else ""), headers=headers)
        cookies = self.cookies(url)
        answer = request(method, url, headers={**headers, **({"Cookie": cookies} if cookies else {})})
        for line in answer.cookies():
            name, _, rest = line.partition("=")
            path = re.search(r"(?i)path=([^;]*)", rest)
            self.jars.setdefault(self.origin(url), {})[name] = (rest.partition(";")[0], path[1] if path else "/")
        return answer

    def go(self, url):
        self.trail = [url]
        for _ in range(10):
            answer = self.ask(url)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = urljoin(url, answer.location)
            self.trail.append(url)
        raise AssertionError(f"goes round in circles: {self.trail}")


class Owner(Member):
    """A person with a cluster and a browser."""

    def __init__(self, platform, admin, name):
        super().__init__(platform, admin, name)
        self.tab = Tab(self.person)
        self.origin = f"http://{name}.localhost:{platform.port + 1}"
        self.live = self.gateway(public_address=f"{self.origin}{platform.base}/services/dask-gateway")
        self.cluster = self.live.new_cluster(**SMALL)
        self.link = self.cluster.dashboard_link

    def close(self):
        self.cluster.close(shutdown=False)  # it ends with the platform
        self.live.close()

    def page(self, rest):
        return f"{self.origin}{self.platform.base}/services/dask-gateway/clusters/{self.cluster.name}/{rest}"

    def addresses(self):
        with sqlite3.connect(f"file:{self.platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
            return db.execute("SELECT token, scheduler_port, api_port, dashboard_port FROM clusters WHERE name = ?", (self.cluster.name,)).fetchone()

    def beat(self, dashboard_port):
        """What the scheduler would say, were its dashboard there."""
        token, scheduler, api, _ = self.addresses()
        return request("POST", f"{self.address}/api/v1/clusters/{self.cluster.name}/heartbeat",
                       json.dumps({"scheduler_address": f"tls://127.0.0.1:{scheduler}", "api_address": f"http://127.0.0.1:{api}",
                                   "dashboard_address": f"http://127.0.0.1:{dashboard_port}", "count": 0, "active_workers": [],
                                   "closing_workers": [], "closed_workers": []}),
                       {"Authorization": f"token {token}", "Content-Type": "application/json"})

    def socket(self, cookie, origin=None, token=""):
        return websocket.create_connection(f"ws://127.0.0.1:{self.platform.port + 1}{urlsplit(self.page('status/ws')).path}", timeout=60,
                                           host=urlsplit(self.origin).netloc, origin=origin or self.origin, cookie=cookie,
                                           subprotocols=["bokeh", token])


@pytest.fixture(scope="module")
def ada(platform, admin):
    owner = Owner(platform, admin, "ada")
    yield owner
    owner.close()


@pytest.fixture(scope="module")
def eve(platform, admin):
    owner = Owner(platform, admin, "eve")
    yield owner
    owner.close()


def is_dashboard(answer):
    return answer.status == 200 and "<title>Dask Diagnostic UI</title>" in answer.text and "static/js/bokeh" in answer.text


def rows(platform):
    """Of the audit log: result, who, whom."""
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
        return db.execute("SELECT result, who, whom FROM audit WHERE kind = 'dashboard' ORDER BY id").fetchall()


# ---- for its person ----

def test_the_link_leads_to_the_dashboard(platform, ada):
    assert ada.link == ada.page("status")
    assert is_dashboard(ada.tab.go(ada.link)), ada.tab.trail
    assert [urlsplit(u).netloc for u in ada.tab.trail] == [urlsplit(o).netloc for o in (ada.origin, platform.hub, ada.origin, ada.origin)]
    assert is_dashboard(ada.tab.ask(ada.link))  # and now at once
    assert rows(platform) == [("done", "ada", "ada")]
    assert ada.tab.ask(ada.page("graph")).status == 200
    workers = ada.tab.ask(ada.page("info/main/workers.html"))
    assert workers.status == 200 and "Scheduler tls://127.0.0.1:" in workers.text
    style = urljoin(ada.page("info/main/workers.html"), re.search(r'href="([^"]*sortable[^"]*\.css)"', workers.text)[1])
    assert ada.tab.ask(style, {"Referer": ada.page("info/main/workers.html"), "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"}).status == 200
    assert request("GET", style, headers={"Referer": ada.page("info/main/workers.html"), "Sec-Fetch-Mode": "no-cors"}).status == 403
    script = re.search(r'src="([^"]*bokeh[^"]*\.js[^"]*)"', ada.tab.ask(ada.link).text)[1]
    assert ada.tab.ask(urljoin(ada.link, script.replace("&amp;", "&")), {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"}).status == 200


def test_what_a_page_shows_comes_by_a_websocket(ada):
    page = ada.tab.go(ada.link)
    token = re.search(r'"token":"([^"]+)"', page.text)[1]
    with contextlib.closing(ada.socket(ada.tab.cookies(ada.link), token=token)) as socket:
        assert '"ACK"' in socket.recv()


def test_links_of_other_addresses_lead_there_too(platform, ada):
    """A client that knows only the address of the REST API makes its links from that."""
    for base in (ada.address, platform.hub + "/services/dask-gateway"):
        with ada.gateway(public_address=base) as gateway:
            link = gateway.get_cluster(ada.cluster.name).dashboard_link
        assert link == f"{base}/clusters/{ada.cluster.name}/status"
        answer = request("GET", link, headers=NAVIGATION)
        assert answer.status == 302 and answer.location == f"{platform.hub}/hub/dashboard{urlsplit(link).path}"
        assert is_dashboard(ada.tab.go(answer.location))


def test_the_page_of_clusters_has_the_link(ada):
    page = ada.person.get("/hub/clusters")
    link = re.search(r'href="([^"]*/status)"', page.text)[1]
    assert is_dashboard(ada.tab.go(urljoin(ada.person.hub, link)))


def test_after_signing_in(platform, ada):
    """Who is not signed in is asked to, and comes back."""
    person = Person(platform)
    answer = Tab(person).go(ada.link)
    assert answer.status == 200 and 'name="password"' in answer.text
    next_path = re.search(r'name="next" value="([^"]*)"', answer.text)[1]
    assert person.sign_in("ada", next_path=next_path).location == next_path
    assert is_dashboard(Tab(person).go(platform.hub + next_path))


# ---- for nobody else ----

def test_somebody_else_gets_nothing(platform, ada, eve):
    assert is_dashboard(eve.tab.go(eve.link))
    answer = eve.tab.go(ada.link)
    assert answer.status == 403 and "not yours" in answer.text
    assert rows(platform)[-1] == ("refused", "eve", "ada")
    # Her cookie at ada's address, and ada's cluster at her address.
    cookie = eve.tab.cookies(eve.link)
    assert request("GET", ada.link, headers={**NAVIGATION, "Cookie": cookie}).status == 302
    moved = ada.link.replace(ada.origin, eve.origin)
    assert request("GET", moved, headers={**NAVIGATION, "Cookie": cookie}).status == 421
    assert request("GET", moved, headers={**NAVIGATION, "Cookie": ada.tab.cookies(ada.link)}).status == 421


def test_guests(platform, admin, ada):
    """With whom ada shares her server sees her dashboards as long as that lasts; a code and a cookie are of no use afterwards."""
    gil = platform.add_person(admin, "gil")
    tab = Tab(gil)
    assert tab.go(ada.link).status == 403
    shared = ada.person.api("POST", "/hub/api/shares/ada/", {"user": "gil", "scopes": ["read:servers"]})
    assert shared.status == 200, shared.text
    assert tab.go(ada.link).status == 403  # to see that it runs is not to use it
    assert ada.person.api("POST", "/hub/api/shares/ada/", {"user": "gil"}).status == 200
    assert is_dashboard(tab.go(ada.link))
    assert rows(platform)[-1] == ("done", "gil", "ada")
    cookie = tab.cookies(ada.link)
    assert is_dashboard(request("GET", ada.link, headers={**NAVIGATION, "Cookie": cookie}))
    entry = tab.ask(f"{platform.hub}/hub/dashboard{urlsplit(ada.link).path}").location
    assert ada.person.api("DELETE", "/hub/api/shares/ada/").status == 204
    wait_for(lambda: request("GET", ada.link, headers={**NAVIGATION, "Cookie": cookie}).status == 302, 10)
    assert request("GET", entry, headers=NAVIGATION).status == 403
    assert tab.go(ada.link).status == 403
    # By a group that a provider names, as into the server.
    assert admin.api("POST", "/hub/api/groups/ocean").status == 201
    assert ada.person.api("POST", "/hub/api/shares/ada/", {"group": "ocean"}).status == 200
    assert tab.go(ada.link).status == 403
    with contextlib.closing(sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10)) as db, db:
        db.execute("INSERT INTO identities (id, issuer, subject, user_id, provider, shown, email, created_ms, last_ms) SELECT 1, 'https://x.test', '1', id, 'x', '', '', 0, 0 "
                   "FROM users WHERE name = 'gil'")
        db.execute("INSERT INTO memberships (identity_id, name) VALUES (1, 'ocean')")
    assert is_dashboard(tab.go(ada.link))
    assert ada.person.api("DELETE", "/hub/api/shares/ada/").status == 204


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=", f"{COOKIE}=0", f"{COOKIE}={'0' * 64}", f"{COOKIE}=%2e"])
def test_cookies_that_are_none(platform, ada, cookie):
    for path in ("status", "graph", "", "../../x", "info/main/workers.html", "proxy/22/127.0.0.1/"):
        answer = request("GET", ada.page(path), headers={**NAVIGATION, "Cookie": cookie})
        assert answer.status == 302 and answer.location.startswith(platform.hub + "/hub/dashboard/services/dask-gateway/clusters/"), path
        assert request("GET", ada.page(path), headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Cookie": cookie}).status == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        ada.socket(cookie)


def test_pages_of_others_get_nothing_with_her_cookie(ada, eve):
    """Her browser sends the cookie with requests of pages of other origins of the same site: browsers say which."""
    assert is_dashboard(ada.tab.go(ada.link))
    cookie = ada.tab.cookies(ada.link)
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        ada.socket(cookie, origin=eve.origin)
    for headers in ({"Origin": eve.origin}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
                    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
                    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}):
        assert request("GET", ada.link, headers={"Cookie": cookie, **headers}).status == 403, headers
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert request(method, ada.link, headers={"Cookie": cookie}).status == 405
    assert ada.tab.ask(ada.link).headers["X-Frame-Options"] == "SAMEORIGIN"


def way_in(owner):
    """The address with a code that the hub sends a browser to."""
    answer = owner.tab.ask(f"{owner.platform.hub}/hub/dashboard{urlsplit(owner.link).path}")
    assert answer.status == 302, answer.text
    return answer.location


def test_a_code_works_once_and_at_home(ada, eve):
    url = way_in(ada)
    assert request("GET", url, headers=NAVIGATION).status == 303
    answer = request("GET", url, headers=NAVIGATION)
    assert answer.status == 403 and not answer.cookies()
    # Eve's code, to which she sends ada's browser; it is no code afterwards.
    url = way_in(eve)
    answer = request("GET", url.replace(eve.origin, ada.origin), headers=NAVIGATION)
    assert answer.status == 403 and not answer.cookies()
    assert request("GET", url, headers=NAVIGATION).status == 403


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/user/ada/", "/services/dask-gateway/clusters/\\evil",
                                "/services/dask-gateway/clusters/a%0d%0aSet-Cookie:x=1", "", "/services/dask-gateway/enter"])
def test_a_code_leads_to_dashboards_only(ada, to):
    code = parse_qs(urlsplit(way_in(ada)).query)["code"][0]
    answer = request("GET", f"{ada.origin}/services/dask-gateway/enter?code={code}&to={to}", headers=NAVIGATION)
    assert answer.status == 400 and not answer.cookies() and not answer.location


@pytest.mark.parametrize("query", ["", "code=0&to=/services/dask-gateway/clusters/a/", f"code={'0' * 64}", f"code={'0' * 64}&code={'1' * 64}&to=/services/dask-gateway/clusters/a/",
                                   "&" * 300, f"code={'z' * 64}&to=/services/dask-gateway/clusters/a/"])
def test_no_code(ada, query):
    answer = request("GET", f"{ada.origin}/services/dask-gateway/enter?{query}", headers=NAVIGATION)
    assert answer.status == 400 and not answer.cookies()
    assert request("POST", f"{ada.origin}/services/dask-gateway/enter?{query}", "x=1").status == 405


def test_never_at_the_hubs_origin(platform, ada):
    cookie = ada.tab.cookies(ada.link) + "; " + ada.person.cookie_header()
    for base in (platform.hub, ada.address.removesuffix("/services/dask-gateway")):
        for path in ("/services/dask-gateway/clusters/", "/hub/dashboard/services/dask-gateway/clusters/", "/hub/clusters/", "/clusters/"):
            answer = request("GET", f"{base}{path}{ada.cluster.name}/status", headers={**NAVIGATION, "Cookie": cookie})
            assert answer.status != 200 and "bokeh" not in answer.text.lower(), (base, path)


ECHO = """
import http.server, json, threading

class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps([self.path, *map(list, self.headers.items())]).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "craton-dashboard=tossed; Path=/")
        self.send_header("Set-Cookie", "mine=1; Domain=localhost")
        self.send_header("Service-Worker-Allowed", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_port
"""


def test_what_a_dashboard_is_told(ada):
    """It is a program of its person's, which may listen to what it is sent: no cookie of the platform is in that, and none comes out."""
    assert is_dashboard(ada.tab.go(ada.link))
    with ada.cluster.get_client() as client:
        assert ada.beat(client.run_on_scheduler(lambda text: (made := {}, exec(text, made))[0]["port"], ECHO)).status == 200
    path = "x/y?a=1"
    answer = wait_for(lambda: (a := request("GET", ada.page(path), headers={"Cookie": f"mine=2; {ada.tab.cookies(ada.link)}; craton-login=3"})).text[:1] == "[" and a, 10)
    asked, *headers = answer.json()
    assert asked == "/" + path
    assert [v.rstrip("; ") for k, v in headers if k.lower() == "cookie"] == ["mine=2"]
    assert "craton-" not in " ".join(answer.cookies()) and "omain" not in " ".join(answer.cookies())
    assert "Service-Worker-Allowed" not in answer.headers
    wait_for(lambda: is_dashboard(ada.tab.ask(ada.link)), 40)  # the scheduler says it again


def test_a_dashboard_at_anothers_port(platform, admin, ada):
    """What others listen at is given to nobody."""
    mia = Owner(platform, admin, "mia")
    answer = mia.beat(ada.addresses()[3])
    assert answer.status == 409 and "not one of this cluster's account" in answer.json()["error"]
    wait_for(lambda: mia.live.get_cluster(mia.cluster.name).status.name == "FAILED", 40)
    mia.close()


# ---- as long as it lasts ----

def test_kills(platform, ada):
    assert is_dashboard(ada.tab.go(ada.link))

    def still():
        try:
            return is_dashboard(ada.tab.ask(ada.link))
        except OSError:
            return False
    hub = platform.hub_pid()
    os.kill(hub, signal.SIGKILL)
    assert still()  # HAProxy knows
    wait_for(lambda: has_ended(hub))
    platform.wait_ready()
    assert still()
    platform.kill_haproxy()
    wait_for(still, 40)


def test_signing_out_ends_it(ada):
    assert is_dashboard(ada.tab.go(ada.link))
    kept = ada.tab.cookies(ada.link)
    token = re.search(r'"token":"([^"]+)"', ada.tab.ask(ada.link).text)[1]
    assert ada.person.get("/hub/logout").status in (200, 303)
    wait_for(lambda: request("GET", ada.link, headers={**NAVIGATION, "Cookie": kept}).status == 302, 10)
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        ada.socket(kept, token=token)
    assert 'name="password"' in ada.tab.go(ada.link).text


def test_no_cluster_no_dashboard(eve):
    assert is_dashboard(eve.tab.go(eve.link))
    assert eve.live.get_cluster(eve.cluster.name).dashboard_link == eve.link
    eve.cluster.close()
    wait_for(lambda: eve.live.get_cluster(eve.cluster.name).status.name == "STOPPED", 40)
    answer = eve.tab.go(eve.link)
    assert answer.status == 404 and "does not run any more" in answer.text
    assert eve.live.get_cluster(eve.cluster.name).dashboard_link is None

"""A whole session with the real jupyterhub-singleuser behind HAProxy: start, sign-in by OAuth, kernel over the websocket, stop; and
what nobody else may do with it."""
import base64
import hashlib
import json
import os
import pwd
import secrets
import signal
import ssl
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import websocket
from hub_client import Person, has_ended, request, wait_for


class Lab:
    """A person's own origin, or that of another person whose guest this one is: cookies of the user server."""

    def __init__(self, person, owner=None):
        self.person, self.platform, self.owner = person, person.platform, (owner or person).name
        self.host = f"{self.owner}.{self.platform.domain}:{self.platform.port + 1}"
        self.scheme = urlsplit(self.platform.hub).scheme
        self.base = f"{self.scheme}://{self.host}{self.platform.base}/user/{self.owner}/"
        self.jar = {}

    def get(self, url, method="GET", body=None, headers=()):
        given = {"Accept": "text/html", **dict(headers)}
        if self.jar:
            given["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        answer = request(method, url, body, given)
        for line in answer.cookies():
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0].strip('"')
            if "Max-Age=0" in line or "expires=" in line.lower() and not value:
                self.jar.pop(name, None)
            else:
                self.jar[name] = rest.partition(";")[0]
        return answer

    def open(self, rest="lab"):
        """Follows the redirects between the two origins as a browser does."""
        url, seen = self.base + rest, []
        for _ in range(12):
            seen.append(url)
            if urlsplit(url).netloc == self.host:
                answer = self.get(url, headers={"Sec-Fetch-Mode": "navigate"})
            else:
                parts = urlsplit(url)
                answer = self.person.ask("GET", parts.path + "?" + parts.query, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
            if answer.status not in (301, 302, 303, 307):
                answer.url, answer.seen = url, seen
                return answer
            location = answer.location
            if location.startswith("/"):
                location = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}{location}"
            url = location
        raise AssertionError(f"redirects do not end: {seen}")

    def api(self, method, path, body=None):
        xsrf = self.jar.get("_xsrf", "").strip('"')
        return self.get(self.base + "api/" + path, method, json.dumps(body) if body is not None else None,
                        {"X-XSRFToken": xsrf, "Accept": "application/json", "Content-Type": "application/json"})

    def connect(self, kernel):
        """The websocket of a kernel."""
        cookies = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        address = f"127.0.0.1:{self.platform.port + 1}{urlsplit(self.base).path}api/kernels/{kernel}/channels"
        return websocket.create_connection(("wss://" if self.scheme == "https" else "ws://") + address, host=self.host, cookie=cookies,
                                           origin=f"{self.scheme}://{self.host}", timeout=60,
                                           sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False})

    def run(self, kernel, code, through=None):
        """The plain-text result of one cell, through a websocket that is open or a new one."""
        ws = through or self.connect(kernel)
        try:
            message = {"header": {"msg_id": secrets.token_hex(8), "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"},
                       "parent_header": {}, "metadata": {}, "channel": "shell",
                       "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}}
            ws.send(json.dumps(message))
            result = None
            while True:
                answer = json.loads(ws.recv())
                if answer.get("parent_header", {}).get("msg_id") != message["header"]["msg_id"]:
                    continue
                if answer["msg_type"] == "execute_result":
                    result = answer["content"]["data"]["text/plain"]
                if answer["msg_type"] == "error":
                    raise AssertionError(answer["content"])
                if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                    return result
        finally:
            if not through:
                ws.close()


def start(person):
    assert person.post("/hub/spawn", {}, "/hub/home").location == f"/hub/spawn-pending/{person.name}"
    wait_for(lambda: server(person).get("ready"), 120)


def server(person):
    return person.api("GET", f"/hub/api/users/{person.name}").json()["servers"].get("", {})


def stop(person):
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person), 40)


@pytest.fixture(scope="module")
def ada(platform, admin):
    person = platform.add_person(admin, "ada")
    person.name = "ada"
    start(person)
    yield person
    stop(person)


@pytest.fixture(scope="module")
def lab(ada):
    lab = Lab(ada)
    answer = lab.open()
    assert answer.status == 200 and "jupyter-config-data" in answer.text, answer.seen
    return lab


@pytest.fixture(scope="module")
def kernel(lab):
    answer = lab.api("POST", "kernels", {"name": "python3"})
    assert answer.status == 201, answer.text
    return answer.json()["id"]


def server_pid(platform, name):
    """The process of a user's server: of the account, and known to the helper."""
    owner = pwd.getpwnam(platform.accounts + name).pw_uid
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == owner and b"jupyterhub-singleuser" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no process")


def secret_of(lab):
    """The server's token, as a program of its user finds it."""
    if not hasattr(lab, "secret"):
        kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
        lab.secret = lab.run(kernel, "import os; os.environ['JUPYTERHUB_API_TOKEN']").strip("'")
        lab.api("DELETE", f"kernels/{kernel}")
    return lab.secret


def test_a_session(lab, kernel):
    assert lab.run(kernel, "1 + 1") == "2"
    assert lab.api("GET", "status").json()["kernels"] == 1


def test_the_origin_gets_no_cookie_of_the_hub(lab):
    assert not [name for name in lab.jar if "craton" in name]


def test_user_redirect_keeps_path_and_query(platform, ada):
    answer = ada.get("/hub/user-redirect/lab/tree/x?a=1&b=%20")
    assert answer.location == f"http://ada.localhost:{platform.port + 1}/user/ada/lab/tree/x?a=1&b=%20"


def test_progress_of_a_ready_server(ada):
    answer = ada.api("GET", "/hub/api/users/ada/server/progress")
    assert answer.headers["Content-Type"] == "text/event-stream"
    event = json.loads(answer.text.split("data: ")[1])
    assert event["ready"] and event["progress"] == 100 and event["url"].endswith("/user/ada/")


def test_start_twice(ada):
    assert ada.api("POST", "/hub/api/users/ada/server").status == 400
    assert ada.post("/hub/spawn", {}, "/hub/home").status == 303


def test_somebody_elses_server(platform, ada, lab, person):
    other = Lab(person)
    other.base, other.host = lab.base, lab.host
    answer = other.open()
    assert answer.status == 403 and "belongs to somebody else" in answer.text
    # The administrator is no exception: sharing is off.
    assert person.get("/hub/user/ada/lab").status == 403
    assert person.api("GET", "/hub/api/users/ada").status == 404
    assert person.api("POST", "/hub/api/users/ada/server").status == 404
    assert person.api("DELETE", "/hub/api/users/ada/server").status == 404
    assert person.api("GET", "/hub/api/users/ada/server/progress").status == 404
    # Without sign-in: the server asks the hub, never shows anything.
    assert request("GET", lab.base + "api/contents").status == 403
    assert request("GET", lab.base + "api/contents", headers={"Authorization": "token " + "0" * 64}).status == 403


def test_wrong_host_for_a_route(platform, lab, person):
    port = platform.port + 1
    for host in (f"{person.name}.localhost:{port}", f"127.0.0.1:{port}", f"ada.evil.example:{port}"):
        assert request("GET", f"http://127.0.0.1:{port}/user/ada/api", headers={"Host": host}).status == 421, host


def test_unknown_server(platform):
    port = platform.port + 1
    answer = request("GET", f"http://nobody.localhost:{port}/user/nobody/api/status")
    assert answer.status == 424
    answer = request("GET", f"http://nobody.localhost:{port}/user/nobody/lab", headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status == 302 and answer.location == f"{platform.hub}/hub/user/nobody/lab"


# ---- OAuth ----

VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def question(platform, **changes):
    fields = {"client_id": "jupyterhub-user-ada", "redirect_uri": f"http://ada.localhost:{platform.port + 1}/user/ada/oauth_callback",
              "response_type": "code", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "st&=\u00e9"}
    fields.update(changes)
    return "/hub/api/oauth2/authorize?" + urlencode({k: v for k, v in fields.items() if v is not None})


def code_for(platform, person):
    answer = person.get(question(platform))
    assert answer.status == 302, answer.text
    query = parse_qs(urlsplit(answer.location).query)
    assert query["state"] == ["st&=\u00e9"]
    return query["code"][0]


def exchange(lab, given, **changes):
    fields = {"client_id": "jupyterhub-user-ada", "client_secret": secret_of(lab), "grant_type": "authorization_code", "code": given,
              "redirect_uri": f"http://ada.localhost:{lab.platform.port + 1}/user/ada/oauth_callback", "code_verifier": VERIFIER}
    fields.update(changes)
    return request("POST", f"http://127.0.0.1:{lab.platform.port + 2}/hub/api/oauth2/token", urlencode(fields),
                   {"Content-Type": "application/x-www-form-urlencoded"})


def whoami(platform, token):
    return request("GET", f"http://127.0.0.1:{platform.port + 2}/hub/api/user", headers={"Authorization": f"Bearer {token}"})


def test_code_for_a_token_and_its_scopes(platform, ada, lab):
    answer = exchange(lab, code_for(platform, ada))
    assert answer.status == 200
    token = answer.json()["access_token"]
    user = whoami(platform, token).json()
    assert user["name"] == "ada" and user["kind"] == "user" and user["admin"] is False
    assert set(user["scopes"]) == {"access:servers!server=ada/", "read:users:groups!user=ada", "read:users:name!user=ada"}
    # What lies in the page of the server cannot start or stop anything.
    for method, path in (("POST", "users/ada/server"), ("DELETE", "users/ada/server"), ("GET", "users"), ("GET", "users/ada/tokens"),
                         ("POST", "users/ada/tokens"), ("POST", "users/ada/activity")):
        assert request(method, f"http://127.0.0.1:{platform.port + 2}/hub/api/{path}", headers={"Authorization": f"token {token}"}).status == 403
    known = request("GET", f"http://127.0.0.1:{platform.port + 2}/hub/api/users/ada", headers={"Authorization": f"token {token}"}).json()
    assert set(known) == {"kind", "name", "admin", "user_info", "groups"} and known["admin"] is False


@pytest.mark.parametrize("changes", [
    {"code_verifier": "w" * 50}, {"code_verifier": ""}, {"code_verifier": CHALLENGE}, {"redirect_uri": "http://evil.example/"}, {"code": "0" * 64},
    {"code": ""},
])
def test_wrong_exchange_uses_the_code_up(platform, ada, lab, changes):
    code = code_for(platform, ada)
    answer = exchange(lab, code, **changes)
    assert answer.status == 400 and answer.json()["error"] == ("invalid_request" if changes.get("code") == "" else "invalid_grant")
    if "code" not in changes:
        assert exchange(lab, code).status == 400


def test_replayed_code_withdraws_the_token(platform, ada, lab):
    code = code_for(platform, ada)
    token = exchange(lab, code).json()["access_token"]
    assert whoami(platform, token).status == 200
    assert exchange(lab, code).json()["error"] == "invalid_grant"
    assert whoami(platform, token).status == 403


def test_wrong_client(platform, ada, lab):
    code = code_for(platform, ada)
    assert exchange(lab, code, client_secret="0" * 64).status == 401
    assert exchange(lab, code, client_id="jupyterhub-user-nobody").status == 401
    assert exchange(lab, code, grant_type="password").json()["error"] == "unsupported_grant_type"
    assert exchange(lab, code).status == 200


@pytest.mark.parametrize("changes", [
    {"redirect_uri": "http://evil.example/"}, {"redirect_uri": "/user/ada/oauth_callback"}, {"redirect_uri": None}, {"client_id": "jupyterhub-user-"},
    {"client_id": "jupyterhub-user-nobody"}, {"client_id": None}, {"code_challenge": None}, {"code_challenge_method": "plain"}, {"response_type": "token"},
    {"code_challenge": "short"}, {"state": "a" * 5000},
])
def test_wrong_authorize_goes_nowhere(platform, ada, lab, changes):
    answer = ada.get(question(platform, **changes))
    assert answer.status == 400 and not answer.location


def test_authorize_of_somebody_else_or_nobody(platform, lab, person):
    assert person.get(question(platform)).status == 403
    answer = Person(platform).get(question(platform))
    assert answer.status == 303 and answer.location.startswith("/hub/login?next=/hub/api/oauth2/authorize%3F")


def test_server_token(platform, ada, lab):
    token = secret_of(lab)
    user = whoami(platform, token).json()
    assert "users:activity!user=ada" in user["scopes"]
    base = f"http://127.0.0.1:{platform.port + 2}/hub/api/"
    head = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    good = {"servers": {"": {"last_activity": now}}, "last_activity": now}
    assert request("POST", base + "users/ada/activity", json.dumps(good), head).status == 200
    assert server(ada)["last_activity"][:19] >= now[:19]        # later: the server has spoken for itself meanwhile
    for bad in ([], {}, {"servers": {"nosuch": {"last_activity": now}}}, {"servers": {"": {"last_activity": "2099-01-01T00:00:00Z"}}},
                {"servers": {"": {"last_activity": "yesterday"}}}, {"servers": {"": {}}}, {"last_activity": 5}):
        assert request("POST", base + "users/ada/activity", json.dumps(bad), head).status == 400, bad
    assert request("POST", base + "users/root1/activity", json.dumps(good), head).status == 404
    assert request("DELETE", base + "users/ada/server", headers=head).status == 403
    assert whoami(platform, "0" * 64).status == 403
    assert whoami(platform, "").status == 403


# ---- faults ----

def kernel_still_knows(lab, kernel):
    assert lab.run(kernel, "x") == "'kept'"


def test_kill_of_the_hub(platform, ada, lab, kernel):
    lab.run(kernel, "x = 'kept'")
    before = platform.hub_pid()
    os.kill(before, signal.SIGKILL)
    kernel_still_knows(lab, kernel)
    wait_for(lambda: has_ended(before))
    platform.wait_ready()
    assert platform.hub_pid() != before
    wait_for(lambda: server(ada).get("ready"))
    kernel_still_knows(lab, kernel)
    assert lab.open().status == 200


def test_kill_of_the_hub_beside_a_busy_server(platform, ada, lab, kernel):
    """JupyterLab cannot answer just now. What was ready is ready again all the same, and is not ended for that."""
    lab.run(kernel, "x = 'kept'")
    pid = server_pid(platform, "ada")
    os.kill(pid, signal.SIGSTOP)
    try:
        platform.kill_hub()
        wait_for(lambda: server(ada).get("ready"), 30)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert server_pid(platform, "ada") == pid
    kernel_still_knows(lab, kernel)


def proxy_pid(platform):
    return platform.ask(command="status")["proxy"]["pid"]


def test_kill_of_the_proxy(platform, ada, lab, kernel):
    lab.run(kernel, "x = 'kept'")
    before = proxy_pid(platform)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: proxy_pid(platform) not in (0, before), 20)

    def answers():
        try:
            return request("GET", lab.base + "api").status == 200
        except OSError:     # it is there, and does not listen yet
            return False
    wait_for(answers, 20)
    kernel_still_knows(lab, kernel)


def test_lost_route_is_mended_by_the_request(platform, ada, lab, kernel):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(platform.run / "proxy.sock"))
        s.sendall(f"clear map {platform.run}/routes.map\n".encode())
        s.recv(1000)
    assert request("GET", lab.base + "api").status == 424
    assert lab.get(lab.base + "lab", headers={"Sec-Fetch-Mode": "navigate"}).status == 302
    assert lab.open().status == 200
    repairs = platform.ask(command="status")["proxy"]["repairs"]
    assert repairs >= 1
    kernel_still_knows(lab, kernel)


def test_backup_while_running(platform, ada):
    import sqlite3
    path = platform.ask(command="backup")["path"]
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM users WHERE name = 'ada'").fetchone() == (1,)
    Path(path).unlink()


# ---- ends ----

def test_sign_out_ends_the_session_at_the_server(platform, ada, lab, kernel):
    assert lab.api("GET", "status").status == 200
    answer = ada.post("/hub/logout", {}, "/hub/home")
    assert answer.location == lab.base + "logout"
    answer = lab.get(answer.location)
    assert answer.location == platform.hub + "/hub/logout"
    answer = ada.get("/hub/logout")
    assert answer.status == 200 and "signed out" in answer.text
    assert lab.api("GET", "status").status == 403
    assert "/hub/login" in lab.open().url
    ada.sign_in("ada")
    assert lab.open().status == 200


def test_exit_is_told(platform, ada, lab):
    pid = server_pid(platform, "ada")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not server(ada), 20)
    page = ada.get("/hub/home").text
    assert "signal 9" in page and "Start" in page
    answer = lab.get(lab.base + "lab", headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status == 302
    answer = ada.get(urlsplit(answer.location).path)
    assert answer.status == 424 and "not running" in answer.text
    start(ada)
    assert lab.open().status == 200


def test_cancel_a_start(platform, person):
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    assert person.get(f"/hub/spawn-pending/{person.name}").status == 200
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person), 40)
    start(person)
    stop(person)
    assert "Start" in person.get("/hub/home").text


def test_culler_lists_and_stops(platform, admin, person):
    start(person)
    answer = admin.ask("GET", "/hub/api/users?state=ready&limit=1", headers={"Accept": "application/jupyterhub-pagination+json"})
    page = answer.json()
    assert page["_pagination"]["total"] >= 1 and len(page["items"]) == 1
    names, offset = [], 0
    while offset is not None:
        page = admin.ask("GET", f"/hub/api/users?state=ready&limit=1&offset={offset}",
                         headers={"Accept": "application/jupyterhub-pagination+json"}).json()
        names += [u["name"] for u in page["items"]]
        offset = page["_pagination"]["next"] and page["_pagination"]["next"]["offset"]
    assert person.name in names
    assert admin.api("DELETE", f"/hub/api/users/{person.name}/server").status == 202
    wait_for(lambda: not server(person), 40)
    assert admin.api("DELETE", f"/hub/api/users/{person.name}/server").status == 204
    assert admin.api("GET", "/hub/api/users?limit=x").status == 400
    assert person.api("GET", "/hub/api/users").status == 403


def test_demo_account(platform):
    made = platform.ask(command="demo-create")
    person = Person(platform)
    assert person.sign_in(made["name"], made["password"]).status == 303
    person.name = made["name"]
    start(person)
    rows = platform.ask(command="admin", do="audit", args=[], kind="person-made", person=made["name"])["rows"]
    assert [(r["by"], r["via"], r["on"], r["detail"]) for r in rows] == [("operator", "shell", made["name"], "for a demo")]
    assert "error" in platform.ask(command="demo-remove", name="ada")
    assert "error" not in platform.ask(command="demo-remove", name=made["name"])
    assert person.sign_in(made["name"], made["password"]).status == 403
    assert not list((platform.folder / "state/home").glob(made["account"]))

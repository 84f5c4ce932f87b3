"""People sign in to services: JupyterHub's own HubOAuth against the hub, what the page asks, and what attackers try."""
import base64
import contextlib
import hashlib
import html
import os
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hub_client import Person, Platform, free_ports, request, running, wait_for

APP = Path(__file__).resolve().parent / "service_app.py"
AUTHORIZE, TOKEN = "/hub/api/oauth2/authorize", "/hub/api/oauth2/token"


class WithServices(Platform):
    """board: may see its people's servers; roster: asks nobody, learns who they are; closed: nobody was given access to it; mute: no client."""

    def __init__(self):
        super().__init__()
        self.service_port = free_ports()
        self.secrets = {name: secrets.token_hex(32) for name in ("board", "roster", "closed", "mute")}
        self.back = f"http://localhost:{self.service_port}/services/board/oauth_callback"
        self.lines = {
            "board": ["scope = read:users", f"oauth_redirect_uri = {self.back}", "oauth_client_allowed_scope = read:servers!user",
                      "oauth_client_allowed_scope = list:users"],
            "roster": ["oauth_redirect_uri = http://localhost:9/back", "oauth_no_confirm = yes"],
            "closed": ["oauth_redirect_uri = http://localhost:9/closed"],
            "mute": [],
        }
        for folder in ("services", "roles"):
            (self.folder / "state" / folder).mkdir(parents=True, mode=0o711)
        (self.folder / "state").chmod(0o711)
        (self.folder / "state/roles/user.conf").write_text("scope = access:services!service=board\nscope = access:services!service=roster\n")
        self.write_services()

    def write_services(self):
        for name, lines in self.lines.items():
            path = self.folder / "state/services" / name
            path.with_suffix(".conf").write_text("\n".join(lines) + "\n")
            path.with_suffix(".token").write_text(self.secrets[name])
            path.with_suffix(".token").chmod(0o600)


@pytest.fixture(scope="module")
def platform():
    with running(prepared=False, kind=WithServices) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


@pytest.fixture
def ann(platform, admin, request):
    name = "a" + hashlib.sha256(request.node.name.encode()).hexdigest()[:10]
    person = platform.add_person(admin, name)
    person.name = name
    return person


@pytest.fixture(scope="module")
def bea(platform, admin):
    """For tests that leave nothing behind."""
    person = platform.add_person(admin, "bea")
    person.name = "bea"
    return person


@contextlib.contextmanager
def board(platform, kind, place):
    """The real program, when it answers; its address."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
    env |= {"JUPYTERHUB_API_URL": f"http://127.0.0.1:{platform.port + 2}/hub/api", "JUPYTERHUB_API_TOKEN": platform.secrets["board"],
            "JUPYTERHUB_HOST": platform.hub, "JUPYTERHUB_CLIENT_ID": "service-board", "JUPYTERHUB_SERVICE_NAME": "board",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/board/", "JUPYTERHUB_OAUTH_CALLBACK_URL": platform.back,
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=board"]'}
    log = open(platform.folder / "board.log", "ab")
    process = subprocess.Popen([sys.executable, APP, str(platform.service_port + place), kind], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://localhost:{platform.service_port + place}"

    def answers():
        assert process.poll() is None, (platform.folder / "board.log").read_text()[-2000:]
        with contextlib.suppress(OSError):
            return request("GET", url + "/services/board/", headers={"Sec-Fetch-Mode": "navigate"}).status
    try:
        wait_for(answers, 90)
        yield url
    finally:
        process.kill()
        process.wait()
        log.close()


class Browser:
    """One person's browser: cookies by host name, as browsers keep them (ports do not matter)."""

    def __init__(self, person):
        self.person, self.jar = person, {}

    def get(self, url):
        if url.startswith(self.person.hub + "/"):
            return self.person.get(url[len(self.person.hub):])
        cookies = self.jar.setdefault(urlsplit(url).hostname, {})
        answer = request("GET", url, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items()), "Sec-Fetch-Mode": "navigate"})
        for line in answer.cookies():
            name, _, rest = line.partition("=")
            cookies[name] = rest.partition(";")[0]
            if "expires=" in line.lower() and '""' in line:
                del cookies[name]
        return answer

    def follow(self, answer, most=8):
        """Redirects, to the first page; its address is in .url."""
        url = None
        while answer.status in (302, 303):
            assert most > 0, "redirects without end"
            most -= 1
            origin = url or self.person.hub
            url = answer.location if "://" in answer.location else "{0.scheme}://{0.netloc}".format(urlsplit(origin)) + answer.location
            answer = self.get(url)
        answer.url = url
        return answer

    def agree(self, page):
        return self.follow(self.person.post(form_target(page), form_fields(page)))


def form_target(page):
    return html.unescape(re.search(r'<form method="post" action="(/hub/api/oauth2[^"]*)"', page.text).group(1))


def form_fields(page):
    form = page.text[page.text.index("/hub/api/oauth2"):]
    return {n: html.unescape(v) for n, v in re.findall(r'name="(\w+)" value="([^"]*)"', form)}


VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def query(platform, **more):
    fields = {"client_id": "service-board", "redirect_uri": platform.back, "response_type": "code", "state": "s1", "code_challenge": CHALLENGE,
              "code_challenge_method": "S256", **more}
    return AUTHORIZE + "?" + urlencode({k: v for k, v in fields.items() if v is not None})


def code_of(answer, back):
    assert answer.status == 302, answer.text
    assert answer.location.startswith(back + "?"), answer.location
    return parse_qs(urlsplit(answer.location).query)["code"][0]


def get_code(platform, person, **more):
    page = person.get(query(platform, **more))
    if page.status == 200:
        page = person.post(form_target(page), form_fields(page))
    return code_of(page, platform.back)


def exchange(platform, a_code, **more):
    fields = {"client_id": "service-board", "client_secret": platform.secrets["board"], "grant_type": "authorization_code", "code": a_code,
              "redirect_uri": platform.back, "code_verifier": VERIFIER, **more}
    body = urlencode({k: v for k, v in fields.items() if v is not None})
    return request("POST", platform.hub + TOKEN, body, {"Content-Type": "application/x-www-form-urlencoded"})


def who(platform, token):
    return request("GET", f"http://127.0.0.1:{platform.port + 2}/hub/api/user", headers={"Authorization": f"token {token}"})


# ---- the real program ----

def test_hub_oauth_unchanged(platform, admin):
    """Sign-in at the hub, the page that asks, callback, cookie, the model with scopes, a second visit, tokens by HubAuth, sign-out."""
    person = platform.add_person(admin, "rita")
    token = person.api("POST", "/hub/api/users/rita/tokens", {}).json()["token"]
    stranger = Browser(Person(platform))
    with board(platform, "browsers", 0) as url, board(platform, "tokens", 1) as api:
        page = stranger.follow(stranger.get(url + "/services/board/"))
        assert page.status == 200 and 'action="/hub/login"' in page.text
        next_path = html.unescape(re.search(r'name="next" value="([^"]*)"', page.text).group(1))
        assert next_path.startswith(AUTHORIZE)
        browser = stranger
        answer = browser.person.sign_in("rita", next_path=next_path)
        page = browser.follow(answer)
        assert page.status == 200 and "The service board asks who you are" in page.text, page.text
        assert "see which servers run (yours only)" in page.text and "<code>read:servers!user=rita</code>" in page.text
        assert f"http://localhost:{platform.service_port}</strong>" in page.text and "list the people" not in page.text
        page = browser.agree(page)
        assert page.status == 200 and page.url == url + "/services/board/", (page.url, page.text)
        model = page.json()
        assert model["name"] == "rita" and model["kind"] == "user" and model["admin"] is False and model["groups"] == []
        assert model["scopes"] == ["access:services!service=board", "read:servers!user=rita", "read:users:groups!user=rita", "read:users:name!user=rita"]
        # From now on it is not asked again: the cookie, and without it the agreement.
        assert browser.get(url + "/services/board/").json()["name"] == "rita"
        browser.jar.clear()
        again = browser.follow(browser.get(url + "/services/board/"))
        assert again.status == 200 and again.json()["name"] == "rita"
        # The other way in, for programs.
        by_token = request("GET", api + "/services/board/", headers={"Authorization": f"token {token}"})
        assert by_token.status == 200 and by_token.json()["name"] == "rita", by_token.text
        assert request("GET", api + "/services/board/", headers={"Authorization": "token " + "0" * 64}).status == 403
        assert request("GET", api + "/services/board/").status == 403
        # A forged state: the program has no cookie for it, and takes nothing.
        forged = Browser(browser.person)
        code = get_code(platform, browser.person, state="forged")
        assert forged.get(platform.back + f"?code={code}&state=forged").status in (400, 403)
        assert forged.get(url + "/services/board/").status == 302
        # Signing out there takes the cookie and leads to the hub; signing out here ends what it holds.
        out = browser.get(url + "/services/board/logout")
        assert out.status == 302 and out.location == platform.hub + "/hub/logout"
        browser.person.post("/hub/logout", {}, "/hub/home")
        page = browser.follow(browser.get(url + "/services/board/"))
        assert 'action="/hub/login"' in page.text


def test_who_may_not(platform, ann, admin):
    assert ann.get(query(platform, client_id="service-closed", redirect_uri="http://localhost:9/closed")).status == 403
    # Administrators may everywhere, and are asked too.
    page = admin.get(query(platform, client_id="service-closed", redirect_uri="http://localhost:9/closed"))
    assert page.status == 200 and "The service closed asks who you are" in page.text
    assert admin.post(form_target(page), form_fields(page)).status == 302
    log = admin.get("/hub/admin/audit?kind=service-entered").text
    assert log.count("<strong>Signed in to a service</strong>") >= 2 and "refused" in log


def test_not_asked_when_the_operator_says_so(platform, bea):
    back = "http://localhost:9/back"
    answer = bea.get(query(platform, client_id="service-roster", redirect_uri=back))
    token = exchange(platform, code_of(answer, back), client_id="service-roster", client_secret=platform.secrets["roster"], redirect_uri=back).json()
    assert who(platform, token["access_token"]).json()["scopes"] == [
        "access:services!service=roster", "read:users:groups!user=bea", "read:users:name!user=bea"]
    assert token["scope"].split()[0] == "access:services!service=roster" and token["token_type"] == "Bearer"


def test_no_leads_back_with_an_error(platform, ann):
    page = ann.get(query(platform, state="a&b=<c>"))
    no = html.unescape(re.search(r'<a class="button" href="([^"]*)">No</a>', page.text).group(1))
    assert no == platform.back + "?error=access_denied&state=a%26b%3D%3Cc%3E"


# ---- the redirect address ----

@pytest.mark.parametrize("change", [
    lambda u: u.replace("http://localhost", "http://LOCALHOST"), lambda u: u.replace("/services/", "/Services/"), lambda u: u + "/", lambda u: u + "?x=1",
    lambda u: u + "#x", lambda u: u.replace("://", "://eve@"), lambda u: u.replace("/services/", "/services/../services/"), lambda u: u + "%00",
    lambda u: u.replace("localhost", "127.0.0.1"), lambda u: "https" + u[4:], lambda u: "http://evil.example/", lambda u: "", lambda u: None,
    lambda u: u + "\r\nX: y", lambda u: urlsplit(u).path, lambda u: u.replace("localhost", "localhost.evil.example"), lambda u: u[:-1],
    lambda u: u.replace("http://", "javascript://"), lambda u: u.replace("/oauth_callback", "%2foauth_callback")])
def test_other_redirect_addresses(platform, admin, change):
    other = change(platform.back)
    answer = admin.get(query(platform, redirect_uri=other))
    assert answer.status == 400 and not answer.location, (other, answer.location)
    assert "wrong return address" in answer.text


def test_two_redirect_addresses(platform, admin):
    for more in ("&redirect_uri=http://evil.example/", "&client_id=service-roster"):
        answer = admin.get(query(platform) + more)
        assert answer.status == 400 and not answer.location


@pytest.mark.parametrize("client", ["service-mute", "service-nosuch", "service-", "Service-board", "service-board ", "board", "", None,
                                    "service-board%00", "jupyterhub-user-nosuch"])
def test_no_such_client(platform, admin, client):
    answer = admin.get(query(platform, client_id=client))
    assert answer.status == 400 and not answer.location and "does not exist" in answer.text


# ---- the code ----

def test_code_once(platform, bea):
    code = get_code(platform, bea)
    first = exchange(platform, code)
    assert first.status == 200 and who(platform, first.json()["access_token"]).status == 200
    again = exchange(platform, code)
    assert again.status == 400 and again.json()["error"] == "invalid_grant"
    assert who(platform, first.json()["access_token"]).status == 403, "a code that was used twice withdraws its token"


@pytest.mark.parametrize("change, status, error", [
    ({"client_secret": "x" * 64}, 401, "invalid_client"), ({"client_secret": None}, 401, "invalid_client"), ({"client_secret": ""}, 401, "invalid_client"),
    ({"client_id": "service-nosuch"}, 401, "invalid_client"), ({"client_id": "service-mute"}, 401, "invalid_client"),
    ({"redirect_uri": None}, 400, "invalid_grant"), ({"redirect_uri": "http://localhost:9/back"}, 400, "invalid_grant"),
    ({"code_verifier": None}, 400, "invalid_grant"), ({"code_verifier": "w" * 43}, 400, "invalid_grant"), ({"code_verifier": CHALLENGE}, 400, "invalid_grant"),
    ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"), ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
    ({"code": None}, 400, "invalid_request"), ({"code": "0" * 64}, 400, "invalid_grant")])
def test_code_that_is_bound_to_something_else(platform, bea, change, status, error):
    code = get_code(platform, bea)
    answer = exchange(platform, code, **change)
    assert (answer.status, answer.json()["error"]) == (status, error)
    if error == "invalid_grant" and "code" not in change:
        assert exchange(platform, code).status == 400, "a failed attempt uses it up"


def test_another_clients_code(platform, bea):
    code = get_code(platform, bea)
    mine = {"client_id": "service-roster", "client_secret": platform.secrets["roster"]}
    for more in ({}, {"redirect_uri": "http://localhost:9/back"}):
        answer = exchange(platform, code, **mine, **more)
        assert answer.status == 400 and answer.json()["error"] == "invalid_grant"
    # And with the other's name but the own secret.
    assert exchange(platform, get_code(platform, bea), client_secret=platform.secrets["roster"]).status == 401


def test_pkce_is_asked_for_where_it_was_sent(platform, bea):
    """Without a challenge a code works without a verifier; one cbeaot be taken away on the way, nor added, nor be plain."""
    code = get_code(platform, bea, code_challenge=None, code_challenge_method=None)
    assert exchange(platform, code).status == 400
    code = get_code(platform, bea, code_challenge=None, code_challenge_method=None)
    assert exchange(platform, code, code_verifier=None).status == 200
    for more in ({"code_challenge_method": "plain"}, {"code_challenge_method": None}, {"code_challenge": None}, {"code_challenge": "short"},
                 {"code_challenge": ""}, {"response_type": "token"}, {"response_type": None}, {"state": "x" * 5000}):
        answer = bea.get(query(platform, **more))
        assert answer.status == 400 and not answer.location, more


def test_code_lives_a_minute(platform, bea):
    code = get_code(platform, bea)
    with contextlib.closing(sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True)) as db:
        (left,), = db.execute("SELECT expires_ms - ? FROM codes WHERE hash = ?", (time.time() * 1000, hashlib.sha256(code.encode()).digest()))
        texts = "".join(str(row) for table in ("codes", "tokens") for row in db.execute(f"SELECT * FROM {table}"))
    assert 0 < left <= 60000
    assert code not in texts and platform.secrets["board"] not in texts


# ---- scopes ----

def test_scopes_are_never_widened(platform, ann, admin):
    """What is asked for beyond the settings goes back as an error; what the person has not is not in the token, nor comes later."""
    for scope in ("admin:users", "list:users read:users", "read:servers", "inherit", "self", "nonsense", f"access:servers!user={ann.name}", "x" * 400,
                  "read:servers!user=root1"):
        answer = ann.get(query(platform, scope=scope))
        assert answer.status == 302 and answer.location == platform.back + "?error=invalid_scope&state=s1", scope
    answer = ann.get(query(platform) + "&scope=identify&scope=list:users")
    assert "error=invalid_scope" in answer.location
    token = exchange(platform, get_code(platform, ann)).json()["access_token"]
    assert "list:users" not in who(platform, token).json()["scopes"]
    assert request("GET", platform.hub + "/hub/api/users", headers={"Authorization": f"token {token}"}).status == 403
    # Less is asked for, less is given.
    less = exchange(platform, get_code(platform, ann, scope="identify")).json()["access_token"]
    assert who(platform, less).json()["scopes"] == ["access:services!service=board", f"read:users:groups!user={ann.name}", f"read:users:name!user={ann.name}"]
    # The person becomes more: the token does not, and the page asks again because there is more to give.
    assert admin.api("PATCH", f"/hub/api/users/{ann.name}", {"admin": True}).status == 200
    assert "list:users" not in who(platform, token).json()["scopes"]
    page = ann.get(query(platform))
    assert page.status == 200 and "list the people who have accounts (everybody&#39;s)" in page.text
    more = exchange(platform, get_code(platform, ann)).json()["access_token"]
    assert "list:users" in who(platform, more).json()["scopes"]
    # And less again: what was agreed to is worth no more than the person.
    assert admin.api("PATCH", f"/hub/api/users/{ann.name}", {"admin": False}).status == 200
    assert who(platform, more).status == 403 or "list:users" not in who(platform, more).json()["scopes"]


def test_tokens_make_no_tokens(platform, bea):
    token = exchange(platform, get_code(platform, bea)).json()["access_token"]
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    assert request("POST", f"{platform.hub}/hub/api/users/{bea.name}/tokens", "{}", headers).status == 403
    assert request("GET", f"{platform.hub}/services/dask-gateway/api/v1/clusters/", headers=headers).status in (401, 403)


# ---- the page ----

def test_agreeing_is_done_by_our_own_page(platform, ann):
    """CSRF, another site's form, an old page, and a frame."""
    page = ann.get(query(platform))
    target, fields = form_target(page), form_fields(page)
    assert page.headers["X-Frame-Options"] == "DENY" and "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert f"http://localhost:{platform.service_port}" in page.headers["Content-Security-Policy"].split("form-action")[1].split(";")[0]
    for headers, sent in (({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, fields),
                          ({"Origin": f"http://localhost:{platform.service_port}", "Sec-Fetch-Site": "cross-site"}, fields),
                          ({}, {**fields, "_csrf": "0" * 64}), ({}, {k: v for k, v in fields.items() if k != "_csrf"})):
        answer = ann.send(target, sent, headers)
        assert answer.status == 403 and not answer.location
    for dest in ("iframe", "object", "embed"):
        assert ann.ask("GET", query(platform), headers={"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "cross-site"}).status == 403
    # Agreed to something else than what is given now: the page is shown again.
    for agreed in ("", "0" * 64):
        answer = ann.send(target, {**fields, "agreed": agreed})
        assert answer.status == 200 and "asks who you are" in answer.text
    stranger = Person(platform)
    answer = stranger.send(target, fields)
    assert answer.status == 303 and "/hub/login" in answer.location
    assert ann.send(target, fields).status == 302


def set_proved(platform, minutes_ago):
    with contextlib.closing(sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=30)) as db:
        db.execute("UPDATE sessions SET proved_ms = ?", (int(time.time() * 1000) - minutes_ago * 60000,))
        db.commit()


def test_after_the_password_comes_the_page(platform, admin):
    """An administrator's session that is not proved any more: at the question of the service, and while its page was open."""
    admin.proves = False
    try:
        set_proved(platform, 16)
        asked = admin.get(query(platform))
        assert asked.status == 403 and 'action="/hub/again"' in asked.text
        onward = admin.prove(asked)
        assert onward.status == 303 and onward.location == query(platform), onward.location
        page = admin.get(onward.location)
        assert page.status == 200 and "asks who you are" in page.text
        set_proved(platform, 16)
        asked = admin.send(form_target(page), form_fields(page))
        assert asked.status == 403 and 'action="/hub/again"' in asked.text
        wrong = admin.prove(asked, "not this one")
        assert wrong.status == 403
        onward = admin.prove(wrong)
        assert onward.status == 303 and onward.location == query(platform), onward.location
        # What was agreed to before is not carried out: the page is shown again.
        page = admin.get(onward.location)
        assert page.status == 200 and "asks who you are" in page.text
        assert code_of(admin.send(form_target(page), form_fields(page)), platform.back)
    finally:
        set_proved(platform, 0)
        admin.proves = True


# ---- ends ----

def test_ends_with_the_session_and_by_hand(platform, ann):
    first = exchange(platform, get_code(platform, ann)).json()["access_token"]
    second = Person(platform)
    second.sign_in(ann.name)
    other = exchange(platform, get_code(platform, second)).json()["access_token"]
    second.post("/hub/logout", {}, "/hub/home")
    assert who(platform, other).status == 403 and who(platform, first).status == 200
    page = ann.get("/hub/token").text
    assert "Your sign-in at the service board" in page
    model = [t for t in ann.api("GET", f"/hub/api/users/{ann.name}/tokens").json()["api_tokens"] if "service board" in t["oauth_client"]]
    assert len(model) == 1 and "read:servers!user=" + ann.name in model[0]["scopes"]
    number = re.search(r"service board</strong>.*?name=\"id\" value=\"(\d+)\"", page, re.S).group(1)
    assert ann.post("/hub/token/remove", {"id": number}, "/hub/token").status == 303
    assert who(platform, first).status == 403
    assert ann.get(query(platform)).status == 200, "it asks again"


def test_ends_with_the_service(platform, admin):
    """Less is allowed after a restart: gone from the tokens; nobody signs in to it any more: they are gone. Kills change nothing."""
    person = platform.add_person(admin, "tess")
    token = exchange(platform, get_code(platform, person)).json()["access_token"]
    assert "read:servers!user=tess" in who(platform, token).json()["scopes"]
    try:
        platform.kill_hub()
        assert "read:servers!user=tess" in who(platform, token).json()["scopes"]
        lines = platform.lines["board"]
        for kept, status in ((lines[:2], 200), (lines[:1], 403)):
            platform.lines["board"] = kept
            platform.write_services()
            subprocess.run(platform.cratond("--stop"), check=True, timeout=120, stdout=subprocess.DEVNULL)
            platform.process.wait(30)
            platform.start()
            assert who(platform, token).status == status
            if status == 200:
                assert "read:servers!user=tess" not in who(platform, token).json()["scopes"]
    finally:
        platform.lines["board"] = lines

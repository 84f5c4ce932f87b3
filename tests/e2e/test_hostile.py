"""A hostile page in a real browser. Alice, an administrator, is signed in at the hub and at her JupyterLab; then she opens a page of
Eve, who controls her own server entirely. What the page tries is the table of attempts of docs/threat-model.md.

Each attempt has its control: the same script at the place where it is allowed does succeed, so a block is a block and not a typing error.
"""
import json
import os
import pwd
import shutil
import sys
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
sys.path.append(str(Path(__file__).resolve().parents[1] / "wire"))
import hub_client  # noqa: E402
from chromium_client import CHROMIUM, launch, new_context  # noqa: E402
from test_session import start  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")

# What Eve puts into her own server: pages and answers as she likes, and a record of every cookie that her process is sent.
EVIL_CONFIG = '''
import json
from jupyter_server import serverapp
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

cookies = []


class Hostile(web.RequestHandler):
    def check_xsrf_cookie(self):
        pass

    @allow_unauthenticated
    def get(self, what):
        cookies.append(self.request.headers.get("Cookie", ""))
        if what == "worker.js":
            self.set_header("Content-Type", "text/javascript")
            self.set_header("Service-Worker-Allowed", "/")
            self.finish("self.addEventListener('fetch', () => {})")
        elif what == "toss":
            for name in ("__Host-craton-login", "craton-login", "__Secure-craton-login", "__Host-craton-pre", "craton-pre"):
                for rest in ("; Path=/", "; Path=/; Secure", "; Path=/; Domain=localhost", "; Path=/hub/; Domain=127.0.0.1"):
                    self.add_header("Set-Cookie", name + "=" + "e" * 64 + rest)
            self.finish("tossed")
        elif what == "seen":
            self.finish(json.dumps(cookies))
        else:
            self.set_header("Content-Type", "text/html")
            self.finish("<!doctype html><title>evil</title><p>Look at these maps</p>")


original = serverapp.ServerWebApplication.init_handlers


def init_handlers(self, *args, **kwargs):
    return [(r"/user/eve/hostile/(.*)", Hostile)] + original(self, *args, **kwargs)


serverapp.ServerWebApplication.init_handlers = init_handlers
'''


@pytest.fixture(scope="module")
def stage():
    """The platform with alice (administrator), eve and carol, all with accounts; alice's and eve's servers run."""
    if os.geteuid() != 0:
        pytest.skip("needs root: several accounts")
    p = hub_client.Platform()
    try:
        p.start()
        p.alice = p.administrator("alice")
        p.alice.name = "alice"
        p.eve, p.carol = p.add_person(p.alice, "eve"), p.add_person(p.alice, "carol")
        p.eve.name = "eve"
        # Eve's home exists from her first start on.
        start(p.eve)
        p.eve.post("/hub/stop", {}, "/hub/home")
        hub_client.wait_for(lambda: not p.eve.api("GET", "/hub/api/users/eve").json()["servers"], 40)
        home = Path(pwd.getpwnam(p.accounts + "eve").pw_dir)
        owner = home.stat()
        folder = home / ".jupyter"
        folder.mkdir(exist_ok=True)
        (folder / "jupyter_server_config.py").write_text(EVIL_CONFIG)
        for path in (folder, folder / "jupyter_server_config.py"):
            os.chown(path, owner.st_uid, owner.st_gid)
        start(p.eve)
        start(p.alice)
        p.user = {name: f"http://{name}.localhost:{p.port + 1}/user/{name}/" for name in ("alice", "eve")}
        yield p
    finally:
        p.stop()
        shutil.rmtree(p.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def context(stage):
    """Alice's browser: signed in at the hub and at her JupyterLab."""
    with playwright.sync_playwright() as pw:
        browser = launch(pw)
        context = new_context(browser)
        page = context.new_page()
        page.goto(stage.hub + "/hub/login")
        page.fill("#username", "alice")
        page.fill("#password", hub_client.PASSWORD)
        page.click("button.main")
        page.wait_for_url("**/hub/home")
        page.goto(stage.user["alice"] + "lab")
        page.wait_for_selector("#jp-main-dock-panel")
        page.close()
        yield context
        browser.close()


@pytest.fixture
def open_page(context):
    """open_page(url) -> a page of Alice's browser. Pages stay open until the browser ends: closing one that has opened or framed another
    that is still loading may wait for ever."""

    def opener(url):
        page = context.new_page()
        page.goto(url)
        return page

    return opener


@pytest.fixture
def evil(open_page, stage):
    page = open_page(stage.user["eve"] + "hostile/page")
    assert page.title() == "evil"
    return page


def hub_cookie(context, stage):
    return {c["name"]: c["value"] for c in context.cookies(stage.hub)}


def still_alice(open_page, stage):
    page = open_page(stage.hub + "/hub/home")
    page.get_by_text("Hello, alice").wait_for()


def carol_is_enabled(stage):
    assert hub_client.Person(stage).sign_in("carol").status == 303


FETCH = """async ([url, options]) => {
  try { const r = await fetch(url, options); return r.type + " " + r.status + " " + (await r.text()) }
  catch (e) { return "blocked: " + e.name }
}"""
WEBSOCKET = """url => new Promise(done => {
  const s = new WebSocket(url);
  s.onopen = () => { s.close(); done("opened") };
  s.onerror = () => done("blocked");
})"""
# Opens a window, waits until it shows something, and reads its document.
WINDOW = """async url => {
  const w = window.open(url);
  if (!w) return "no window";
  for (let i = 0; i < 900; i++) {
    await new Promise(r => setTimeout(r, 100));
    if (w.closed) return "blocked: handle closed";
    try {
      if (w.location.href != "about:blank" && w.document.readyState == "complete") return "read " + w.document.documentElement.innerHTML;
    } catch (e) { return "blocked: " + e.name }
  }
  return "nothing is shown";
}"""
FRAME = """async url => {
  const f = document.createElement("iframe");
  f.src = url;
  document.body.append(f);
  await new Promise(r => { f.onload = r; setTimeout(r, 30000) });
  try { return "read " + f.contentDocument.body.innerText } catch (e) { return "blocked: " + e.name }
}"""
FORM = """([url, fields]) => {
  const f = document.createElement("form");
  f.method = "post"; f.action = url;
  for (const [name, value] of Object.entries(fields)) {
    const i = document.createElement("input");
    i.type = "hidden"; i.name = name; i.value = value; f.append(i);
  }
  document.body.append(f);
  f.submit();
}"""
ADMIN_ACT = {"user": "carol", "action": "disable"}


def test_read_of_the_hub(stage, open_page, evil):
    """Row 1: the page of administrators with its CSRF token."""
    url = [stage.hub + "/hub/admin", {"credentials": "include"}]
    control = open_page(stage.hub + "/hub/home").evaluate(FETCH, url)
    assert control.startswith("basic 200") and "_csrf" in control
    assert evil.evaluate(FETCH, url).startswith("blocked")
    assert evil.evaluate(FETCH, [url[0], {"credentials": "include", "mode": "no-cors"}]) in ("opaque 0 ", "blocked: TypeError")
    assert evil.evaluate(FETCH, [stage.hub + "/hub/api/users", {"credentials": "include"}]).startswith("blocked")


def test_window_of_the_hub(stage, context, open_page, evil):
    """Row 2."""
    control = open_page(stage.hub + "/hub/home").evaluate(WINDOW, stage.hub + "/hub/admin")
    assert control.startswith("read") and "carol" in control
    with context.expect_page() as opened:
        assert evil.evaluate(WINDOW, stage.hub + "/hub/admin").startswith("blocked")
    opened.value.get_by_text("carol").first.wait_for()      # the window did open
    assert opened.value.url == stage.hub + "/hub/admin"


def test_frame_of_the_hub_and_of_the_lab(stage, open_page, evil):
    """Row 3, and clickjacking: nothing of either origin is drawn inside the page."""
    control = evil.evaluate(FRAME, stage.user["eve"] + "hostile/page")
    assert control == "read Look at these maps"
    for url in (stage.hub + "/hub/home", stage.hub + "/hub/admin", stage.user["alice"] + "lab"):
        page = open_page(stage.user["eve"] + "hostile/page")
        assert page.evaluate(FRAME, url).startswith("blocked")
        page.wait_for_timeout(500)
        assert [f.url for f in page.frames[1:] if f.url and not f.url.startswith("chrome-error:")] == [], f"{url} is framed"


def test_posts_without_a_token(stage, open_page, evil):
    """Rows 4 and 5: by form and by fetch."""
    evil.evaluate(FETCH, [stage.hub + "/hub/admin/act", {
        "method": "POST", "mode": "no-cors", "credentials": "include", "body": "user=carol&action=disable",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"}}])
    carol_is_enabled(stage)
    with evil.expect_navigation() as navigation:
        evil.evaluate(FORM, [stage.hub + "/hub/admin/act", ADMIN_ACT])
    assert navigation.value.status == 403
    carol_is_enabled(stage)
    # Signing Alice in as somebody else, and out.
    for path, fields in (("/hub/login", {"username": "eve", "password": hub_client.PASSWORD}), ("/hub/logout", {})):
        page = open_page(stage.user["eve"] + "hostile/page")
        with page.expect_navigation() as navigation:
            page.evaluate(FORM, [stage.hub + path, fields])
        assert navigation.value.status == 403
    still_alice(open_page, stage)


def test_tossed_cookies(stage, context, open_page, evil):
    """Rows 6 to 8: cookies set by script and by header, and a form with the tossed token."""
    before = hub_cookie(context, stage)
    assert "__Host-craton-login" in before
    evil.evaluate("""() => {
      for (const name of ["_csrf", "_xsrf", "craton-login", "__Host-craton-login", "craton-pre", "__Host-craton-pre"])
        for (const rest of ["; path=/", "; path=/; secure", "; path=/; domain=localhost", "; path=/hub/; domain=127.0.0.1"])
          document.cookie = name + "=" + "e".repeat(64) + rest;
    }""")
    evil.evaluate(FETCH, [stage.user["eve"] + "hostile/toss", {"credentials": "include"}])
    with evil.expect_navigation() as navigation:
        evil.evaluate(FORM, [stage.hub + "/hub/admin/act", {**ADMIN_ACT, "_csrf": "e" * 64}])
    assert navigation.value.status == 403
    carol_is_enabled(stage)
    after = hub_cookie(context, stage)
    assert after["__Host-craton-login"] == before["__Host-craton-login"]
    still_alice(open_page, stage)


def test_alices_server(stage, open_page, evil):
    """Rows 9 to 11: her files, her page with its token, her kernels' websocket."""
    alice = stage.user["alice"]
    socket = alice.replace("http", "ws", 1) + "api/events/subscribe"
    own = open_page(alice + "lab")
    token = own.evaluate("document.cookie.match(/_xsrf=([^;]*)/)[1]")
    assert own.evaluate(FETCH, [alice + "api/contents", {"headers": {"X-XSRFToken": token}}]).startswith("basic 200")
    assert own.evaluate(WEBSOCKET, socket) == "opened"
    assert evil.evaluate(FETCH, [alice + "api/contents", {"credentials": "include"}]).startswith("blocked")
    assert evil.evaluate(WEBSOCKET, socket) == "blocked"
    assert evil.evaluate(WINDOW, alice + "lab").startswith("blocked")


def test_service_worker(stage, evil):
    """Row 12: none for the whole origin; the header that would widen its scope does not pass."""
    register = """async ([url, scope]) => {
      try { return "registered " + (await navigator.serviceWorker.register(url, {scope})).scope } catch (e) { return "refused: " + e.name }
    }"""
    worker = stage.user["eve"] + "hostile/worker.js"
    assert evil.evaluate(register, [worker, stage.user["eve"] + "hostile/"]).startswith("registered")
    for scope in ("/", "/user/", "/user/eve/"):
        assert evil.evaluate(register, [worker, scope]).startswith("refused"), scope


def test_cookies_that_reach_eve(stage, evil):
    """Last row: no cookie of the hub, and none of Alice's server, is ever sent to Eve's process."""
    evil.reload()
    seen = json.loads(evil.evaluate(FETCH, [stage.user["eve"] + "hostile/seen", {}]).split(" ", 2)[2])
    assert len(seen) >= 2
    for line in seen:
        assert "craton" not in line and "jupyterhub-user-alice" not in line and "jupyterhub-session-id" not in line, line


def test_oauth_sign_in_started_by_the_page(stage, context, open_page, evil):
    """Eve's own callback with Alice's browser. Alice, an administrator, may go in as a guest: the hub asks her on a page of its own, and
    gives no code before she has answered there."""
    query = ("/hub/api/oauth2/authorize?client_id=jupyterhub-user-eve&response_type=code&state=x&code_challenge=" + "A" * 43 +
             f"&code_challenge_method=S256&redirect_uri=http%3A%2F%2Feve.localhost%3A{stage.port + 1}%2Fuser%2Feve%2Foauth_callback")
    with evil.expect_navigation() as navigation:
        evil.evaluate("url => { location = url }", stage.hub + query)
    assert navigation.value.status == 200 and "code=" not in evil.url and evil.url.startswith(stage.hub + "/hub/")
    assert "You go in as a guest" in evil.inner_text("main")


# What asks without a script that may read the answer: by the element, or by calls of their own. Each says what it got.
ASKERS = {
    "a script of the hub's JSON": """async url => await new Promise(done => {
        const s = document.createElement("script"); s.src = url; s.onload = () => done("loaded"); s.onerror = () => done("blocked"); document.body.append(s) })""",
    "a style": """async url => await new Promise(done => {
        const s = document.createElement("link"); s.rel = "stylesheet"; s.href = url; s.onload = () => done("loaded"); s.onerror = () => done("blocked"); document.head.append(s) })""",
    "a picture": """async url => await new Promise(done => {
        const s = new Image(); s.onload = () => done("loaded"); s.onerror = () => done("blocked"); s.src = url })""",
    "an embedded object": """async url => await new Promise(done => {
        const s = document.createElement("object"); s.data = url; s.onload = () => done("loaded"); s.onerror = () => done("blocked"); document.body.append(s) })""",
    "a worker": """async url => await new Promise(done => {
        try { const w = new Worker(url); w.onerror = () => done("blocked"); setTimeout(() => done("loaded"), 60000) } catch (e) { done("blocked") } })""",
    "a stream of events": """async url => await new Promise(done => {
        const s = new EventSource(url, {withCredentials: true}); s.onmessage = s.onopen = () => done("loaded"); s.onerror = () => done("blocked") })""",
    "a module": """async url => { try { await import(url); return "loaded" } catch (e) { return "blocked" } }""",
    "a socket": """async url => await new Promise(done => {
        const s = new WebSocket(url.replace("http", "ws")); s.onopen = () => done("loaded"); s.onerror = () => done("blocked") })""",
}


@pytest.mark.parametrize("what", ASKERS)
def test_parts_of_the_hub_in_a_page(stage, open_page, evil, what):
    """The hub's answers are no part of another page, so that neither size nor time nor effect of them tells anything."""
    for path in ("/hub/api/user", "/hub/home", "/hub/static/hub.css", "/hub/api/users/alice/server/progress"):
        assert evil.evaluate(ASKERS[what], stage.hub + path) == "blocked", path


def test_parts_of_the_hub_in_its_own_page(stage, open_page):
    """The control."""
    own = open_page(stage.hub + "/hub/home")
    style = own.evaluate("document.querySelector('link[rel=stylesheet]').href")
    assert own.evaluate(ASKERS["a style"], style) == "loaded"
    assert own.evaluate(ASKERS["a stream of events"], stage.hub + "/hub/api/users/alice/server/progress") == "loaded"


SENDERS = {
    "a beacon": "([url, body]) => String(navigator.sendBeacon(url, new Blob([body], {type: 'application/x-www-form-urlencoded'})))",
    "a ping": """([url, body]) => { const a = document.createElement("a"); a.href = location.href + "#x"; a.ping = url; document.body.append(a); a.click(); return "" }""",
    "after the page": "([url, body]) => { fetch(url, {method: 'POST', mode: 'no-cors', keepalive: true, credentials: 'include', body: new URLSearchParams(body)}).catch(() => 0); return '' }",
    "JSON as text": "([url, body]) => { fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', headers: {'Content-Type': 'text/plain'}, body: '{}'}).catch(() => 0); return '' }",
    "a form in a frame without origin": """([url, body]) => { const f = document.createElement("iframe"); f.sandbox = "allow-scripts allow-forms";
        f.srcdoc = `<form method=post action="${url}"><input name=user value=carol><input name=action value=disable></form><script>document.forms[0].submit()</` + "script>";
        document.body.append(f); return '' }""",
    "another method": "([url, body]) => { fetch(url, {method: 'DELETE', credentials: 'include'}).catch(() => 0); return '' }",
}


@pytest.mark.parametrize("how", SENDERS)
def test_sent_without_a_page(stage, evil, how):
    """What needs no answer to do its harm. All of it is refused: the log says so, and Carol is as she was."""
    for url in ("/hub/admin/act", "/hub/api/users/carol"):
        evil.evaluate(SENDERS[how], [stage.hub + url, "user=carol&action=disable"])
    evil.wait_for_timeout(700)
    carol_is_enabled(stage)
    assert stage.alice.api("GET", "/hub/api/users/carol").status == 200


def test_messages_and_openers(stage, context, open_page, evil):
    """A page of the hub that was opened by a hostile one has no opener, listens to no message, and cannot be moved by its name."""
    with context.expect_page() as opened:
        evil.evaluate("url => { window.w = window.open(url, 'named') }", stage.hub + "/hub/home")
    hub_page = opened.value
    hub_page.wait_for_load_state()
    assert hub_page.evaluate("[window.opener, window.name]") == [None, ""]
    hub_page.evaluate("window.heard = 0; window.addEventListener('message', () => window.heard++)")
    evil.evaluate("w.postMessage('x', '*'); w.location = 'about:blank'; window.open('about:blank', 'named').close()")
    hub_page.wait_for_timeout(300)
    assert hub_page.url == stage.hub + "/hub/home" and hub_page.evaluate("window.heard") == 0
    # The control: a window of her own hears, and is moved.
    with context.expect_page() as opened:
        evil.evaluate("url => { window.v = window.open(url, 'own') }", stage.user["eve"] + "hostile/page")
    own = opened.value
    own.wait_for_load_state()
    own.evaluate("window.heard = 0; window.addEventListener('message', () => window.heard++)")
    evil.evaluate("v.postMessage('x', '*')")
    own.wait_for_function("window.heard == 1")


def test_links_to_people_pages_give_no_handle(stage, context, open_page):
    """The other way round: the hub opens people's servers without being their opener, and does not say from which page one comes."""
    page = open_page(stage.hub + "/hub/home")
    for link in page.query_selector_all("a[target]"):
        assert "noopener" in (link.get_attribute("rel") or ""), link.get_attribute("href")
    page.evaluate("url => { location = url }", stage.user["eve"] + "hostile/page")
    page.wait_for_url("**/hostile/page")
    assert page.evaluate("window.opener") is None and stage.hub + "/hub/home" not in page.evaluate("document.referrer")


def test_signed_out_by_nobody_else(stage, open_page, evil):
    """By moving the page, and by a window: the hub asks first."""
    evil.evaluate("url => { window.open(url) }", stage.hub + "/hub/logout")
    evil.evaluate("url => { location = url }", stage.hub + "/hub/logout")
    evil.wait_for_url("**/hub/logout")
    assert "Sign out?" in evil.inner_text("main")
    still_alice(open_page, stage)

"""Hub and people below one name (--domain): a page at NAME.DOMAIN may set cookies for DOMAIN, where the hub is. With a real browser."""
import os
import pwd
import sys
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
sys.path.append(str(Path(__file__).resolve().parents[1] / "wire"))
import hub_client  # noqa: E402
from chromium_client import CHROMIUM, launch, new_context  # noqa: E402
from test_hostile import EVIL_CONFIG, FETCH, FORM  # noqa: E402
from test_session import start  # noqa: E402

DOMAIN = "hub.localhost"        # browsers find it, with all names below, at this machine
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


class OneDomain(hub_client.Platform):
    def __init__(self):
        super().__init__()
        self.options, self.domain = ("--domain", DOMAIN), DOMAIN
        self.hub = f"http://{DOMAIN}:{self.port}"


@pytest.fixture(scope="module")
def stage():
    with hub_client.running(kind=OneDomain) as p:
        p.alice = p.administrator("alice")
        p.eve = p.add_person(p.alice, "eve")
        p.eve.name = "eve"
        start(p.eve)        # her home exists from her first start on
        p.eve.post("/hub/stop", {}, "/hub/home")
        hub_client.wait_for(lambda: not p.eve.api("GET", "/hub/api/users/eve").json()["servers"], 40)
        home = Path(pwd.getpwnam(p.accounts + "eve").pw_dir)
        (home / ".jupyter").mkdir(exist_ok=True)
        (home / ".jupyter/jupyter_server_config.py").write_text(EVIL_CONFIG)
        for path in (home / ".jupyter", home / ".jupyter/jupyter_server_config.py"):
            os.chown(path, home.stat().st_uid, home.stat().st_gid)
        start(p.eve)
        p.user = f"http://eve.{DOMAIN}:{p.port + 1}/user/eve/"
        yield p


@pytest.fixture
def context(stage):
    with playwright.sync_playwright() as pw:
        browser = launch(pw)
        context = new_context(browser)
        page = context.new_page()
        page.goto(stage.hub + "/hub/login")
        page.fill("#username", "alice")
        page.fill("#password", hub_client.PASSWORD)
        page.click("button.main")
        page.wait_for_url("**/hub/home")
        yield context
        browser.close()


TOSS = f"""value => {{
  for (const name of ["craton-login", "__Host-craton-login", "__Secure-craton-login", "craton-pre", "__Host-craton-pre", "__Host-craton-device", "_xsrf"])
    for (const rest of ["; path=/", "; path=/; secure", "; path=/; domain={DOMAIN}", "; path=/; secure; domain={DOMAIN}", "; path=/hub/; domain={DOMAIN}", "; path=/hub/home; domain=.{DOMAIN}"])
      document.cookie = name + "=" + value + rest;
  document.cookie = "planted=1; path=/; domain={DOMAIN}";
  return document.cookie;     // answered when all of them are taken: what is set is told and not waited for
}}"""


def who(context, stage):
    page = context.new_page()
    page.goto(stage.hub + "/hub/home")
    text = page.inner_text("main")
    page.close()
    return "alice" if "Hello, alice" in text else "eve" if "Hello, eve" in text else "nobody"


def test_cookies_for_the_parent(stage, context):
    """Eve has her own session, and would have Alice work in it; or fix the cookie under Alice's next sign-in."""
    before = {c["name"]: c["value"] for c in context.cookies(stage.hub)}
    assert "__Host-craton-login" in before and who(context, stage) == "alice"
    page = context.new_page()
    page.goto(stage.user + "hostile/page")
    assert page.title() == "evil"
    page.evaluate(TOSS, stage.eve.jar["__Host-craton-login"])
    page.evaluate(FETCH, [stage.user + "hostile/toss", {"credentials": "include"}])
    after = context.cookies(stage.hub)
    assert any(c["name"] == "planted" for c in after), "the control: such a page can set cookies there"
    assert [c["value"] for c in after if c["name"] == "__Host-craton-login"] == [before["__Host-craton-login"]]
    assert who(context, stage) == "alice"
    # A form with a token that Eve made for her own session.
    with page.expect_navigation() as navigation:
        page.evaluate(FORM, [stage.hub + "/hub/stop", {"_csrf": stage.eve.csrf()}])
    assert navigation.value.status == 403
    # Signing out and in again: the planted cookies are nobody's, and the new one is new.
    page = context.new_page()
    page.goto(stage.hub + "/hub/home")
    page.click("form[action$='/hub/logout'] button")
    page.get_by_text("You are signed out").wait_for()
    page.goto(stage.hub + "/hub/home")
    assert page.url.startswith(stage.hub + "/hub/login")
    page.fill("#username", "alice")
    page.fill("#password", hub_client.PASSWORD)
    page.click("button.main")
    page.wait_for_url("**/hub/home")
    assert who(context, stage) == "alice"
    assert {c["value"] for c in context.cookies(stage.hub) if c["name"] == "__Host-craton-login"}.isdisjoint({*before.values(), stage.eve.jar["__Host-craton-login"]})


def test_more_cookies_than_fit(stage, context):
    """What such a page can do is to fill the browser's cookies for the name: Alice is signed out or refused there, and nobody else is; see
    docs/threat-model.md, Accepted."""
    page = context.new_page()
    page.goto(stage.user + "hostile/page")
    page.evaluate(f"for (let i = 0; i < 300; i++) document.cookie = 'fill' + i + '=' + 'x'.repeat(3000) + '; path=/; domain={DOMAIN}'")
    page.evaluate("document.cookie")    # the browser answers when it has taken all of them; what is set is told to it and not waited for
    page.close()
    answer = context.new_page().goto(stage.hub + "/hub/home")
    assert answer.status >= 400 or answer.url.startswith(stage.hub + "/hub/login")
    assert stage.alice.get("/hub/home").status == 200
    context.clear_cookies()
    assert who(context, stage) == "nobody"

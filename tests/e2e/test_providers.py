"""Sign-in by an identity provider with a real browser: cookies over the way there and back, and the pages that people see."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running  # noqa: E402
from provider_client import MANAGER, MEMBER, Programmable, unsigned, write_provider  # noqa: E402
from test_browser import CHROMIUM, chromium, inspect, page, playwright, tab_to  # noqa: E402, F401

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
FAR_OFF = "urn:mace:egi.eu:group:vo.a-rather-long-name-of-a-community.example.eu:a-team-of-it:role=member#aai.egi.eu"


@pytest.fixture(scope="module")
def hub():
    def before(p):
        p.provider = provider
        write_provider(p, "egi", ["preset = egi", f"issuer = {provider.issuer}", "client-id = craton-hub", f"allow = {MEMBER}", f"admin = {MANAGER}",
                                  "apply-url = https://aai.example.eu/apply", "contact = help@example.eu"], "a:secret & more")

    with Programmable() as provider, running(prepared=False, before=before) as p:
        yield p


@pytest.fixture(autouse=True)
def as_it_should_be(hub):
    hub.provider.reset()


def test_member_with_the_keyboard_alone(hub, page):  # noqa: F811
    page.goto(f"{hub.hub}/hub/login?next=/hub/password")
    inspect(page, "login-provider")
    tab_to(page, "Sign in with EGI Check-in")
    page.keyboard.press("Enter")
    page.wait_for_url(hub.hub + "/hub/password")
    page.goto(hub.hub + "/hub/home")
    assert page.inner_text("h1") == "Hello, ada"
    cookies = {c["name"]: c for c in page.context.cookies()}
    assert "__Host-craton-signin" not in cookies and cookies["__Host-craton-login"]["httpOnly"]
    page.get_by_role("button", name=re.compile("Sign out")).click()
    page.get_by_text("You are signed out").wait_for()
    page.goto(hub.hub + "/hub/home")
    assert "/hub/login" in page.url


def test_who_is_not_a_member_reads_why(hub, page):  # noqa: F811
    hub.provider.claims = {"sub": "5" * 64 + "@egi.eu", "name": "Grace Newcomer", "email": "grace@example.org", "preferred_username": "grace",
                           "eduperson_entitlement": [FAR_OFF]}
    page.goto(hub.hub + "/hub/login")
    page.click("text=Sign in with EGI Check-in")
    playwright.expect(page.locator("h1")).to_have_text("You are known, but not a member yet")
    inspect(page, "refused")
    assert page.get_attribute("text=Apply for membership", "href") == "https://aai.example.eu/apply"
    assert FAR_OFF in page.inner_text("main") and MEMBER in page.inner_text("main")
    # The membership came: the button is the way in.
    hub.provider.claims["eduperson_entitlement"] = [MEMBER]
    page.click("text=I am a member now")
    page.wait_for_url(hub.hub + "/hub/home")
    assert page.inner_text("h1") == "Hello, grace"


def test_the_administrator_sees_who_was_turned_away(hub, page):  # noqa: F811
    hub.provider.claims = {"sub": "6" * 64 + "@egi.eu", "name": "Eve Waiting", "email": "eve@example.org", "eduperson_entitlement": [FAR_OFF]}
    page.goto(hub.hub + "/hub/signin/egi")
    hub.provider.claims = {"sub": "boss", "name": "Mia Manager", "preferred_username": "mia", "eduperson_entitlement": [MANAGER]}
    page.goto(hub.hub + "/hub/signin/egi")
    page.goto(hub.hub + "/hub/admin")
    assert "Turned away" in page.inner_text("main") and "Eve Waiting" in page.inner_text("main")
    inspect(page, "people-refused")
    page.get_by_role("button", name=re.compile("^Take 6+@egi.eu off")).click()
    playwright.expect(page.locator("main")).not_to_contain_text("Eve Waiting")


def test_page_of_connections(hub, page):  # noqa: F811
    page.goto(hub.ask(command="admin-link")["url"])
    page.fill("#username", "hypatia")
    page.fill("#password", PASSWORD)
    page.fill("#password_again", PASSWORD)
    page.click("text=Go on")
    page.wait_for_url(hub.hub + "/hub/home")
    page.goto(hub.hub + "/hub/password")
    hub.provider.claims["sub"] = "hypatia-there"
    page.fill("#link-egi", PASSWORD)
    page.get_by_role("button", name="Connect EGI Check-in").click()
    page.wait_for_selector("text=Go on to EGI Check-in")
    inspect(page, "connect")
    page.click("text=Go on to EGI Check-in")
    playwright.expect(page.locator("main")).to_contain_text("hypatia-there")
    playwright.expect(page).to_have_url(hub.hub + "/hub/password")
    inspect(page, "password-connected")


def test_a_failure_leads_back(hub, page):  # noqa: F811
    hub.provider.token = unsigned
    page.goto(hub.hub + "/hub/signin/egi")
    playwright.expect(page.locator("h1")).to_have_text("You are not signed in")
    inspect(page, "signin-failed")
    hub.provider.token = None
    page.click("text=Try EGI Check-in again")
    page.wait_for_url(hub.hub + "/hub/home")

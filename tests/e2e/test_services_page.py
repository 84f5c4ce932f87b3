"""Signing in to a service in a real browser, and what its page could try; further servers on the home page."""
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running, wait_for  # noqa: E402
from test_browser import CHROMIUM, chromium, fill, inspect, page, playwright, press  # noqa: E402, F401
from test_lifecycle_pages import sign_in  # noqa: E402
from test_service_signin import WithServices, board  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


class WithBoth(WithServices):
    def __init__(self):
        super().__init__()
        self.options = ("--named-servers", "2")


@pytest.fixture(scope="module")
def hub():
    with running(prepared=False, kind=WithBoth) as p:
        p.admin = p.administrator("boss")
        yield p


def test_signing_in_to_a_service(hub, page):  # noqa: F811
    hub.add_person(hub.admin, "nora")
    with board(hub, "browsers", 0) as url:
        page.goto(url + "/services/board/")
        page.wait_for_url(hub.hub + "/hub/login**")
        page.get_by_label("User name").fill("nora")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("The service board asks who you are")
        expect(page.locator("main")).to_contain_text("see which servers run (yours only)")
        inspect(page, "service-enter")
        # No leads back to the service, with nothing.
        press(page, "No")
        page.wait_for_url(url + "/services/board/oauth_callback?error=access_denied**")
        page.goto(url + "/services/board/")
        # The policy of the page lets the form lead on to the service, and the service knows who it is.
        press(page, "Sign in to board")
        page.wait_for_url(url + "/services/board/")
        assert '"name": "nora"' in page.content().replace("&quot;", '"')
        # No cookie of the hub goes there.
        assert not [c["name"] for c in page.context.cookies(url) if "craton" in c["name"]]
        # The hub's page is shown in no frame of the service, and is not answered by its scripts.
        authorize = hub.hub + "/hub/api/oauth2/authorize?" + urlencode({
            "client_id": "service-board", "redirect_uri": hub.back, "response_type": "code", "scope": "list:users"})
        seen = page.evaluate("""async (url) => {
            const frame = document.createElement("iframe");
            frame.src = url;
            document.body.append(frame);
            await new Promise((done) => { frame.onload = done; setTimeout(done, 5000); });
            let inside = "blocked";
            try { inside = frame.contentDocument ? frame.contentDocument.body.innerText : "blocked"; } catch (error) { }
            const fetched = await fetch(url, {credentials: "include", redirect: "manual"}).then((a) => a.type, () => "blocked");
            const posted = await fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body: "agreed=x"}).then((a) => a.type, () => "blocked");
            return [inside, fetched, posted];
        }""", authorize)
        assert "asks who you are" not in seen[0] and seen[1] == "blocked", seen
        # It can be taken back.
        page.goto(hub.hub + "/hub/token")
        inspect(page, "service-tokens")
        press(page, "Take away Your sign-in at the service board")
        expect(page.locator("main")).not_to_contain_text("service board")


def test_further_servers(hub, page):  # noqa: F811
    person = hub.add_person(hub.admin, "otto")
    sign_in(page, hub, "otto")
    inspect(page, "named-none")
    fill(page, "Name of a new one .*", "gpu")
    fill(page, "Title .*", "Large one")
    press(page, "Add")
    page.wait_for_url(hub.hub + "/hub/spawn/otto/gpu")
    inspect(page, "named-start")
    press(page, "Start")
    page.wait_for_url("**/user/otto/gpu/lab**", timeout=150000)
    page.goto(hub.hub + "/hub/home")
    inspect(page, "named-some")
    press(page, "Stop Large one")
    wait_for(lambda: person.api("GET", "/hub/api/users/otto/servers/gpu").json()["stopped"], 60)
    page.goto(hub.hub + "/hub/home")
    press(page, "Remove Large one")
    wait_for(lambda: person.api("GET", "/hub/api/users/otto/servers/gpu").status == 404, 60)
    page.goto(hub.hub + "/hub/home")
    expect(page.locator("main")).not_to_contain_text("Large one")

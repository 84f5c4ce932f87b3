"""The pages of a server that is about to be stopped, of one that waits, of announcements and maintenance, in a real browser."""
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running, wait_for  # noqa: E402
from test_browser import CHROMIUM, chromium, inspect, page, playwright, press, tab_to  # noqa: E402, F401
from test_session import server, start  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@pytest.fixture(scope="module")
def hub():
    """Room for one server, which is warned of at once."""
    with running("--room", "1G", "--guarantee", "1G", "--idle", "3600", "--idle-warning", "3600", "--idle-keep", "5400", "--age", "7200", prepared=False) as p:
        yield p


def sign_in(page, hub, name):  # noqa: F811
    page.context.clear_cookies()
    page.goto(hub.hub + "/hub/login")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(hub.hub + "/hub/home")


def test_pages_of_the_life_of_servers(hub, page):  # noqa: F811
    admin = hub.administrator("boss")
    people = {name: hub.add_person(admin, name) for name in ("mia", "tom")}
    for name, person in people.items():
        person.name = name
    start(people["mia"])

    # With the keyboard alone: what is told, and keeping the server.
    sign_in(page, hub, "mia")
    assert re.search("It will be stopped in (1 hour|5. minutes):", page.inner_text("main"))
    inspect(page, "life-warned")
    press(page, "Keep for 1 hour 30 minutes")
    expect(page.locator("main")).to_contain_text("It is kept for 1 hour ", use_inner_text=True)

    # The place in the queue, as it changes, without a reload; and out of it.
    sign_in(page, hub, "tom")
    press(page, "Start")
    page.wait_for_url(hub.hub + "/hub/spawn-pending/tom")
    expect(page.locator("#message")).to_contain_text("number 1 of 1: all memory for servers is in use.")
    inspect(page, "life-waiting")
    press(page, "Cancel")
    expect(page).to_have_url(hub.hub + "/hub/home")      # the form's answer and the stream's last event both lead there: one gives way
    wait_for(lambda: not server(people["tom"]), 20)

    # An administrator tells everybody.
    sign_in(page, hub, "boss")
    page.goto(hub.hub + "/hub/admin")
    tab_to(page, "Announcement and maintenance")
    page.keyboard.press("Enter")        # unfolds it
    page.keyboard.press("Tab")
    page.keyboard.type("On Friday from 18:00 the storage is exchanged; files cannot be read for about an hour.")
    page.keyboard.press("Tab")
    page.keyboard.type("48")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    press(page, "Save")
    expect(page.locator("main")).to_contain_text("The announcement ends in 2 days", use_inner_text=True)
    inspect(page, "life-admin-told")
    sign_in(page, hub, "tom")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("body")).to_contain_text("being maintained", use_inner_text=True)
    inspect(page, "life-maintenance")

    assert people["mia"].post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(people["mia"]), 40)

"""Sharing a JupyterLab in a real browser: the owner's page, a link, the guest's way in; keyboard, narrow screen, accessibility."""
import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import running  # noqa: E402
from test_browser import CHROMIUM, chromium, enter, fill, inspect, page, playwright, press  # noqa: E402, F401
from test_lifecycle_pages import sign_in  # noqa: E402
from test_session import start, stop  # noqa: E402
from test_shares import Sharing  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@pytest.fixture(scope="module")
def hub():
    with running(prepared=False, kind=Sharing) as p:
        yield p


def test_pages_of_sharing(hub, page):  # noqa: F811
    admin = hub.administrator("boss")
    people = {name: hub.add_person(admin, name) for name in ("mia", "tom", "lea")}
    for name, person in people.items():
        person.name = name
    assert admin.api("POST", "/hub/api/groups/river-course", {"users": ["lea"]}).status == 201
    start(people["mia"])

    # The owner, by keyboard: nobody yet, a mistake, a person, a group, a link.
    sign_in(page, hub, "mia")
    inspect(page, "shares-home")
    press(page, "Share it with others")
    page.wait_for_url(hub.hub + "/hub/shares")
    inspect(page, "shares-none")
    fill(page, "User name", "nobody")
    enter(page)
    expect(page.locator("main")).to_contain_text("No such user: nobody")
    inspect(page, "shares-problem")
    page.goto(hub.hub + "/hub/shares")
    fill(page, "User name", "tom")
    enter(page)
    page.get_by_role("button", name="Let tom in no longer").wait_for()
    fill(page, "Name of the group", "river-course")
    enter(page)
    page.get_by_role("button", name="Let river-course in no longer").wait_for()
    press(page, "Make a link")
    page.get_by_label("Link", exact=True).wait_for()
    link = page.get_by_label("Link", exact=True).input_value()
    inspect(page, "shares-some")

    # A guest by name.
    sign_in(page, hub, "tom")
    inspect(page, "shares-guest-home")
    press(page, "Open the JupyterLab of mia")
    expect(page.locator("main")).to_contain_text("You go in as a guest")
    inspect(page, "shares-enter")
    press(page, "Go in")
    page.wait_for_url(re.compile(r"http://mia\.localhost:\d+/user/mia/lab.*"))
    page.wait_for_selector("#jp-main-dock-panel")
    page.goto(hub.hub + "/hub/home")
    press(page, "Give back the JupyterLab of mia")
    expect(page.get_by_text("Shared with you")).to_have_count(0)

    # A guest by the link, who is not signed in when it is opened.
    page.context.clear_cookies()
    page.goto(link)
    fill(page, "User name", "tom")
    fill(page, "Password", "rivers and stones")
    enter(page)
    expect(page.locator("main")).to_contain_text("mia shares a JupyterLab with you")
    inspect(page, "shares-accept")
    stop(people["mia"])
    press(page, "Accept")
    page.wait_for_url(hub.hub + "/hub/home")
    expect(page.locator("main")).to_contain_text("mia starts it")
    inspect(page, "shares-guest-stopped")
    page.goto(hub.hub + "/hub/user/mia/lab")
    expect(page.locator("main")).to_contain_text("It is shared with you, and mia starts it")
    inspect(page, "shares-not-running")

    # By a group, and a link that ends.
    sign_in(page, hub, "lea")
    expect(page.locator("main")).to_contain_text("as one of the group river-course")
    sign_in(page, hub, "mia")
    page.goto(hub.hub + "/hub/shares")
    expect(page.locator("main")).to_contain_text("accepted once")
    press(page, "Take link \\d+ away")
    expect(page.locator("main")).not_to_contain_text("Links that work now")
    press(page, "Let tom in no longer")
    expect(page.get_by_role("button", name="Let tom in no longer")).to_have_count(0)
    sign_in(page, hub, "tom")
    expect(page.get_by_text("Shared with you")).to_have_count(0)
    page.goto(link)
    expect(page.locator("main")).to_contain_text("Share not found or expired")

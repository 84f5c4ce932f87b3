"""The audit log, and the page that asks administrators again who they are, in a real browser: with the keyboard, on a small screen, by axe's rules."""
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running  # noqa: E402
from test_browser import CHROMIUM, PHONE, chromium, fill, inspect, page, playwright, press  # noqa: E402, F401
from test_lifecycle_pages import sign_in  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@pytest.fixture(scope="module")
def hub():
    with running() as p:
        yield p


def wait_sixteen_minutes(hub):
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE sessions SET proved_ms = proved_ms - 960000")


def test_audit_log_and_asking_again(hub, page):  # noqa: F811
    assert PHONE["width"] <= 360
    hub.add_person(hub.administrator("boss"), "mia")
    sign_in(page, hub, "boss")
    wait_sixteen_minutes(hub)

    # Asked again: a wrong password, then the right one, and the form that was held up is carried out.
    page.goto(hub.hub + "/hub/admin")
    fill(page, "User name.*", "noor")
    press(page, "Make an invitation link")
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
    inspect(page, "again")
    fill(page, "Your password", "not this one")
    press(page, "Go on")
    expect(page.get_by_role("alert")).to_contain_text("The password is wrong.")
    inspect(page, "again-wrong")
    fill(page, "Your password", PASSWORD)
    press(page, "Go on")
    expect(page.get_by_role("status")).to_contain_text("Link for noor.")
    assert re.search(r"/hub/join/[0-9a-f]{64}$", page.get_by_label("Link", exact=True).input_value())

    # The log says so; it is filtered with the keyboard.
    page.goto(hub.hub + "/hub/admin")
    press(page, "Audit log: who did what, and when")
    page.wait_for_url("**/hub/admin/audit")
    entries = page.get_by_role("list", name="Entries").get_by_role("listitem")
    expect(entries.nth(0)).to_contain_text("Link made: noor")
    expect(entries.nth(1)).to_contain_text("Identity proved again: boss")
    expect(entries.nth(2)).to_contain_text("refused")
    inspect(page, "audit")
    fill(page, "Person or group.*", "mia")
    press(page, "Show")
    page.wait_for_url("**person=mia**")
    expect(entries).to_have_count(2)     # made, signed in
    fill(page, "From the day.*", "some day")
    press(page, "Show")
    expect(page.get_by_role("alert")).to_contain_text("no day such as 2026-11-24")
    inspect(page, "audit-wrong-day")
    fill(page, "From the day.*", "2000-01-01")
    fill(page, "Up to the day, with it", "2000-01-02")
    press(page, "Show")
    expect(page.get_by_text("There is nothing of this kind in the log.")).to_be_visible()
    inspect(page, "audit-empty")

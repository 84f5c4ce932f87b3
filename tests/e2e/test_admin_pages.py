"""The audit log, and the page that asks administrators again who they are, in a real browser: with the keyboard, on a small screen, by axe's rules."""
import re
import sqlite3
import sys
import time
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
    with running(prepared=False) as p:
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


def test_disk_space_and_starts_ahead(hub, page):  # noqa: F811
    hub.add_person(hub.administrator("chief"), "ida")
    for group in ("class", "tides"):
        assert "error" not in hub.ask(command="admin", do="group-add", args=[group])
    sign_in(page, hub, "chief")
    home = "INSERT OR REPLACE INTO disk_use (user_id, bytes, at_ms, top) SELECT id, ?, ?, ? FROM users WHERE name = ?"
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute(home, (5 << 30, int(time.time() * 1000), "4000000000 data\n900000000 .cache\n", "ida"))
        db.execute(home, (1 << 20, int(time.time() * 1000), "", "chief"))
    page.goto(hub.hub + "/hub/admin")
    inspect(page, "users")
    press(page, "Disk space")
    homes = page.get_by_role("list", name="Homes").get_by_role("listitem")
    expect(homes.nth(0)).to_contain_text("ida")
    expect(homes.nth(0)).to_contain_text("5.0 GiB")
    inspect(page, "disk")

    page.goto(hub.hub + "/hub/admin")
    press(page, "Start servers ahead")
    page.wait_for_url("**/hub/admin/ahead")
    fill(page, "Group", "nobody")
    fill(page, "Keep for hours.*", "2")
    press(page, "Plan")
    expect(page.get_by_role("alert")).to_contain_text("no group of the name")
    inspect(page, "ahead-wrong")
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Karachi"})
    page.goto(hub.hub + "/hub/admin/ahead")
    fill(page, "Group", "class")
    # Typed in the visitor's own time, kept in UTC, shown in the visitor's own time.
    page.get_by_label("Begin at, in your time (empty: now)").fill(time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 86400 + 5 * 3600)))
    fill(page, "Keep for hours.*", "2")
    press(page, "Plan")
    with sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10) as db:
        begin = db.execute("SELECT begin_ms FROM ahead").fetchone()[0] / 1000
    assert abs(begin - time.time() - 86400) < 120
    expect(page.locator("time").first).to_contain_text("GMT+5")
    plans = page.get_by_role("list", name="Plans").get_by_role("listitem")
    expect(plans).to_have_count(1)
    inspect(page, "ahead")
    press(page, "Take away the plan for class")
    expect(plans).to_have_count(0)


def test_groups_and_a_seat(hub, page):  # noqa: F811
    """A trainer on a phone: a group, a link for the room, and a learner who has an account and follows it."""
    hub.add_person(hub.administrator("trainer"), "lena")
    sign_in(page, hub, "trainer")
    press(page, "Users")
    fill(page, "Find users by a part of the name", "EN")
    press(page, "Find")
    page.wait_for_url("**/hub/admin?name=EN&group=")
    expect(page.get_by_role("heading", name="lena")).to_be_visible()
    expect(page.get_by_role("heading", name="trainer")).to_have_count(0)
    inspect(page, "users-found")
    press(page, "Make lena an administrator")
    page.wait_for_url("**/hub/admin?name=EN#person-*")     # back where it was
    press(page, "lena is no administrator any more")
    page.wait_for_url("**/hub/admin?name=EN#person-*")
    expect(page.get_by_role("link", name="Users", exact=True)).to_have_attribute("aria-current", "page")
    press(page, "Groups")
    page.wait_for_url("**/hub/admin/groups")
    inspect(page, "groups")
    fill(page, "Name", "Fluids & tides, summer")
    press(page, "Make")
    page.wait_for_url("**/hub/admin/groups?group=**")
    fill(page, "User names.*", "lena\nnobody.here")
    press(page, "Put in")
    expect(page.get_by_role("alert")).to_contain_text("Line 2 (nobody.here)", ignore_case=True)
    inspect(page, "group-wrong")
    page.get_by_label("User names, one on each line").fill("trainer")
    press(page, "Put in")
    expect(page.get_by_role("heading", name="1 person")).to_be_visible()
    inspect(page, "group")

    page.goto(hub.hub + "/hub/admin/invitations")
    fill(page, "Seats", "2")
    page.locator("#room-group").fill("Fluids & tides, summer")
    press(page, "Make a link for the room")
    link = page.locator("#link").input_value()
    press(page, "Sign out.*")
    expect(page.get_by_text("You are signed out")).to_be_visible()
    page.goto(link)
    inspect(page, "join-room")
    press(page, "I have an account here: sign in, and join with it")
    fill(page, "User name", "lena")
    fill(page, "Password", PASSWORD)
    press(page, "Sign in")
    page.wait_for_url(link)
    inspect(page, "seat")
    press(page, "Join with this account")
    expect(page.get_by_role("status")).to_contain_text("You are in the group Fluids & tides, summer, as lena.")
    inspect(page, "seat-taken")
    press(page, "Go on")
    page.wait_for_url("**/hub/home")


def test_a_full_home(page):  # noqa: F811
    with running("--disk", "1M", "--disk-period", "0", prepared=False) as p:
        p.administrator("boss")
        sign_in(page, p, "boss")
        with sqlite3.connect(p.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("INSERT INTO disk_use (user_id, bytes, at_ms, top) SELECT id, ?, ?, ? FROM users", (3 << 20, int(time.time() * 1000), "2000000 " + "long-name-" * 12 + "\n900000 .cache\n"))
        page.goto(p.hub + "/hub/home")
        expect(page.get_by_role("alert")).to_contain_text("Your disk space is used up")
        inspect(page, "home-full")
        press(page, "Measure again")
        expect(page.get_by_role("alert")).to_contain_text("being measured again")
        with sqlite3.connect(p.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("UPDATE disk_use SET bytes = 900000")
        page.goto(p.hub + "/hub/home")
        expect(page.get_by_text("of your disk space")).to_be_visible()
        inspect(page, "home-nearly-full")

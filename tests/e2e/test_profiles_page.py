"""The choice among profiles in a real browser: with the keyboard, on a phone, in light and dark, without a line of script."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running, with_profiles  # noqa: E402
from chromium_client import in_time  # noqa: E402
from test_browser import chromium, fill, inspect, page, press, pytestmark, tab_to  # noqa: E402, F401

PROFILES = """\
profiles:
  - slug: small
    display_name: Small
    description: For lectures and most exercises.
    memory: 1G
    cpu: 1
  - slug: analysis
    display_name: Analysis
    description: For the exercises of the second week, which read many files at once.
    memory: 2G
    cpu: 1.5
    options:
      size:
        display_name: Size
        choices:
          usual: {display_name: As usual}
          more: {display_name: More, description: 3 GiB, memory: 3G}
      threads:
        display_name: Threads of each library
        description: More is not always faster.
        number: {min: 1, max: 4}
        sets: OMP_NUM_THREADS
      bucket:
        display_name: Your team's bucket
        text: {pattern: '[a-z-]+', default: open-data}
        sets: TEAM_BUCKET
"""


@pytest.fixture(scope="module")
def hub():
    with running(prepared=False, kind=with_profiles(PROFILES)) as p:
        p.administrator("hypatia")
        yield p


def test_choosing(hub, page):  # noqa: F811
    page.goto(hub.hub + "/hub/login")
    fill(page, "User name", "hypatia")
    fill(page, "Password", PASSWORD)
    press(page, "Sign in")
    page.wait_for_url("**/hub/home")
    inspect(page, "profiles-small")
    assert page.locator("script").count() == 0
    size = page.get_by_label("Size")
    assert not size.is_visible()  # belongs to what is not chosen

    # A group of radio buttons is one stop of the Tab key; arrows choose.
    tab_to(page, "Small")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Analysis", exact=True).is_checked() and size.is_visible()
    inspect(page, "profiles-analysis")
    tab_to(page, "Size")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Threads of each library.*")
    page.keyboard.press("Control+A")
    page.keyboard.type("9")
    press(page, "Start")
    page.get_by_text("Threads of each library must be a number from 1 to 4").wait_for()
    inspect(page, "profiles-refused")

    page.go_back()
    page.get_by_label("Threads of each library").fill("3")
    page.route("**/progress?*", lambda route: None)
    with in_time(page):
        press(page, "Start")
        page.wait_for_url("**/hub/spawn-pending/hypatia")
    page.goto(hub.hub + "/hub/home")
    press(page, "Cancel|Stop")
    page.get_by_role("button", name="Start").wait_for()
    assert page.get_by_label("Analysis", exact=True).is_checked() and page.get_by_label("Size").input_value() == "more"
    assert page.get_by_label("Threads of each library").input_value() == "3"
    inspect(page, "profiles-remembered")

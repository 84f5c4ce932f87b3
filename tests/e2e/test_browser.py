"""The walk of a person with a real browser: narrow screen, keyboard alone, and accessibility rules on every page of the hub.

Pictures of all pages, in both colour schemes, narrow and wide, are left in CRATON_RESULTS.
"""
import itertools
import os
import re
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from chromium_client import CHROMIUM, in_time, launch, leave, new_context  # noqa: E402
from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
pictures = itertools.count(1)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as p:
        browser = launch(p)
        yield browser
        browser.close()


def is_of_the_laboratory(error):
    """JupyterLab's panels now and then lose a node twice while the window changes its size (nothing of ours takes nodes away), and it does not catch
    that a request of its own is cut when somebody leaves the page."""
    return any(words in str(error) for words in ("removeChild", "Failed to fetch")) and "/static/lab/" in (error.stack or "")


@pytest.fixture
def page(chromium):
    """A page whose script errors fail the test."""
    context = new_context(chromium, viewport=PHONE)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda e: None if is_of_the_laboratory(e) else errors.append(str(e)))
    # A refused form is a document with status 4xx, which is meant; a script, style or picture that is not there is not.
    page.on("response", lambda r: errors.append(f"{r.status} {r.url}") if r.status >= 400 and "/hub/" in r.url
            and r.request.resource_type != "document" else None)
    yield page
    context.close()
    assert not errors, errors


def picture(page, name):
    folder = os.environ.get("CRATON_RESULTS")
    if folder:
        path = Path(folder) / "pages" / f"{next(pictures):02d}-{name}.png"
        page.screenshot(path=path, full_page=True)


def inspect(page, name):
    """Accessibility rules (axe-core) in light and dark, and nothing wider than the screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"{name}-{scheme}")
        result = Axe().run(page)
        assert result.violations_count == 0, f"{page.url} ({scheme})\n{result.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{page.url} is wider than the screen"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
    picture(page, f"{name}-wide")
    page.set_viewport_size(PHONE)


def tab_to(page, name, most=40):
    """Moves the focus with the Tab key until it is on the control of this name, as somebody without a mouse does."""
    for _ in range(most):
        page.keyboard.press("Tab")
        label = page.evaluate(
            "(() => { const e = document.activeElement; const l = e.labels && e.labels[0];"
            " return (e.getAttribute('aria-label') || (l ? l.innerText : e.innerText || e.value || '')).trim() })()")
        if re.fullmatch(name, label.split("\n")[0].strip()):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                                    " || getComputedStyle(document.activeElement).boxShadow !== 'none'")
            assert outline, f"the focus on '{name}' cannot be seen"
            return
    raise AssertionError(f"'{name}' is not reached with the Tab key on {page.url}")


def fill(page, name, text):
    tab_to(page, name)
    page.keyboard.type(text)


def press(page, name):
    """A link or a button, and the page that it leads to."""
    tab_to(page, name)
    enter(page)


def enter(page):
    """In what has the focus; until the page is there to which that leads."""
    leave(page, lambda: page.keyboard.press("Enter"))


def keeps_the_uppermost_folder(request):
    """JupyterLab writes down where somebody is a moment after they went there."""
    if request.method != "PUT" or "/api/workspaces" not in request.url:
        return False
    return (request.post_data_json or {}).get("data", {}).get("file-browser-filebrowser:cwd") == {"path": ""}


def test_walk_with_the_keyboard(platform, page):
    page.goto(platform.up("--admin-link").stdout.strip())
    inspect(page, "join-administrator")
    fill(page, "User name", "hypatia")
    fill(page, "Password", "a few good words")
    fill(page, "Password once more", "a few good words")
    press(page, "Go on")
    page.wait_for_url("**/hub/home")
    inspect(page, "home-stopped")

    # The page of the start as it stands without news, so that it stays while it is inspected.
    page.route("**/progress?*", lambda route: None)
    with in_time(page):
        press(page, "Start")
        page.wait_for_url("**/hub/spawn-pending/hypatia")
    inspect(page, "starting")
    page.goto(platform.hub + "/hub/home")
    page.unroute("**/progress?*")  # not before: the news would lead the page elsewhere while it goes home
    if page.get_by_role("button", name="Stop").count() or page.get_by_role("button", name="Cancel").count():
        press(page, "Stop|Cancel")
    page.get_by_role("button", name="Start").wait_for()

    # Noted in the page itself: a start may take less time than it takes to ask twice.
    seen = set()
    page.expose_function("noteProgress", lambda text: seen.add(text))
    page.add_init_script("""document.addEventListener("DOMContentLoaded", () => {
        const message = document.getElementById("message");
        if (!message || !location.pathname.includes("/spawn-pending/")) return;
        noteProgress(message.textContent);
        new MutationObserver(() => noteProgress(message.textContent)).observe(message, {childList: true, characterData: true, subtree: true});
    });""")
    with in_time(page):
        press(page, "Start")
        page.wait_for_url(re.compile(r"http://hypatia\.localhost:\d+/user/hypatia/lab.*"))
    assert len(seen) >= 2, "no progress was shown"
    page.wait_for_selector("#jp-main-dock-panel")
    page.get_by_text("Launcher").first.wait_for()
    page.wait_for_timeout(3000)
    assert page.get_by_text("Jupyter news").count() == 0  # nobody is asked, and nothing is fetched from outside
    page.set_viewport_size(DESK)
    page.get_by_text("1-ndvi.ipynb").first.wait_for()  # a new person sees the folder of the welcome notebooks
    for scheme, light in (("dark", "false"), ("light", "true")):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        picture(page, f"lab-{scheme}")
    # Who goes elsewhere is there the next time.
    with page.expect_request_finished(keeps_the_uppermost_folder):
        page.get_by_label("File Browser Section").locator(".jp-BreadCrumbs-home").click()
        page.locator(".jp-DirListing-itemText").get_by_text("welcome", exact=True).wait_for()
    page.goto(page.url.split("/lab")[0] + "/lab")
    page.locator(".jp-DirListing-itemText").get_by_text("welcome", exact=True).wait_for()
    assert page.get_by_text("1-ndvi.ipynb").count() == 0
    page.set_viewport_size(PHONE)

    page.goto(platform.hub + "/hub/home")
    inspect(page, "home-ready")
    press(page, "Stop")
    page.get_by_role("button", name="Start").wait_for()
    inspect(page, "home-after-stop")
    page.goto(platform.hub + "/hub/user/hypatia/lab/tree/welcome")
    inspect(page, "not-running")
    press(page, "Tokens")
    page.wait_for_url("**/hub/token")
    fill(page, "Note: what it is for", "nightly plots")
    press(page, "Make the token")
    page.get_by_text("nightly plots").wait_for()
    inspect(page, "tokens")
    press(page, "Password")
    page.wait_for_url("**/hub/password")
    inspect(page, "password")
    press(page, "Users")
    page.wait_for_url("**/hub/admin")
    inspect(page, "users")
    press(page, "Make an invitation link")
    link = page.locator("#link").input_value()
    inspect(page, "users-link")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab_to(page, "Copy")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.goto(platform.hub + "/hub/home")
    press(page, "Sign out.*")
    page.get_by_text("You are signed out").wait_for()
    inspect(page, "signed-out")

    page.goto(link)
    inspect(page, "join-invited")
    fill(page, "User name", "theon")
    fill(page, "Password", "other good words")
    fill(page, "Password once more", "other good words")
    press(page, "Go on")
    page.wait_for_url("**/hub/home")
    expect(page.get_by_text("Hello, theon")).to_be_visible()


def test_sign_in_again_after_a_mistake(platform, page):
    page.goto(platform.hub + "/hub/login")
    inspect(page, "sign-in")
    fill(page, "User name", "hypatia")
    fill(page, "Password", "wrong words here")
    press(page, "Sign in")
    page.get_by_role("alert").wait_for()
    inspect(page, "sign-in-wrong")
    fill(page, "Password", "a few good words")
    press(page, "Sign in")
    page.wait_for_url("**/hub/home")
    page.goto(platform.hub + "/hub/nothing-here")
    inspect(page, "not-found")


def test_invitations_for_a_course(platform, page):
    page.goto(platform.up("--admin-link").stdout.strip())
    fill(page, "User name", "trainer")
    fill(page, "Password", "a few good words")
    fill(page, "Password once more", "a few good words")
    press(page, "Go on")
    page.wait_for_url("**/hub/home")
    press(page, "Users")
    page.wait_for_url("**/hub/admin")
    press(page, "Invite several people, or a whole room")
    page.wait_for_url("**/hub/admin/invitations")
    inspect(page, "invitations")
    fill(page, "Seats", "30")
    fill(page, r"Note, for this list.*", "Tuesday")
    press(page, "Make a link for the room")
    page.wait_for_url("**/invitations/room")
    assert "/hub/join/" in page.locator("#link").input_value()
    page.get_by_text("0 of 30 seats taken").wait_for()
    inspect(page, "invitations-room")
    fill(page, "People", "emmy, Emmy Noether\nsofia, Sofia Kovalevskaya")
    press(page, "Make the links")
    page.get_by_text("Sofia Kovalevskaya").wait_for()
    inspect(page, "invited")
    page.emulate_media(media="print")
    picture(page, "invited-print")
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_text("Emmy Noether")).to_be_visible()
    page.emulate_media(media="screen")

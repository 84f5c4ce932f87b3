"""The hub in German, in a real browser: by what the browser asks for, by a choice at the bottom of the page, with the keyboard, on a small screen, by axe's rules."""
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from chromium_client import in_time, new_context  # noqa: E402
from hub_client import PASSWORD, running, wait_for  # noqa: E402
from test_browser import CHROMIUM, PHONE, chromium, fill, inspect, playwright, press  # noqa: E402, F401

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@pytest.fixture(scope="module")
def hub():
    with running("--contact", "help@ocean.example", "--privacy-url", "https://ocean.example/privacy", "--legal-url", "https://ocean.example/legal") as p:
        yield p


@pytest.fixture
def page(chromium):  # noqa: F811
    context = new_context(chromium, viewport=PHONE, locale="de-DE")
    page, errors = context.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    yield page
    context.close()
    assert not errors, errors


def lang(page):
    return page.locator("html").get_attribute("lang")


def test_a_walk_in_german(hub, page):
    hub.administrator("hypatia")
    page.goto(hub.hub + "/hub/login")
    assert lang(page) == "de"
    inspect(page, "german-sign-in")
    fill(page, "Benutzername", "hypatia")
    fill(page, "Passwort", "falsche Wörter")
    press(page, "Anmelden")
    expect(page.get_by_role("alert")).to_contain_text("Benutzername oder Passwort ist falsch.")
    fill(page, "Passwort", PASSWORD)
    press(page, "Anmelden")
    page.wait_for_url("**/hub/home")
    inspect(page, "german-home")

    # A start: what comes while one waits is German too.
    page.route("**/progress?*", lambda route: None)
    with in_time(page):
        press(page, "Starten")
        page.wait_for_url("**/hub/spawn-pending/hypatia")
    expect(page.get_by_role("heading", name="Ihr JupyterLab startet")).to_be_visible()
    inspect(page, "german-starting")
    page.goto(hub.hub + "/hub/home")
    page.unroute("**/progress?*")
    wait_for(lambda: page.reload() and page.get_by_text("Es läuft.").count(), 120)
    inspect(page, "german-running")
    press(page, "Beenden")
    page.get_by_role("button", name="Starten").wait_for()
    for link, heading in (("Token", "API-Token"), ("Passwort", "Passwort ändern"), ("Cluster", "Ihre Dask-Cluster"), ("Benutzer", "Benutzer")):
        press(page, link)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        inspect(page, f"german-{link.lower()}")
    press(page, "Mehrere Personen einladen, oder einen ganzen Raum")
    inspect(page, "german-invitations")

    # Another language, for this person, wherever she signs in; and back at the same page.
    press(page, "Français")
    page.wait_for_url("**/hub/admin/invitations")
    expect(page.locator("html")).to_have_attribute("lang", "fr")     # the address was the same before
    expect(page.get_by_role("button", name="Français")).to_have_attribute("aria-current", "true")
    inspect(page, "french-invitations")
    press(page, "Se déconnecter.*")
    page.get_by_text("Vous êtes déconnecté").wait_for()
    press(page, "English")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    inspect(page, "english-signed-in-no-more")

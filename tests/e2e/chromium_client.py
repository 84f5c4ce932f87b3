"""The browser of these tests: how it is begun, how long it waits, and how slow it is.

A race of a test with the browser shows where pages come late. CRATON_SLOW=MS holds back every answer to a page for so many milliseconds, by when the hub
has long done what it was asked for; CRATON_SLOW_CPU=N makes pages compute N times as slowly. Both are done inside the browser, for each page by itself:
nothing waits for the test's own thread, and service workers are left alone.
"""
import contextlib
import os
import shutil

from playwright.sync_api import Error, expect

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 90000     # for all that names no time of its own; it costs time only where something is wrong
LATE_MS, SLOWER = int(os.environ.get("CRATON_SLOW") or 0), float(os.environ.get("CRATON_SLOW_CPU") or 1)
expect.set_options(timeout=PATIENCE_MS)


def launch(p):
    return p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])


def new_context(browser, **options):
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    if LATE_MS or SLOWER > 1:
        slow_from_the_first_page_on(context)
    return context


def slow_from_the_first_page_on(context):
    """The pages that a test opens, before it uses them, and the windows that a page opens, from soon on."""
    slow, make = set(), context.new_page
    context.on("page", lambda page: slow_down(page) or slow.add(page))

    def new_page():
        page = make()
        while page not in slow:
            page.wait_for_timeout(10)
        return page
    context.new_page = new_page


def slow_down(page):
    with contextlib.suppress(Error):    # a window that is closed at once
        page.slowness = page.context.new_cdp_session(page)
        page.slowness.send("Network.enable")
        hold_back(page, LATE_MS)
        if SLOWER > 1:
            page.slowness.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})


def hold_back(page, ms):
    if hasattr(page, "slowness"):
        page.slowness.send("Network.emulateNetworkConditions", {"offline": False, "latency": ms, "downloadThroughput": -1, "uploadThroughput": -1})


@contextlib.contextmanager
def in_time(page):
    """No answer is held back meanwhile: for what there is to see only until a server is ready. Who comes later is led on to the server."""
    hold_back(page, 0)
    yield
    hold_back(page, LATE_MS)


def leave(page, act):
    """Does what leads to another page, and waits until that is there. By its address or by what it has it cannot be told from this one where a form
    leads back to itself; and who goes on at once does so in the page that is about to go, or cuts the way of what was sent."""
    page.evaluate("document.documentElement.dataset.left = ''")
    act()
    page.locator("html:not([data-left])").wait_for(state="attached")
    page.wait_for_load_state()

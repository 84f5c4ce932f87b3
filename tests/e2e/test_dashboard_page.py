"""The dashboard of a cluster in a real browser: the link of the unmodified client in a notebook's environment, sign-in on the way, plots that live."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from chromium_client import new_context  # noqa: E402
from dask_gateway import Gateway  # noqa: E402
from gateway_client import SMALL, Member, Notebook  # noqa: E402
from hub_client import PASSWORD, running, wait_for  # noqa: E402
from test_browser import CHROMIUM, DESK, chromium, inspect, page, playwright  # noqa: E402, F401

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


@pytest.fixture(scope="module")
def hub():
    with running("--preimport", "no", "--gateway-memory", "4G") as p:
        yield p


@pytest.fixture(scope="module")
def people(hub):
    admin = hub.administrator()
    return {name: Member(hub, admin, name) for name in ("ada", "eve")}


@pytest.fixture(scope="module")
def cluster(people):
    """Made as in a notebook of ada's server."""
    with Notebook(people["ada"].start_server()), Gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        cluster.scale(1)
        yield cluster
        cluster.close()


def sign_in(page, name):  # noqa: F811
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_the_link_in_a_browser(hub, page, cluster):  # noqa: F811
    frames, refused = [], []
    page.set_viewport_size(DESK)
    page.on("websocket", lambda ws: ws.on("framereceived", lambda data: frames.append(ws.url)))
    page.on("response", lambda r: refused.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(cluster.dashboard_link)
    assert page.url.startswith(hub.hub + "/hub/login")
    sign_in(page, "ada")
    page.wait_for_url(cluster.dashboard_link)
    page.locator("canvas").first.wait_for()
    with cluster.get_client() as client:
        client.wait_for_workers(1, timeout=90)
        before = len(frames)
        assert client.gather(client.map(lambda x: x + 1, range(50), pure=False)) == list(range(1, 51))
        wait_for(lambda: page.wait_for_timeout(100) or len(frames) > before, 30)  # what has happened arrives by itself
        page.get_by_role("link", name="Graph", exact=True).click()
        page.wait_for_url(re.sub("/status$", "/graph", cluster.dashboard_link))
        page.locator("canvas").first.wait_for()
        page.goto(re.sub("/status$", "/info/main/workers.html", cluster.dashboard_link))
        page.get_by_text("tls://127.0.0.1:").first.wait_for()
        page.locator("a[href*='worker/']").first.click()  # a worker's page, by the scheduler
        page.get_by_text(re.compile("Worker: ")).first.wait_for()
    assert all(url.startswith("ws" + cluster.dashboard_link.removesuffix("status")[4:]) for url in frames), set(frames)
    assert not refused


def test_the_page_of_clusters(hub, page, cluster):  # noqa: F811
    page.goto(hub.hub + "/hub/clusters")
    sign_in(page, "ada")
    page.wait_for_url(hub.hub + "/hub/clusters")
    inspect(page, "clusters-dashboard")
    page.get_by_role("link", name="Dashboard").click()
    page.wait_for_url(cluster.dashboard_link)


def test_somebody_else_in_a_browser(hub, chromium, cluster):  # noqa: F811
    context = new_context(chromium)
    page = context.new_page()  # noqa: F811
    page.goto(cluster.dashboard_link)
    sign_in(page, "eve")
    page.get_by_text("This cluster is not yours").wait_for()
    assert page.locator("canvas").count() == 0 and page.url.startswith(hub.hub)
    context.close()

"""What dask_gateway's unmodified client shows in a notebook, in JupyterLab in a real browser: the form of options and that of a cluster, with the
server and the kernel forked as on a real platform."""
import json
import os
import pwd
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from gateway_client import Member  # noqa: E402
from hub_client import running, wait_for  # noqa: E402
from test_browser import CHROMIUM, DESK, chromium, page, playwright  # noqa: E402, F401
from test_dashboard_page import sign_in  # noqa: E402

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
OPTIONS = """
from dask_gateway import Gateway
gateway = Gateway()
options = gateway.cluster_options()
options
"""
CLUSTER = """
cluster = gateway.new_cluster(options)
cluster
"""
END = """
print("chosen:", options.worker_cores, options.worker_memory, options.environment)
cluster.close()
gateway.close()
import os
print("forked:", "kernels.py" in open(f"/proc/{os.getppid()}/cmdline").read())
"""


@pytest.fixture(scope="module")
def hub():
    with running("--gateway-memory", "4G", prepared=True) as p:
        wait_for(lambda: "prepared parent is ready of=kernels" in p.log.read_text(), 60)
        yield p


@pytest.fixture(scope="module")
def ada(hub):
    member = Member(hub, hub.administrator(), "ada")
    member.start_server()
    return member


def put_notebook(hub, name, *cells):
    """Into ada's home."""
    owner = pwd.getpwnam(hub.accounts + "ada")
    path = Path(owner.pw_dir) / name
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({
        "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel},
        "cells": [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source.strip()}
                  for i, source in enumerate(cells)]}))  # fmt: skip
    os.chown(path, owner.pw_uid, owner.pw_gid)


def run_cell(page, i):  # noqa: F811
    page.locator(".jp-Notebook .jp-Cell").nth(i).locator(".jp-InputPrompt").click()
    page.keyboard.press("Shift+Enter")


def test_options_and_the_cluster_as_forms(hub, page, ada):  # noqa: F811
    """What is chosen in the form is what the kernel and the cluster have, and the cluster's own form scales it and says how many workers there are."""
    put_notebook(hub, "forms.ipynb", OPTIONS, CLUSTER, END)
    page.set_viewport_size(DESK)
    page.goto(hub.hub + "/hub/user-redirect/lab/tree/forms.ipynb")
    sign_in(page, "ada")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120000)     # a cell that is run before there is a kernel is not run, and nothing says so
    run_cell(page, 0)
    page.get_by_text("Worker Cores:").wait_for(timeout=120000)
    numbers = page.locator(".jp-OutputArea .widget-gridbox input[type=number]")
    numbers.nth(0).fill("99")
    numbers.nth(0).press("Enter")
    wait_for(lambda: page.wait_for_timeout(50) or numbers.nth(0).input_value() == "16", 20)     # as many as there may be
    numbers.nth(0).fill("1")
    for i, (before, chosen) in enumerate((("1", "2"), ("2", "0.5"))):
        assert numbers.nth(i).input_value() == before
        numbers.nth(i).fill(chosen)
        numbers.nth(i).press("Enter")
    variables = page.locator(".jp-OutputArea .widget-gridbox textarea")
    variables.fill("SITE: north")
    variables.press("Tab")
    run_cell(page, 1)
    page.get_by_text("Manual Scaling").click(timeout=120000)
    report, = ada.ask("GET", "/v1/clusters/").json().values()
    assert [report["options"][key] for key in ("worker_cores", "worker_memory", "environment")] == [2, 0.5, {"SITE": "north"}]
    page.get_by_label("Workers", exact=True).fill("1")
    page.get_by_label("Workers", exact=True).press("Enter")
    page.get_by_role("button", name="Scale", exact=True).click()
    page.locator("tr", has=page.get_by_role("rowheader", name="Threads")).get_by_role("cell", name="2", exact=True).wait_for(timeout=120000)
    # One of them may just begin another program: until that has a command line of its own it has its parent's.
    wait_for(lambda: sorted(line.split("/bin/dask ")[1].split()[0] for line in ada.processes().values()) == ["scheduler", "worker"], 30)
    run_cell(page, 2)
    page.get_by_text("chosen: 2 0.5 {'SITE': 'north'}").wait_for(timeout=60000)
    page.get_by_text("forked: True").wait_for(timeout=60000)
    wait_for(lambda: not ada.processes(), 60)

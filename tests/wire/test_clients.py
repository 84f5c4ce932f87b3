"""Programs written for JupyterHub, as their documentation runs them: jhub-client (a notebook by token, knowing one address), jupyterhub-idle-culler."""
import json
import os
import secrets
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from hub_client import Platform, request, running, wait_for
from test_session import Lab, server, start, stop

SCOPES = ("list:users", "read:users:activity", "servers")     # that the culler's documentation asks for


class WithCuller(Platform):
    def __init__(self):
        super().__init__()
        folder = self.folder / "state/services"
        folder.parent.mkdir(mode=0o711)
        folder.mkdir(mode=0o700)
        self.culler = secrets.token_hex(32)
        (folder / "idle-culler.conf").write_text("".join(f"scope = {scope}\n" for scope in SCOPES))
        (folder / "idle-culler.token").write_text(self.culler)
        (folder / "idle-culler.token").chmod(0o600)


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True, kind=WithCuller) as p:
        p.admin = p.administrator()
        yield p


def add(platform, name):
    person = platform.add_person(platform.admin, name)
    person.name = name
    return person


def token_of(person):
    return person.api("POST", f"/hub/api/users/{person.name}/tokens", {"note": "a program"}).json()["token"]


@pytest.fixture(scope="module")
def jana(platform):
    return add(platform, "jana")


def notebook(path, *cells):
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "execution_count": None, "source": source, "outputs": [
        {"output_type": "execute_result", "data": {"text/plain": result}, "metadata": {}, "execution_count": None}]} for source, result in cells],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return path


def jhubctl(platform, token, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"JUPYTERHUB_API_TOKEN": token}
    return subprocess.run([sys.executable, "-m", "jhub_client", "-v", "run", "--hub", platform.hub, *arguments], env=environment, capture_output=True, text=True, timeout=180)


def test_a_notebook_by_jhub_client(platform, jana, tmp_path):
    token = token_of(jana)
    path = notebook(tmp_path / "sum.ipynb", ("x = 20", ""), ("x + 22", "42"), ("__import__('os').environ['JUPYTERHUB_USER']", "'jana'"))
    a = jhubctl(platform, token, "--notebook", path, "--validate", "--stop-server", "--output-filename", tmp_path / "out.ipynb")
    assert a.returncode == 0, a.stderr
    results = [c["outputs"][0]["data"]["text/plain"] for c in json.loads((tmp_path / "out.ipynb").read_text())["cells"]]
    assert results == ["", "42", "'jana'"]
    wait_for(lambda: not server(jana), 60)
    # Its word that all is right depends on what comes back.
    path = notebook(tmp_path / "wrong.ipynb", ("1 + 1", "3"))
    a = jhubctl(platform, token, "--notebook", path, "--validate")
    assert a.returncode != 0 and "did not match" in a.stderr
    assert jhubctl(platform, "0" * 64, "--notebook", path).returncode != 0


def test_the_hubs_address_leads_programs_and_no_browser_to_a_server(platform, jana):
    if not server(jana).get("ready"):
        start(jana)
    token, url = token_of(jana), platform.hub + "/user/jana/api/"
    by_token = {"Authorization": f"token {token}"}
    assert request("GET", url + "kernels", headers=by_token).status == 200
    assert request("GET", url + "kernels", headers={"Authorization": f"Bearer {token}"}).status == 200
    large = {"type": "file", "format": "text", "content": "x" * 100000}
    answer = request("PUT", url + "contents/large.txt", json.dumps(large), {**by_token, "Content-Type": "application/json"})
    assert answer.status == 201, answer.text
    # A page of a server is not one of the hub: no cookie is set there, no script runs.
    page = request("GET", platform.hub + "/user/jana/lab", headers=by_token)
    assert page.status == 200 and not page.cookies()
    assert page.headers.get_all("Content-Security-Policy") == ["sandbox"] and page.headers["X-Content-Type-Options"] == "nosniff"
    # What a browser sends with every request, or may have been made to send.
    for more in ({"Cookie": "a=b"}, {"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Mode": "navigate"}, {"Origin": platform.hub}, {"Origin": "null"}):
        answer = request("GET", url + "kernels", headers={**by_token, **more})
        assert answer.status in (302, 303, 401, 403, 404) and answer.headers.get("Content-Security-Policy") != "sandbox", (more, answer.status)
    for scheme in ("Basic", "Negotiate"):
        assert request("GET", url + "kernels", headers={"Authorization": f"{scheme} {token}"}).status == 302
    # Somebody else's token is looked at by the server, as at its own address.
    other = add(platform, "otto")
    assert request("GET", url + "kernels", headers={"Authorization": f"token {token_of(other)}"}).status == 403
    stop(jana)
    gone = request("GET", url + "kernels", headers=by_token)
    assert gone.status == 424 and gone.json()["message"] == "server not running"


def test_the_idle_culler(platform):
    """Who has done something goes on; who has not is stopped."""
    idle, active = add(platform, "iris"), add(platform, "bea")
    for person in (idle, active):
        start(person)
    later = (datetime.now(timezone.utc) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    answer = request("POST", f"{platform.hub}/hub/api/users/bea/activity", json.dumps({"servers": {"": {"last_activity": later}}, "last_activity": later}),
                     {"Authorization": f"token {token_of(active)}", "Content-Type": "application/json"})
    assert answer.status == 200, answer.text
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"JUPYTERHUB_API_TOKEN": platform.culler}
    with open(platform.folder / "culler.log", "w+") as log:
        culler = subprocess.Popen([sys.executable, "-m", "jupyterhub_idle_culler", f"--url={platform.hub}/hub/api", "--timeout=5", "--cull-every=1"],
                                  env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(lambda: not server(idle), 90)
            began = time.monotonic()
            wait_for(lambda: time.monotonic() - began > 3, 10)      # it has looked again
            assert server(active).get("ready") and culler.poll() is None
        finally:
            culler.terminate()
            culler.wait(30)
    said = (platform.folder / "culler.log").read_text()
    assert "Culling server iris" in said and "bea" not in said.replace("Not culling server bea", ""), said
    assert Lab(active).open().status == 200
    stop(active)

"""Dask clusters with the real dask_gateway client, scheduler and workers, through HAProxy."""
import asyncio
import json
import os
import pwd
import re
import signal
import socket
import sqlite3
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import craton
import numpy as np
import pytest
import xarray as xr
from dask_gateway import Gateway, GatewayClusterError, GatewayWarning
from dask_gateway.auth import BasicAuth, JupyterHubAuth
from gateway_client import SMALL, Member, Notebook
from hub_client import PASSWORD, request, running, wait_for

craton.enable()


@pytest.fixture(scope="module")
def platform():
    """One of its own: its hub and proxy are killed."""
    with running("--preimport", "no", "--gateway-memory", "6G", "--gateway-workers", "3", "--gateway-clusters", "2") as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


@pytest.fixture(scope="module")
def ada(platform, admin):
    return Member(platform, admin, "ada")


@pytest.fixture(scope="module")
def eve(platform, admin):
    return Member(platform, admin, "eve")


@pytest.fixture(scope="module")
def cluster(ada):
    """A running cluster with one worker."""
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        cluster.scale(1)
        yield cluster
        cluster.close()


@pytest.fixture(scope="module")
def client(cluster):
    with cluster.get_client() as client:
        client.wait_for_workers(1, timeout=90)
        yield client


def test_compute_as_its_person(platform, client, ada):
    assert client.submit(sum, [1, 2, 3]).result(60) == 6
    uid, folder, threads = client.submit(lambda: (os.getuid(), os.getcwd(), os.environ.get("OMP_NUM_THREADS"))).result(60)
    entry = pwd.getpwnam(platform.accounts + "ada")
    assert (uid, folder, threads) == (entry.pw_uid, entry.pw_dir, "1")


def test_a_plan_of_craton(client, cluster):
    """On the client, and on the cluster itself, of which Craton makes a client with the cluster's certificates: the bits of a run here."""
    values = xr.DataArray(np.random.default_rng(5).normal(280, 20, (365, 12, 16)).astype("f4"), {"time": xr.date_range("2001-01-01", periods=365)},
                          ("time", "lat", "lon")).chunk(time=30, chunked_array_type="craton")  # fmt: skip
    anomaly = values.groupby("time.month") - values.groupby("time.month").mean()
    for lazy in (values.std("time"), values.quantile(0.9, "time"), anomaly.mean(("lat", "lon"))):
        here = lazy.compute()
        for where in (client, cluster):
            there = lazy.compute(cluster=where)
            assert there.dtype == here.dtype and there.values.tobytes() == here.values.tobytes()


def test_nothing_lies_where_others_may_have_been_before(platform, client):
    """What a worker writes down for itself it reads as programs: that is not in a folder of /tmp, where the first one who comes owns it."""
    home = pwd.getpwnam(platform.accounts + "ada").pw_dir
    places = [*client.run(lambda dask_worker: dask_worker.local_directory).values(), client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.local_directory)]
    assert places and all(p.startswith(home + "/.cache/dask-scratch-space/") for p in places), places


def test_what_the_account_may_read(platform, client, cluster):
    """The cluster's secrets are for its account to read, and for nobody to change; none is in an argument or a variable."""
    folder = next((platform.run / "g").iterdir())
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (0, 0o750)
    for name in ("cert.pem", "key.pem", "token"):
        assert ((folder / name).stat().st_uid, (folder / name).stat().st_mode & 0o777) == (0, 0o640)
    token = (folder / "token").read_text()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            assert token.encode() not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue


def test_options(ada):
    with ada.gateway() as gateway:
        options = gateway.cluster_options()
        assert dict(options) == {"worker_cores": 1, "worker_memory": 2.0, "environment": {}, "keep_after_server": False}
        options.worker_cores = 2
        with pytest.raises(ValueError):
            options.worker_memory = 64
        with pytest.raises(AttributeError):
            options.nosuch = 1
        assert gateway.get_versions()["server"]["version"] == gateway.get_versions()["client"]["version"]


def test_list_and_connect_again(ada, cluster, client):
    with ada.gateway() as gateway:
        (report,) = gateway.list_clusters()
        assert report.name == cluster.name and report.status.name == "RUNNING" and report.options == {
            "worker_cores": 1, "worker_memory": 0.5, "environment": {}, "keep_after_server": False}
        assert gateway.list_clusters(status="stopped") == []
        with gateway.connect(cluster.name) as again, again.get_client() as second:
            assert second.submit(lambda: 21 * 2).result(60) == 42
        assert gateway.get_cluster(cluster.name).status.name == "RUNNING"  # closing what was only connected to does not stop it


def test_scale_up_and_down(ada, cluster, client):
    cluster.scale(2)
    client.wait_for_workers(2, timeout=90)
    wait_for(lambda: len([p for p in ada.processes().values() if " worker " in p]) == 2, 20)
    cluster.scale(1)
    wait_for(lambda: len(client.scheduler_info()["workers"]) == 1, 60)
    wait_for(lambda: len([p for p in ada.processes().values() if " worker " in p]) == 1, 60)
    assert client.submit(lambda: 1).result(60) == 1


def test_scale_beyond_the_limit_says_so(cluster, client):
    with pytest.warns(GatewayWarning, match="3 workers for one person"):
        cluster.scale(50)
    client.wait_for_workers(3, timeout=120)
    time.sleep(2)
    assert len(client.scheduler_info()["workers"]) == 3
    cluster.scale(1)
    wait_for(lambda: len(client.scheduler_info()["workers"]) == 1, 60)


def test_a_worker_that_dies_is_replaced(ada, cluster, client):
    pid, = wait_for(lambda: len(pids := [p for p, line in ada.processes().items() if " worker " in line]) == 1 and pids, 60)     # those sent away have gone
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [p for p, line in ada.processes().items() if " worker " in line and p != pid], 60)
    assert client.submit(lambda: 2).result(90) == 2


def test_adapt(cluster, client):
    cluster.adapt(minimum=1, maximum=2)
    futures = client.map(lambda x: time.sleep(0.5) or x, range(400), pure=False)
    wait_for(lambda: len(client.scheduler_info()["workers"]) == 2, 90)
    client.cancel(futures)
    wait_for(lambda: len(client.scheduler_info()["workers"]) == 1, 90)
    cluster.adapt(active=False)
    cluster.scale(1)


def test_asynchronous(ada):
    async def session():
        async with ada.gateway(asynchronous=True) as gateway:
            name = await gateway.submit(**SMALL)
            await gateway.stop_cluster(name)
            for _ in range(200):
                report = await gateway.get_cluster(name)
                if report.status.name == "STOPPED":
                    return report
                await asyncio.sleep(0.2)
    assert asyncio.run(session()).tls_cert is None


# ---- what is refused ----

def test_bad_tokens(platform, ada, cluster):
    for token in ("0" * 64, "short", "", ada.make_token(scopes=["read:users:name!user=ada"])):
        answer = ada.ask("GET", "/v1/clusters/", token=token)
        assert answer.status == 401 and answer.json()["error"], token
    with Gateway(ada.address, auth=JupyterHubAuth(api_token="0" * 64)) as gateway, pytest.raises(Exception, match="401"):
        gateway.list_clusters()
    assert request("GET", ada.address + "/api/v1/options").status == 401
    assert ada.ask("POST", f"/v1/clusters/{cluster.name}/heartbeat", {}).status == 401
    assert request("GET", ada.address + "/api/health").json() == {"status": "pass"}


def test_name_and_token(platform, ada, eve, cluster):
    """BasicAuth: the password is a token of the hub, and the name its person's or the account's, which it takes by itself in a notebook."""
    for name in ("ada", "Ada", pwd.getpwnam(platform.accounts + "ada").pw_name.removeprefix(platform.accounts)):
        with Gateway(ada.address, auth=BasicAuth(name, ada.token)) as gateway:
            assert [r.name for r in gateway.list_clusters()] == [cluster.name]
            assert gateway.get_cluster(cluster.name).status.name == "RUNNING"
    with Gateway(platform.hub + "/services/dask-gateway", auth=BasicAuth("ada", ada.token)) as gateway:  # from other machines
        assert len(gateway.list_clusters()) == 1
    for name, password in (("eve", ada.token), ("ada", eve.token), ("ada", PASSWORD), ("ada", ""), ("", ada.token), ("root1", ada.token),
                           ("ada", ada.make_token(scopes=["read:users:name!user=ada"]))):
        with Gateway(ada.address, auth=BasicAuth(name, password)) as gateway, pytest.raises(Exception, match="401"):
            gateway.list_clusters()


def test_the_cookie_is_the_tokens(ada, eve):
    answer = ada.ask("GET", "/v1/options")
    cookie = answer.cookies()[0].partition(";")[0]
    assert cookie.startswith("craton-gateway=") and "HttpOnly" in answer.cookies()[0]
    options = ada.address + "/api/v1/options"
    assert request("GET", options, headers={"Cookie": cookie}).status == 200
    assert request("GET", options, headers={"Cookie": cookie[:-1] + ("0" if cookie[-1] != "0" else "1")}).status == 401
    assert request("GET", options, headers={"Cookie": cookie.replace("=", "=1", 1)}).status == 401
    assert request("GET", options, headers={"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}).status == 401
    assert request("GET", options, headers={"Cookie": cookie, "Origin": "http://ada.localhost"}).status == 401
    # It ends with the token.
    other = ada.make_token()
    cookie = ada.ask("GET", "/v1/options", token=other).cookies()[0].partition(";")[0]
    listed = ada.person.api("GET", "/hub/api/users/ada/tokens").json()["api_tokens"]
    ada.person.api("DELETE", f"/hub/api/users/ada/tokens/{listed[-1]['id']}")
    assert request("GET", options, headers={"Cookie": cookie}).status == 401
    # Also when its number is another person's token's now.
    eve.make_token()
    assert eve.person.api("GET", "/hub/api/users/eve/tokens").json()["api_tokens"][-1]["id"] == listed[-1]["id"]
    assert request("GET", options, headers={"Cookie": cookie}).status == 401


def test_somebody_elses_cluster(ada, eve, cluster, client):
    assert eve.ask("GET", "/v1/clusters/").json() == {}
    for method, path, body in (("GET", "", None), ("GET", "?wait", None), ("DELETE", "", None), ("POST", "/scale", {"count": 0}),
                               ("POST", "/adapt", {})):
        answer = eve.ask(method, f"/v1/clusters/{cluster.name}{path}", body)
        assert answer.status == 403 and "not yours" in answer.json()["error"]
    assert client.submit(lambda: 3).result(60) == 3


def first_words(platform, folder, name, report):
    """What the scheduler of the cluster of this name says to who has this report's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for part in ("tls_cert", "tls_key"):
        (folder / part).write_text(report[part])
    context.load_cert_chain(folder / "tls_cert", folder / "tls_key")
    with socket.create_connection(("127.0.0.1", platform.port + 2), timeout=60) as s, context.wrap_socket(s, server_hostname=f"daskgateway-{name}") as tls:
        return tls.recv(64)


def test_the_key_of_another_cluster(platform, eve, cluster, tmp_path):
    """It opens its own, and none beside it."""
    with eve.gateway() as gateway, gateway.new_cluster(**SMALL) as mine:
        report = eve.ask("GET", f"/v1/clusters/{mine.name}").json()
        assert first_words(platform, tmp_path, mine.name, report)
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            first_words(platform, tmp_path, cluster.name, report)
    wait_for(lambda: not eve.processes(), 40)


@pytest.mark.parametrize("method,path,body,status", [
    ("GET", "/v1/clusters/nosuch", None, 404), ("GET", "/v1/clusters/nosuch?wait", None, 404), ("DELETE", "/v1/clusters/nosuch", None, 204),
    ("POST", "/v1/clusters/nosuch/scale", {"count": 1}, 404), ("POST", "/v1/clusters/nosuch/adapt", {}, 404),
    ("POST", "/v1/clusters/nosuch/heartbeat", {}, 401), ("GET", "/v1/clusters/?status=nosuch", None, 422),
    ("GET", "/v1/clusters/?status=", None, 422), ("GET", "/v1/clusters/?status=running,", None, 422),
    ("POST", "/v1/clusters/", {"cluster_options": {"nosuch": 1}}, 422), ("POST", "/v1/clusters/", {"cluster_options": {"worker_cores": 0}}, 422),
    ("POST", "/v1/clusters/", {"cluster_options": {"worker_cores": 1.5}}, 422), ("POST", "/v1/clusters/", {"cluster_options": {"worker_memory": 1000}}, 422),
    ("POST", "/v1/clusters/", {"cluster_options": []}, 422), ("POST", "/v1/clusters/", [], 422), ("POST", "/v1/clusters/", "{", 400),
    ("PUT", "/v1/clusters/", {}, 405), ("GET", "/v1/nosuch", None, 404),
    ("POST", "/v1/clusters/CLUSTER/scale", {"count": -1}, 422), ("POST", "/v1/clusters/CLUSTER/scale", {"count": "1"}, 422),
    ("POST", "/v1/clusters/CLUSTER/scale", {}, 422), ("POST", "/v1/clusters/CLUSTER/adapt", {"minimum": 3, "maximum": 1}, 422),
    ("POST", "/v1/clusters/CLUSTER/adapt", {"minimum": "x"}, 422), ("POST", "/v1/clusters/CLUSTER/adapt", [], 422),
])
def test_what_does_not_fit(ada, cluster, method, path, body, status):
    answer = ada.ask(method, path.replace("CLUSTER", cluster.name), body)
    assert answer.status == status, answer.text
    assert status in (204, 405) or answer.json()["error"]


def test_quota_of_clusters(ada, cluster):
    with ada.gateway() as gateway:
        name = gateway.submit(**SMALL)
        with pytest.raises(GatewayClusterError, match="2 clusters, and 2 are allowed"):
            gateway.submit(**SMALL)
        gateway.stop_cluster(name)
        wait_for(lambda: gateway.get_cluster(name).status.name == "STOPPED", 40)


def test_a_heartbeat_cannot_aim_elsewhere(platform, ada, eve, cluster):
    """Ports of others are not given to HAProxy, and an inflated count is cut."""
    with eve.gateway() as gateway:
        mine = gateway.new_cluster(**SMALL)
        folder = max((platform.run / "g").iterdir(), key=lambda f: int(f.name))
        token = (folder / "token").read_text()
        beat = {"dashboard_address": "", "count": 0, "active_workers": [], "closing_workers": [], "closed_workers": []}

        def send(scheduler, api, **more):
            return request("POST", f"{eve.address}/api/v1/clusters/{mine.name}/heartbeat",
                           json.dumps({"scheduler_address": scheduler, "api_address": api, **beat, **more}),
                           {"Authorization": f"token {token}", "Content-Type": "application/json"})

        for bad in ("tls://10.0.0.1:5000", "tls://127.0.0.1:22", "tls://localhost:5000", "tcp://127.0.0.1:5000", 5, None):
            assert send(bad, "http://127.0.0.1:5000").status == 422, bad
        assert send("tls://127.0.0.1:5000", "http://127.0.0.1:5000", count=-1).status == 422
        assert send("tls://127.0.0.1:5000", "http://127.0.0.1:5000", active_workers=5).status == 422
        theirs = re.search(r"tls://127.0.0.1:\d+", next(line for line in ada.processes().values() if " worker " in line)).group()
        answer = send(theirs, "http" + theirs[3:])
        assert answer.status == 409 and "not one of this cluster's account" in answer.json()["error"]
        wait_for(lambda: gateway.get_cluster(mine.name).status.name == "FAILED", 40)
        assert eve.processes() == {}


def test_a_heartbeat_cannot_hoard(platform, eve):
    """Who wants a million and says at every heartbeat that the workers are closing gets no further ones: they count until they are gone."""
    with eve.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        folder = max((platform.run / "g").iterdir(), key=lambda f: int(f.name))
        with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
            scheduler, api = db.execute("SELECT scheduler_port, api_port FROM clusters WHERE name = ?", (cluster.name,)).fetchone()
        for n in range(1, 6):
            answer = request("POST", f"{eve.address}/api/v1/clusters/{cluster.name}/heartbeat",
                             json.dumps({"scheduler_address": f"tls://127.0.0.1:{scheduler}", "api_address": f"http://127.0.0.1:{api}",
                                         "dashboard_address": "", "count": 10**12, "active_workers": [], "closed_workers": [],
                                         "closing_workers": [f"w{i}" for i in range(1, 3 * n)]}),
                             {"Authorization": f"token {(folder / 'token').read_text()}", "Content-Type": "application/json"})
            assert answer.status == 200, answer.text
        def workers():
            return [line for line in eve.of_cluster(cluster.name).values() if " worker " in line]
        wait_for(workers, 30)
        time.sleep(2)
        assert 1 <= len(workers()) <= 3, workers()
        cluster.close()
        wait_for(lambda: gateway.get_cluster(cluster.name).status.name == "STOPPED", 60)
        assert eve.processes() == {}


# ---- faults ----

def test_kill_of_the_hub_with_a_task_in_flight(platform, ada, cluster, client):
    future = client.submit(lambda: time.sleep(8) or "done", pure=False)
    time.sleep(1)
    platform.kill_hub()
    assert future.result(60) == "done"
    cluster.scale(2)
    client.wait_for_workers(2, timeout=90)
    cluster.scale(1)
    wait_for(lambda: len(ada.of_cluster(cluster.name)) == 2, 60)        # the process too: what follows compares them


def test_kill_of_the_helper_with_a_task_in_flight(platform, ada, cluster, client):
    future = client.submit(lambda: time.sleep(8) or "done", pure=False)
    time.sleep(1)
    before = ada.processes()
    os.kill(platform.process.pid, signal.SIGKILL)
    platform.process.wait()
    platform.start("--preimport", "no", "--gateway-memory", "6G", "--gateway-workers", "3", "--gateway-clusters", "2")
    assert future.result(60) == "done"
    assert ada.processes() == before
    assert cluster.gateway.get_cluster(cluster.name).status.name == "RUNNING"


def test_kill_of_the_proxy(platform, ada, cluster, client):
    """What nobody but the client wants goes with its connection, as Dask has it; what is published, or computed by Craton, is there afterwards."""
    before = ada.processes()
    published = client.submit(lambda: time.sleep(4) or "kept", pure=False)
    client.publish_dataset(kept=published)
    values = xr.DataArray(np.arange(4000.0), dims="x").chunk(x=1000)
    slowly = xr.apply_ufunc(lambda block: time.sleep(1) or block * 2, values, dask="parallelized", output_dtypes=[float])
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(lambda: slowly.compute(cluster=client))
        wait_for(lambda: any("craton" in str(key) for keys in client.processing().values() for key in keys), 60)
        kill_the_proxy(platform, ada, cluster)
        np.testing.assert_array_equal(computed.result(120), values * 2)
    with cluster.get_client(set_as_default=False) as again:
        assert again.get_dataset("kept").result(60) == "kept"
        assert again.submit(lambda: 4).result(60) == 4
    assert set(ada.processes()) >= set(before)


def kill_the_proxy(platform, ada, cluster):
    platform.kill_haproxy()

    def listed():
        try:
            return ada.ask("GET", f"/v1/clusters/{cluster.name}").json()["status"] == "RUNNING"
        except OSError:
            return False
    wait_for(listed, 30)


def test_a_scheduler_that_dies_is_told(ada):
    with ada.gateway() as gateway:
        name = gateway.submit(**SMALL)
        wait_for(lambda: ada.of_cluster(name), 30)
        (pid,) = ada.of_cluster(name)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(GatewayClusterError, match="The scheduler was ended by signal 9"):
            gateway.connect(name)
        wait_for(lambda: gateway.get_cluster(name).status.name == "FAILED", 40)


def test_close_ends_everything(ada):
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        name = cluster.name
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=90)
            assert client.submit(lambda: 6 * 7).result(60) == 42
            assert sorted(line.split("/bin/dask ")[1].split()[0] for line in ada.of_cluster(name).values()) == ["scheduler", "worker"]
        cluster.close()
        wait_for(lambda: gateway.get_cluster(name).status.name == "STOPPED", 40)
        assert ada.of_cluster(name) == {}


def test_a_removed_person_leaves_nothing(platform, admin):
    bob = Member(platform, admin, "bob")
    with bob.gateway() as gateway:
        gateway.submit(**SMALL)
    wait_for(bob.processes, 30)
    assert admin.api("DELETE", "/hub/api/users/bob").status == 204
    wait_for(lambda: admin.api("GET", "/hub/api/users/bob").status == 404, 60)
    wait_for(lambda: not bob.processes(), 60)


def test_a_disabled_persons_cluster_ends_also_after_a_kill(platform, admin):
    """The hub is killed after the person was disabled and before the cluster was stopped."""
    kim = Member(platform, admin, "kim")
    with kim.gateway() as gateway:
        gateway.submit(**SMALL)
    wait_for(kim.processes, 30)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE users SET disabled = 1 WHERE name = 'kim'")
    platform.kill_hub()
    wait_for(lambda: not kim.processes(), 40)


def test_no_argument_is_needed_in_a_server(platform, ada):
    """The environment that the helper gives to a server and its kernels."""
    given = ada.start_server()
    assert given["DASK_GATEWAY__PUBLIC_ADDRESS"] == f"http://ada.localhost:{platform.port + 1}/services/dask-gateway"  # of links to dashboards
    with Notebook(given), Gateway() as gateway:
        assert gateway.list_clusters(status=["running", "stopped"]) is not None
        name = gateway.submit(**SMALL)
        gateway.stop_cluster(name)



"""What can go wrong with a Dask cluster and is seen by nobody at first: schedulers that hang, clients that vanish, processes that nobody knows, other
versions. With the real client, scheduler and workers; deadlines are short."""
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from dask_gateway import Gateway, GatewayClusterError, GatewayWarning
from dask_gateway.auth import BasicAuth
from gateway_client import SMALL, Member
from hub_client import free_ports, has_ended, request, running, wait_for

SILENT_S = 21       # three heartbeats
ENDS = {"DASK_DISTRIBUTED__SCHEDULER__BANDWIDTH": "nonsense"}


@pytest.fixture(scope="module")
def platform():
    """A scheduler sends a heartbeat every seven seconds; one that has nothing to do lives for twenty-four."""
    remote = free_ports()
    with running("--preimport", "no", "--gateway-memory", "10G", "--gateway-clusters", "8", "--gateway-heartbeat-timeout", str(SILENT_S), "--gateway-idle", "24",
                 "--gateway-keep", "3600", "--gateway-cluster-workers", "1", "--gateway-port", str(remote)) as p:
        p.admin, p.remote = p.administrator(), remote
        yield p


@pytest.fixture(scope="module")
def ada(platform):
    return Member(platform, platform.admin, "ada")


def report(member, name):
    return member.ask("GET", f"/v1/clusters/{name}").json()


def submit(member, **options):
    answer = member.ask("POST", "/v1/clusters/", {"cluster_options": {**SMALL, **options}})
    assert answer.status == 201, answer.text
    return answer.json()["name"]


def card(member, name):
    """What the page says of one cluster."""
    page = member.person.get("/hub/clusters").text
    return next((c for c in page.split('<li class="card">')[1:] if name in c), "")


# ---- starts ----

def test_a_scheduler_that_never_starts():
    """It hangs: whoever waits is told, and nothing is left of it."""
    with running("--preimport", "no", "--gateway-start-timeout", "5") as platform:
        ann = Member(platform, platform.administrator(), "ann")
        with ann.gateway() as gateway:
            hangs = gateway.submit(**SMALL)
            os.kill(*wait_for(lambda: list(ann.of_cluster(hangs)), 10, pause=0.01), signal.SIGSTOP)
            with pytest.raises(GatewayClusterError, match="was not ready after 5 seconds"):
                gateway.connect(hangs)
            wait_for(lambda: report(ann, hangs)["status"] == "FAILED", 40)
            assert not ann.processes()


def test_a_scheduler_that_ends_at_once(ada):
    with ada.gateway() as gateway:
        name = gateway.submit(environment=ENDS, **SMALL)
        with pytest.raises(GatewayClusterError, match="ended with exit code 1: .*nonsense"):
            gateway.connect(name)
        wait_for(lambda: report(ada, name)["status"] == "FAILED", 40)
        assert not ada.of_cluster(name)


def test_workers_that_hang():
    """Three that never reach the scheduler, and the cluster is given up."""
    with running("--preimport", "no", "--gateway-worker-timeout", "5") as platform, (ada := Member(platform, platform.administrator(), "ada")).gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)

        def is_over():
            for pid, line in ada.of_cluster(cluster.name).items():
                if " worker " in line:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
            return report(ada, cluster.name)["status"] == "FAILED"

        cluster.scale(1)
        wait_for(is_over, 60, pause=0.05)
        assert "Three workers in a row did not reach the scheduler within 5 seconds." in card(ada, cluster.name)
        wait_for(lambda: not ada.of_cluster(cluster.name), 40)


def test_workers_that_never_come(ada):
    """They end before they reach the scheduler, which hears nothing of them: the third end is the cluster's, and who asks anything of it is told why."""
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(environment={"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "nonsense"}, **SMALL)
        cluster.scale(1)
        wait_for(lambda: report(ada, cluster.name)["status"] == "FAILED", 60)
        why = "Three workers in a row did not start. The worker ended with exit code 1: .*nonsense"
        assert re.search(why, card(ada, cluster.name))
        with pytest.raises(GatewayClusterError, match="is not running: " + why):
            cluster.scale(2)
    wait_for(lambda: not ada.of_cluster(cluster.name), 40)


# ---- ends ----

VANISHES = """
import sys, time
from dask_gateway import Gateway
from dask_gateway.auth import JupyterHubAuth

cluster = Gateway(sys.argv[1], auth=JupyterHubAuth(api_token=sys.argv[2])).new_cluster(worker_memory=0.5)
cluster.scale(1)
client = cluster.get_client()
client.wait_for_workers(1, timeout=90)
task = client.submit(time.sleep, 3600)
while not any(client.processing().values()):
    time.sleep(0.1)
print(cluster.name, flush=True)
time.sleep(3600)
"""


def test_clusters_without_work(platform, ada):
    """A client that is killed lets its cluster, which works, go; that ends by itself. The page counts down, and what its person keeps stays, also
    over a kill of the hub."""
    eve = Member(platform, platform.admin, "eve")
    client = subprocess.Popen([sys.executable, "-c", VANISHES, ada.address, ada.token], stdout=subprocess.PIPE, text=True)
    try:
        name = client.stdout.readline().strip()
        assert name, "the client has not come so far"
        # The other one is kept before anything counts down, however long its start takes.
        kept = submit(ada)
        wait_for(lambda: report(ada, kept)["status"] == "RUNNING", 60)
        assert "Keep for 1 hour" in card(ada, kept)
        assert eve.person.post("/hub/clusters/keep", {"cluster": kept}, "/hub/clusters").status == 403
        assert ada.person.post("/hub/clusters/keep", {"cluster": kept, "_csrf": "0" * 64}).status == 403
        assert ada.person.post("/hub/clusters/keep", {"cluster": kept}, "/hub/clusters").status == 303
        assert re.search("Kept for (60 minutes|1 hour) more", card(ada, kept))
    finally:
        client.kill()
        client.wait()
    said = wait_for(lambda: re.search(r"Nothing to do for (\d+) seconds: it ends in (\d+) second", card(ada, name)), 60)
    assert 14 <= int(said[1]) <= 32 and int(said[2]) <= 10
    platform.kill_hub()
    wait_for(lambda: report(ada, name)["status"] == "STOPPED", 60)
    assert "It had nothing to do for 24 seconds." in card(ada, name)
    wait_for(lambda: not ada.of_cluster(name), 30)
    wait_for(lambda: re.search(r"Nothing to do for ((2[5-9]|[3-8]\d) seconds|\d+ minutes): it ends in (1 hour|5\d minutes)", card(ada, kept)), 60)
    assert report(ada, kept)["status"] == "RUNNING"
    # Its time is over: the next heartbeat ends it.
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE clusters SET kept_until_ms = 1 WHERE name = ?", (kept,))
    platform.kill_hub()
    wait_for(lambda: report(ada, kept)["status"] == "STOPPED", 40)


def test_a_scheduler_that_is_silent(ada):
    """It hangs, and its worker with it: both are ended, and the person is told."""
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        with pytest.warns(GatewayWarning, match="with the limit of 1 workers for one cluster, it is scaled to 1"):
            cluster.scale(4)
        wait_for(lambda: len(ada.of_cluster(cluster.name)) == 2, 40)
        for pid in ada.of_cluster(cluster.name):
            os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: report(ada, cluster.name)["status"] == "FAILED", 60)
        assert f"The scheduler has not been heard of for {SILENT_S} seconds." in card(ada, cluster.name)
        assert not ada.of_cluster(cluster.name)


def test_processes_that_nobody_knows_are_ended(platform, ada):
    """The hub is killed, and the database that the next one opens is older than the cluster."""
    name = submit(ada)
    wait_for(lambda: report(ada, name)["status"] == "RUNNING", 60)
    (pid,) = ada.of_cluster(name)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("DELETE FROM clusters WHERE name = ?", (name,))
    platform.kill_hub()
    wait_for(lambda: pid not in ada.processes(), 40)
    assert "a cluster's process runs that nobody knows: stopping it" in platform.log.read_text()
    assert report(ada, name)["error"] == f"Cluster {name} not found"


# ---- clients ----

def test_who_waits_and_goes(platform, ada):
    """Clients that hang up while they wait for a start are nothing to the cluster, nor to who waits after them: beyond sixteen the answer comes at once."""
    name = submit(ada)
    for _ in range(20):
        with contextlib.suppress(TimeoutError):
            request("GET", f"{ada.address}/api/v1/clusters/{name}?wait", headers={"Authorization": f"jupyterhub {ada.token}"}, timeout=0.05)
    answer = ada.ask("GET", f"/v1/clusters/{name}?wait")
    assert answer.status == 200 and answer.json()["status"] in ("PENDING", "RUNNING"), answer.text
    wait_for(lambda: report(ada, name)["status"] == "RUNNING", 60)
    wait_for(lambda: ada.ask("DELETE", f"/v1/clusters/{name}").status == 204, 20)


def test_tokens_that_end(ada):
    """Taken back, or too old: what was begun with them goes on, and its person reaches it with another."""
    made = ada.person.api("POST", "/hub/api/users/ada/tokens", {"note": "lent"}).json()
    lent, short = made["token"], ada.make_token(expires_in=1)
    name = ada.ask("POST", "/v1/clusters/", {"cluster_options": SMALL}, token=lent).json()["name"]
    assert ada.ask("GET", f"/v1/clusters/{name}", token=lent).status == 200
    assert ada.person.api("DELETE", f"/hub/api/users/ada/tokens/{made['id']}").status == 204
    wait_for(lambda: ada.ask("GET", "/v1/options", token=short).status == 401, 20)
    for method, path in (("GET", ""), ("POST", "/scale"), ("DELETE", "")):
        answer = ada.ask(method, f"/v1/clusters/{name}{path}", {"count": 1} if path else None, token=lent)
        assert answer.status == 401 and "not known" in answer.json()["error"], answer.text
    assert report(ada, name)["status"] in ("PENDING", "RUNNING")
    assert ada.ask("DELETE", f"/v1/clusters/{name}").status == 204


def test_from_another_machine(platform, ada):
    """REST at the hub's public address, the scheduler at a public port of its own, which leads to nothing else."""
    name = submit(ada)
    with Gateway(platform.hub + "/services/dask-gateway", proxy_address=platform.remote, auth=BasicAuth("ada", ada.token)) as gateway:
        with gateway.connect(name) as cluster, cluster.get_client(set_as_default=False) as client:
            cluster.scale(1)
            assert client.submit(sum, [1, 2, 4]).result(90) == 7
    with pytest.raises(OSError):
        request("GET", f"http://127.0.0.1:{platform.remote}/hub/health", timeout=10)
    with pytest.raises(OSError):
        request("GET", f"https://127.0.0.1:{platform.remote}/hub/health", timeout=10)
    assert ada.ask("DELETE", f"/v1/clusters/{name}").status == 204


# ---- floods and odd bodies ----

ODD = ["", "null", "[" * 5000, '{"cluster_options": ' + "[" * 3000 + "]" * 3000 + "}", '{"cluster_options": {"environment": {"A": "\\u0000"}}}', '{"a": 1, "a": 2}',
       '{"cluster_options": {"worker_memory": 1e400}}', '{"cluster_options": {"worker_cores": 123456789012345678901234567890}}', '{"cluster_options": {"%s": 1}}' % ("x" * 9000),
       '{"cluster_options": {"environment": {"%s": ""}}}' % ("E" * 9000), "\ufeff{}", "{} {}", '{"cluster_options": {"worker_cores": 1}', "\x00\x01"]


def test_odd_bodies(platform, ada):
    """Each is refused with a reason of a line, wherever it is sent, and the hub that answered lives."""
    name, hub = submit(ada), platform.hub_pid()
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
        (token,) = db.execute("SELECT token FROM clusters WHERE name = ?", (name,)).fetchone()
    for body in ODD:
        for path in ("", f"{name}/scale", f"{name}/adapt", f"{name}/heartbeat"):
            answer = ada.ask("POST", f"/v1/clusters/{path}", body.encode(), token=token if path.endswith("heartbeat") else None)
            assert 400 <= answer.status < 500, (path, body[:60], answer.status, answer.text)
            assert 0 < len(answer.json()["error"]) < 512 and "\n" not in answer.json()["error"]
    assert ada.ask("POST", "/v1/clusters/", '{"cluster_options": {"environment": {"A": "%s"}}}' % ("v" * 20000)).status == 413
    assert platform.hub_pid() == hub
    assert ada.ask("DELETE", f"/v1/clusters/{name}").status == 204


def test_kills_while_it_scales(platform, ada):
    """The hub is killed again and again while it is asked for more and fewer workers. Whatever became of each request: in the end there are as many as were
    asked for last, and no process beside them."""
    with ada.gateway() as gateway, gateway.new_cluster(**SMALL) as cluster:
        def scale(count):
            try:
                return ada.ask("POST", f"/v1/clusters/{cluster.name}/scale", {"count": count}).status
            except OSError:
                return 0

        for turn, count in enumerate((1, 0, 1, 0)):
            before = platform.hub_pid()
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(scale, count)
                time.sleep(0.004 * turn)
                os.kill(before, signal.SIGKILL)
                assert asked.result() in (0, 200, 409, 502, 503, 504)
            wait_for(lambda: has_ended(before))
            platform.wait_ready()
        wait_for(lambda: scale(1) == 200, 30)
        with cluster.get_client(set_as_default=False) as client:
            assert client.submit(sum, [1, 2, 4]).result(90) == 7
        wait_for(lambda: len(ada.of_cluster(cluster.name)) == 2, 40)
        assert report(ada, cluster.name)["status"] == "RUNNING"


def test_many_requests_of_one(platform, ada):
    """A thousand at once, of one token: what is too much is refused, and others notice nothing."""
    eva = Member(platform, platform.admin, "eva")
    with ThreadPoolExecutor(32) as pool:
        flood = [pool.submit(ada.ask, "GET", "/v1/clusters/?status=stopped,failed") for _ in range(1000)]
        calm = [eva.ask("GET", "/v1/options").status for _ in range(10)]
        statuses = {f.result().status for f in flood}
    assert statuses == {200, 429} and set(calm) == {200}

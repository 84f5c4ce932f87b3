"""Dask clusters: whose they are and when they go, what they are given, what they may use together. With the real client."""
import importlib.metadata
import os
import re
import signal
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from dask_gateway import Gateway, GatewayClusterError, GatewayWarning
from distributed import KilledWorker
from gateway_client import SMALL, Member, Notebook
from hub_client import PREFIX, Platform, cpu_seconds, request, running, wait_for


@pytest.fixture(scope="module")
def platform():
    with running("--preimport", "no", "--gateway-memory", "8G", "--gateway-workers", "3", "--gateway-clusters", "4",
                 "--gateway-groups", "course 1 clusters=20; narrow workers=1 memory=3G") as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


@pytest.fixture(scope="module")
def ada(platform, admin):
    return Member(platform, admin, "ada")


def status(gateway, name):
    return gateway.get_cluster(name).status.name


def test_a_cluster_goes_with_its_server(platform, ada):
    """Unless it is asked to stay, or is made from elsewhere. A hub that is killed in between changes nothing."""
    with Notebook(ada.start_server()), Gateway() as gateway:
        assert "keep_after_server" in gateway.cluster_options()
        bound, kept = gateway.submit(**SMALL), gateway.submit(keep_after_server=True, **SMALL)
    with ada.gateway() as gateway:
        personal = gateway.submit(**SMALL)
        wait_for(lambda: all(ada.of_cluster(n) for n in (bound, kept, personal)), 40)
        platform.kill_hub()
        assert {status(gateway, n) for n in (bound, kept, personal)} <= {"PENDING", "RUNNING"}
        ada.stop_server()
        wait_for(lambda: status(gateway, bound) == "STOPPED", 40)
        assert not ada.of_cluster(bound)
        assert {status(gateway, n) for n in (kept, personal)} <= {"PENDING", "RUNNING"}
        for name in (kept, personal):
            gateway.stop_cluster(name)
        wait_for(lambda: not ada.processes(), 40)


def test_environment_variables(ada):
    """Scheduler and workers have them, a default of the platform gives way, and the values end with the cluster."""
    given = {"SITE_NAME": "Tromsø, 69°N", "OMP_NUM_THREADS": "2", "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with ada.gateway() as gateway:
        with pytest.raises(ValueError, match="PATH is set by the platform"):
            gateway.submit(environment={"PATH": "/tmp"}, **SMALL)
        with pytest.raises(ValueError, match="the value of A must be a text"):
            gateway.submit(environment={"A": 1}, **SMALL)
        cluster = gateway.new_cluster(environment=given, **SMALL)
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=90)
            has = client.submit(lambda: [[os.environ.get(n) for n in names] for names in (given, ["MKL_NUM_THREADS"])]).result(60)
            assert has == [list(given.values()), ["1"]]
            assert client.run_on_scheduler(lambda: os.environ["SITE_NAME"]) == given["SITE_NAME"]
            assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures) == 0
        assert gateway.get_cluster(cluster.name).options["environment"] == given
        cluster.close()
        wait_for(lambda: status(gateway, cluster.name) == "STOPPED", 40)
        assert gateway.get_cluster(cluster.name).options["environment"] == {}


def test_another_python_is_refused(ada):
    """Both versions are named; dask-gateway's protocol carries no other."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    headers = {"Authorization": f"jupyterhub {ada.token}", "Content-Type": "application/json", "User-Agent": "Python/3.8 aiohttp/3.9.1"}
    answer = request("POST", ada.address + "/api/v1/clusters/", "{}", headers)
    assert answer.status == 409 and f"runs in Python 3.8, and clusters run Python {version} with distributed 2" in answer.json()["error"], answer.text


class Upgradable(Platform):
    """Its prefix is a folder of its own, whose software environment can be another from one moment to the next."""

    def __init__(self):
        super().__init__()
        self.prefix = self.folder / "prefix"
        (self.prefix / "env").mkdir(parents=True, mode=0o755)
        for entry in PREFIX.iterdir():
            if entry.name != "env":
                (self.prefix / entry.name).symlink_to(entry)
        self.common[self.common.index("--prefix") + 1] = str(self.prefix)
        self.switch((PREFIX / "env/current").resolve())

    def switch(self, environment):
        (self.prefix / "env/next").symlink_to(environment)
        os.replace(self.prefix / "env/next", self.prefix / "env/current")

    def upgrade(self, package, version):
        """To one that is the same but for a version."""
        new = self.prefix / "env/newer"
        copy_environment((self.prefix / "env/current").resolve(), new, package, version)
        self.switch(new)
        return new


def copy_environment(now, new, package, version):
    """Of links, but for what says the version of one package."""
    packages = next((now / "lib").glob("python3*/site-packages"))
    copies = new / packages.relative_to(now)
    copies.mkdir(parents=True)
    for entry in packages.iterdir():
        if not entry.name.startswith(f"{package}-"):
            (copies / entry.name).symlink_to(entry)
            continue
        about = copies / f"{package}-{version}.dist-info"
        about.mkdir()
        for part in entry.iterdir():
            (about / part.name).symlink_to(part)
        (about / "METADATA").unlink()
        (about / "METADATA").write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", (entry / "METADATA").read_text(), count=1))
    for entry in now.iterdir():
        if entry.name != "lib":
            (new / entry.name).symlink_to(entry)


@pytest.mark.parametrize("package", ["dask", "distributed"][int(os.environ.get("CRATON_SEED", "0")) % 2:][:1])   # each takes most of a minute
def test_a_server_older_than_an_upgrade_is_refused(package):
    """Both versions are named; after a restart of the server there is a cluster. Also after a kill of the hub. With a token of one's own the
    connection is refused, for the same reason."""
    with running("--preimport", "no", kind=Upgradable) as platform:
        eva = Member(platform, platform.administrator(), "eva")
        given = eva.start_server()
        has = {name: importlib.metadata.version(name) for name in ("dask", "distributed")}

        def ask():
            return eva.ask("POST", "/v1/clusters/", {"cluster_options": SMALL}, token=given["JUPYTERHUB_API_TOKEN"])
        answer = ask()
        assert answer.status == 201, answer.text
        platform.upgrade(package, "2099.1.0")
        platform.kill_hub()
        answer = ask()
        now = {**has, package: "2099.1.0"}
        assert answer.status == 409, answer.text
        assert f"started with dask {has['dask']} and distributed {has['distributed']}, and clusters run dask {now['dask']} and distributed {now['distributed']}" in \
            answer.json()["error"]
        with Notebook(given), Gateway() as gateway, pytest.raises(GatewayClusterError, match="restart your server"):
            gateway.submit(**SMALL)
        # The token of a person says nothing of versions: the scheduler is told them, and refuses.
        with eva.gateway() as gateway, gateway.new_cluster(**SMALL) as cluster:
            with pytest.raises(ImportError, match=f"dask {has['dask']} and distributed {has['distributed']}, and the cluster runs .*dask {now['dask']} and "
                                                  f"distributed {now['distributed']}"):
                cluster.get_client()
        eva.stop_server()
        given = eva.start_server()
        assert ask().status == 201


def put_in_group(admin, group, *names):
    assert admin.api("POST", f"/hub/api/groups/{group}").status in (201, 409)
    assert admin.api("POST", f"/hub/api/groups/{group}/users", {"users": list(names)}).status == 200


def test_what_a_group_may_have(platform, admin, ada):
    """Workers and memory of its people together, the schedulers counted."""
    eve = Member(platform, admin, "eve")
    put_in_group(admin, "narrow", "ada", "eve")
    with ada.gateway() as hers, eve.gateway() as gateway:
        cluster, name = hers.new_cluster(**SMALL), gateway.submit(**SMALL)
        with pytest.warns(GatewayWarning, match="1 workers for the people of group narrow together, it is scaled to 1"):
            cluster.scale(2)
        wait_for(lambda: [line for line in ada.of_cluster(cluster.name).values() if " worker " in line], 40)  # the scheduler has said so
        answer = eve.ask("POST", "/v1/clusters/", {"cluster_options": SMALL})
        assert answer.status == 409 and "the clusters of group narrow have 2.5 GiB of the 3.0 GiB" in answer.json()["error"], answer.text
        wait_for(lambda: eve.ask("GET", f"/v1/clusters/{name}").json()["status"] == "RUNNING", 60)
        with pytest.warns(GatewayWarning, match="group narrow together, it is scaled to 0"):
            gateway.scale_cluster(name, 1)
        assert admin.api("DELETE", "/hub/api/groups/narrow").status == 204
        gateway.stop_cluster(name)
        cluster.close()
        wait_for(lambda: not ada.processes() and not eve.processes(), 40)


def test_how_a_worker_ended(platform, ada):
    """The exit code is told: in a warning of the client, and on the page with the end of the log, which is kept closed."""
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=90)
            future = client.submit(lambda: (print("<the last words>", flush=True), os._exit(7)), retries=0)
            page = wait_for(lambda: next((t for t in [ada.person.get("/hub/clusters").text] if "ended with exit code 7" in t), None), 60)
            client.cancel([future], force=True)
            assert "&lt;the last words&gt;" in page and "<the last words>" not in page
            with pytest.warns(GatewayWarning, match="Worker w.: The worker ended with exit code 7: <the last words> Its log is at http"):
                cluster.scale(1)
            logs = list((platform.folder / "state/log").glob("ada.dask-*-w*.log"))
            assert [p for p in logs if b"<the last words>" in p.read_bytes()]
            assert all(p.stat().st_mode & 0o777 == 0o600 for p in logs)
        cluster.close()
        wait_for(lambda: not ada.processes(), 40)


def test_a_task_that_ends_workers_does_not_end_the_cluster(platform, ada):
    """It ends one after the other as soon as they are there: each start waits longer than the one before, distributed gives the task up, and the
    cluster computes the next."""
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        cluster.scale(1)
        with cluster.get_client(set_as_default=False) as client:
            with pytest.raises(KilledWorker):
                client.submit(lambda: os._exit(1), pure=False).result(120)
            assert client.submit(sum, [1, 2, 4]).result(120) == 7
        log = platform.log.read_text()
        assert all(f"cluster={cluster.name} ended={n} wait_ms={1000 << n - 2}" in log for n in (2, 3, 4))
        assert status(gateway, cluster.name) == "RUNNING"
        page = ada.person.get("/hub/clusters").text
        assert page.count("The worker ended with exit code 1") >= 4 and "did not start" not in page
        cluster.close()
        wait_for(lambda: not ada.processes(), 40)


def test_pages(platform, admin, ada):
    """Each person sees the own clusters, administrators all; who may stop what."""
    eve = Member(platform, admin, "eva")
    with eve.gateway() as gateway:
        name = gateway.submit(environment={"KEY": "a secret value"}, **SMALL)
        page = eve.person.get("/hub/clusters").text
        assert name in page and 'href="/hub/clusters"' in page and "a secret value" not in page and "/hub/admin/clusters" not in page
        assert name not in ada.person.get("/hub/clusters").text
        assert ada.person.get("/hub/admin/clusters").status == 403
        assert ada.person.post("/hub/clusters/stop", {"cluster": name}, "/hub/clusters").status == 403
        assert ada.person.post("/hub/admin/clusters/stop", {"cluster": name}, "/hub/clusters").status == 403
        assert eve.person.post("/hub/clusters/stop", {"cluster": name, "_csrf": "0" * 64}).status == 403
        assert status(gateway, name) in ("PENDING", "RUNNING")
        page = admin.get("/hub/admin/clusters").text
        assert name in page and "eva: " in page and "a secret value" not in page and "the last words" not in page
        assert admin.post("/hub/admin/clusters/stop", {"cluster": name}, "/hub/admin/clusters").status == 303
        wait_for(lambda: status(gateway, name) == "STOPPED", 40)
        assert "root1, an administrator, stopped it." in eve.person.get("/hub/clusters").text
        assert "core-hours" in page
        noted = platform.ask(command="admin", do="audit", kind="cluster-stopped")["rows"][0]
        assert (noted["by"], noted["on"], noted["detail"]) == ("root1", "eva", name)

        name = gateway.submit(**SMALL)
        row, = (r for r in platform.ask(command="admin", do="clusters")["rows"] if r["name"] == name)
        assert row["user"] == "eva" and row["status"] in ("PENDING", "RUNNING")
        pids = wait_for(lambda: eve.of_cluster(name), 40)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)         # so that it takes a while
        assert platform.ask(command="admin", do="stop-cluster", args=[name])["text"] == f"the cluster {name} of eva is stopped"
        card, = (c for c in eve.person.get("/hub/clusters").text.split('<li class="card">') if name in c)
        assert "STOPPING" in card and "Keep for" not in card and "/hub/clusters/stop" not in card
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: status(gateway, name) == "STOPPED", 40)
        assert "The operator stopped it." in eve.person.get("/hub/clusters").text
        noted = platform.ask(command="admin", do="audit", kind="cluster-stopped")["rows"][0]
        assert (noted["by"], noted["on"], noted["detail"]) == ("operator", "eva", name)


def test_a_burst_at_the_limit(platform, admin):
    """Twenty at once where four may be: exactly four get one, the others are told why, and nothing is left."""
    kim = Member(platform, admin, "kim")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: kim.ask("POST", "/v1/clusters/", {"cluster_options": SMALL}), range(20)))
    made = [a.json()["name"] for a in answers if a.status == 201]
    assert len(made) == 4
    assert all(a.status == 409 and "4 clusters, and 4 are allowed" in a.json()["error"] for a in answers if a.status != 201)
    for name in made:
        assert kim.ask("DELETE", f"/v1/clusters/{name}").status == 204
    wait_for(lambda: not kim.processes(), 60)


def test_a_long_history(platform, admin):
    """A thousand clusters of a day: lists stay short and fast."""
    lea = Member(platform, admin, "lea")
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        (person,) = db.execute("SELECT id FROM users WHERE name = 'lea'").fetchone()
        now = int(time.time() * 1000)
        db.executemany("INSERT INTO clusters (name, user_id, status, options, cores, memory_bytes, generation, token, cert, key, created_ms, stopped_ms, core_ms) "
                       "VALUES (?, ?, 'STOPPED', '{}', 1, 1, 0, '', '', '', ?, ?, ?)", [(f"{i:032x}", person, now, now, i * 7 % 1000 * 3600000) for i in range(1000)])
    begin = cpu_seconds(platform.hub_pid())
    assert lea.ask("GET", "/v1/clusters/").json() == {}
    assert len(lea.ask("GET", "/v1/clusters/?status=stopped").json()) == 1000
    assert lea.person.get("/hub/clusters").text.count('<li class="card">') == 50
    page = admin.get("/hub/admin/clusters").text
    assert page.count('<li class="card">') == 200
    assert re.findall(r"wasted: ([\d.]+)\.", page) == [f"{hours}.00" for hours in range(999, 799, -1)]
    assert cpu_seconds(platform.hub_pid()) - begin < 5

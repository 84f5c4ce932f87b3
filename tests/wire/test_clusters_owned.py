"""Dask clusters: whose they are and when they go, what they are given, what they may use together. With the real client."""
import os

import pytest
from dask_gateway import Gateway
from gateway_client import SMALL, Member, Notebook
from hub_client import running, wait_for


@pytest.fixture(scope="module")
def platform():
    with running("--preimport", "no", "--gateway-memory", "8G", "--gateway-workers", "3", "--gateway-clusters", "4") as p:
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
        before = platform.hub_pid()
        os.kill(before, 9)
        platform.wait_ready()
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

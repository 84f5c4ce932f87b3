"""Dask clusters with the real dask_gateway client, scheduler and workers, through HAProxy."""
import asyncio
import json
import os
import pwd
import re
import signal
import time
import warnings
from pathlib import Path

import dask.config
import pytest
from dask_gateway import Gateway, GatewayCluster, GatewayClusterError, GatewayWarning
from dask_gateway.auth import JupyterHubAuth
from hub_client import request, running, wait_for

SMALL = {"worker_memory": 0.5}


@pytest.fixture(scope="module")
def platform():
    """One of its own: its hub and proxy are killed."""
    with running("--preimport", "no", "--gateway-memory", "6G", "--gateway-workers", "3", "--gateway-clusters", "2") as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


class Member:
    """A person of the hub with a token, and what dask_gateway needs of both."""

    def __init__(self, platform, admin, name):
        self.platform, self.name = platform, name
        self.person = platform.add_person(admin, name)
        self.token = self.make_token()
        self.address = f"http://127.0.0.1:{platform.port + 2}/services/dask-gateway"

    def make_token(self, **what):
        answer = self.person.api("POST", f"/hub/api/users/{self.name}/tokens", {"note": "gateway", **what})
        assert answer.status == 201, answer.text
        return answer.json()["token"]

    def gateway(self, **more):
        return Gateway(self.address, auth=JupyterHubAuth(api_token=self.token), **more)

    def ask(self, method, path, body=None, token=None):
        headers = {"Authorization": f"jupyterhub {token or self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, str) else json.dumps(body)
        return request(method, self.address + "/api" + path, body, headers)

    def processes(self):
        """Command lines of the account's Dask processes, by pid."""
        try:
            owner = pwd.getpwnam(self.platform.accounts + self.name).pw_uid
        except KeyError:
            return {}
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if folder.stat().st_uid == owner and "/bin/dask " in line:
                    found[int(folder.name)] = line
            except OSError:
                continue
        return found


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


def whose():
    return os.getuid(), os.getcwd(), os.environ.get("OMP_NUM_THREADS")


def test_compute_as_its_person(platform, client, ada):
    assert client.submit(sum, [1, 2, 3]).result(60) == 6
    uid, folder, threads = client.submit(whose).result(60)
    entry = pwd.getpwnam(platform.accounts + "ada")
    assert (uid, folder, threads) == (entry.pw_uid, entry.pw_dir, "1")


def test_close_ends_everything(ada):
    with ada.gateway() as gateway:
        cluster = gateway.new_cluster(**SMALL)
        name = cluster.name
        before = len(ada.processes())
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=90)
            assert client.submit(lambda: 6 * 7).result(60) == 42
        cluster.close()
        wait_for(lambda: gateway.get_cluster(name).status.name == "STOPPED", 40)
        assert len(ada.processes()) < before
        assert not [line for line in ada.processes().values() if name in line]

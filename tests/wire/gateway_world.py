"""The real dask-gateway-server beside cratond: the same people at both, the same requests to both, and what differs in the answers.

The real one runs twice, since it knows one way of signing in at a time: people by tokens of a real JupyterHub, and by a password (basic).
"""
import base64
import contextlib
import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from cryptography.fernet import Fernet
from gateway_client import Member
from hub_client import PATIENCE, free_ports, request
from rest_world import Accepted, RealHub, Row, json_differences, normal

HERE = Path(__file__).resolve().parent
PREFIX = "/services/dask-gateway"
HEADERS = ("Content-Type", "Location", "Allow", "WWW-Authenticate", "Set-Cookie", "Retry-After", "Access-Control-Allow-Origin")
# Of the options only what both must have the same: names, types, labels, bounds, defaults.
LIMITS = ("--preimport", "no", "--gateway-memory", "6G", "--gateway-cores", "4", "--gateway-workers", "1", "--gateway-clusters", "4")
ROLES = [{"name": "user", "scopes": ["self", "access:services!service=dask-gateway"]}]

CONFIG = """
from dask_gateway_server.options import Bool, Float, Integer, Mapping, Options

c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:%(private)d"
c.Proxy.address = c.Proxy.tcp_address = "127.0.0.1:%(public)d"
c.Proxy.prefix = "/services/dask-gateway"
c.DBBackendBase.db_url = "sqlite:///%(folder)s/gateway.sqlite"
c.DBBackendBase.stop_clusters_on_shutdown = True
c.LocalBackend.clusters_directory = "%(folder)s/clusters"
# The commands that it has by default are gone since distributed 2026.6.
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]
c.ClusterConfig.cluster_max_workers = 1

def choose(options):
    return {"worker_cores": options.worker_cores, "worker_memory": "%%f G" %% options.worker_memory, "environment": options.environment}

c.Backend.cluster_options = Options(
    Integer("worker_cores", 1, min=1, max=4, label="Worker Cores"),
    Float("worker_memory", 2.0, min=0.25, max=5, label="Worker Memory (GiB)"),
    Mapping("environment", {}, label="Environment Variables"),
    Bool("keep_after_server", False, label="Keep It When My Server Stops"),
    handler=choose)
"""
BY_HUB = """
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.JupyterHubAuthenticator"
c.JupyterHubAuthenticator.jupyterhub_api_token = "%(token)s"
c.JupyterHubAuthenticator.jupyterhub_api_url = "%(hub)s/hub/api"
c.JupyterHubAuthenticator.jupyterhub_service_name = "dask-gateway"
"""
BY_PASSWORD = """
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "%(password)s"
"""


class RealServer:
    """One dask-gateway-server, its proxy, and the clusters that it starts, all in its folder."""

    def __init__(self, folder, sign_in):
        self.folder = Path(folder)
        self.folder.mkdir()
        port = free_ports()
        self.url = f"http://127.0.0.1:{port}{PREFIX}/api"
        (self.folder / "config.py").write_text(CONFIG % {"private": port + 1, "public": port, "folder": self.folder} + sign_in)
        self.log = open(self.folder / "log", "w+")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "DASK_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        environment["DASK_GATEWAY_ENCRYPT_KEYS"] = Fernet.generate_key().decode()
        self.process = subprocess.Popen([Path(sys.executable).parent / "dask-gateway-server", "-f", "config.py"], cwd=self.folder, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def wait(self):
        end = time.monotonic() + PATIENCE * 90
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if request("GET", self.url + "/health").status == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError("the real dask-gateway-server does not answer:\n" + self.tail())

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class RealGateway:
    def __init__(self, folder):
        self.hub = self.by_hub = self.by_password = None
        self.password = secrets.token_hex(32)
        try:
            self.hub = RealHub(Path(folder), ROLES)
            self.by_password = RealServer(Path(folder) / "basic", BY_PASSWORD % {"password": self.password})
            self.by_hub = RealServer(Path(folder) / "hub", BY_HUB % {"hub": self.hub.url, "token": self.hub.tokens["root1"]})
            self.by_hub.wait()
            self.by_password.wait()
        except BaseException:
            self.stop()
            raise
        self.made = {}
        self.tokens = {name: self.hub.tokens[name] for name in ("ann", "bob", "stranger")}
        self.tokens["narrow"] = self.token_of_ann(["read:users:name!user=ann"])

    def token_of_ann(self, scopes):
        answer = request("POST", f"{self.hub.url}/hub/api/users/ann/tokens", json.dumps({"scopes": scopes}),
                         {"Authorization": f"token {self.tokens['ann']}", "Content-Type": "application/json"})
        assert answer.status == 201, answer.text
        return answer.json()["token"]

    def url(self, basic):
        return self.by_password.url if basic else self.by_hub.url

    def basic_password(self, name):
        return self.password

    def cluster(self, name):
        """Token and addresses of a running cluster."""
        with sqlite3.connect(f"file:{self.by_hub.folder / 'gateway.sqlite'}?mode=ro", uri=True, timeout=10) as db:
            scheduler, api, dashboard = db.execute("SELECT scheduler_address, api_address, dashboard_address FROM clusters WHERE name = ?", (name,)).fetchone()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                given = dict(line.split("=", 1) for line in (folder / "environ").read_text("utf-8", "replace").split("\0") if "=" in line)
                if given.get("DASK_GATEWAY_CLUSTER_NAME") == name and given.get("DASK_GATEWAY_API_TOKEN"):
                    return {"token": given["DASK_GATEWAY_API_TOKEN"], "scheduler": scheduler, "api": api, "dashboard": dashboard}
        raise AssertionError(f"no process of cluster {name}")

    def stop(self):
        for server in (self.by_hub, self.by_password, self.hub):
            if server:
                server.stop()


class OurGateway:
    def __init__(self, platform):
        self.platform, self.made = platform, {}
        admin = platform.administrator()
        ann, bob = Member(platform, admin, "ann"), Member(platform, admin, "bob")
        self.address = ann.address + "/api"
        self.tokens = {"ann": ann.token, "bob": bob.token, "stranger": "0" * 64, "narrow": ann.make_token(scopes=["read:users:name!user=ann"])}

    def url(self, basic):
        return self.address

    def basic_password(self, name):
        return self.tokens[name]

    def cluster(self, name):
        with sqlite3.connect(f"file:{self.platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
            token, scheduler, api, dashboard = db.execute("SELECT token, scheduler_port, api_port, dashboard_port FROM clusters WHERE name = ?", (name,)).fetchone()
        return {"token": token, "scheduler": f"tls://127.0.0.1:{scheduler}", "api": f"http://127.0.0.1:{api}", "dashboard": f"http://127.0.0.1:{dashboard}"}


class Call(Row):
    """One request, as in rest_requests.txt: `ID WHO METHOD PATH [Header:value ...] [body]`.

    WHO     a person, with a token of the hub; nobody; stranger and narrow (tokens that are not known, or for something else);
            %ROW: the scheduler of the cluster that this row made; basic:NAME[:PASSWORD]: name and password, the right one when it is left out
    METHOD  RUNNING or ENDED asks GET until the cluster is, and gives the last answer
    {ROW.KEY} in path or body: of that row's answer; {ROW.token}, .scheduler, .api, .dashboard: of the cluster that it made
    """

    def fill(self, side, text):
        def known(match):
            made = side.made.get(match[1], {})
            return str(made[match[2]] if match[2] in made else side.cluster(made["name"])[match[2]])
        return re.sub(r"\{([a-z0-9-]+)\.([a-z_]+)\}", known, text)

    def authorization(self, side):
        if self.who == "nobody":
            return {}
        if self.who.startswith("%"):
            return {"Authorization": f"token {side.cluster(side.made[self.who[1:]]['name'])['token']}"}
        if self.who.startswith("basic:"):
            _, name, *given = self.who.split(":", 2)
            password = given[0] if given else side.basic_password(name)
            return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
        return {"Authorization": f"jupyterhub {side.tokens[self.who]}"}

    def ask(self, side):
        headers = {**self.authorization(side), **self.headers}
        if self.body is not None:
            headers.setdefault("Content-Type", "application/json")
        headers = {k: self.fill(side, v.replace("~", " ")) for k, v in headers.items()}
        url = side.url(self.who.startswith("basic:") or self.id.startswith("basic-"))
        end = time.monotonic() + PATIENCE * 90
        while self.method in ("RUNNING", "ENDED"):
            answer = request("GET", url + self.fill(side, self.path), headers=headers)
            status = answer.json()["status"]
            if status in (("RUNNING",) if self.method == "RUNNING" else ("STOPPED", "FAILED")):
                return Said(answer, side)
            assert time.monotonic() < end, f"{self.line}: not after {PATIENCE * 90} s: {answer.text}"
            time.sleep(0.2)
        answer = request(self.method, url + self.fill(side, self.path), self.body and self.fill(side, self.body).encode(), headers, timeout=60)
        with contextlib.suppress(ValueError):
            value = json.loads(answer.body or b"null")
            if isinstance(value, dict):
                side.made[self.id] = value
        return Said(answer, side)


def plain(value, names):
    """Names of clusters, times, keys: that they are there, and not which."""
    if isinstance(value, dict):
        return {plain(k, names): "TIME" if k in ("start_time", "stop_time") and isinstance(v, int) and v > 1.6e12 else
                "PEM" if k in ("tls_cert", "tls_key") and str(v).startswith("-----BEGIN") else plain(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v, names) for v in value]
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, "CLUSTER")
    return value


class Said:
    def __init__(self, answer, side):
        names = [made["name"] for made in side.made.values() if isinstance(made.get("name"), str)]
        self.status = answer.status
        self.headers = {h: answer.headers.get(h, "") for h in HEADERS}
        self.headers["Content-Type"] = self.headers["Content-Type"].partition(";")[0] if answer.body else ""
        self.headers["Allow"] = ", ".join(sorted(self.headers["Allow"].replace(" ", "").split(",")))
        self.headers["Set-Cookie"] = "COOKIE" if self.headers["Set-Cookie"] else ""  # whose names differ, as those of two real ones do
        try:
            self.json = plain(normal(json.loads(answer.body), side.url(False)), names) if answer.body else None
        except ValueError:
            self.json = "no JSON: " + answer.text[:200]


def differences(real, ours):
    """What a client could notice, each named by a short text. After another status only whether an error is said as errors are."""
    if real.status != ours.status:
        found = {f"status {real.status} {ours.status}"}
        if ours.status >= 400 and not (isinstance(ours.json, dict) and isinstance(ours.json.get("error"), str) and ours.json["error"]):
            found.add("no error is said")
        return found
    found = {f"header {h}" for h in HEADERS if real.headers[h] != ours.headers[h]}
    return found | set(json_differences(real.json, ours.json))


def read_calls():
    lines = (HERE / "gateway_requests.txt").read_text("utf-8").splitlines()
    calls = [Call(line) for line in lines if line.strip() and not line.startswith("#")]
    assert len({c.id for c in calls}) == len(calls), "an id stands twice"
    return calls


def read_accepted():
    return Accepted((HERE / "gateway_accepted.txt").read_text("utf-8"))

"""A person with dask_gateway's real client."""
import contextlib
import json
import os
import pwd
from pathlib import Path

import dask.config
from dask_gateway import Gateway
from dask_gateway.auth import JupyterHubAuth
from hub_client import request, wait_for

# It raises when its loop was stopped before (dask-gateway 2026.3), wherever the garbage collector happens to run: a traceback made in
# the midst of Python's own parser ends the whole run. Everything here is closed by hand.
del Gateway.__del__

SMALL = {"worker_memory": 0.5}


class Member:
    """A person of the hub with a token, and what dask_gateway needs of both."""

    def __init__(self, platform, admin, name):
        self.platform, self.name = platform, name
        self.person = platform.add_person(admin, name)
        self.token = self.make_token()
        self.address = f"http://127.0.0.1:{platform.port + 2}{platform.base}/services/dask-gateway"

    def make_token(self, **what):
        answer = self.person.api("POST", f"/hub/api/users/{self.name}/tokens", {"note": "gateway", **what})
        assert answer.status == 201, answer.text
        return answer.json()["token"]

    def gateway(self, **more):
        return Gateway(self.address, auth=JupyterHubAuth(api_token=self.token), **more)

    def ask(self, method, path, body=None, token=None):
        headers = {"Authorization": f"jupyterhub {self.token if token is None else token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
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

    def of_cluster(self, name):
        """Those of one cluster."""
        found = {}
        for pid, line in self.processes().items():
            with contextlib.suppress(OSError):         # gone
                if f"DASK_GATEWAY_CLUSTER_NAME={name}\0" in Path(f"/proc/{pid}/environ").read_text():
                    found[pid] = line
        return found

    def start_server(self):
        """Of the person, until it is ready: what its environment says."""
        self.person.post("/hub/spawn", {}, "/hub/home")
        wait_for(lambda: self.server().get("ready"), 120)
        owner = pwd.getpwnam(self.platform.accounts + self.name).pw_uid
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if folder.stat().st_uid == owner and b"jupyterhub-singleuser" in (folder / "cmdline").read_bytes():
                    return dict(line.split("=", 1) for line in (folder / "environ").read_text().split("\0") if "=" in line)
            except OSError:
                continue
        raise AssertionError("the server has no process")

    def server(self):
        return self.person.api("GET", f"/hub/api/users/{self.name}").json()["servers"].get("", {})

    def stop_server(self):
        assert self.person.api("DELETE", f"/hub/api/users/{self.name}/server").status in (202, 204)
        wait_for(lambda: not self.server(), 60)


class Notebook:
    """dask.config and variables as in a kernel of this server: Gateway() needs no argument."""

    NAMES = ("DASK_GATEWAY__ADDRESS", "DASK_GATEWAY__PUBLIC_ADDRESS", "DASK_GATEWAY__AUTH__TYPE", "JUPYTERHUB_API_TOKEN")

    def __init__(self, given):
        self.given = given

    def __enter__(self):
        for name in self.NAMES:
            os.environ[name] = self.given[name]
        dask.config.refresh()

    def __exit__(self, *error):
        for name in self.NAMES:
            os.environ.pop(name, None)
        dask.config.refresh()

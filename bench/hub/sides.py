"""The two that are compared: how each is started (settings are those of cratond), where a person finds it, which processes are its own and which
a person's.

JupyterHub runs with its simple local spawner (all servers under one user id, no control groups, no limits), DummyAuthenticator and SQLite;
Craton as it is installed (user ids, control groups, argon2id). JupyterHub's limits on simultaneous starts are switched off, and it gets
the flag that keeps jupyter_lsp from asking npm.
"""
import os
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

import procs

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "share/demo"), str(ROOT / "tests/wire")]
from browser import Browser, Refused, forms  # noqa: E402

PASSWORD = "rivers and stones"
PROXY = "configurable-http-proxy@5.3.0"


class Craton:
    def __init__(self, options, folder, prepared=True):
        os.environ["CRATON_PREFIX"], os.environ["CRATON_BUILD"] = str(options.prefix), str(options.build)
        import hub_client
        self.prepared = prepared
        self.platform = hub_client.Platform()
        self.hub = self.platform.hub

    def start(self, cpu, settings):
        with cpu:
            self.platform.start("--preimport", "yes" if self.prepared else "no", "--memory", "2G", *settings)
        self.admin = self.platform.administrator()
        if self.prepared:
            self.wait_prepared()

    def wait_prepared(self):
        """For both parents: what they cost is the start of the platform's."""
        end = time.monotonic() + 120
        while not all(f"prepared parent is ready of={what}" in self.platform.log.read_text() for what in ("servers", "kernels")):
            if time.monotonic() > end:
                raise TimeoutError("the prepared parents are not ready")
            time.sleep(0.1)

    def add(self, name):
        self.platform.add_person(self.admin, name)

    def accounts(self):
        """Name of a person -> user id."""
        prefix = self.platform.accounts
        return {user.pw_name.removeprefix(prefix): user.pw_uid for user in pwd.getpwall() if user.pw_name.startswith(prefix)}

    def people(self):
        """Name -> what runs for this person: server, kernels, and the process from which these are forked."""
        names = {uid: name for name, uid in self.accounts().items()}
        found = {}
        for pid in procs.family(self.platform.process.pid):
            if procs.owner(pid) in names:
                found.setdefault(names[procs.owner(pid)], []).append(pid)
        return found

    def control(self):
        """cratond's helper and hub, HAProxy, the prepared parents."""
        accounts = set(self.accounts().values())
        return [pid for pid in procs.family(self.platform.process.pid) if procs.owner(pid) not in accounts]

    def origin(self, name):
        return f"http://{name}.localhost:{self.platform.port + 1}"

    def begin(self, browser, page, name):
        form = next(f for f in forms(page.text) if "spawn" in f.action)
        browser.submit(page, form, {})

    def stop(self):
        self.platform.stop()
        shutil.rmtree(self.platform.folder, ignore_errors=True)


class JupyterHub:
    def __init__(self, options, folder):
        from hub_client import free_ports
        self.folder, self.prefix = folder, options.prefix
        self.port = free_ports()
        self.hub = f"http://127.0.0.1:{self.port}"
        self.proxy = self.install_proxy(options.work)

    @staticmethod
    def install_proxy(work):
        program = work / "node_modules/.bin/configurable-http-proxy"
        if not program.exists():
            subprocess.run(["npm", "install", "--prefix", work, PROXY], check=True, stdout=subprocess.DEVNULL)
        return program

    def start(self, cpu, _):
        environment = self.prefix / "env/current/bin"
        (self.folder / "config.py").write_text(f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{self.port}"
c.JupyterHub.hub_port = {self.port + 1}
c.ConfigurableHTTPProxy.command = ["{self.proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{self.port + 2}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{PASSWORD}"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{self.folder}/home/{{username}}"
c.Spawner.cmd = ["{environment}/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root", "--LanguageServerManager.node_roots=[]"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 400
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.db_url = "sqlite:///{self.folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{self.folder}/cookie_secret"
""")
        self.log = open(self.folder / "log", "wb")
        with cpu:
            self.process = subprocess.Popen([environment / "jupyterhub", "-f", self.folder / "config.py"], cwd=self.folder, stdout=self.log,
                                            stderr=self.log, env={**os.environ, "PATH": f"{environment}:{os.environ['PATH']}"})
        browser, end = Browser(), time.monotonic() + 90
        while True:
            try:
                browser.get(self.hub + "/hub/health")
                return
            except (OSError, Refused):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.2)

    def add(self, name):
        pass  # whoever knows the password is let in

    def people(self):
        found = {}
        for pid in procs.family(self.process.pid):
            if "jupyterhub-singleuser" in procs.command(pid):
                name = procs.environment(pid).get("JUPYTERHUB_USER")
                found.setdefault(name, set()).update(procs.family(pid))
        return {name: list(these) for name, these in found.items() if name}

    def control(self):
        servers = {pid for these in self.people().values() for pid in these}
        return list(procs.family(self.process.pid) - servers)

    def origin(self, name):
        return self.hub

    def begin(self, browser, page, name):
        pass  # signing in has led to /hub/spawn, which starts

    def stop(self):
        """It leaves servers running when it ends."""
        left = procs.family(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for number in (15, 9):
            for pid in left:
                if procs.stat(pid):
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
            end = time.monotonic() + 15
            while any(procs.stat(pid) for pid in left) and time.monotonic() < end:
                time.sleep(0.2)
        self.log.close()


def make(kind, options, folder):
    return JupyterHub(options, folder) if kind == "jupyterhub" else Craton(options, folder, prepared=kind == "craton")

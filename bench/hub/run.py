#!/usr/bin/env python3
"""Thirty people at once: Craton beside JupyterHub with configurable-http-proxy, the same JupyterLab environment on both sides.

    bench/hub/run.py --prefix /opt/craton --build build [--people 30] [--pairs 3] [--sides craton,jupyterhub,craton-plain]

As root, on a machine that does nothing else. Each run starts its side from nothing, makes the accounts, and lets all people sign in, start
their server and run a cell at the same moment; clients speak HTTP and websockets as a browser does. Counted are seconds until the own
server answers and until the first cell has run, CPU seconds of the whole machine without the clients, and the proportional memory (PSS) of
an idle server and of the control plane. Sides alternate. One JSON object per run goes to bench/results/.

JupyterHub runs with its simple local spawner (all servers under one user id, no control groups, no limits), DummyAuthenticator and SQLite;
Craton as it is installed (user ids, control groups, argon2id). JupyterHub's limits on simultaneous starts are switched off, and it gets
the flag that keeps jupyter_lsp from asking npm.
"""
import argparse
import json
import os
import platform as machine
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "share/demo"), str(ROOT / "tests/wire")]
from browser import Browser, Refused, forms  # noqa: E402
from kernel import Server  # noqa: E402

PASSWORD = "rivers and stones"
CELL = "import numpy, xarray\nprint(6 * 7)"


def cpu_seconds():
    """Of the whole machine since it started, all that is not idle."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / os.sysconf("SC_CLK_TCK")


def own_cpu():
    t = os.times()
    return t.user + t.system


def pss_mib(pid):
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def processes(test):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if line and test(line):
            found.append(int(folder.name))
    return found


def process_cpu(pids):
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


class Craton:
    def __init__(self, options, folder, prepared=True):
        os.environ["CRATON_PREFIX"], os.environ["CRATON_BUILD"] = str(options.prefix), str(options.build)
        import hub_client
        self.client, self.prepared = hub_client, prepared
        self.platform = hub_client.Platform()
        self.hub = self.platform.hub

    def start(self, names):
        self.platform.start("--preimport", "yes" if self.prepared else "no", "--memory", "2G")
        admin = self.platform.administrator()
        for name in names:
            self.platform.add_person(admin, name)
        if self.prepared:
            self.platform.wait_prepared()

    def control(self):
        run = str(self.platform.run)
        return processes(lambda line: run in line and ("cratond" in line or "haproxy" in line) or "prepared.py" in line
                         or "--role=hub" in line)

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
        self.folder, self.prefix = folder, options.prefix
        sys.path.insert(0, str(ROOT / "tests/wire"))
        from hub_client import free_ports
        self.port = free_ports()
        self.hub = f"http://127.0.0.1:{self.port}"
        self.proxy = self.install_proxy(options.work)

    @staticmethod
    def install_proxy(work):
        program = work / "node_modules/.bin/configurable-http-proxy"
        if not program.exists():
            subprocess.run(["npm", "install", "--prefix", work, "configurable-http-proxy@5.3.0"], check=True, stdout=subprocess.DEVNULL)
        return program

    def start(self, names):
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
        self.process = subprocess.Popen([environment / "jupyterhub", "-f", self.folder / "config.py"], cwd=self.folder, stdout=self.log,
                                        stderr=self.log, env={**os.environ, "PATH": f"{environment}:{os.environ['PATH']}"})
        browser, end = Browser(), time.monotonic() + 90
        while True:
            try:
                browser.get(self.hub + "/hub/health")
                return
            except (OSError, Refused):
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def control(self):
        return [self.process.pid] + processes(lambda line: str(self.proxy) in line)

    def origin(self, name):
        return self.hub

    def begin(self, browser, page, name):
        pass  # signing in has led to /hub/spawn, which starts

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for pid in processes(lambda line: "jupyterhub-singleuser" in line or str(self.proxy) in line):
            try:
                os.kill(pid, 15)
            except OSError:
                pass
        time.sleep(3)


class Visitor(threading.Thread):
    """One person. Both phases begin together for all."""

    def __init__(self, side, name, begin, ready, go):
        super().__init__(daemon=True)
        self.side, self.name_of, self.begin, self.at_ready, self.go = side, name, begin, ready, go
        self.seconds_ready = self.seconds_cell = None
        self.error = None

    def run(self):
        try:
            self.begin.wait()
            self.sign_in_and_start()
        except Exception as e:  # noqa: BLE001
            self.error = f"start: {e!r}"[:300]
        self.at_ready.wait()
        self.go.wait()
        try:
            if not self.error:
                self.first_cell()
        except Exception as e:  # noqa: BLE001
            self.error = f"cell: {e!r}"[:300]

    def sign_in_and_start(self):
        start, name = time.monotonic(), self.name_of
        self.browser = Browser(timeout=400)
        page = self.browser.get(self.side.hub + "/hub/login")
        form = next(f for f in forms(page.text) if "password" in f.names)
        page = self.browser.submit(page, form, {"username": name, "password": PASSWORD})
        self.side.begin(self.browser, page, name)
        base = f"{self.side.origin(name)}/user/{name}/"
        while True:
            try:
                lab = self.browser.get(self.side.hub + "/hub/user-redirect/lab" if "localhost" in base else base + "lab")
                if f"/user/{name}/lab" in lab.url and "/hub/" not in lab.url and "jupyter-config-data" in lab.text:
                    break
            except (Refused, OSError):
                pass
            if time.monotonic() - start > 400:
                raise TimeoutError("the server is not ready after 400 s")
            time.sleep(0.5)
        self.server = Server(self.browser, base)
        self.server.api("GET", "status")
        self.seconds_ready = time.monotonic() - start

    def first_cell(self):
        start = time.monotonic()
        with self.server.start_kernel("bench.ipynb") as kernel:
            outputs = kernel.run(CELL)
            assert any("42" in str(o.get("text", "")) for o in outputs[0]), outputs
            self.seconds_cell = time.monotonic() - start


def run_once(kind, options):
    folder = Path(tempfile.mkdtemp(prefix="craton-bench-", dir="/tmp"))
    os.chmod(folder, 0o755)
    names = [f"guest{i}" for i in range(options.people)]
    side = JupyterHub(options, folder) if kind == "jupyterhub" else Craton(options, folder, prepared=kind == "craton")
    side.start(names)
    try:
        begin, ready, go = threading.Event(), threading.Barrier(options.people + 1), threading.Event()
        visitors = [Visitor(side, name, begin, ready, go) for name in names]
        for v in visitors:
            v.start()
        time.sleep(2)
        control = side.control()
        mark = (cpu_seconds(), own_cpu(), process_cpu(control), time.monotonic())
        begin.set()
        ready.wait(800)
        start_cpu = cpu_seconds() - mark[0] - (own_cpu() - mark[1])
        control_cpu, start_wall = process_cpu(control) - mark[2], time.monotonic() - mark[3]
        time.sleep(8)
        servers = processes(lambda line: "jupyterhub-singleuser" in line)
        pss = [pss_mib(pid) for pid in servers]
        control_pss = sum(pss_mib(pid) for pid in control)
        mark = (cpu_seconds(), own_cpu(), time.monotonic())
        go.set()
        for v in visitors:
            v.join(600)
        cell_cpu = cpu_seconds() - mark[0] - (own_cpu() - mark[1])
        cell_wall = time.monotonic() - mark[2]
    finally:
        side.stop()
        shutil.rmtree(folder, ignore_errors=True)
    done = [v.seconds_ready for v in visitors if v.seconds_ready]
    cells = [v.seconds_cell for v in visitors if v.seconds_cell]
    return {"side": kind, "people": options.people, "failures": [v.error for v in visitors if v.error],
            "ready_s": {"median": statistics.median(done), "max": max(done)} if done else None,
            "cell_s": {"median": statistics.median(cells), "max": max(cells)} if cells else None,
            "start_wall_s": start_wall, "start_cpu_s": start_cpu, "control_cpu_s": control_cpu, "cell_wall_s": cell_wall, "cell_cpu_s": cell_cpu,
            "server_pss_mib": statistics.median(pss) if pss else None, "servers": len(servers), "control_pss_mib": control_pss}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", type=Path, default=Path("/opt/craton"))
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/craton-bench"))
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--sides", default="craton,jupyterhub")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/results" / f"hub-{time.strftime('%Y-%m-%d')}.jsonl")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "kernel": machine.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    for pair in range(options.pairs):
        for kind in options.sides.split(","):
            result = {**about, "pair": pair, **run_once(kind, options)}
            with options.output.open("a") as f:
                f.write(json.dumps(result) + "\n")
            print(json.dumps({k: v for k, v in result.items() if k not in about}), flush=True)


if __name__ == "__main__":
    main()

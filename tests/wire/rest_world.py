"""The real JupyterHub beside cratond: the same people in both, the same requests to both, and what differs in the answers."""
import contextlib
import fnmatch
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from hub_client import PATIENCE, free_ports, request

HERE = Path(__file__).resolve().parent
PEOPLE = ("root1", "ann", "bob")  # root1 is an administrator in both
NAMED_SERVERS = 2  # that a person may have
# Programs of the operator's: name -> (administrator, scopes, address for people).
SERVICES = {
    "boss": (True, [], ""),
    "culler": (False, ["list:users", "read:users:activity", "read:servers", "delete:servers", "admin:users!user=bob"], "http://127.0.0.1:9/culler"),
    "giver": (False, ["tokens!user=ann", "read:services!service", "list:services!service=culler", "groups"], ""),
    "idle": (False, [], ""),
    "sharer": (False, ["shares!user=ann", "read:users:name!user=bob", "read:users:name!user=nosuch", "read:groups:name!group=team",
                       "read:groups:name!group=nosuch"], ""),
}
HEADERS = ("Content-Type", "Location", "WWW-Authenticate", "Link", "X-JupyterHub-Version", "Access-Control-Allow-Origin")

# Nothing routes to the real hub: it is asked at its own port.
CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    routes = {}
    async def add_route(self, routespec, target, data): self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
    async def delete_route(self, routespec): self.routes.pop(routespec, None)
    async def get_all_routes(self): return dict(self.routes)

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.admin_users = {"root1"}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "homes/{username}"
c.Spawner.cmd = ["%(python)s", "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions={}"]
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0, "slow_stop_timeout": 0}
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = %(named)d
c.JupyterHub.bind_url = "http://127.0.0.1:%(public)d%(base)s/"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = %(hub)d
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie"
c.JupyterHub.api_tokens = {"%(token)s": "root1"}
c.JupyterHub.services = %(services)r
c.JupyterHub.load_roles = %(roles)r
"""


def make_people(hub):
    headers = {"Authorization": f"token {hub.tokens['root1']}", "Content-Type": "application/json"}
    for name in PEOPLE[1:]:
        for path in (name, name + "/tokens"):
            answer = request("POST", f"{hub.url}/hub/api/users/{path}", "{}", headers)
            assert answer.status == 201, answer.text
        hub.tokens[name] = answer.json()["token"]


class RealHub:
    """Takes about 5 s of one core to start; keeps everything in its folder. more_roles: beside those of the services. base: what paths begin with."""

    def __init__(self, folder, more_roles=(), base=""):
        self.folder = Path(folder)
        first = free_ports()
        root = secrets.token_hex(32)
        self.tokens = {"nobody": None, "stranger": "0" * 64, "root1": root, **{name: secrets.token_hex(32) for name in SERVICES}}
        # No address: it would be routed to, which moves the hub's own routes.
        services = [{"name": name, "api_token": self.tokens[name], "admin": admin} for name, (admin, _, _) in SERVICES.items()]
        roles = [{"name": f"of-{name}", "scopes": scopes, "services": [name]} for name, (_, scopes, _) in SERVICES.items() if scopes]
        roles += more_roles
        (self.folder / "config.py").write_text(CONFIG % {"public": first, "hub": first + 1, "base": base, "token": root, "python": sys.executable, "named": NAMED_SERVERS,
                                                         "services": services, "roles": roles})
        self.url = f"http://127.0.0.1:{first + 1}{base}"
        self.log = open(self.folder / "log", "w+")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "CONFIGPROXY_"))}
        self.process = subprocess.Popen([sys.executable, "-m", "jupyterhub", "-f", "config.py"], cwd=self.folder, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.made = {}
        try:
            self.wait()
            make_people(self)
        except BaseException:
            self.stop()
            raise

    def wait(self):
        end = time.monotonic() + PATIENCE * 90
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if request("GET", f"{self.url}/hub/api").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.log.seek(0)
        raise RuntimeError("the real JupyterHub does not answer:\n" + self.log.read()[-3000:])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def write_services(platform):
    """Before the start, and the roles that give them their scopes; the tokens by name."""
    folder, roles = platform.folder / "state" / "services", platform.folder / "state" / "roles"
    for path in (folder, roles):
        path.mkdir(parents=True, exist_ok=True)
    tokens = {name: secrets.token_hex(32) for name in SERVICES}
    for name, (admin, scopes, url) in SERVICES.items():
        lines = [f"admin = {'yes' if admin else 'no'}", *([f"url = {url}"] if url else [])]
        if scopes:
            (roles / f"of-{name}.conf").write_text("\n".join([f"service = {name}", *(f"scope = {scope}" for scope in scopes)]))
        (folder / f"{name}.conf").write_text("\n".join(lines))
        (folder / f"{name}.token").write_text(tokens[name] + "\n")
        (folder / f"{name}.token").chmod(0o600)
    return tokens


class OurHub:
    def __init__(self, platform, services):
        self.url = platform.hub + platform.base
        self.tokens = {"nobody": None, "stranger": "0" * 64, **services}
        self.made = {}
        admin = platform.administrator("root1")
        answer = admin.api("POST", "/hub/api/users/root1/tokens", {})
        assert answer.status == 201, answer.text
        self.tokens["root1"] = answer.json()["token"]
        make_people(self)


class Row:
    """One request: `ID WHO METHOD PATH [Header:value ...] [body]`, fields divided by spaces; the body begins with { or [ or !.

    METHOD READY or STOPPED asks GET until the server, or the person's default one, is that, and gives the last answer.
    WHO may be @ROW, with the token that this row's answer held; {ROW.KEY} in a path is a value of that answer.
    """

    def __init__(self, line):
        self.line = line
        self.id, self.who, self.method, self.path, *rest = line.split(" ", 4)
        rest = rest[0] if rest else ""
        self.headers = {}
        while m := re.match(r"([A-Za-z-]+):(\S+) ?", rest):
            self.headers[m[1]] = m[2]
            rest = rest[m.end():]
        assert not rest or rest[0] in "{[!", line
        self.body = (rest[1:] if rest.startswith("!") else rest) or None

    def ask(self, hub):
        def known(match):  # {ROW.KEY}: from that row's answer
            return str(hub.made.get(match[1], {}).get(match[2], "a0"))

        headers = dict(self.headers)
        if self.body is not None:
            headers.setdefault("Content-Type", "application/json")
        token = hub.made.get(self.who[1:], {}).get("token", "0" * 64) if self.who[0] == "@" else hub.tokens[self.who]
        if token:
            headers.setdefault("Authorization", f"token {token}")
        end = time.monotonic() + PATIENCE * 90
        while self.method in ("READY", "STOPPED"):
            answer = request("GET", hub.url + self.path, headers=headers)
            person = answer.json()
            server = person["servers"].get("") if "servers" in person else person
            if server and server["ready"] if self.method == "READY" else not server or server["stopped"]:
                return Reply(answer, hub.url)
            assert time.monotonic() < end, f"{self.line}: not after {PATIENCE * 90} s: {answer.text}"
            time.sleep(0.2)
        answer = request(self.method, hub.url + re.sub(r"\{([a-z0-9-]+)\.([a-z_]+)\}", known, self.path), self.body and self.body.encode(), headers)
        with contextlib.suppress(ValueError):
            value = json.loads(answer.body or b"null")
            if isinstance(value, dict):
                hub.made[self.id] = value
        return Reply(answer, hub.url)


UNORDERED = ("scopes", "roles", "users", "groups", "api_tokens")  # tokens stand by time of use, which is never the same
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")


def normal(value, origin):
    """Ids, times, addresses and secrets as what they are, not which."""
    if isinstance(value, dict):
        value = dict(sorted(value.items()))
        if str(value.get("note")).startswith("Server at "):
            value["last_activity"] = "SEEN"  # a server speaks when it likes
        return {k: "ID" if k in ("token_id", "session_id", "id", "token", "code") and v is not None else
                sorted(normal(v, origin), key=json.dumps) if k in UNORDERED and isinstance(v, list) else normal(v, origin)
                for k, v in value.items()}
    if isinstance(value, list):
        return [normal(v, origin) for v in value]
    if isinstance(value, str):
        value = value.replace(origin, "ORIGIN").replace("/".join(origin.split("/")[:3]), "HOST")  # with the base, and without it
        if value.startswith("ORIGIN") and "?" in value:  # arguments stand in any order
            path, _, query = value.partition("?")
            value = path + "?" + "&".join(sorted(query.split("&")))
        value = re.sub(r"(?<=No such token )a\d+|(?<=accept-share\?code=)[\w-]+", "ID", value)
        return "TIME" if TIME.match(value) else value
    return value


class Reply:
    def __init__(self, answer, origin):
        self.status = answer.status
        self.headers = {h: answer.headers.get(h, "").replace(origin, "ORIGIN") for h in HEADERS}
        self.headers["Content-Type"] = self.headers["Content-Type"].partition(";")[0] if answer.body else ""
        try:
            self.json = normal(json.loads(answer.body), origin) if answer.body else None
        except ValueError:
            self.json = "no JSON: " + answer.text[:200]


def json_differences(real, ours, path="json"):
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted(real.keys() | ours.keys()):
            if key not in ours:
                yield f"{path}.{key} is missing"
            elif key not in real:
                yield f"{path}.{key} is new"
            else:
                yield from json_differences(real[key], ours[key], f"{path}.{key}")
    elif isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours) and any(isinstance(v, dict) for v in real):
        for r, o in zip(real, ours):
            yield from json_differences(r, o, f"{path}[]")
    elif real != ours or type(real) is not type(ours):
        yield path + (" from null" if real is None else " to null" if ours is None else "")


def differences(real, ours):
    """What a client could notice, each named by a short text. After another status the rest says nothing."""
    if real.status != ours.status:
        return {f"status {real.status} {ours.status}"}
    found = {f"header {h}" for h in HEADERS if real.headers[h] != ours.headers[h]}
    return found | set(json_differences(real.json, ours.json))


class Accepted:
    """rest_accepted.txt: `IDS | DIFFERENCE | reason`, both patterns as of the shell. A line that nothing needs is an error."""

    def __init__(self, text):
        self.lines = []
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                ids, what, reason = (part.strip() for part in line.split(" | ", 2))
                assert reason, line
                self.lines.append((line, ids.split(), what.replace("[]", "[[]]")))
        self.used = set()

    def accepts(self, row, difference):
        hits = [line for line, ids, what in self.lines
                if any(fnmatch.fnmatchcase(row.id, i) for i in ids) and fnmatch.fnmatchcase(difference, what)]
        self.used.update(hits)
        return bool(hits)

    def unused(self):
        return [line for line, _, _ in self.lines if line not in self.used]


def read_rows():
    lines = (HERE / "rest_requests.txt").read_text("utf-8").splitlines()
    rows = [Row(line) for line in lines if line.strip() and not line.startswith("#")]
    assert len({row.id for row in rows}) == len(rows), "an id stands twice"
    return rows


def read_accepted():
    return Accepted((HERE / "rest_accepted.txt").read_text("utf-8"))

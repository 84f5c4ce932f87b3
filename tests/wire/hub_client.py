"""A cratond of the tests' own: state, sockets, ports, accounts. And a client that sends exactly what it is told."""
import contextlib
import errno
import html
import http.client
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

BUILD = Path(os.environ.get("CRATON_BUILD", Path(__file__).resolve().parents[2] / "build"))
PREFIX = Path(os.environ.get("CRATON_PREFIX", "/opt/craton"))
PASSWORD = "rivers and stones"
# Suites that ./check runs at the same time have ports of their own, and user ids by these.
LANE, PORTS, PORTS_OF_A_LANE = int(os.environ.get("CRATON_LANE", "0")), 20000, 2600
PATIENCE = 3        # times what a test says


def is_free(port):
    """On all addresses."""
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as s:
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((address, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
    return True


given = set()


def free_ports():
    """Three ports in a row, once: who listens there may begin later. Below those that the kernel gives to clients: one of these, of whatever loopback address, is in the way of who listens on all
    addresses, also for a minute after its end."""
    while True:
        first = PORTS + LANE * PORTS_OF_A_LANE + secrets.randbelow(PORTS_OF_A_LANE - 2)
        if all(port not in given and is_free(port) for port in range(first, first + 3)):
            given.update(range(first, first + 3))
            return first


def unused_prefix():
    """Of names of accounts: short, since the names are; none of a run that was killed begins with it."""
    there = {user.pw_name.partition("-")[0] for user in pwd.getpwall()}
    while (prefix := f"w{secrets.token_hex(2)}") in there:
        pass
    return prefix + "-"


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    @property
    def location(self):
        return self.headers.get("Location", "")

    def cookies(self):
        return self.headers.get_all("Set-Cookie") or []


def request(method, url, body=None, headers=(), timeout=90, source=None, to="127.0.0.1"):
    """One request, no cookies but those given, no redirects. All names are this machine; whose certificate it is, tests look at themselves.

    source: an address of this machine to come from; to: one to go to.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(to, parts.port, timeout=timeout, context=ssl._create_unverified_context(),
                                                 source_address=source and (source, 0))
    else:
        connection = http.client.HTTPConnection(to, parts.port, timeout=timeout, source_address=source and (source, 0))
    try:
        sent = {"Host": parts.netloc, **dict(headers)}
        try:
            connection.request(method, (parts.path or "/") + ("?" + parts.query if parts.query else ""), body, sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent: the answer is there
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


class Person:
    """A browser of one person at the hub: cookies, hidden fields, no more."""

    def __init__(self, platform):
        self.platform, self.hub = platform, platform.hub
        self.jar = {}
        self.source, self.to = None, platform.to
        self.password = None    # the last one given; an administrator who is asked for it again gives it, unless proves is false
        self.proves = True

    def cookie_header(self):
        return "; ".join(f"{k}={v}" for k, v in self.jar.items())

    def ask(self, method, path, body=None, headers=()):
        given = {"Host": urlsplit(self.hub).netloc, "Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", **dict(headers)}
        if method != "GET" and "Origin" not in given:
            given["Origin"] = self.hub
        if self.jar and "Cookie" not in given:
            given["Cookie"] = self.cookie_header()
        if path.startswith(self.platform.base + "/"):
            path = path.removeprefix(self.platform.base)    # of a link or a redirect
        answer = request(method, self.platform.door + self.platform.base + path, body, {k: v for k, v in given.items() if v is not None}, source=self.source, to=self.to)
        for line in answer.cookies():
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if "Max-Age=0" in line:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def csrf(self, path="/hub/home"):
        return re.search(r'name="_csrf" value="([0-9a-f]{64})"', self.get(path).text).group(1)

    def post(self, path, fields, csrf_from=None, headers=()):
        fields = dict(fields)
        if csrf_from:
            fields["_csrf"] = self.csrf(csrf_from)
        answer = self.send(path, fields, headers)
        if answer.status == 403 and self.proves and self.password and f'action="{self.platform.base}/hub/again"' in answer.text and path != "/hub/again":
            answer = self.prove(answer)
        return answer

    def send(self, path, fields, headers=()):
        return self.ask("POST", path, urlencode(fields),
                        {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.hub, **dict(headers)})

    def prove(self, page, password=None):
        """What the page that asks again was filled with, and the password."""
        fields = [(html.unescape(n), html.unescape(v)) for n, v in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)]
        return self.send("/hub/again", [*fields, ("again_password", password or self.password)])

    def sign_in(self, name, password=PASSWORD, next_path=""):
        self.password = password
        return self.post("/hub/login", {"username": name, "password": password, "next": next_path}, "/hub/login")

    def join(self, link, name="", password=PASSWORD):
        path, self.password = urlsplit(link).path, password
        return self.post(path, {"username": name, "password": password, "password_again": password}, path)

    def api(self, method, path, body=None, csrf=True):
        headers = {"Accept": "application/json"}
        if csrf and method != "GET":
            headers["X-CSRF"] = self.csrf()
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        answer = self.ask(method, path, body, headers)
        if answer.status == 403 and self.proves and "/hub/again" in answer.text:
            self.prove(self.get("/hub/again"))
            answer = self.ask(method, path, body, headers)
        return answer


class Platform:
    def __init__(self):
        # Other accounts must be able to pass, and socket addresses are short: not in pytest's folder.
        self.folder = Path("/tmp") / f"craton-wire-{secrets.token_hex(4)}"
        self.folder.mkdir(mode=0o755)
        self.run = self.folder / "run"
        self.port = free_ports()
        self.uid_first = 70000 + (self.port - PORTS) * 10
        self.accounts = unused_prefix()
        self.hub = self.door = f"http://127.0.0.1:{self.port}"  # its origin, and where to knock
        self.base = ""  # what every public path begins with
        self.domain = "localhost"  # people are at NAME.domain
        self.to = "127.0.0.1"  # where it listens
        self.options = ()
        self.preimport = True  # for few starts what they are forked from is not worth its making
        self.log = self.folder / "log"
        self.process = None
        self.starts = 0
        self.common = ["--state", str(self.folder / "state"), "--run", str(self.run), "--prefix", str(PREFIX),
                       "--account-prefix", self.accounts]

    def cratond(self, *more):
        return [str(BUILD / "src/platform/cratond"), *self.common, *more]

    def start(self, *more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.cratond("--port", str(self.port), "--uid-first", str(self.uid_first), "--memory", "1G",
                             *(() if self.preimport else ("--preimport", "no")), *self.options, *more),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.starts += 1
        self.wait_ready()

    def wait_ready(self, seconds=20):
        end = time.monotonic() + PATIENCE * seconds
        while time.monotonic() < end:
            try:
                if not request("GET", self.door + self.base + "/hub/health", headers={"Host": urlsplit(self.hub).netloc}, to=self.to).json().get("recovering", True):
                    return
            except (OSError, ValueError):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("cratond is not ready:\n" + self.log.read_text()[-3000:])

    def wait_prepared(self, seconds=60, times=None):
        """Until the prepared parent has said so `times` times since the platform's first start; without a number once for each start."""
        wait_for(lambda: self.log.read_text().count("prepared parent is ready of=servers") >= (times or self.starts), seconds)

    def ask(self, **question):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.run / "control.sock"))
            s.sendall(json.dumps(question).encode() + b"\n")
            with s.makefile("rb") as lines:
                return json.loads(lines.readline())

    def hub_pid(self):
        return self.ask(command="status")["pid"]

    def kill_hub(self):
        """With -9; back when the next one is ready."""
        pid = self.hub_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: has_ended(pid))    # what would be asked before that may be nobody's to answer
        self.wait_ready()
        assert self.hub_pid() != pid

    def haproxy_pid(self):
        """0: it is just being started."""
        try:
            return int((self.run / "haproxy.pid").read_text().split()[0])
        except (OSError, IndexError):
            return 0

    def kill_haproxy(self):
        os.kill(wait_for(self.haproxy_pid), signal.SIGKILL)

    def administrator(self, name="root1"):
        person = Person(self)
        answer = person.join(self.ask(command="admin-link")["url"], name)
        assert answer.status == 303, answer.text
        return person

    def invite(self, admin, name=""):
        page = admin.post("/hub/admin/invite", {"username": name}, "/hub/admin")
        return re.search(r'value="(http[^"]*/hub/join/[0-9a-f]{64})"', page.text).group(1)

    def add_person(self, admin, name):
        person = Person(self)
        answer = person.join(self.invite(admin), name)
        assert answer.status == 303, answer.text
        return person

    def stop(self):
        if self.process is None:
            return
        subprocess.run(self.cratond("--stop"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None
        for user in pwd.getpwall():
            if user.pw_name.startswith(self.accounts):
                subprocess.run(["userdel", user.pw_name], check=False)


def with_profiles(text):
    """A kind of platform: its STATE/profiles.yaml says this."""
    class WithProfiles(Platform):
        def __init__(self):
            super().__init__()
            (self.folder / "state").mkdir(mode=0o711)
            (self.folder / "state/profiles.yaml").write_text(text)
    return WithProfiles


class OwnEtc(Platform):
    """Its accounts are in a copy of /etc that only it sees (a mount namespace), so that a lock of these files is nobody else's."""

    def __init__(self):
        super().__init__()
        self.etc = self.folder / "etc"
        # Lock files of account tools may go while they are copied; the lists themselves are replaced whole.
        subprocess.run(["cp", "-a", "/etc/.", str(self.etc)], check=False, stderr=subprocess.DEVNULL)
        assert all((self.etc / file).stat().st_size for file in ("passwd", "group", "shadow", "gshadow"))

    def cratond(self, *more):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(self.etc), *super().cratond(*more)]


class Visitor(Person):
    """Comes through the front proxy, which says from where."""

    def __init__(self, platform, forwarded):
        super().__init__(platform)
        self.forwarded = forwarded

    def ask(self, method, path, body=None, headers=()):
        return super().ask(method, path, body, {**dict(headers), "X-Forwarded-For": self.forwarded, "X-Forwarded-Proto": "https"})


@contextlib.contextmanager
def running(*options, prepared=None, kind=Platform, before=None):
    """A platform of one's own: started with these options, at the end stopped and every trace of it removed. prepared: what servers are forked from is
    waited for (True), made while the test goes on (None), or not made (False). before: is given the platform before it starts."""
    if os.geteuid() != 0:
        pytest.skip("needs root: several accounts")
    p = kind()
    p.preimport = prepared is not False
    try:
        if before:
            before(p)
        p.start(*options)
        if prepared:
            p.wait_prepared()
        yield p
    finally:
        p.stop()
        shutil.rmtree(p.folder, ignore_errors=True)


def wait_for(condition, seconds=60, pause=0.1):
    """seconds: what is enough on a machine with nothing else to do. Others are waited for longer, which costs time only where something is wrong."""
    end = time.monotonic() + PATIENCE * seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"not true after {PATIENCE * seconds} s: {condition}")


def has_ended(pid):
    """Also when its parent has not taken it away yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def cpu_seconds(pid):
    """What all of its threads have computed, also those that have ended: no other load of the machine is in it."""
    return time.clock_gettime(~pid << 3 | 2)        # the kernel's number for the clock of a process (clock_getcpuclockid(3))


def targets(pid):
    """What its descriptors lead to; some may be closed while somebody looks."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(descriptor)


def control_groups(words):
    """Those whose path has these words; others go away meanwhile."""
    return [Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup") if words in folder]

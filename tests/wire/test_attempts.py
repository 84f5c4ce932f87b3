"""What a person with an account, or a stranger, sends over the network to get at another person's server: odd paths, two requests in
one, slow and endless requests, a socket that is a link to another one."""
import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hub_client import request, wait_for
from test_limits import raw
from test_session import Lab, server, server_pid, start, stop

SECRET = "the water level of the reservoir"


@pytest.fixture(scope="module")
def pair(platform, admin):
    """Two signed-in people with running servers: the victim with a secret file, the attacker."""
    labs = []
    for name in ("victim", "attacker"):
        person = platform.add_person(admin, name)
        person.name = name
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        labs.append(lab)
    victim, attacker = labs
    assert victim.api("PUT", "contents/secret.txt", {"type": "file", "format": "text", "content": SECRET}).status == 201
    assert SECRET in victim.api("GET", "contents/secret.txt").text
    yield victim, attacker
    for lab in labs:
        stop(lab.person)


def home_of(platform, name):
    return Path(pwd.getpwnam(platform.accounts + name).pw_dir)


def cookies(lab):
    return "; ".join(f"{k}={v}" for k, v in lab.jar.items())


def whole(platform, text, port):
    """Everything that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(10)
        data = b""
        try:
            s.sendall(text)
            while chunk := s.recv(65536):
                data += chunk
        except OSError:
            pass
    return data.decode("latin-1")


@pytest.mark.parametrize("path", [
    "/user/victim/api/contents/secret.txt", "/user/attacker/../victim/api/contents/secret.txt",
    "/user/attacker/%2e%2e/victim/api/contents/secret.txt", "/user/attacker/..%2fvictim/api/contents/secret.txt",
    "/user/attacker/%2e%2e%2fvictim%2fapi%2fcontents%2fsecret.txt", "//user/victim/api/contents/secret.txt",
    "/user//victim/api/contents/secret.txt", "/user/attacker//../../victim/api/contents/secret.txt", "/user/./victim/api/contents/secret.txt",
    "/user/attacker/..;/victim/api/contents/secret.txt", "/user/attacker\\..\\victim/api/contents/secret.txt",
    "/USER/victim/api/contents/secret.txt", "/user/VICTIM/api/contents/secret.txt", "/user/%76ictim/api/contents/secret.txt",
    "/user/victim%00/api/contents/secret.txt", "/user/attacker/%252e%252e/victim/api/contents/secret.txt",
    "/user/attacker/api/contents/..%2f..%2fvictim%2fsecret.txt", "/user/attacker/files/../../victim/secret.txt",
    "/user/attacker/api/contents/%2e%2e/%2e%2e/secret.txt", "http://victim.localhost:PORT/user/victim/api/contents/secret.txt",
])
@pytest.mark.parametrize("host", ["attacker", "victim"])
def test_odd_paths(platform, pair, path, host):
    """Neither through the attacker's origin nor, with the attacker's cookies, at the victim's."""
    victim, attacker = pair
    port = platform.port + 1
    text = (f"GET {path.replace('PORT', str(port))} HTTP/1.1\r\nHost: {host}.localhost:{port}\r\nConnection: close\r\nAccept: application/json\r\n"
            f"Cookie: {cookies(attacker)}\r\n\r\n")
    answer = whole(platform, text.encode("latin-1"), port)
    assert answer.startswith("HTTP/1.") and " 200 " not in answer.split("\r\n")[0], answer[:300]
    assert SECRET not in answer
    # The same bytes with the victim's own cookies show that the plain form would be answered.
    if path == "/user/victim/api/contents/secret.txt" and host == "victim":
        own = text.replace(cookies(attacker), cookies(victim))
        assert SECRET in whole(platform, own.encode("latin-1"), port)


@pytest.mark.parametrize("hosts", [("attacker", "victim"), ("victim", "attacker")])
def test_two_hosts(platform, pair, hosts):
    port = platform.port + 1
    lines = "".join(f"Host: {h}.localhost:{port}\r\n" for h in hosts)
    text = f"GET /user/victim/api/contents HTTP/1.1\r\n{lines}Connection: close\r\nCookie: {cookies(pair[1])}\r\n\r\n"
    assert whole(platform, text.encode(), port).split()[1] in ("400", "421")


def test_paths_of_ones_own_server_stay_in_ones_home(platform, pair):
    _, attacker = pair
    home = home_of(platform, "victim")
    assert (home / "secret.txt").read_text() == SECRET
    for path in (f"../{home.name}/secret.txt", f"..%2F{home.name}%2Fsecret.txt", "%2Fetc%2Fshadow", f"{home}/secret.txt"):
        answer = attacker.api("GET", "contents/" + path)
        assert answer.status in (400, 403, 404) and SECRET not in answer.text, path


# ---- two requests in one ----

SMUGGLED = "GET /hub/user-redirect/smuggled HTTP/1.1\r\nHost: {host}\r\nX-Ignore: "
SPLITS = [
    "Content-Length: {long}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{size:x}\r\n{inner}\r\n0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding : chunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding:\x0bchunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Content-Length: 0\r\nContent-Length: {long}\r\n\r\n{inner}",
    "Content-Length: 0, {long}\r\n\r\n{inner}",
    "Content-Length: +{long}\r\n\r\n0\r\n\r\n{inner}",
    "Content-Length: 0x5\r\n\r\n{inner}",
    "Content-Length: -1\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff0\r\n{inner}",
]


@pytest.mark.parametrize("split", SPLITS)
def test_smuggled_requests(platform, pair, split):
    """Whatever the split does to its own connection, the next requests of others get their own answers."""
    victim, attacker = pair
    for port, host, path, mark in ((platform.port, f"127.0.0.1:{platform.port}", "/hub/login", ""),
                                   (platform.port + 1, f"attacker.localhost:{platform.port + 1}", "/user/attacker/api", cookies(attacker))):
        inner = SMUGGLED.format(host=host)
        text = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {mark}\r\nContent-Type: application/x-www-form-urlencoded\r\n" + \
            split.format(long=len(inner) + 5, inner=inner, size=len(inner))
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(text.encode("latin-1"))
                for i in range(4):
                    answer = victim.person.get(f"/hub/user-redirect/lab/tree/own-{i}")
                    assert answer.location.endswith(f"/user/victim/lab/tree/own-{i}"), (answer.status, answer.location)
                    assert SECRET in victim.api("GET", "contents/secret.txt").text


def test_line_breaks_in_answers(platform, pair):
    """Header splitting by what the hub writes into Location."""
    for tail in ("%0d%0aSet-Cookie:%20a=b", "%0aX-Evil:%201", "x%0d%0a%0d%0a<script>"):
        answer = pair[0].person.get("/hub/user-redirect/lab/tree/" + tail)
        assert "X-Evil" not in answer.headers and not answer.cookies() and "<script>" not in answer.text
        assert not answer.location or urlsplit(answer.location).netloc == f"victim.localhost:{platform.port + 1}"


@pytest.mark.parametrize("rest", ["//evil.example/", "/\\evil.example", "@evil.example/", ".evil.example/", "%2f%2fevil.example", "https://evil.example/"])
def test_redirects_stay_here(platform, pair, rest):
    for path in ("/hub/user-redirect/" + rest, "/hub/user/victim/" + rest, "/hub" + rest, rest):
        answer = pair[0].person.ask("GET", path if path.startswith("/") else "/" + path)
        if answer.location and not answer.location.startswith("/hub/"):
            assert urlsplit(answer.location).netloc in (f"victim.localhost:{platform.port + 1}", f"127.0.0.1:{platform.port}"), (path, answer.location)
    answer = request("GET", f"http://victim.localhost:{platform.port + 1}/{rest}", headers={"Sec-Fetch-Mode": "navigate"})
    assert not answer.location or answer.location.startswith(platform.hub + "/"), answer.location


# ---- the hub by other names and methods ----

@pytest.mark.parametrize("target, host, statuses", [
    ("http://evil.example/hub/login", "HUB", (400, 421)), ("http://HUB/hub/login", "evil.example", (400, 421)), ("@evil.example/hub/login", "HUB", (400,)),
    ("evil.example/", "HUB", (400,)), ("//evil.example/hub/login", "HUB", (404,)), ("/hub/login", "HUB.evil.example", (421,)),
    ("/hub/login", "evil@HUB", (400, 421)), ("/hub/login", "HUB/x", (400, 421)), ("/hub/login", "", (400, 421)), ("/hub/%2e%2e/hub/login", "HUB", (404,)),
    ("//hub/login", "HUB", (404,)), ("/hub//login", "HUB", (404,)), ("/hub/login%00", "HUB", (400, 404)), ("/hub/static/%00", "HUB", (400, 404)),
    ("/hub/static/..%2ftemplates%2flogin.html", "HUB", (404,)), ("/hub/static/%2e%2e", "HUB", (404,)),
])
def test_the_hub_by_other_names(platform, target, host, statuses):
    hub = f"127.0.0.1:{platform.port}"
    text = (f"GET {target.replace('HUB', hub)} HTTP/1.1\r\nHost: {host.replace('HUB', hub)}\r\nConnection: close\r\nAccept: text/html\r\n"
            "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\r\n")
    answer = whole(platform, text.encode(), platform.port)
    assert int(answer.split()[1]) in statuses, answer[:200]
    assert "evil" not in answer and "_csrf" not in answer


@pytest.mark.parametrize("path", ["/hub/home", "/hub/password", "/hub/admin", "/hub/api/users", "/hub/api/users/root1/tokens", "/hub/api/users/root1/server/progress"])
def test_other_methods(platform, admin, path):
    """HEAD is let in where GET is and has no body; nothing else reads, and no answer lets scripts of other sites read it."""
    head = {"Host": f"127.0.0.1:{platform.port}", "Origin": "http://evil.example", "Accept": "text/html"}
    for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND"):
        for cookie in ("", admin.cookie_header()):
            answer = request(method, platform.hub + path, headers={**head, "Cookie": cookie} if cookie else head)
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]
            if method != "HEAD":
                assert answer.status == 405 and "Set-Cookie" not in answer.headers
            else:
                assert answer.body == b"" and (cookie or answer.status in (303, 403)), (path, answer.status)


def test_what_is_said_about_the_way_here(platform, admin):
    """Headers of proxies, and those by which HAProxy and the hub speak to each other."""
    made = admin.api("POST", "/hub/api/users/root1/tokens", {}).json()
    token = made["token"]
    plain = request("GET", platform.hub + "/hub/login").text
    for name, value in (("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "gopher"), ("Forwarded", "host=evil.example;proto=https"),
                        ("X-Original-URL", "/hub/admin"), ("X-HTTP-Method-Override", "DELETE"), ("X-Craton-Entry", "api"), ("X-Craton-Holder", "0" * 64)):
        page = request("GET", platform.hub + "/hub/login", headers={name: value})
        assert page.status == 200 and len(page.text) == len(plain) and not page.location
        assert request("GET", platform.hub + "/hub/home", headers={name: value}).location == "/hub/login?next=/hub/home"
        answer = request("GET", platform.hub + "/hub/api/user", headers={name: value, "Authorization": "token " + token})
        assert answer.status == 200 and "X-Craton-Holder" not in answer.headers
    assert admin.api("DELETE", f"/hub/api/users/root1/tokens/{made['id']}").status == 204


def test_tokens_are_in_no_argument_and_in_nobody_elses_sight(platform, pair):
    victim, attacker = pair
    kernel = victim.api("POST", "kernels", {"name": "python3"}).json()["id"]
    token = victim.run(kernel, "import os; os.environ['JUPYTERHUB_API_TOKEN']").strip("'").encode()
    assert len(token) == 64
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            assert token not in (folder / "cmdline").read_bytes(), folder
        except OSError:
            continue
    uid, pid = pwd.getpwnam(platform.accounts + attacker.person.name).pw_uid, server_pid(platform, victim.person.name)
    for program, name in (("head", "environ"), ("head", "mem"), ("ls", "fd")):
        seen = subprocess.run([program, f"/proc/{pid}/{name}"], user=uid, group=uid, extra_groups=[], capture_output=True)
        assert seen.returncode and not seen.stdout, (name, seen)
    assert server_pid(platform, victim.person.name) == pid         # it was there to be read


# ---- slow and endless ----

def test_slow_clients(platform, pair):
    """200 half requests of each kind at each port: others are served at once, and the half ones end after the time limit."""
    victim, _ = pair
    host = f"127.0.0.1:{platform.port}"
    held = []
    try:
        for port, name in ((platform.port, host), (platform.port + 1, f"victim.localhost:{platform.port + 1}")):
            for _ in range(200):
                s = socket.create_connection(("127.0.0.1", port), 10)
                s.sendall(f"GET /hub/login HTTP/1.1\r\nHost: {name}\r\nX-Slow: ".encode())
                held.append(s)
        bodies = []
        for _ in range(200):
            s = socket.create_connection(("127.0.0.1", platform.port), 10)
            s.sendall(f"POST /hub/login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na".encode())
            bodies.append(s)
        held += bodies
        for _ in range(10):
            begin = time.monotonic()
            assert victim.person.get("/hub/home").status == 200
            assert SECRET in victim.api("GET", "contents/secret.txt").text
            assert time.monotonic() - begin < 5
        held[0].settimeout(30)
        assert held[0].recv(100).startswith(b"HTTP/1.1 408")
        held[200].settimeout(30)
        assert held[200].recv(100).startswith(b"HTTP/1.1 408")
        if os.environ.get("CRATON_LONG"):  # the hub's own limit for a body that does not come
            bodies[0].settimeout(100)
            assert bodies[0].recv(100)[:12] in (b"HTTP/1.1 408", b"HTTP/1.1 502", b"HTTP/1.1 504", b"")
    finally:
        for s in held:
            s.close()
    assert victim.person.get("/hub/home").status == 200


def test_floods_at_the_user_port(platform, pair):
    port = platform.port + 1
    top = f"GET /user/victim/api HTTP/1.1\r\nHost: victim.localhost:{port}\r\nConnection: close\r\n".encode()
    many = b"".join(b"X-%d: y\r\n" % i for i in range(5000))
    assert raw(platform, top + many + b"\r\n", port).split()[1] in ("400", "431")
    assert raw(platform, top + b"X-Big: " + b"a" * (1 << 20) + b"\r\n\r\n", port).split()[1:2] in (["400"], ["431"], [])
    assert raw(platform, top + b"\r\n", port).split()[1] == "200"


# ---- sockets ----

STEAL = """
import os, time
path = c.ServerApp.get("sock") or next(a.split("=", 1)[1] for a in __import__("sys").argv if a.startswith("--ServerApp.sock="))
try:
    os.unlink(path)
except OSError:
    pass
os.symlink({target!r}, path)
time.sleep(600)
"""


@pytest.mark.parametrize("target", ["route/api", "victim"])
def test_a_link_in_place_of_the_socket(platform, admin, pair, target):
    """A person lets the own socket's name point to the hub's socket or to another person's: it is never served as theirs."""
    person = platform.add_person(admin, f"thief-{target[:3]}")
    person.name = f"thief-{target[:3]}"
    start(person)
    stop(person)
    home = home_of(platform, person.name)
    owner = home.stat()
    victims = [p for p in (platform.run / "u").glob("*/*") if p.owner() == platform.accounts + "victim"]
    goal = platform.run / target if target == "route/api" else victims[0]
    assert goal.is_socket()
    folder = home / ".jupyter"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_server_config.py").write_text(STEAL.format(target=str(goal)))
    for path in (folder, folder / "jupyter_server_config.py"):
        os.chown(path, owner.st_uid, owner.st_gid)
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    try:
        end = time.monotonic() + 25
        while time.monotonic() < end and server(person):
            assert not server(person).get("ready")
            answer = request("GET", f"http://{person.name}.localhost:{platform.port + 1}/user/{person.name}/api")
            assert answer.status in (424, 503), (answer.status, answer.text[:200])
            time.sleep(0.25)
    finally:
        person.post("/hub/stop", {}, "/hub/home")
        wait_for(lambda: not server(person), 60)
        shutil.rmtree(folder)
    start(person)  # and afterwards all is as before
    stop(person)

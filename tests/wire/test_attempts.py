"""What a person with an account, or a stranger, sends over the network to get at another person's server: odd paths, two requests in
one, slow and endless requests, a socket that is a link to another one."""
import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import websocket
from hub_client import Person, request, wait_for
from test_floods import http_2
from test_limits import raw
from test_session import Lab, secret_of, server, server_pid, start, stop

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
    "Transfer-Encoding:\r\n chunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",                     # obs-fold
    "Content-Length: {long}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked, identity\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",                            # bare LF
    "Content-Length: 0\n\n{inner}",
    "X: y\rContent-Length: {long}\r\n\r\n{inner}",                                                        # bare CR
    "Transfer-Encoding: \"chunked\"\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer_Encoding: chunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding\x00: chunked\r\nContent-Length: {long}\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding: chunked\r\n\r\n0;ext=\"\r\n\r\n{inner}\"\r\n\r\n",                                  # chunk extension
    "Transfer-Encoding: chunked\r\n\r\n-1\r\n{inner}",
    "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {long}\r\nHost: victim\r\n\r\n{inner}",            # trailers
    "Content-Length: {long}\r\nContent-Length: {long}\r\nContent-Length: 0\r\n\r\n{inner}",
    "Content-Length: 1e1\r\n\r\n{inner}",
    "Content-Length: {long} \x0b\r\n\r\n{inner}",
    "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n{inner}",
    "Connection: Content-Length\r\nContent-Length: {long}\r\n\r\n{inner}",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\n\r\n{inner}",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: x\r\nContent-Length: 0\r\n\r\n{inner}",
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
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(text.encode("latin-1"))
                for i in range(3):
                    answer = victim.person.get(f"/hub/user-redirect/lab/tree/own-{i}")
                    assert answer.location.endswith(f"/user/victim/lab/tree/own-{i}"), (answer.status, answer.location)
                    assert SECRET in victim.api("GET", "contents/secret.txt").text


def h2_status(data):
    """The status of the first answer in these frames (RFC 9113), 0: there is none, the stream or the connection was ended."""
    while len(data) >= 9:
        size, kind, head = int.from_bytes(data[:3], "big"), data[3], data[9:9 + int.from_bytes(data[:3], "big")]
        if kind == 1:
            known = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
            return known[head[0]] if head[0] in known else int(re.search(rb"\d{3}", head).group())
        data = data[9 + size:]
    return 0


@pytest.mark.parametrize("name, value", [
    ("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "h2c"), ("content-length", "1"), ("content-length", "9"), ("content-length", "3, 5"),
    ("x-a", "b\r\nTransfer-Encoding: chunked"), ("x-a", "b\nX-Craton-Entry: api"), ("x-a\r\nx-b", "c"), ("x a", "b"), ("X-Upper", "b"), ("x-a:", "b"), ("x-a", "b\0c"),
    (":path", "/hub/admin"), (":authority", "evil.example"), (":method", "GET / HTTP/1.1\r\nX: "), (":scheme", "http://evil.example/?"),
])
def test_requests_of_http_2_that_would_be_two(platform, name, value):
    """What HTTP/1 behind HAProxy could read as another end of the request, or as a second one."""
    path = "/hub/login"
    plain = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", f"127.0.0.1:{platform.port}"), ("content-type", "application/x-www-form-urlencoded")]
    sound = [*plain, ("content-length", "3")]
    odd = [*(plain if name == "content-length" else sound), (name, value)]
    assert h2_status(http_2(platform.port, odd, b"a=1")) in (0, 400, 421), (name, value)
    assert h2_status(http_2(platform.port, sound, b"a=1")) == 403      # the control: it reaches the hub, which wants its token


def test_hosts_of_http_2(platform):
    """The authority is the host, and another one beside it counts for nothing."""
    hub = f"127.0.0.1:{platform.port}"

    def status(authority, host):
        fields = [(":method", "POST"), (":scheme", "http"), (":path", "/hub/login"), *([(":authority", authority)] if authority else []), ("host", host), ("content-length", "3"),
                  ("content-type", "application/x-www-form-urlencoded")]
        return h2_status(http_2(platform.port, fields, b"a=1"))
    assert status("evil.example", hub) in (0, 400, 421) and status("", "evil.example") in (0, 400, 421)
    assert status(hub, "evil.example") in (0, 400, 403, 421) and status(hub, hub) == 403


@pytest.mark.parametrize("path", ["/hub/login HTTP/1.1\r\nHost: x\r\n\r\nGET /hub/admin", "/hub/login\r\nX: y", "/hub/login x", "", "*", "hub/login", "//evil.example/"])
def test_paths_of_http_2(platform, path):
    fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", f"127.0.0.1:{platform.port}")]
    assert h2_status(http_2(platform.port, fields, b"")) in (0, 400, 404, 405, *([302] if path == "*" else []))      # that one is read as the root, which leads home


@pytest.mark.parametrize("named", ["X-Forwarded-For", "X-Craton-Entry", "Cookie", "Host", "Authorization", "Content-Length", "Sec-Fetch-Site, Origin"])
def test_headers_that_are_called_hop_by_hop(platform, admin, named):
    """None that a decision rests on is lost by naming it in Connection."""
    name = f"hop-{len(named)}"
    fields = {"username": name, "password": "wrong wrong", "_csrf": "0" * 64}
    stranger = Person(platform)
    fields["_csrf"] = stranger.csrf("/hub/login")
    answer = stranger.send("/hub/login", fields, {"Connection": named, "X-Forwarded-For": "203.0.113.7"})
    assert answer.status == 403 and f"user={name} from=127.0.0.1" in platform.log.read_text()
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert admin.ask("POST", "/hub/stop", f"_csrf={admin.csrf()}", {"Content-Type": "application/x-www-form-urlencoded", "Connection": named, **headers}).status == 403


def test_no_tunnel_to_the_hub(platform, admin):
    """Behind an answer to Upgrade HAProxy looks no more at what passes."""
    host = f"127.0.0.1:{platform.port}"
    for upgrade in ("websocket", "h2c", "TLS/1.0", "HTTP/2.0"):
        text = (f"GET /hub/login HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\r\n"
                f"GET /hub/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert " 101" not in whole(platform, text.encode(), platform.port), upgrade
    assert whole(platform, f"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), platform.port).split()[1] in ("400", "405", "421")


# ---- the victim's server with what the attacker has ----

def test_websocket_of_another(platform, pair):
    victim, attacker = pair
    kernel = victim.api("POST", "kernels", {"name": "python3"}).json()["id"]
    assert victim.run(kernel, "6 * 7") == "42"
    at = f"ws://127.0.0.1:{platform.port + 1}"
    path, mine = f"/user/victim/api/kernels/{kernel}/channels", f"http://victim.localhost:{platform.port + 1}"
    evil = mine.replace("victim", "attacker")
    for where, host, cookie, origin, more in (
            (path, "victim", cookies(attacker), mine, {}), (path, "victim", "", mine, {}), (path, "attacker", cookies(attacker), evil, {}), (path, "attacker", cookies(victim), evil, {}),
            (path, "victim", cookies(victim), evil, {}), (path, "victim", cookies(victim), "null", {}), (path, "victim", cookies(victim), "http://evil.example", {}),
            (path.replace("victim", "attacker"), "attacker", cookies(attacker), evil, {}), (path + "?token=" + "0" * 64, "victim", "", mine, {}),
            (path, "victim", "", mine, {"Authorization": f"token {attacker_token(platform, attacker)}"}),
            (path + "?token=" + attacker_token(platform, attacker), "victim", "", mine, {}), (path + "?session_id=../x", "victim", cookies(attacker), mine, {})):
        with pytest.raises(websocket.WebSocketException):
            websocket.create_connection(at + where, host=f"{host}.localhost:{platform.port + 1}", cookie=cookie, origin=origin, timeout=20,
                                        header=[f"{k}: {v}" for k, v in more.items()])
    assert victim.run(kernel, "6 * 7") == "42"
    assert victim.api("DELETE", f"kernels/{kernel}").status == 204


def attacker_token(platform, attacker):
    if not hasattr(attacker, "own"):
        attacker.own = attacker.person.api("POST", "/hub/api/users/attacker/tokens", {}).json()["token"]
    return attacker.own


def test_tokens_and_cookies_of_another(platform, pair):
    """All that the attacker can hold, at the victim's server."""
    victim, attacker = pair
    url = victim.base + "api/contents/secret.txt"
    token = attacker_token(platform, attacker)
    narrow = attacker.person.api("POST", "/hub/api/users/attacker/tokens", {"scopes": ["access:servers!server=attacker/"]}).json()["token"]
    own = secret_of(attacker)
    assert request("GET", attacker.base + "api/status", headers={"Authorization": f"token {narrow}"}).status == 200      # the control
    renamed = cookies(attacker).replace("attacker", "victim")
    held = [{"Authorization": f"{word} {t}"} for t in (token, narrow, own, "0" * 64, "") for word in ("token", "Bearer")]
    held += [{"Cookie": c} for c in (cookies(attacker), renamed, f"jupyterhub-user-victim={token}", f"jupyterhub-user-victim={own}", f"_xsrf=x; {renamed}",
                                     "jupyterhub-services=" + token, "; ".join(f"{n}={v}" for n, v in attacker.person.jar.items()))]
    held += [{"X-Forwarded-User": "victim"}, {"Remote-User": "victim"}, {"X-Craton-Entry": "api"}, {"X-Original-URL": "/user/victim/api"}]
    for headers in held:
        answer = request("GET", url, headers={"Accept": "application/json", **headers})
        assert answer.status in (302, 401, 403) and SECRET not in answer.text, headers
    for t in (token, narrow, own):
        assert SECRET not in request("GET", f"{url}?token={t}").text
    assert SECRET in victim.api("GET", "contents/secret.txt").text
    # The victim's own token at the attacker's server is the attacker's to read: it opens that server only.
    for path in ("users/attacker", "users/victim/tokens", "users"):
        seen = request("GET", f"http://127.0.0.1:{platform.port + 2}/hub/api/{path}", headers={"Authorization": f"token {secret_of(victim)}"})
        assert seen.status in (403, 404) or "attacker" not in seen.text, path


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
            assert time.monotonic() - begin < 8
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


def test_answers_that_nobody_reads(platform, pair):
    """Many requests on each of many connections, and nothing is taken: it is HAProxy that waits, and the hub goes on."""
    victim, _ = pair
    asked = f"GET /hub/static/hub.css HTTP/1.1\r\nHost: 127.0.0.1:{platform.port}\r\n\r\n".encode() * 40
    held = []
    try:
        for _ in range(60):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.bind(("127.0.21.1", 0))
            s.connect(("127.0.0.1", platform.port))
            s.sendall(asked)
            held.append(s)
        for _ in range(10):
            begin = time.monotonic()
            assert victim.person.get("/hub/home").status == 200
            assert SECRET in victim.api("GET", "contents/secret.txt").text
            assert time.monotonic() - begin < 8
        assert held[0].recv(15) == b"HTTP/1.1 200 OK"      # the control: they were answered
    finally:
        for s in held:
            s.close()


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
        end, looks = time.monotonic() + 60, 0
        while time.monotonic() < end and looks < 20 and server(person):
            looks += any(p.is_symlink() for p in (platform.run / "u").glob("*/*"))     # its program has come so far
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

"""Who sends very much gets a clear refusal, and the others are served: one address, one token, strangers. A class behind one address
notices nothing."""
import contextlib
import hashlib
import http.client
import json
import re
import resource
import secrets
import socket
import sqlite3
import threading
import time
from urllib.parse import urlencode

import pytest
from hub_client import PASSWORD, PATIENCE, Platform, request, running, wait_for

FORM = "application/x-www-form-urlencoded"
HALF_REQUESTS = 4300        # more than the hub has connections


@pytest.fixture(autouse=True)
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def held(port, text, source, n=HALF_REQUESTS):
    """n connections from one address, each with these bytes; those that were cut are no longer in the list."""
    sockets = []
    try:
        for _ in range(n):
            s = socket.socket()
            sockets.append(s)
            s.settimeout(5)
            try:
                s.bind((source, 0))
                s.connect(("127.0.0.1", port))
                s.sendall(text)
            except OSError:
                pass
        yield sockets
    finally:
        for s in sockets:
            s.close()


def ask(port, path, source="127.0.0.1", method="GET", body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120, source_address=(source, 0))
    try:
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        return r.status, r.headers, r.read().decode()
    finally:
        c.close()


def half_post(host, body="a"):
    return f"POST /hub/api/oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM}\r\nContent-Length: 16000\r\n\r\n{body}".encode()


@pytest.mark.parametrize("face, text", [
    ("hub", "body"), ("hub", "long body"), ("hub", "head"), ("user", "head"), ("api", "body"), ("api", "long body"),
])
def test_half_requests_of_one_address(platform, face, text):
    """The hub answers everybody else at once while thousands of requests of one address do not end."""
    port = platform.port + {"hub": 0, "user": 1, "api": 2}[face]
    host = f"127.0.0.1:{platform.port}"
    sent = {"body": half_post(host), "long body": half_post(host, "a" * 15990), "head": f"GET / HTTP/1.1\r\nHost: {host}\r\nX-A: ".encode()}[text]
    # A new address each time: an address pays for ten seconds.
    source = f"127.0.1.{1 + ('hub', 'user', 'api').index(face) * 10 + ('body', 'long body', 'head').index(text)}"
    with held(port, sent, source):
        for _ in range(5):
            begin = time.monotonic()
            assert ask(platform.port, "/hub/login", Host=host)[0] == 200
            assert time.monotonic() - begin < 8
    assert request("GET", platform.hub + "/hub/health").status == 200


def test_refusal_is_understood(platform):
    host = f"127.0.0.1:{platform.port}"
    with held(platform.port, half_post(host), "127.0.2.1", 700):
        status, headers, text = ask(platform.port, "/hub/login", "127.0.2.1", Host=host, Accept="text/html,*/*")
        assert status == 429 and headers["Retry-After"] == "10" and headers["Content-Type"].startswith("text/html")
        assert "Too many requests" in text and "network address" in text
        status, headers, text = ask(platform.port, "/hub/api", "127.0.2.1", Host=host)
        assert status == 429 and json.loads(text)["status"] == 429 and "wait" in json.loads(text)["message"]
        assert ask(platform.port, "/hub/login", "127.0.2.2", Host=host)[0] == 200


def test_rate_of_one_address(platform):
    """More than 3000 requests in ten seconds."""
    host, source = f"127.0.0.1:{platform.port}", "127.0.2.3"
    seen = set()

    def load():
        c = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=20, source_address=(source, 0))
        for _ in range(1000):
            c.request("GET", "/hub/health", headers={"Host": host})
            r = c.getresponse()
            r.read()
            seen.add(r.status)
            if r.status != 200 or r.headers.get("Connection") == "close":
                break
        c.close()

    end = time.monotonic() + 60
    while 429 not in seen and time.monotonic() < end:
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert seen == {200, 429}
    assert ask(platform.port, "/hub/health", "127.0.2.4", Host=host)[0] == 200


def test_half_body_ends(platform):
    with socket.create_connection(("127.0.0.1", platform.port + 2), 20) as s:
        s.sendall(half_post(f"127.0.0.1:{platform.port}"))
        begin = time.monotonic()
        assert s.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begin < 15


def http_2(port, fields, body):
    """What comes back for one POST of HTTP/2 on a plain connection: RFC 9113 frames, RFC 7541 literals without index or Huffman code."""
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    head = b"".join(b"\0" + bytes([len(k)]) + k.encode() + bytes([len(v)]) + v.encode() for k, v in fields)
    parts = [body[i:i + 16000] for i in range(0, len(body), 16000)]
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4 if parts else 5, 1, head)
    sent += b"".join(frame(0, part is parts[-1], 1, part) for part in parts)
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(sent)
        data = b""
        try:
            while not is_answered(data) and (chunk := s.recv(65536)):
                data += chunk
        except OSError:
            pass
    return data


def is_answered(data):
    """The stream has come to its end, or was ended, or the connection was."""
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
        kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
        if kind in (3, 7) or (stream == 1 and kind in (0, 1) and flags & 1):
            return True
        data = data[9 + int.from_bytes(data[:3], "big"):]
    return False


def test_a_body_of_http_2_without_a_length(platform):
    """HAProxy speaks HTTP/2 at this port too; there a body needs no length, and could go on for ever."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/hub/login"), (":authority", f"127.0.0.1:{platform.port}"), ("content-type", FORM)]
    assert b"\x03411" in http_2(platform.port, fields, b"a=1")
    large = http_2(platform.port, fields, b"a=" + b"1" * 40000)
    assert b"\x03411" in large or b"\x03413" in large, large      # which, depends on what is there when it is looked at
    # The control: with a length it reaches the hub, which wants its token.
    assert b"\x03403" in http_2(platform.port, [*fields, ("content-length", "3")], b"a=1")


# ---- a class behind one address ----

def test_a_class_of_thirty_notices_nothing(platform, admin):
    """Thirty browsers at one address, each with six connections: all load the sign-in page with what belongs to it, sign in in the same
    moment, and look at their pages again and again."""
    names = [f"class{i}" for i in range(30)]
    for name in names:
        platform.add_person(admin, name)
    host, source = f"127.0.0.1:{platform.port}", "127.0.3.1"
    statuses, lock, together = [], threading.Lock(), threading.Barrier(30)

    def pupil(name):
        jar, six = {}, [http.client.HTTPConnection("127.0.0.1", platform.port, timeout=120, source_address=(source, 0)) for _ in range(6)]

        def send(n, method, path, body=None):
            headers = {"Host": host, "Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Origin": platform.hub,
                       "Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())}
            if body:
                headers["Content-Type"] = FORM
            six[n].request(method, path, body, headers)

        def receive(n):
            r = six[n].getresponse()
            text = r.read().decode()
            for line in r.headers.get_all("Set-Cookie") or []:
                k, _, v = line.partition("=")
                jar[k] = v.partition(";")[0]
            with lock:
                statuses.append(r.status)
            return text

        together.wait()
        send(0, "GET", "/hub/login")
        csrf = re.search(r'name="_csrf" value="([0-9a-f]{64})"', receive(0)).group(1)
        for n in range(1, 6):
            send(n, "GET", "/hub/static/hub.css")
        for n in range(1, 6):
            receive(n)
        together.wait()
        send(0, "POST", "/hub/login", urlencode({"username": name, "password": PASSWORD, "_csrf": csrf}))
        receive(0)
        for _ in range(3):
            for n in range(6):
                send(n, "GET", "/hub/home")
            for n in range(6):
                assert name in receive(n)
        for c in six:
            c.close()

    threads = [threading.Thread(target=pupil, args=(name,)) for name in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(statuses) == 30 * (1 + 5 + 1 + 18) and set(statuses) == {200, 303}


# ---- the port for user servers ----

def many(port, path, n, **headers):
    """The statuses of n requests."""
    return one_after_another(port, path, [headers] * n)


def one_after_another(port, path, each):
    """The statuses of a request with each of these headers, on one connection, or on further ones where it is closed. All are sent before the first answer
    is read: a machine with much else to do must not need longer for them than a rate is counted over."""
    def text(headers):
        lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{k}: {v}" for k, v in headers.items()), "")
        return "".join(line + "\r\n" for line in lines).encode()

    def send(s, whole):
        with contextlib.suppress(OSError):
            s.sendall(whole)

    seen = []
    while len(seen) < len(each):
        before = len(seen)
        with socket.create_connection(("127.0.0.1", port), 120) as s, s.makefile("rb") as answers:
            sender = threading.Thread(target=send, args=(s, b"".join(map(text, each[before:]))))
            sender.start()
            with contextlib.suppress(ConnectionResetError):
                while len(seen) < len(each) and (line := answers.readline()):
                    answers.read(int(http.client.parse_headers(answers)["Content-Length"]))
                    seen.append(int(line.split()[1]))
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)        # nobody reads what is left to send
            sender.join()
        assert len(seen) > before, "a request is not answered"
    return seen


def new_token(platform):
    """A token of somebody who is there, made where the hub looks for it."""
    token = secrets.token_hex(32)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        user = db.execute("SELECT id FROM users ORDER BY id LIMIT 1").fetchone()[0]
        db.execute("INSERT INTO tokens (hash, kind, user_id, created_ms) VALUES (?, 'api', ?, 0)", (hashlib.sha256(token.encode()).digest(), user))
    return token


def test_one_token_in_many_spellings_is_one_token(platform, admin):
    token, api = new_token(platform), platform.port + 2
    spellings = [("Token ", "tOKEN ", "BEARER ", "bearer ", "token ", "tokeN ")[n % 6] + " " * (n // 6) for n in range(400)]
    assert many(api, "/hub/api/user", 1, Authorization="token " + token) == [200]
    seen = one_after_another(api, "/hub/api/user", [{"Authorization": spelling + token} for spelling in spellings])
    assert seen[:250] == [200] * 250 and seen[-1] == 429


def test_tokens_that_haproxy_and_the_hub_could_read_differently(platform, admin):
    """Two headers are refused; in one header with a comma neither half is a token."""
    good, api, made_up = new_token(platform), platform.port + 2, secrets.token_hex(32)
    for first, second in ((good, made_up), (made_up, good), (good, good)):
        text = f"GET /hub/api/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: token {first}\r\nauthorization: token {second}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", api), 10) as s:
            s.sendall(text.encode())
            assert s.makefile("rb").readline().split()[1] == b"400"
        assert many(api, "/hub/api/user", 1, Authorization=f"token {first}, token {second}") == [403]


def known_tokens(platform):
    """The holders that HAProxy knows, and all that it has kept."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(platform.run / "proxy.sock"))
        s.sendall(b"show table api_tokens\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    kept = {m.group(1).lower(): m.group(2) == "1" for m in re.finditer(r"key=([0-9A-F]{64}) .*gpt0=(\d)", text)}
    return {holder for holder in kept if kept[holder]}, set(kept)


def test_who_is_known_at_the_port(platform, admin):
    """Only what the hub takes as a token is known: not what stood beside an answer that everybody gets."""
    good, api = new_token(platform), platform.port + 2
    made_up = [secrets.token_hex(32) for _ in range(3)]
    for path, token, status in (("/hub/api", made_up[0], 200), ("/hub/api/health", made_up[1], 200), ("/hub/api/user", made_up[2], 403),
                                ("/hub/api/user", good, 200)):
        assert many(api, path, 1, Authorization="token " + token) == [status]
    answer = ask(api, "/hub/api/user", Authorization="token " + good)
    assert answer[0] == 200 and not [name for name in answer[1] if name.lower().startswith("x-craton")]
    known, kept = known_tokens(platform)
    assert hashlib.sha256(good.encode()).hexdigest() in known
    # Nor do made-up ones push out those that are known.
    assert not kept & {hashlib.sha256(token.encode()).hexdigest() for token in made_up}


def test_strangers_do_not_fill_the_log(platform, admin):
    before = platform.log.stat().st_size
    for _ in range(200):
        assert ask(platform.port + 2, "/hub/api/oauth2/token", method="POST", body="grant_type=password", Content_Type=FORM)[0] == 400
    written = platform.log.read_bytes()[before:].decode()
    assert 1 <= written.count("code not exchanged") <= 45          # twice in case that a minute begins meanwhile


def test_limits_of_tokens(platform, admin):
    """A token has a rate of its own. Wrong ones share one, which does not touch who was right before."""
    api = platform.port + 2
    good, greedy = [{"Authorization": "token " + new_token(platform)} for _ in range(2)]
    assert many(api, "/hub/api/user", 1, **good) == [200]
    seen = many(api, "/hub/api/user", 400, **greedy)
    assert seen[:250] == [200] * 250 and seen[-1] == 429
    assert many(api, "/hub/api/user", 1, **good) == [200]
    wrong = []
    end = time.monotonic() + 60
    while 429 not in wrong and time.monotonic() < end:
        threads = [threading.Thread(target=lambda: wrong.extend(many(api, "/hub/api/user", 400, Authorization="token " + secrets.token_hex(32))))
                   for _ in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert 429 in wrong
    assert many(api, "/hub/api", 1) == [429]
    assert many(api, "/hub/api/user", 20, **good) == [200] * 20
    assert request("GET", platform.hub + "/hub/login").status == 200
    # The flood is over: strangers are heard again.
    wait_for(lambda: many(api, "/hub/api", 1) == [200], 30, 1)


# ---- behind another proxy ----

class Proxied(Platform):
    host = "hub.test"

    def wait_ready(self, seconds=20):
        end = time.monotonic() + PATIENCE * seconds
        while time.monotonic() < end:
            try:
                if ask(self.port, "/hub/health", Host=self.host)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("cratond is not ready:\n" + self.log.read_text()[-3000:])


def test_behind_a_proxy_the_forwarded_address_counts():
    """The proxy is at 127.0.0.1; its one address carries everybody's requests."""
    with running("--behind-proxy", "127.0.0.1", "--domain", Proxied.host, "--preimport", "no", kind=Proxied) as p:
        def half(address):
            return half_post(p.host).replace(b"\r\nContent-Type", f"\r\nX-Forwarded-For: 198.51.100.7, {address}\r\nContent-Type".encode())

        def status(address, source="127.0.0.1"):
            return ask(p.port, "/hub/login", source, Host=p.host, X_Forwarded_For="198.51.100.8, " + address)[0]

        with held(p.port, half("203.0.113.5"), "127.0.0.1", 1500):
            assert status("203.0.113.5") == 429
            assert status("203.0.113.6") == 200
            # One network of IPv6 is one person's.
        with held(p.port, half("2001:db8:1:2::1"), "127.0.0.1", 500):
            assert status("2001:db8:1:2::ffff") == 429
            assert status("2001:db8:1:3::1") == 200
        # Who is not the proxy cannot choose, and is refused.
        assert status("203.0.113.6", "127.0.0.9") == 403

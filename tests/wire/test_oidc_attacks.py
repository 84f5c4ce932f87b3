"""Sign-in by an identity provider that lies, is broken, or is played by an attacker: every way in which a token can be wrong."""
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hub_client import Person, request, running, wait_for
from provider_client import MEMBER, Key, Programmable, begin, finish, sign_in_at, signed_with_public_key, unsigned, write_provider


@pytest.fixture(scope="module")
def platform():
    def before(p):
        p.odd, p.second = odd, second
        write_provider(p, "odd", [f"issuer = {odd.issuer}", "label = Odd", "client-id = craton-hub", "groups-claim = eduperson_entitlement", f"allow = {MEMBER}",
                                  "callback = jupyterhub"], "a:secret & more")
        write_provider(p, "second", [f"issuer = {second.issuer}", "label = Second", "client-id = craton-hub", "allow = *"], "a:secret & more")

    with Programmable() as odd, Programmable() as second, running(prepared=False, before=before) as p:
        yield p


addresses = itertools.count(2)


@pytest.fixture
def odd(platform):
    """The provider as it should be."""
    platform.odd.reset()
    return platform.odd


def somebody(platform):
    """A browser at an address from which nothing has failed yet."""
    person, n = Person(platform), next(addresses)
    person.source = f"127.1.{n // 250}.{n % 250 + 1}"
    return person


def nobody(person):
    return "__Host-craton-login" not in person.jar


def test_the_programmable_provider_is_good(platform, odd):
    person = somebody(platform)
    a = sign_in_at(person, odd)
    assert a.status == 303 and a.location == "/hub/home", a.text
    assert person.api("GET", "/hub/api/user").json()["groups"] == ["odd:vo.example.eu"]


NOW = time.time


@pytest.mark.parametrize("name, make, says", [
    ("alg none", lambda o, c: unsigned(c), "not allowed here"),
    ("alg none in capitals", lambda o, c: unsigned(c, "NONE"), "not allowed here"),
    ("no signature", lambda o, c: unsigned(c, "RS256"), "signature is empty"),
    ("key confusion", lambda o, c: signed_with_public_key(o.key, c), "not allowed here"),
    ("key of somebody else", lambda o, c: Key("one").token(c), "signature is wrong"),
    ("key in the header", lambda o, c: Key("x").token(c, jwk=Key("x").public(), kid=None), "signature is wrong"),
    ("wrong audience", lambda o, c: o.key.token({**c, "aud": "another"}), "made for another service"),
    ("several audiences", lambda o, c: o.key.token({**c, "aud": ["craton-hub", "another"]}), "given to another service"),
    ("another party", lambda o, c: o.key.token({**c, "azp": "another"}), "given to another service"),
    ("wrong issuer", lambda o, c: o.key.token({**c, "iss": "https://aai.egi.eu"}), "is of the issuer"),
    ("wrong nonce", lambda o, c: o.key.token({**c, "nonce": "0" * 64}), "another sign-in"),
    ("no nonce", lambda o, c: o.key.token({k: v for k, v in c.items() if k != "nonce"}), "another sign-in"),
    ("expired", lambda o, c: o.key.token({**c, "iat": int(NOW()) - 400, "exp": int(NOW()) - 100}), "clocks of this machine"),
    ("clock ahead", lambda o, c: o.key.token({**c, "iat": int(NOW()) + 120, "exp": int(NOW()) + 500}), "clocks of this machine"),
    ("not yet valid", lambda o, c: o.key.token({**c, "nbf": int(NOW()) + 120}), "valid only in"),
    ("old", lambda o, c: o.key.token({**c, "iat": int(NOW()) - 3600}), "issued"),
    ("no end", lambda o, c: o.key.token({k: v for k, v in c.items() if k != "exp"}), "when it ends"),
    ("no subject", lambda o, c: o.key.token({k: v for k, v in c.items() if k != "sub"}), "names no subject"),
    ("another access token", lambda o, c: o.key.token({**c, "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), "another access token"),
    ("access token as ID token", lambda o, c: o.key.token(c, typ="at+jwt"), "another type"),
    ("unknown extension", lambda o, c: o.key.token(c, crit=["exp"]), "extension"),
    ("no token", lambda o, c: "nonsense", "not a signed token"),
    ("huge token", lambda o, c: o.key.token({**c, "x": "y" * 70000}), "not a signed token"),
])
def test_wrong_tokens(platform, odd, name, make, says):
    odd.token = lambda claims: make(odd, claims)
    person = somebody(platform)
    a = sign_in_at(person, odd)
    assert a.status in (403, 502) and says in a.text and nobody(person), (name, a.status, a.text)


@pytest.mark.parametrize("change", [{"iat": 50, "exp": 350}, {"iat": -350, "exp": -50}])
def test_clocks_that_differ_a_little(platform, odd, change):
    odd.token = lambda claims: odd.key.token({**claims, **{k: int(NOW()) + v for k, v in change.items()}})
    assert sign_in_at(somebody(platform), odd).status == 303


@pytest.mark.parametrize("info, status, says", [
    ({"sub": "s-2", "name": "Eve"}, 403, "another person"), ({"name": "Eve"}, 403, "another person"), ([], 502, "not a JSON object"),
])
def test_userinfo_of_somebody_else(platform, odd, info, status, says):
    odd.token = lambda claims: odd.key.token({k: v for k, v in claims.items() if k not in ("name", "email", "eduperson_entitlement")})
    odd.userinfo = info
    person = somebody(platform)
    a = sign_in_at(person, odd)
    assert a.status == status and says in a.text and nobody(person)


def test_signed_claims_are_stronger_than_userinfo(platform, odd):
    odd.claims["eduperson_entitlement"] = []
    odd.userinfo = {"sub": "s-1", "phone": "1", "eduperson_entitlement": [MEMBER]}
    odd.token = lambda claims: odd.key.token({k: v for k, v in claims.items() if k != "name"})
    a = sign_in_at(somebody(platform), odd)
    assert a.status == 403 and "You are a member of no group yet" in a.text
    assert "/userinfo" in odd.asked


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
@pytest.mark.parametrize("answer, status", [
    ((500, "text/plain", b"oops"), 503), ((302, "text/plain", b""), (403, 502)), ((200, "text/html", b"<html>hello"), 502), ((200, "application/json", b""), 502),
    ((400, "application/json", b'{"error": "invalid_grant", "error_description": "<b>x</b>"}'), (403, 502)),
    ((200, "application/json", b'{"x": "' + b"y" * 300000 + b'"}'), 503),
    ((200, "application/json", b"[" * 200000), 502),
])
def test_broken_answers(platform, odd, path, answer, status):
    odd.override[path] = answer
    odd.token = lambda claims: odd.key.token({k: v for k, v in claims.items() if k != "name"})
    person = somebody(platform)
    a = sign_in_at(person, odd)
    assert a.status in (status if isinstance(status, tuple) else (status,)) and nobody(person), (a.status, a.text)
    assert "<b>x" not in a.text


def test_a_provider_that_hangs_holds_up_nobody_else(platform, odd):
    odd.override["/token"] = lambda handler: time.sleep(20)
    person = somebody(platform)
    answers = []
    url = odd.begin(urlsplit(begin(person, "odd")).query)
    thread = threading.Thread(target=lambda: answers.append(finish(person, url)))
    begun = time.monotonic()
    thread.start()
    slowest = 0
    while thread.is_alive() and time.monotonic() - begun < 30:
        before = time.monotonic()
        assert request("GET", platform.hub + "/hub/health").status == 200
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.2)
    assert answers[0].status == 503 and "does not answer" in answers[0].text and 8 < time.monotonic() - begun < 25
    assert slowest < 5


def test_answer_of_another_provider(platform, odd):
    """Mix-up: what one provider answered is given to the other one's address; a wrong `iss` is refused as well."""
    person = somebody(platform)
    back = odd.begin(urlsplit(begin(person, "odd")).query)
    a = person.ask("GET", "/hub/signin/second/callback?" + urlsplit(back).query, headers={"Sec-Fetch-Site": "cross-site"})
    assert a.status == 403 and "not begun in this browser" in a.text and nobody(person)
    odd.answer_more = {"iss": platform.second.issuer}
    a = sign_in_at(somebody(platform), odd)
    assert a.status == 403 and "does not say that it comes from" in a.text
    odd.answer_more = {"iss": odd.issuer}
    assert sign_in_at(somebody(platform), odd).status == 303


@pytest.mark.parametrize("change", [
    lambda q: q + "&state=" + "0" * 64, lambda q: q.replace("state=", "stat="), lambda q: re.sub("state=[^&]*", "state=", q), lambda q: q + "&code=x",
    lambda q: re.sub("code=[^&]*", "code=", q), lambda q: re.sub("code=[^&]*", "code=" + "x" * 5000, q), lambda q: re.sub("code=[^&]*", "code=guessed", q),
])
def test_forged_answers(platform, odd, change):
    person = somebody(platform)
    back = urlsplit(odd.begin(urlsplit(begin(person, "odd")).query))
    a = person.ask("GET", back.path + "?" + change(back.query), headers={"Sec-Fetch-Site": "cross-site"})
    assert a.status in (400, 403) and nobody(person), a.text


@pytest.mark.parametrize("change", [
    lambda c: c[:-1] + ("0" if c[-1] != "0" else "1"), lambda c: c.replace("odd.", "second.", 1), lambda c: c.split(".")[0], lambda c: "", lambda c: "." * 70,
    lambda c: c.rsplit(".", 1)[0] + "x." + c.rsplit(".", 1)[1], lambda c: re.sub(r"\.(\d+)\.", ".99999999999999.", c, count=1),
])
def test_forged_cookie(platform, odd, change):
    person = somebody(platform)
    back = odd.begin(urlsplit(begin(person, "odd")).query)
    person.jar["__Host-craton-signin"] = change(person.jar["__Host-craton-signin"])
    assert finish(person, back).status == 403 and nobody(person)


def test_two_cookies_are_none(platform, odd):
    person = somebody(platform)
    back = odd.begin(urlsplit(begin(person, "odd")).query)
    cookie = f"__Host-craton-signin={person.jar['__Host-craton-signin']}"
    parts = urlsplit(back)
    a = person.ask("GET", parts.path + "?" + parts.query, headers={"Sec-Fetch-Site": "cross-site", "Cookie": f"{cookie}; {cookie}"})
    assert a.status == 403 and nobody(person)


def test_answer_inside_a_frame(platform, odd):
    person = somebody(platform)
    back = urlsplit(odd.begin(urlsplit(begin(person, "odd")).query))
    for headers in ({"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "no-cors"}):
        a = person.ask("GET", back.path + "?" + back.query, headers={"Sec-Fetch-Site": "cross-site", **headers})
        assert a.status == 403 and nobody(person)


def test_the_provider_says_no(platform, odd):
    person = somebody(platform)
    ask = begin(person, "odd")
    state = re.search("state=([0-9a-f]{64})", ask).group(1)
    a = finish(person, f"{platform.hub}/hub/oauth_callback?error=access_denied&error_description=%3Cscript%3E&state={state}")
    assert a.status == 403 and "did not agree" in a.text and "<script>" not in a.text and nobody(person)


def test_who_loses_the_membership_loses_the_session(platform, odd):
    odd.claims["sub"], odd.claims["preferred_username"] = "s-lost", "lost"
    person = somebody(platform)
    assert sign_in_at(person, odd).status == 303 and person.get("/hub/home").status == 200
    del odd.claims["eduperson_entitlement"]
    other = somebody(platform)
    a = sign_in_at(other, odd)
    assert a.status == 403 and "No group at all was received" in a.text
    assert person.get("/hub/home").status == 303                 # to the sign-in page
    odd.claims["eduperson_entitlement"] = [MEMBER.replace("aai.egi.eu", "aai-dev.egi.eu")]
    assert "at another instance of the service" in sign_in_at(somebody(platform), odd).text
    odd.claims["eduperson_entitlement"] = [MEMBER]
    again = somebody(platform)
    assert sign_in_at(again, odd).status == 303 and again.api("GET", "/hub/api/user").json()["name"] == "lost"


def test_failures_are_limited(platform, odd):
    """Wrong answers of one address: a class that stumbles is not held up, one who goes on and on is, for seconds; passwords are not."""
    person = somebody(platform)
    odd.token = unsigned
    answers = []
    while 429 not in answers and len(answers) < 200:
        a = person.get("/hub/signin/odd")
        answers.append(finish(person, odd.begin(urlsplit(a.location).query)).status)
    assert answers[:30] == [403] * 30 and answers[-1] == 429
    odd.token = None
    assert sign_in_at(somebody(platform), odd).status == 303     # others are not held up
    neighbour = Person(platform)
    neighbour.source = person.source
    a = neighbour.post("/hub/login", {"username": "nobody", "password": "x"}, csrf_from="/hub/login")
    assert a.status != 429, a.text
    # What was told as the pause is enough.
    wait_for(lambda: sign_in_at(neighbour, odd).status == 303, 20, 1)


def test_answers_that_nobody_asked_for_do_not_fill_the_log(platform, odd):
    before = platform.log.stat().st_size
    person = somebody(platform)
    for _ in range(150):
        assert person.get("/hub/signin/odd/callback?code=x&state=" + "0" * 64).status == 403
    written = platform.log.read_bytes()[before:].decode()
    assert 1 <= written.count("sign-in not begun here") <= 45     # other tests' lines count, and a minute may begin meanwhile


def test_discovery_documents_that_are_refused(platform):
    """The second provider has not been asked yet; a failure is remembered for three seconds."""
    second, path = platform.second, "/.well-known/openid-configuration"
    good = second.meta()

    def page(status, value):
        second.override[path] = (status, "application/json", value if isinstance(value, bytes) else json.dumps(value).encode())
        a = somebody(platform).get("/hub/signin/second")
        time.sleep(3.2)
        return a

    for status, value, answer, says in (
            (404, {}, 503, "does not answer"), (200, b"<html>", 502, "not a JSON object"), (200, {**good, "issuer": "https://aai.egi.eu"}, 403, "is of the issuer"),
            (200, {**good, "token_endpoint": platform.odd.issuer + "/token"}, 403, "not among its hosts"),
            (200, {**good, "jwks_uri": "http://169.254.169.254/"}, 403, "is not https"), (200, b"{" + b" " * 300000, 503, "does not answer"),
            (302, {}, 503, "does not answer")):
        a = page(status, value)
        assert a.status == answer and says in a.text, (value, a.status, a.text)
    second.override.clear()
    second.keys = [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]
    a = somebody(platform).get("/hub/signin/second")
    assert a.status == 502 and "no usable key" in a.text
    time.sleep(3.2)
    second.reset()
    assert somebody(platform).get("/hub/signin/second").status == 303


def fetch_pids(platform):
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == "craton-fetch" and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == platform.process.pid:
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def test_the_fetcher_is_started_again(platform, odd):
    before = fetch_pids(platform)
    assert len(before) == 1
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: fetch_pids(platform) not in ([], before), 20)
    assert sign_in_at(somebody(platform), odd).status == 303


def ask_fetcher(platform, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(15)
        s.connect(str(platform.run / "fetch.sock"))
        s.sendall(line)
        s.shutdown(socket.SHUT_WR)
        with s.makefile("rb") as answer:
            return answer.read()


def test_the_fetcher_speaks_to_providers_only(platform, odd):
    """Even a hub that is somebody else's cannot use it to reach other places."""
    for url in (platform.hub + "/hub/health", "http://127.0.0.1:22/", "https://aai.egi.eu/", "http://169.254.169.254/", "file:///etc/passwd", "gopher://127.0.0.1/",
                odd.issuer.replace("127.0.0.1", "127.0.0.2") + "/keys", odd.issuer + "@evil.example/", odd.issuer + "1/", ""):
        answer = json.loads(ask_fetcher(platform, json.dumps({"url": url}).encode() + b"\n"))
        assert answer == {"status": 0, "error": "this address is not one of an identity provider or of the mail server"}, url
    assert b'"status":200' in ask_fetcher(platform, json.dumps({"url": odd.issuer + "/keys"}).encode() + b"\n")
    for line in (b"\n", b"nonsense\n", b"[]\n", b"x" * 200000, json.dumps({"url": odd.issuer + "/keys", "bearer": "a\r\nX: y"}).encode() + b"\n"):
        assert b'"status":200' not in ask_fetcher_or_nothing(platform, line)
    # Nobody but the hub's user gets in.
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(platform.run / 'fetch.sock')!r})"
    tried = subprocess.run(["/usr/bin/python3", "-c", code], user="nobody", capture_output=True, text=True)
    assert "PermissionError" in tried.stderr


def ask_fetcher_or_nothing(platform, line):
    try:
        return ask_fetcher(platform, line)
    except (BrokenPipeError, ConnectionResetError):
        return b""

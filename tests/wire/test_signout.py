"""Signing out at a provider: it tells the hub (back-channel logout), and a person who signs out at the hub is shown the way there."""
import contextlib
import os
import re
import sqlite3
import time
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from hub_client import Person, request, running, wait_for
from provider_client import MEMBER, Certified, Key, Programmable, begin, finish, sign_in_at, signed_with_public_key, unsigned, walk_certified, write_provider
from test_oidc import USERS
from test_session import Lab, start, stop

EVENT = "http://schemas.openid.net/event/backchannel-logout"
SECRET = "a:secret & more"


@pytest.fixture(scope="module")
def platform():
    def before(p):
        p.odd = odd
        p.odd.meta_more = {"end_session_endpoint": p.odd.issuer + "/end?x=1"}
        p.certified = Certified([f"{p.hub}/hub/signin/egi/callback"], USERS)
        providers.enter_context(p.certified).start(
            Key("first"), client={"backchannel_logout_uri": f"{p.hub}/hub/signin/egi/backchannel", "backchannel_logout_session_required": True,
                                  "post_logout_redirect_uris": [f"{p.hub}/hub/logout"]})
        write_provider(p, "egi", ["preset = egi", f"issuer = {p.certified.issuer}", "client-id = craton-hub", f"allow = {MEMBER}"], "craton-hub-secret")
        write_provider(p, "odd", ["label = Odd", f"issuer = {p.odd.issuer}", "client-id = craton-hub", "allow = *"], SECRET)

    with contextlib.ExitStack() as providers, Programmable() as odd, running(prepared=False, before=before) as p:
        yield p


def is_in(person):
    return person.get("/hub/home").status == 200


def tell(platform, token, name="odd", **more):
    return request("POST", f"{platform.door}/hub/signin/{name}/backchannel", urlencode({"logout_token": token, **more}),
                   {"Content-Type": "application/x-www-form-urlencoded"})


def claims(platform, **more):
    """Of a good logout token; None takes a claim out."""
    now = int(time.time())
    made = {"iss": platform.odd.issuer, "aud": "craton-hub", "iat": now, "exp": now + 120, "jti": os.urandom(8).hex(), "events": {EVENT: {}}, "sub": "s-1", **more}
    return {k: v for k, v in made.items() if v is not None}


def odd_person(platform, sid=None, **more):
    """Signed in by the programmable provider."""
    before = platform.odd.claims
    platform.odd.claims = {**before, **more, **({"sid": sid} if sid else {})}
    person = Person(platform)
    answer = sign_in_at(person, platform.odd)
    platform.odd.claims = before
    assert answer.status == 303, answer.text
    return person


# ---- a certified provider ----

def test_who_signs_out_there_is_signed_out_here(platform):
    """From the hub's page to the provider's and back; the provider tells the hub by itself. Other people, and other browsers of hers, stay."""
    people = []
    for login in ("alice", "alice", "dora"):
        person, person.jar_there = Person(platform), {}
        finish(person, walk_certified(person, begin(person, "egi"), login, person.jar_there))
        assert is_in(person)
        people.append(person)
    alice, elsewhere, dora = people
    way = Person(platform).get("/hub/signin/egi/signout")
    assert way.status == 303 and way.location.startswith(platform.certified.issuer + "/session/end?")
    assert {k: v[0] for k, v in parse_qs(urlsplit(way.location).query).items()} == {"client_id": "craton-hub", "post_logout_redirect_uri": f"{platform.hub}/hub/logout"}
    cookies = lambda: {"Cookie": "; ".join(f"{k}={v}" for k, v in alice.jar_there.items())}
    page = request("GET", way.location, headers=cookies())
    for line in page.cookies():
        name, _, rest = line.partition("=")
        alice.jar_there[name] = rest.partition(";")[0]
    form = re.search(r'<form[^>]*action="([^"]+)"', page.text).group(1)
    xsrf = re.search(r'name="xsrf" value="([^"]+)"', page.text).group(1)
    answer = request("POST", urljoin(way.location, form), urlencode({"xsrf": xsrf, "logout": "yes"}), {"Content-Type": "application/x-www-form-urlencoded", **cookies()})
    assert answer.status in (302, 303) and answer.location.startswith(f"{platform.hub}/hub/logout")
    wait_for(lambda: not is_in(alice), 30)
    assert is_in(elsewhere) and is_in(dora)
    wait_for(lambda: "signed out by provider user=alice provider=egi sessions=1" in platform.log.read_text(), 10)      # written when it is done
    assert "You are signed out" in alice.get("/hub/logout").text


def test_the_way_there_is_on_the_page(platform):
    page = Person(platform).get("/hub/logout").text
    assert 'href="/hub/signin/egi/signout"' in page and "Sign out at EGI Check-in, too" in page and 'href="/hub/signin/odd/signout"' in page
    answer = Person(platform).get("/hub/signin/odd/signout")
    assert answer.location.startswith(platform.odd.issuer + "/end?x=1&client_id=craton-hub&post_logout_redirect_uri=")
    assert Person(platform).get("/hub/signin/none/signout").status == 404


# ---- one that says what it likes ----

def test_by_session_and_by_subject(platform):
    first, second, other = odd_person(platform, "one"), odd_person(platform, "two"), odd_person(platform, "three", sub="s-2", preferred_username="eve")
    token = first.api("POST", "/hub/api/users/ada/tokens", {"note": "a program"}).json()["token"]
    assert tell(platform, platform.odd.key.token(claims(platform, sid="nosuch"))).status == 200
    assert tell(platform, platform.odd.key.token(claims(platform, sub=None, sid="three"), typ="logout+jwt")).status == 200
    assert not is_in(other) and is_in(first) and is_in(second)
    assert tell(platform, platform.odd.key.token(claims(platform, sub="another name for s-1", sid="one"))).status == 200
    assert not is_in(first) and is_in(second)
    answer = tell(platform, platform.odd.key.token(claims(platform)))
    assert answer.status == 200 and not answer.body and "no-store" in answer.headers["Cache-Control"]
    assert not is_in(second)
    # The person is still a member: programs go on.
    assert request("GET", platform.door + "/hub/api/user", headers={"Authorization": f"token {token}"}).json()["name"] == "ada"
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
        rows = db.execute("SELECT result, who, via, whom FROM audit WHERE kind = 'sign-out' ORDER BY id").fetchall()
        assert rows[-3:] == [("done", "provider odd", "provider", who) for who in ("eve", "ada", "ada")]
        assert db.execute("SELECT count(*) FROM session_logins WHERE subject IN ('s-1', 's-2')").fetchone() == (0,)


def test_the_sessions_of_a_server_end_too(platform):
    person = odd_person(platform, "lab", sub="s-3", preferred_username="lab1")
    person.name = "lab1"
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    oauth = next(v for k, v in lab.jar.items() if k == "jupyterhub-user-lab1")
    assert oauth
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True, timeout=10) as db:
        count = lambda: db.execute("SELECT count(*) FROM tokens t JOIN users u ON u.id = t.user_id WHERE u.name = 'lab1' AND t.kind = 'oauth'").fetchone()[0]
        assert count() == 1
        assert tell(platform, platform.odd.key.token(claims(platform, sub="s-3"))).status == 200
        assert count() == 0
    again = odd_person(platform, "lab", sub="s-3", preferred_username="lab1")
    again.name = "lab1"
    stop(again)


def test_a_token_counts_once(platform):
    token = platform.odd.key.token(claims(platform))
    assert tell(platform, token).status == 200
    person = odd_person(platform)
    answer = tell(platform, token)
    assert answer.status == 400 and answer.json()["error"] == "invalid_request" and "before" in answer.json()["error_description"]
    platform.kill_hub()      # and after a restart
    assert tell(platform, token).status == 400 and is_in(person)


FORGED = {
    "no signature": lambda p: unsigned(claims(p)),
    "public key as a password": lambda p: signed_with_public_key(p.odd.key, claims(p)),
    "another key": lambda p: Key("one").token(claims(p)),
    "unknown key": lambda p: Key("nobody").token(claims(p)),
    "another issuer": lambda p: p.odd.key.token(claims(p, iss=p.certified.issuer)),
    "another service": lambda p: p.odd.key.token(claims(p, aud="other")),
    "no service": lambda p: p.odd.key.token(claims(p, aud=None)),
    "no event": lambda p: p.odd.key.token(claims(p, events=None)),
    "another event": lambda p: p.odd.key.token(claims(p, events={"http://schemas.openid.net/event/other": {}})),
    "event that is no object": lambda p: p.odd.key.token(claims(p, events={EVENT: True})),
    "events as a list": lambda p: p.odd.key.token(claims(p, events=[EVENT])),
    "nonce, as an ID token has": lambda p: p.odd.key.token(claims(p, nonce="x")),
    "nobody": lambda p: p.odd.key.token(claims(p, sub=None)),
    "empty subject": lambda p: p.odd.key.token(claims(p, sub="")),
    "empty sid": lambda p: p.odd.key.token(claims(p, sid="")),
    "subject that is a number": lambda p: p.odd.key.token(claims(p, sub=1)),
    "no name of its own": lambda p: p.odd.key.token(claims(p, jti=None)),
    "ended": lambda p: p.odd.key.token(claims(p, exp=int(time.time()) - 600)),
    "no end": lambda p: p.odd.key.token(claims(p, exp=None)),
    "old": lambda p: p.odd.key.token(claims(p, iat=int(time.time()) - 7200, exp=int(time.time()) + 600)),
    "to come": lambda p: p.odd.key.token(claims(p, iat=int(time.time()) + 7200, exp=int(time.time()) + 9000)),
    "no token": lambda p: "x",
    "empty": lambda p: "",
}


def test_what_is_not_believed(platform):
    person = odd_person(platform)
    for what, make in FORGED.items():
        answer = tell(platform, make(platform))
        assert answer.status == 400 and answer.json()["error"] == "invalid_request", (what, answer.status, answer.text)
    good = platform.odd.key.token(claims(platform))
    for answer in (tell(platform, good, "egi"), request("POST", f"{platform.door}/hub/signin/odd/backchannel", "", {"Content-Type": "application/x-www-form-urlencoded"}),
                   request("POST", f"{platform.door}/hub/signin/odd/backchannel", urlencode([("logout_token", good), ("logout_token", good)]),
                           {"Content-Type": "application/x-www-form-urlencoded"})):
        assert answer.status == 400, answer.text
    assert tell(platform, good, "none").status == 404
    assert request("GET", f"{platform.door}/hub/signin/odd/backchannel?logout_token={good}").status == 405
    assert is_in(person)
    # An ID token of the same person does not do, nor does a logout token for an ID token.
    assert tell(platform, platform.odd.key.token({**platform.odd.id_claims({"client_id": "craton-hub", "nonce": "n"}), "jti": "x"})).status == 400
    platform.odd.token = lambda made: platform.odd.key.token(claims(platform, sub=made["sub"]), typ="logout+jwt")
    try:
        assert sign_in_at(Person(platform), platform.odd).status == 403
    finally:
        platform.odd.token = None
    assert is_in(person)
    assert tell(platform, good).status == 200 and not is_in(person)

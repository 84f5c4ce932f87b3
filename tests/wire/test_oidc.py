"""Sign-in by an identity provider, against a certified one."""
import contextlib
import html
import os
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from hub_client import Person, running
from provider_client import MANAGER, MEMBER, Certified, Key, begin, finish, walk_certified, write_provider
from test_admin_command import lines, run

USERS = {
    "alice": {"preferred_username": "alice", "name": "Alice Astro", "email": "alice@example.eu", "email_verified": True, "voperson_id": "1@egi.eu",
              "eduperson_entitlement": [MEMBER, "urn:mace:egi.eu:group:vo.example.eu:field:role=member#aai.egi.eu"]},
    "bob": {"preferred_username": "bob", "name": "Bob Bio", "email": "bob@example.eu",
            "eduperson_entitlement": ["urn:mace:egi.eu:group:vo.other.eu:role=member#aai.egi.eu"]},
    "carol": {"preferred_username": "carol", "name": "Carol <Climate>", "email": "carol@example.eu"},
    "mia": {"preferred_username": "mia", "name": "Mia Manager", "email": "mia@example.eu", "eduperson_entitlement": [MEMBER, MANAGER]},
    "dora": {"preferred_username": "dora", "eduperson_entitlement": [MEMBER]},
    "seated": {"preferred_username": "seated", "eduperson_entitlement": [MEMBER]},
    "alice2": {"preferred_username": "alice", "name": "Another Alice", "email": "a2@example.eu", "eduperson_entitlement": [MEMBER]},
}


@pytest.fixture(scope="module")
def platform():
    def before(p):
        p.provider = Certified([f"{p.hub}/hub/signin/egi/callback"], USERS)
        providers.enter_context(p.provider).start(Key("first"))
        write_provider(p, "egi", ["preset = egi", f"issuer = {p.provider.issuer}", "client-id = craton-hub", f"allow = {MEMBER}", f"admin = {MANAGER}",
                                  "apply-url = https://aai.example.eu/apply?a=1&b=2", "contact = help@example.eu"], "craton-hub-secret")

    with contextlib.ExitStack() as providers, running(prepared=False, before=before) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


def sign_in(platform, login, next_path=""):
    person = Person(platform)
    person.answer = finish(person, walk_certified(person, begin(person, "egi", next_path), login))
    return person


def test_the_sign_in_page_offers_it(platform):
    page = Person(platform).get("/hub/login?next=/hub/password").text
    assert '<a class="button main wide" href="/hub/signin/egi?next=/hub/password">Sign in with EGI Check-in</a>' in page
    assert 'name="password"' in page  # local accounts stay


def test_member_comes_in(platform, admin):
    alice = sign_in(platform, "alice")
    assert alice.answer.status == 303 and alice.answer.location == "/hub/home", alice.answer.text
    assert "Hello, alice" in alice.get("/hub/home").text
    assert "__Host-craton-signin" not in alice.jar and alice.get("/hub/admin").status == 403
    model = alice.api("GET", "/hub/api/user").json()
    assert model["name"] == "alice" and model["groups"] == ["egi:vo.example.eu", "egi:vo.example.eu:field"] and not model["admin"]
    assert model["user_info"] == {"name": "alice", "display_name": "Alice Astro"}


def test_the_same_person_again(platform):
    first, second = sign_in(platform, "alice"), sign_in(platform, "alice")
    assert first.api("GET", "/hub/api/user").json()["created"] == second.api("GET", "/hub/api/user").json()["created"]


def test_what_is_sent_to_the_provider(platform):
    person = Person(platform)
    ask = parse_qs(urlsplit(begin(person, "egi")).query)
    assert ask["response_type"] == ["code"] and ask["code_challenge_method"] == ["S256"] and ask["client_id"] == ["craton-hub"]
    assert ask["redirect_uri"] == [f"{platform.hub}/hub/signin/egi/callback"]
    assert ask["scope"] == ["openid profile email voperson_id eduperson_entitlement"]
    assert re.fullmatch("[0-9a-f]{64}", ask["state"][0]) and re.fullmatch("[0-9a-f]{64}", ask["nonce"][0]) and ask["state"] != ask["nonce"]
    again = parse_qs(urlsplit(begin(person, "egi")).query)
    assert all(again[k] != ask[k] for k in ("state", "nonce", "code_challenge"))


def test_way_on_after_sign_in(platform):
    assert sign_in(platform, "alice", "/hub/password%3Fx=1").answer.location == "/hub/password?x=1"
    assert sign_in(platform, "alice", "https://evil.example/").answer.location == "/hub/home"


def test_a_seat_of_a_course(platform, admin):
    """The link of a room in the hands of a member whom the hub has not seen yet: sign-in by the provider leads back to it, and the account joins."""
    page = admin.post("/hub/admin/invitations/room", {"seats": "3", "hours": "1", "group": "course-1", "note": ""}, "/hub/admin/invitations")
    path = urlsplit(re.search(r'id="link"[^>]*value="([^"]*)"', page.text).group(1)).path
    way = html.unescape(re.search(r'href="(/hub/login\?next=[^"]*)"', Person(platform).get(path).text).group(1))
    assert f"/hub/signin/egi?next={path}" in Person(platform).get(way).text
    person = sign_in(platform, "seated", path)
    assert person.answer.location == path and "You are signed in as seated" in person.get(path).text
    assert person.post(path + "/seat", {}, path).status == 200
    assert person.api("GET", "/hub/api/user").json()["groups"] == ["course-1", "egi:vo.example.eu"]
    # What the hub has put somebody into is not taken out by the provider's next word.
    assert sign_in(platform, "seated").api("GET", "/hub/api/user").json()["groups"] == ["course-1", "egi:vo.example.eu"]


def test_a_name_that_is_taken_gives_no_right_to_it(platform, admin):
    local = platform.add_person(admin, "dora")
    for login, name in (("alice", "alice"), ("alice2", "alice-2"), ("dora", "dora-2"), ("dora", "dora-2")):
        assert sign_in(platform, login).api("GET", "/hub/api/user").json()["name"] == name
    assert local.api("GET", "/hub/api/user").json()["name"] == "dora"


def test_administrator_by_group(platform):
    mia = sign_in(platform, "mia")
    assert mia.get("/hub/admin").status == 200
    groups = mia.api("GET", "/hub/api/user").json()["groups"]
    assert groups == ["egi:vo.example.eu", "egi:vo.example.eu:role=manager"]


def test_why_am_i_not_in(platform, admin):
    bob, carol = sign_in(platform, "bob"), sign_in(platform, "carol")
    for person in (bob, carol):
        assert person.answer.status == 403 and "__Host-craton-login" not in person.jar
        page = person.answer.text
        assert MEMBER in page and "help@example.eu" in page and "https://aai.example.eu/apply?a=1&amp;b=2" in page
        assert platform.provider.issuer in page and 'href="/hub/signin/egi"' in page and MANAGER not in page
    assert "urn:mace:egi.eu:group:vo.other.eu:role=member#aai.egi.eu" in bob.answer.text and "member of other groups only" in bob.answer.text
    assert "No group at all was received" in carol.answer.text and "Carol &lt;Climate&gt;" in carol.answer.text
    page = admin.get("/hub/admin").text
    assert "Turned away" in page and "<code>bob</code>" in page and "vo.other.eu" in page and "Carol &lt;Climate&gt;" in page
    # They have no account.
    assert '<h2>bob' not in page and '<h2>carol' not in page
    number = re.search(r'name="refused" value="(\d+)">\s*<button[^>]*carol off the list', page).group(1)
    assert admin.post("/hub/admin/act", {"action": "forget", "refused": number}, "/hub/admin").status == 303
    assert "<code>carol</code>" not in admin.get("/hub/admin").text
    assert admin.post("/hub/admin/act", {"action": "forget", "refused": number}, "/hub/admin").status == 303       # a second click
    # The same at the shell.
    row, = [r for r in lines(platform, "turned-away") if r["name"] == "Bob Bio"]
    assert row["received"] == ["urn:mace:egi.eu:group:vo.other.eu:role=member#aai.egi.eu"]
    assert "turned-away lists them" in run(platform, "turned-away-remove", "bob", status=2).stderr
    run(platform, "turned-away-remove", str(row["id"]))
    assert "turned-away lists them" in run(platform, "turned-away-remove", str(row["id"]), status=3).stderr
    assert all(r["name"] != "Bob Bio" for r in lines(platform, "turned-away")) and "<code>bob</code>" not in admin.get("/hub/admin").text
    newest = lines(platform, "audit", "--kind", "refused-list", "--limit", "1")[0]
    assert (newest["by"], newest["via"]) == ("operator", "shell")


def test_disabled_here(platform, admin):
    assert sign_in(platform, "alice2").answer.status == 303
    for action, status in (("disable", 403), ("enable", 303)):
        assert admin.post("/hub/admin/act", {"action": action, "user": "alice-2"}, "/hub/admin").status == 303
        person = sign_in(platform, "alice2")
        assert person.answer.status == status
    assert "disabled" not in person.get("/hub/home").text


def test_a_code_works_once(platform):
    person = Person(platform)
    back = walk_certified(person, begin(person, "egi"), "alice")
    jar = dict(person.jar)
    assert finish(person, back).location == "/hub/home"
    # The same address once more: the cookie is gone. With the cookie of before: the provider knows that the code was used.
    other = Person(platform)
    assert finish(other, back).status == 403
    other.jar = jar
    again = finish(other, back)
    assert again.status == 403 and "invalid_grant" in again.text and "__Host-craton-login" not in other.jar


def test_state_of_another_browser(platform):
    attacker, victim = Person(platform), Person(platform)
    back = walk_certified(attacker, begin(attacker, "egi"), "alice")
    assert finish(victim, back).status == 403                    # no cookie
    begin(victim, "egi")
    a = finish(victim, back)                                     # the cookie of another sign-in
    assert a.status == 403 and "not begun in this browser" in a.text and "__Host-craton-login" not in victim.jar
    assert finish(attacker, re.sub("state=(.)", lambda m: "state=" + ("0" if m[1] != "0" else "1"), back)).status == 403


def test_rotated_keys(platform):
    assert sign_in(platform, "alice").answer.status == 303
    # An unknown key has them fetched, but not again soon after: said, not believed. Which of the two is refused depends on whether they were fetched
    # less than half a minute before the first.
    platform.key = Key("third", "ES256")
    answers = [sign_in_with(platform, key) for key in (Key("second", "ES256"), platform.key)]
    assert any(a.status == 403 and "publishes no ES256 key" in a.text for a in answers), [(a.status, a.text) for a in answers]
    assert {a.status for a in answers} <= {303, 403}
    time.sleep(31)                                               # at most twice a minute
    assert sign_in(platform, "alice").answer.status == 303


def sign_in_with(platform, key):
    platform.provider.stop()
    platform.provider.start(key)
    return sign_in(platform, "alice").answer


def test_provider_is_down(platform):
    platform.provider.stop()
    person = Person(platform)
    begin_answer = person.get("/hub/signin/egi")                 # its document is known: the browser is sent there
    assert begin_answer.status == 303
    state = parse_qs(urlsplit(begin_answer.location).query)["state"][0]
    a = finish(person, f"{platform.hub}/hub/signin/egi/callback?code=x&state={state}&iss={platform.provider.issuer}")
    assert a.status == 503 and "EGI Check-in does not answer" in a.text and a.headers["Retry-After"]
    platform.provider.start(platform.key)
    assert sign_in(platform, "alice").answer.status == 303


def test_who_speaks_to_the_network(platform):
    """craton-fetch has a user of its own, and neither files nor rights of the hub."""
    pid = next(p for p in os.listdir("/proc") if p.isdigit() and _is_child(p, platform.process.pid) and _comm(p) == "craton-fetch")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    hub = dict(line.split(":\t", 1) for line in open(f"/proc/{platform.hub_pid()}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split()[0] not in ("0", hub["Uid"].split()[0]) and status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == 0 and hub["Seccomp"] == "2"
    assert (platform.run / "fetch.sock").stat().st_mode & 0o777 == 0o600
    libraries = open(f"/proc/{platform.hub_pid()}/maps").read()
    assert "libcurl" not in libraries and "libcurl" in open(f"/proc/{pid}/maps").read()


def _is_child(pid, parent):
    try:
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]) == parent
    except OSError:
        return False


def _comm(pid):
    try:
        return open(f"/proc/{pid}/comm").read().strip()
    except OSError:     # it has ended meanwhile
        return ""


def test_no_secret_in_log_or_argument(platform):
    log = platform.log.read_text()
    assert "craton-hub-secret" not in log and not re.search("code=[A-Za-z0-9_-]{20}", log)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert b"craton-hub-secret" not in open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError:
            continue


def test_an_administrator_proves_it_there_again(platform):
    """A provider that is still signed in would let everybody at this browser through: it has to ask, and to say when it did."""
    mia = sign_in(platform, "mia")
    page = mia.post("/hub/admin/invite", {"username": "prentice"}, "/hub/admin")
    assert page.status == 403 and 'formaction="/hub/again/egi"' in page.text
    fields = [(html.unescape(n), html.unescape(v)) for n, v in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)]
    there = mia.send("/hub/again/egi", fields)
    url = html.unescape(re.search(r'class="button main" href="([^"]+)"', there.text).group(1))
    assert {"prompt": ["login"], "max_age": ["0"]}.items() <= parse_qs(urlsplit(url).query).items()
    back = finish(mia, walk_certified(mia, url, "mia"))
    assert (back.status, back.location) == (303, "/hub/again"), back.text
    offered = mia.get("/hub/again")
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', offered.text)
    made = mia.send(re.search(r'<form method="post" action="(/hub/admin/invite)">', offered.text).group(1), fields)
    assert made.status == 200 and re.search(r"/hub/join/[0-9a-f]{64}", made.text)

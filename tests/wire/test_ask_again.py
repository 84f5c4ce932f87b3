"""Administrators are asked again who they are, fifteen minutes after they proved it; then what they wanted is done.

Time passes in the database: when the sessions were proved is set back there.
"""
import html
import re
import sqlite3
import time
from urllib.parse import urlsplit

import pytest
from hub_client import PASSWORD, Person, Platform, request, running
from provider_client import MANAGER, MEMBER, Programmable, finish, sign_in_at, write_provider
from test_signin import wrong_until_refused

MINUTE = 60 * 1000


@pytest.fixture(scope="module")
def own():
    odd = Programmable()

    class WithProvider(Platform):
        def __init__(self):
            super().__init__()
            self.odd = odd
            write_provider(self, "odd", [f"issuer = {odd.issuer}", "label = Odd", "client-id = craton-hub", "groups-claim = eduperson_entitlement",
                                         f"allow = {MEMBER}", f"admin = {MANAGER}"], "a:secret & more")
    try:
        with running(prepared=False, kind=WithProvider) as p:
            p.admin = p.administrator()
            p.admin.proves = False
            yield p
    finally:
        odd.stop()


def run_sql(platform, sql, *values):
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        return db.execute(sql, values).fetchall()


def set_proved(platform, minutes_ago):
    run_sql(platform, "UPDATE sessions SET proved_ms = ?", int(time.time() * 1000) - minutes_ago * MINUTE)


def wait_minutes(platform, minutes):
    run_sql(platform, "UPDATE sessions SET proved_ms = proved_ms - ?", minutes * MINUTE)


@pytest.fixture
def late(own):
    """An administrator who signed in some time ago."""
    set_proved(own, 16)
    return own.admin


def is_asked(answer):
    return answer.status == 403 and 'action="/hub/again"' in answer.text


def names(platform):
    return {n for n, in run_sql(platform, "SELECT name FROM links WHERE name IS NOT NULL")}


def proofs(platform):
    return run_sql(platform, "SELECT result, whom, detail FROM audit WHERE kind = 'proof' ORDER BY id")


def test_not_before_fifteen_minutes(own, late):
    assert late.prove(late.get("/hub/again")).status == 303
    wait_minutes(own, 14)
    assert late.post("/hub/admin/invite", {"username": "early"}, "/hub/admin").status == 200
    wait_minutes(own, 2)
    assert is_asked(late.post("/hub/admin/invite", {"username": "not-yet"}, "/hub/admin"))
    assert "not-yet" not in names(own)


def test_the_right_password_carries_on(own, late):
    page = late.post("/hub/admin/invite", {"username": "anna"}, "/hub/admin")
    assert is_asked(page) and "anna" not in names(own)
    answer = late.prove(page)
    assert answer.status == 200 and re.search(r"/hub/join/[0-9a-f]{64}", answer.text)
    assert "anna" in names(own) and proofs(own)[-1] == ("done", "root1", "password")
    # and it is good for the next quarter of an hour
    assert late.post("/hub/admin/invite", {"username": "beate"}, "/hub/admin").status == 200


def test_what_was_typed_arrives_as_it_was(own, late):
    people = 'cleo,"C. & <Co>"\r\ndirk;x\'y\r\n  emil\t%41+é\r\n'
    answer = late.prove(late.post("/hub/admin/invitations/several", {"people": people, "hours": "2", "group": 'a"b'}, "/hub/admin/invitations"))
    assert answer.status == 200 and {"cleo", "dirk", "emil"} <= names(own)
    assert "C. &amp; &lt;Co&gt;" in answer.text and "%41+é" in answer.text
    assert run_sql(own, "SELECT count(*) FROM groups WHERE name = 'a\"b'") == [(1,)]


def test_a_wrong_password(own, late):
    page = late.post("/hub/admin/invite", {"username": "felix"}, "/hub/admin")
    wrong = late.prove(page, "not this one")
    assert is_asked(wrong) and "The password is wrong." in wrong.text and "felix" not in names(own)
    assert proofs(own)[-1] == ("refused", "root1", "password")
    assert is_asked(late.post("/hub/admin/invite", {"username": "felix"}, "/hub/admin"))
    assert late.prove(wrong).status == 200 and "felix" in names(own)    # the form has lived through it


def test_guesses_are_slowed(own):
    set_proved(own, 0)
    own.add_person(own.admin, "guessed")
    boss = Person(own)
    assert boss.sign_in("guessed").status == 303
    run_sql(own, "UPDATE users SET admin = 1 WHERE name = 'guessed'")
    wait_minutes(own, 16)
    boss.proves = False
    page = boss.post("/hub/admin/invite", {"username": "gerda"}, "/hub/admin")
    _, since, pause = wrong_until_refused(lambda: boss.prove(page, "a guess"))
    late_right = boss.prove(page)
    if late_right.status == 429:
        assert late_right.headers["Retry-After"] and "Too many attempts" in late_right.text and "gerda" not in names(own)
    else:
        assert late_right.status == 200 and time.monotonic() - since >= pause


@pytest.mark.parametrize("path, fields", [
    ("/hub/admin/act", {"user": "root1", "action": "link"}), ("/hub/admin/notice", {"text": "x"}), ("/hub/admin/breaker", {}),
    ("/hub/admin/invitations/room", {"seats": "3", "hours": "1"}), ("/hub/admin/invitations/close", {"id": "0"}),
    ("/hub/admin/clusters/stop", {"cluster": "x"}), ("/hub/token", {"note": "", "days": "1", "scopes": ""}),
])
def test_what_asks(own, late, path, fields):
    before = run_sql(own, "SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM notices), (SELECT count(*) FROM tokens)")
    assert is_asked(late.post(path, fields, "/hub/admin"))
    assert run_sql(own, "SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM notices), (SELECT count(*) FROM tokens)") == before


def test_reading_and_the_own_server_do_not(own, late):
    for path in ("/hub/admin", "/hub/admin/audit", "/hub/admin/invitations", "/hub/token", "/hub/home"):
        assert late.get(path).status == 200
    assert late.post("/hub/stop", {}, "/hub/home").status == 303
    assert late.post("/hub/admin/invite", {"_csrf": "0" * 64}).status == 403        # and a forged form is not asked about


def test_people_who_are_no_administrators_are_not_asked(own, late):
    assert late.prove(late.get("/hub/again")).status == 303
    person = own.add_person(own.admin, "hanna")
    wait_minutes(own, 600)
    assert person.post("/hub/token", {"note": "", "days": "1", "scopes": ""}, "/hub/token").status == 200


def test_the_api_in_a_browser_and_with_a_token(own, late):
    assert late.prove(late.get("/hub/again")).status == 303
    answer = late.post("/hub/token", {"note": "", "days": "1", "scopes": ""}, "/hub/token")
    token = re.search(r'id="token"[^>]*value="([0-9a-f]{64})"', answer.text).group(1)
    for path in ("groups/asked", "users/uwe"):
        assert late.api("POST", f"/hub/api/{path}").status == 201
    wait_minutes(own, 16)
    for method, path, body in (("POST", "/hub/api/users/ida", None), ("POST", "/hub/api/users", {"usernames": ["ida"]}), ("DELETE", "/hub/api/users/guessed", None),
                               ("PATCH", "/hub/api/users/guessed", {"admin": False}), ("POST", "/hub/api/users/root1/tokens", None),
                               ("POST", "/hub/api/groups/g", None), ("DELETE", "/hub/api/groups/g", None),
                               ("DELETE", "/hub/api/users/uwe/shared/root1/", None), ("DELETE", "/hub/api/users/nobody/shared/root1/", None),
                               ("DELETE", "/hub/api/groups/asked/shared/root1/", None),
                               ("POST", "/hub/api/users/uwe/activity", {"last_activity": "2026-01-01T00:00:00Z"})):
        refused = late.api(method, path, body)
        assert refused.status == 403 and "/hub/again" in refused.text, path
    assert late.api("GET", "/hub/api/users").status == 200
    made = request("POST", own.hub + "/hub/api/users/ida", headers={"Authorization": f"token {token}"})
    assert made.status == 201, made.text


def test_a_session_that_ends_meanwhile(own, late):
    page = late.post("/hub/admin/invite", {"username": "jana"}, "/hub/admin")
    other = Person(own)
    other.jar = dict(late.jar)
    assert late.post("/hub/logout", {}, "/hub/home").status == 303
    other.password = PASSWORD
    answer = other.prove(page)
    assert answer.status in (303, 403) and "jana" not in names(own)
    assert own.admin.sign_in("root1").status == 303


@pytest.mark.parametrize("to", ["/hub/password", "/hub/logout", "/hub/signin/odd/link", "https://elsewhere.example/", "//elsewhere.example", "/hub/api/users/x",
                                "/hub/login", "/hub/admin", "/hub/again", "/" + "a" * 9000, "\r\nX: y"])
def test_nothing_else_is_carried_out(own, late, to):
    answer = late.post("/hub/again", {"again_to": to, "again_password": PASSWORD, "password": "another password", "password_again": "another password"}, "/hub/home")
    assert answer.status in (303, 400, 413, 414) and answer.location in ("/hub/admin", "")
    assert own.admin.get("/hub/home").status == 200


def test_the_session_goes_on_and_others_stay_old(own, late):
    """The proof counts in the browser where it was given."""
    other = Person(own)
    assert other.sign_in("root1").status == 303
    other.proves = False
    wait_minutes(own, 16)
    cookies = dict(late.jar)
    assert late.prove(late.post("/hub/admin/invite", {"username": "kurt"}, "/hub/admin")).status == 200
    assert late.jar == cookies
    assert is_asked(other.post("/hub/admin/invite", {"username": "lena"}, "/hub/admin"))


def test_a_clock_that_was_set_back(own, late):
    run_sql(own, "UPDATE sessions SET proved_ms = proved_ms + ?", 100 * 24 * 60 * MINUTE)
    assert is_asked(late.post("/hub/admin/invite", {"username": "mona"}, "/hub/admin"))


# ---- people of a provider ----

def manager(own, sub="m-1", **claims):
    own.odd.reset()
    own.odd.claims = {"sub": sub, "name": "Mia", "preferred_username": "mia-" + sub, "eduperson_entitlement": [MEMBER, MANAGER], **claims}
    person = Person(own)
    assert sign_in_at(person, own.odd).status == 303
    return person


def way(page):
    return urlsplit(html.unescape(re.search(r'class="button main" href="([^"]+)"', page.text).group(1))).query


def to_provider(person, page):
    fields = [(html.unescape(n), html.unescape(v)) for n, v in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)]
    answer = person.send("/hub/again/odd", fields)
    assert answer.status == 200, answer.text
    return way(answer)


def now():
    return int(time.time())


def test_a_person_of_a_provider(own):
    mia = manager(own, auth_time=now() - 3600)
    page = mia.post("/hub/admin/invite", {"username": "nina & <co>"}, "/hub/admin")
    assert is_asked(page) and "again_password" not in page.text     # there is no password
    query = to_provider(mia, page)
    assert "prompt=login" in query and "max_age=0" in query
    own.odd.claims["auth_time"] = now()
    back = finish(mia, own.odd.begin(query))
    assert back.status == 303 and back.location == "/hub/again", back.text
    assert proofs(own)[-1] == ("done", "mia-m-1", "provider odd")
    offered = mia.get("/hub/again")
    assert offered.status == 200 and 'action="/hub/admin/invite"' in offered.text and 'value="nina &amp; &lt;co&gt;"' in offered.text
    assert mia.get("/hub/again").location == "/hub/admin"            # offered once
    assert mia.post("/hub/admin/invite", {"username": "nina"}, "/hub/admin").status == 200


@pytest.mark.parametrize("case, claims, word", [
    (1, lambda: {}, "auth_time"), (2, lambda: {"auth_time": "now"}, "auth_time"), (3, lambda: {"auth_time": -7}, "auth_time"),
    (4, lambda: {"auth_time": now() - 3600}, "not asked again"), (5, lambda: {"auth_time": now(), "sub": "somebody-else"}, "another identity"),
])
def test_a_provider_that_did_not_ask(own, case, claims, word):
    mia = manager(own, f"n-{case}")
    page = mia.post("/hub/admin/invite", {"username": "olga"}, "/hub/admin")
    assert is_asked(page)                # signed in just now, but the provider did not say when it has asked
    query = to_provider(mia, page)
    own.odd.claims.update(claims())
    back = finish(mia, own.odd.begin(query))
    assert back.status in (403, 502) and word in html.unescape(back.text) and 'href="/hub/again"' in back.text, back.text
    assert is_asked(mia.post("/hub/admin/invite", {"username": "olga"}, "/hub/admin")) and "olga" not in names(own)


def test_a_recent_sign_in_at_the_provider_counts(own):
    mia = manager(own, "r-1", auth_time=now() - 60)
    assert mia.post("/hub/admin/invite", {"username": "paula"}, "/hub/admin").status == 200


def test_the_answer_counts_in_the_session_that_asked(own):
    mia = manager(own, "s-1")
    query = to_provider(mia, mia.post("/hub/admin/invite", {"username": "quirin"}, "/hub/admin"))
    own.odd.claims["auth_time"] = now()
    url = own.odd.begin(query)
    other = manager(own, "s-2")
    login = {k: v for k, v in other.jar.items() if k.endswith("login")}
    mia.jar.update(login)                # the cookie of the question, another session
    assert finish(mia, url).status == 403
    assert is_asked(other.post("/hub/admin/invite", {"username": "quirin"}, "/hub/admin"))

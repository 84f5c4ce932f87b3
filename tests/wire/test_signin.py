"""Sign-in, one-time links, CSRF, origins, odd names: what people and attackers send to the hub's pages."""
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hub_client import PASSWORD, Person, cpu_seconds, request, wait_for


def test_pages_have_the_headers(platform):
    a = request("GET", platform.hub + "/hub/login")
    assert a.status == 200
    policy = a.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "form-action 'self' http://*.localhost:" in policy and "unsafe" not in policy
    assert a.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert a.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert a.headers["X-Frame-Options"] == "DENY"
    assert a.headers["Cache-Control"] == "no-store"
    pre = [c for c in a.cookies() if c.startswith("__Host-craton-pre=")]
    assert len(pre) == 1 and "HttpOnly" in pre[0] and "SameSite=Lax" in pre[0] and "Secure" in pre[0] and "Path=/;" in pre[0]


def test_everything_needs_sign_in(platform):
    for path in ("/hub/home", "/hub/admin", "/hub/spawn", "/hub/user-redirect/lab", "/hub/spawn-pending/x", "/hub/password"):
        a = request("GET", platform.hub + path)
        assert a.status == 303 and a.location == "/hub/login?next=" + quote(path), path


def test_sign_in_and_out(platform, person):
    cookie = person.jar["__Host-craton-login"]
    assert re.fullmatch("[0-9a-f]{64}", cookie)
    assert person.get("/hub/home").status == 200
    assert person.post("/hub/logout", {}, "/hub/home").status == 303
    assert "__Host-craton-login" not in person.jar
    # The old cookie is worth nothing.
    assert person.ask("GET", "/hub/home", headers={"Cookie": f"__Host-craton-login={cookie}"}).status == 303
    assert person.sign_in(person.name).location == "/hub/home"
    assert person.get("/hub/home").status == 200


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Referer": "http://eve.localhost:PORT/user/eve/"},
    {"Sec-Fetch-Site": "cross-site", "Referer": "http://NAME.localhost.evil.example:PORT/"}, {"Sec-Fetch-Site": None, "Referer": "http://evil.example/"},
    {"Sec-Fetch-Site": "cross-site", "Referer": "http://NAME.localhost:PORTX/"}, {"Sec-Fetch-Site": "cross-site", "Referer": "NAME.localhost:PORT"},
])
def test_no_page_signs_somebody_out_unseen(platform, person, headers):
    """By a link, a window or a redirection: it is asked first. Typed, by the hub's own page and from the own JupyterLab it is not."""
    def filled(given):
        return {k: v and v.replace("NAME", person.name).replace("PORT", str(platform.port + 1)) for k, v in given.items()}
    answer = person.ask("GET", "/hub/logout", headers=filled(headers))
    assert answer.status == 200 and "Sign out?" in answer.text and not [c for c in answer.cookies() if "login" in c]
    assert person.get("/hub/home").status == 200
    assert person.post("/hub/logout", {}, "/hub/home").status == 303      # what the button of that page sends
    for good in ({"Sec-Fetch-Site": "none"}, {}, {"Sec-Fetch-Site": None}, {"Sec-Fetch-Site": "cross-site", "Referer": "http://NAME.localhost:PORT/user/NAME/lab"}):
        assert person.sign_in(person.name).status == 303
        assert person.ask("GET", "/hub/logout", headers=filled(good)).status == 303 and person.get("/hub/home").status == 303, good


def test_cookie_is_new_at_every_sign_in(platform, person):
    before = person.jar["__Host-craton-login"]
    person.jar.pop("__Host-craton-login")
    person.sign_in(person.name)
    assert person.jar["__Host-craton-login"] != before


@pytest.mark.parametrize("name, password", [("nobody-here", PASSWORD), ("OWN", "wrong password"), ("OWN", ""), ("../../etc", "x"), ("a" * 500, "x" * 5000),
                                            ("OWN", "x" * 300)])
def test_wrong_password_and_unknown_user_look_alike(platform, person, name, password):
    other = Person(platform)
    a = other.sign_in(person.name if name == "OWN" else name, password)
    assert a.status == 403 and "User name or password is wrong." in a.text
    assert "__Host-craton-login" not in other.jar


def test_unknown_names_take_as_long(platform, admin):
    """The hash is computed for names that nobody has, too: time tells them apart no more than the answer does."""
    spent, hub = {True: 0, False: 0}, platform.hub_pid()
    for i in range(4):
        platform.add_person(admin, f"timed{i}")
        for known in (True, False):     # in turns: what else the machine has to do makes the same work dearer or cheaper
            stranger = Person(platform)
            token, before = stranger.csrf("/hub/login"), cpu_seconds(hub)
            assert stranger.send("/hub/login", {"username": f"timed{i}" if known else f"untimed{i}", "password": "wrong wrong", "_csrf": token}).status == 403
            spent[known] += cpu_seconds(hub) - before
    assert 0.6 < spent[False] / spent[True] < 1.6 and spent[False] > 4 * 0.005, spent


def test_attempts_are_limited(platform, person):
    other = Person(platform)
    refused, since, pause = wrong_until_refused(lambda: other.sign_in(person.name, "wrong password"))
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= pause and "Try again in" in refused.text
    # The right password has to wait as well, and then works.
    early = other.sign_in(person.name).status
    assert early == 429 or early == 303 and time.monotonic() - since >= pause, early
    time.sleep(wait + 2.5)
    assert other.sign_in(person.name).status == 303


def wrong_until_refused(guess):
    """Five guesses are free, and a further one is after 1, 2, 4 ... seconds, which a slow machine may need for a guess. The refusal, since when there was a
    pause, and its seconds."""
    answers = []
    while not answers or answers[-1].status == 403 and len(answers) < 12:
        begun = time.monotonic()
        answers.append(guess())
        if answers[-1].status == 403:
            since = begun
    assert [a.status for a in answers[:5]] == [403] * 5 and answers[-1].status == 429, [a.status for a in answers]
    return answers[-1], since, 1 << len(answers) - 6


def test_next_stays_on_the_hub(platform, person):
    other = Person(platform)
    for bad in ("https://evil.example/", "//evil.example", "/\\evil.example", "/hub/../../x\r\nSet-Cookie: a=b", "javascript:alert(1)", "/user/x"):
        assert other.sign_in(person.name, next_path=bad).location == "/hub/home", bad
        other.jar.clear()
    assert other.sign_in(person.name, next_path="/hub/password?x=1").location == "/hub/password?x=1"
    for bad in ("/\t/evil.example", "/%09/evil.example", "http:evil.example", "https:/evil.example", "\t/hub/home", "/hub/home\r\nX-Evil: 1", "/HUB/home",
                "\\\\evil.example", "/hub\\evil.example", "@evil.example", "///evil.example", "/hub/\u2028x"):
        assert other.get("/hub/login?" + urlencode({"next": bad})).location == "/hub/home", bad


def test_forged_and_missing_csrf(platform, person):
    for headers in ({}, {"Sec-Fetch-Site": None, "Sec-Fetch-Mode": None, "Origin": None}):
        assert person.post("/hub/spawn", {}, headers=headers).status == 403
        assert person.post("/hub/spawn", {"_csrf": "0" * 64}, headers=headers).status == 403
    stranger = Person(platform)
    token = stranger.csrf("/hub/login")
    assert person.post("/hub/spawn", {"_csrf": token}).status == 403
    # The sign-in form is shown again instead, with a reason; nobody is signed in.
    a = stranger.post("/hub/login", {"username": person.name, "password": PASSWORD, "_csrf": "1" * 64})
    assert a.status == 403 and "too old" in a.text and "__Host-craton-login" not in stranger.jar


def test_csrf_token_of_another_session(platform, admin, person):
    assert person.post("/hub/password", {"_csrf": admin.csrf()}).status == 403


@pytest.mark.parametrize("headers", [
    {"Origin": "http://eve.localhost:1"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Dest": "iframe"}, {"Origin": None},
])
def test_posts_of_other_pages(platform, person, headers):
    a = person.post("/hub/spawn", {}, "/hub/home", headers=headers)
    assert a.status == 403
    assert "Start" in person.get("/hub/home").text


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
])
def test_reads_of_other_pages(platform, person, headers):
    assert person.ask("GET", "/hub/home", headers=headers).status == 403
    assert person.ask("GET", f"/hub/api/users/{person.name}", headers=headers).status == 403


@pytest.mark.parametrize("path", ["/hub/login", "/hub/signin/none", "/hub/join/" + "0" * 64])
@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
])
def test_other_pages_change_no_cookie(platform, path, headers):
    """Else they could exchange the cookie under a form that somebody is filling in."""
    stranger = Person(platform)
    stranger.get("/hub/login")
    jar = dict(stranger.jar)
    assert jar
    a = stranger.ask("GET", path, headers=headers)
    assert a.status == 403 and not a.cookies() and stranger.jar == jar
    assert stranger.ask("POST", "/hub/login", "", headers={"Sec-Fetch-Site": "cross-site"}).cookies() == []


def test_two_login_cookies_are_nobody(platform, person, admin):
    name = "__Host-craton-login"
    both = f"{name}={admin.jar[name]}; {name}={person.jar[name]}"
    assert person.ask("GET", "/hub/home", headers={"Cookie": both}).status == 303


def test_other_host_names(platform):
    page = request("GET", platform.hub + "/hub/login", headers={"Host": f"localhost:{platform.port}"})
    assert page.status == 302 and page.location.startswith(platform.hub)
    assert request("GET", platform.hub + "/hub/login", headers={"Host": "evil.example"}).status in (302, 421)
    assert request("POST", platform.hub + "/hub/login", "x=1", {"Host": "evil.example", "Content-Type": "application/x-www-form-urlencoded"}).status == 421


def test_links_work_once(platform, admin):
    link = platform.invite(admin)
    first, second = Person(platform), Person(platform)
    assert first.join(link, "one-time").status == 303
    a = second.get(urlsplit(link).path)
    assert a.status == 404 and "does not work any more" in a.text
    a = second.post(urlsplit(link).path, {"username": "another", "password": PASSWORD, "password_again": PASSWORD})
    assert a.status == 404


def test_expired_link(platform, admin):
    link = platform.invite(admin)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE links SET expires_ms = expires_ms - 3600000")
    assert Person(platform).get(urlsplit(link).path).status == 404


def test_only_hashes_are_stored(platform, admin, person):
    link = platform.invite(admin)
    platform.ask(command="backup")
    files = b"".join(p.read_bytes() for p in (platform.folder / "state/hub").iterdir() if p.name.startswith(("hub.sqlite", "backup")))
    for value in (urlsplit(link).path[-64:], person.jar["__Host-craton-login"], PASSWORD):
        assert value.encode() not in files
    log = platform.log.read_text()
    assert urlsplit(link).path[-64:] not in log and PASSWORD not in log and person.jar["__Host-craton-login"] not in log


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "a/b", "<script>", "jos\u00e9", "a\x00b", "-a", "xn--x", "a" * 65, "a;b", "a%2fb"])
def test_odd_names_are_refused_clearly(platform, admin, name):
    person = Person(platform)
    link = platform.invite(admin)
    a = person.join(link, name)
    assert a.status == 400
    assert "cannot be used" in a.text or "zero byte" in a.text
    assert "<script>" not in a.text
    # The link is not used up by a mistake.
    assert person.get(urlsplit(link).path).status == 200


def test_names_are_lowered_and_unique(platform, admin):
    assert Person(platform).join(platform.invite(admin), "Mary.Ann").status == 303
    second = Person(platform)
    a = second.join(platform.invite(admin), "mary.ann")
    assert a.status == 409 and "taken" in a.text
    assert Person(platform).sign_in("MARY.ANN").status == 303
    third = platform.add_person(admin, "mary-ann")
    assert third.api("GET", "/hub/api/users/mary-ann").json()["servers"] == {}


def test_bad_passwords(platform, admin):
    link = platform.invite(admin)
    path = urlsplit(link).path
    person = Person(platform)
    assert "too short" in person.join(link, "fine", "short").text
    assert "must not be the user name" in person.join(link, "finefine", "finefine").text
    a = person.post(path, {"username": "fine", "password": PASSWORD, "password_again": PASSWORD + "x"}, path)
    assert a.status == 400 and "not the same" in a.text


def test_change_of_password_signs_other_browsers_out(platform, person):
    other = Person(platform)
    assert other.sign_in(person.name).status == 303
    fields = {"password": "glaciers and deltas", "password_again": "glaciers and deltas"}
    assert person.post("/hub/password", {**fields, "password_now": "wrong wrong"}, "/hub/password").status == 403
    assert person.post("/hub/password", {**fields, "password_now": PASSWORD}, "/hub/password").status == 303
    assert person.get("/hub/home").status == 200
    assert other.get("/hub/home").status == 303


def test_sign_ins_under_way_do_not_survive_a_change_of_password(platform, person):
    """The hashes of all of them wait in one queue, so some are looked at only when the password has changed."""
    others = [Person(platform) for _ in range(4)]
    forms = [other.csrf("/hub/login") for other in others]
    new = {"password": "glaciers and deltas", "password_again": "glaciers and deltas", "password_now": PASSWORD, "_csrf": person.csrf("/hub/password")}

    def old_password(other, form):
        return other.post("/hub/login", {"username": person.name, "password": PASSWORD, "next": "", "_csrf": form}).status

    with ThreadPoolExecutor(5) as pool:
        change = pool.submit(person.post, "/hub/password", new)
        attempts = list(pool.map(old_password, others, forms))
        assert change.result().status == 303
    assert set(attempts) <= {303, 403, 429}
    assert person.get("/hub/home").status == 200
    for other in others:
        assert other.get("/hub/home").status == 303


def memory(platform, field):
    lines = Path(f"/proc/{platform.hub_pid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024


def test_memory_of_passwords_is_given_back(platform, person):
    """64 MiB for a hash, as long as it takes: the hub holds none of it afterwards."""
    with ThreadPoolExecutor(4) as four:
        assert {a.status for a in four.map(lambda _: Person(platform).sign_in(person.name), range(6))} == {303}
    assert memory(platform, "VmHWM") > 64
    assert memory(platform, "VmRSS") < 40


def test_a_disabled_person_gets_no_server(platform, admin, person):
    for action in ("disable", "enable"):
        assert admin.post("/hub/admin/act", {"user": person.name, "action": action}, "/hub/admin").status == 303
        answer = admin.api("POST", f"/hub/api/users/{person.name}/server", {})
        assert answer.status == (409 if action == "disable" else 202), answer.text
    # Its stop takes a moment, in which nobody is promised another start.
    assert admin.post("/hub/admin/act", {"user": person.name, "action": "disable"}, "/hub/admin").status == 303
    answer = admin.api("POST", f"/hub/api/users/{person.name}/server", {})
    assert answer.status == 409 and "disabled" in answer.text, answer.text
    assert admin.api("DELETE", f"/hub/api/users/{person.name}/server").status in (202, 204)


def test_people_page_is_for_administrators(platform, admin, person):
    assert person.get("/hub/admin").status == 403
    assert person.post("/hub/admin/invite", {"username": ""}, "/hub/home").status == 403
    assert person.post("/hub/admin/act", {"user": "root1", "action": "disable"}, "/hub/home").status == 403
    page = admin.get(f"/hub/admin?name={person.name}").text
    assert f"<h2>{person.name}</h2>" in page and "Users" in page


def test_disable_and_enable(platform, admin, person):
    act = {"user": person.name, "action": "disable"}
    assert admin.post("/hub/admin/act", act, "/hub/admin").status == 303
    assert person.get("/hub/home").status == 303
    assert person.sign_in(person.name).status == 403
    assert admin.post("/hub/admin/act", {**act, "action": "enable"}, "/hub/admin").status == 303
    assert person.sign_in(person.name).status == 303


def test_no_password_link_for_the_disabled(admin, person):
    act = {"user": person.name, "action": "disable"}
    assert admin.post("/hub/admin/act", act, "/hub/admin").status == 303
    page = admin.post("/hub/admin/act", {"user": person.name, "action": "link"}, "/hub/admin")
    assert page.status == 409 and "is disabled" in page.text and "/hub/join/" not in page.text
    assert admin.post("/hub/admin/act", {**act, "action": "enable"}, "/hub/admin").status == 303
    page = admin.post("/hub/admin/act", {"user": person.name, "action": "link"}, "/hub/admin")
    assert page.status == 200 and "/hub/join/" in page.text


def test_a_password_ends_what_was_given_out_under_the_old_one(platform, admin, person):
    def make(by, path):
        answer = by("POST", path, {})
        assert answer.status == 201, answer.text
        return lambda: request("GET", platform.hub + "/hub/api/user", headers={"Authorization": f"token {answer.json()['token']}"}).status

    own = make(person.api, f"/hub/api/users/{person.name}/tokens")
    given = make(admin.api, f"/hub/api/users/{person.name}/tokens")
    assert own() == given() == 200
    change = {"password_now": PASSWORD, "password": "another pass phrase", "password_again": "another pass phrase"}
    assert person.post("/hub/password", change, "/hub/password").status == 303
    assert own() == given() == 403
    assert person.get("/hub/home").status == 200                      # this browser is signed in anew


def test_new_password_link_and_removal(platform, admin, person):
    page = admin.post("/hub/admin/act", {"user": person.name, "action": "link"}, "/hub/admin")
    link = re.search(r'value="(http[^"]*/hub/join/[0-9a-f]{64})"', page.text).group(1)
    other = Person(platform)
    assert other.join(link, "ignored", "a new pass phrase").status == 303
    assert person.get("/hub/home").status == 303
    a = admin.post("/hub/admin/act", {"user": person.name, "action": "remove", "confirm": "no"}, "/hub/admin")
    assert a.status == 400
    a = admin.post("/hub/admin/act", {"user": person.name, "action": "remove", "confirm": person.name}, "/hub/admin")
    assert a.status == 303
    assert other.get("/hub/home").status == 303
    wait_for(lambda: person.name + "<" not in admin.get(f"/hub/admin?name={person.name}").text)


def test_last_administrator_cannot_go(platform, admin):
    a = admin.post("/hub/admin/act", {"user": "root1", "action": "remove", "confirm": "root1"}, "/hub/admin")
    assert a.status == 409


def test_administrator_link_sets_a_new_password(platform, admin):
    person = Person(platform)
    assert person.join(platform.ask(command="admin-link")["url"], "root1").status == 303
    assert person.get("/hub/admin").status == 200
    assert admin.sign_in("root1").status == 303


def test_admin_link_does_not_take_a_users_name(platform, person):
    a = Person(platform).join(platform.ask(command="admin-link")["url"], person.name)
    assert a.status == 409

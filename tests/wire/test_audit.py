"""The audit log: who did what to whom, when, from where, with which result; on the administrators' page, in the database and in the log."""
import datetime
import html
import json
import os
import re
import sqlite3
import time

import pytest
from hub_client import PASSWORD, Person, request, running, wait_for


@pytest.fixture(scope="module")
def own():
    with running(prepared=False) as p:
        p.admin = p.administrator()
        yield p


def rows(platform, **where):
    """Newest first."""
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.row_factory = sqlite3.Row
        found = [dict(r) for r in db.execute("SELECT * FROM audit ORDER BY id DESC")]
    return [r for r in found if all(r[k] == v for k, v in where.items())]


def newest(platform, kind):
    return rows(platform, kind=kind)[0]


def entries(page):
    """(what and whom, by whom) of each entry of the page."""
    assert page.status == 200, page.text
    return [(html.unescape(re.sub(r"<[^>]+>", "", a)), html.unescape(b)) for a, b in
            re.findall(r"<li class=\"card\">\s*<p>(.*?)</p>.*?<p class=\"small\">(.*?)</p>", page.text, re.S)]


def token_of(person):
    answer = person.post("/hub/token", {"note": "", "days": "1", "scopes": ""}, "/hub/token")
    return re.search(r'id="token"[^>]*value="([0-9a-f]{64})"', answer.text).group(1)


def by_token(platform, token, method, path, body=None):
    return request(method, platform.hub + path, body and json.dumps(body), {"Authorization": f"token {token}", "Content-Type": "application/json"})


def test_sign_ins(own):
    ada = own.add_person(own.admin, "ada")
    made = newest(own, "person-made")
    assert (made["who"], made["whom"], made["detail"], made["source"]) == ("ada", "ada", "by an invitation", "127.0.0.1")
    ada.post("/hub/logout", {}, "/hub/home")
    assert newest(own, "sign-out")["who"] == "ada"
    browser = Person(own)
    assert browser.sign_in("ada", "not this one").status == 403
    refused = newest(own, "sign-in")
    assert (refused["result"], refused["who"], refused["whom"], refused["detail"]) == ("refused", "", "ada", "password")
    assert browser.sign_in("ada").status == 303
    good = newest(own, "sign-in")
    assert (good["result"], good["who"], good["whom"], good["detail"]) == ("done", "ada", "ada", "password")
    assert browser.post("/hub/password", {"password_now": PASSWORD, "password": "lakes and clouds", "password_again": "lakes and clouds"},
                        "/hub/password").status == 303
    assert newest(own, "password")["who"] == "ada"


def test_a_password_in_the_field_of_the_name_is_not_kept(own):
    assert Person(own).sign_in("my-secret-password-7", "x" * 12).status == 403
    refused = newest(own, "sign-in")
    assert (refused["result"], refused["whom"], refused["detail"]) == ("refused", "", "unknown user name")
    assert "my-secret-password-7" not in json.dumps(rows(own))


def test_what_administrators_do(own):
    own.add_person(own.admin, "bob")
    act = lambda what, **more: own.admin.post("/hub/admin/act", {"user": "bob", "action": what, **more}, "/hub/admin")  # noqa: E731
    for what, kind in (("disable", "person-disabled"), ("enable", "person-enabled")):
        assert act(what).status == 303
        row = newest(own, kind)
        assert (row["who"], row["via"], row["whom"], row["result"]) == ("root1", "browser", "bob", "done")
    link = re.search(r"/hub/join/([0-9a-f]{64})", act("link").text).group(1)
    assert (newest(own, "link-made")["whom"], newest(own, "link-made")["detail"]) == ("bob", "to set a password")
    for form, kind, detail in (({"text": "On Friday", "hours": "2"}, "announcement", "On Friday"),
                               ({"text": "On Friday", "hours": "2", "maintenance": "yes"}, "maintenance", "on"), ({}, "maintenance", "off")):
        assert own.admin.post("/hub/admin/notice", form, "/hub/admin").status == 303
        assert newest(own, kind)["detail"] == detail
    assert newest(own, "announcement")["detail"] == "taken away"
    assert own.admin.post("/hub/admin/breaker", {}, "/hub/admin").status == 303
    assert newest(own, "breaker")["who"] == "root1"
    room = own.admin.post("/hub/admin/invitations/room", {"seats": "5", "hours": "1", "group": "spring", "note": "room 7"}, "/hub/admin/invitations")
    assert room.status == 200
    assert newest(own, "link-made")["detail"] == "invitation for 5, group spring"
    assert newest(own, "group-made")["whom"] == "spring"
    assert Person(own).join(re.search(r"http[^\"]*/hub/join/[0-9a-f]{64}", room.text)[0], "seat").status == 303
    assert tuple(newest(own, "group-joined")[k] for k in ("who", "whom", "detail")) == ("seat", "seat", "spring")
    assert act("remove", confirm="bob").status == 303
    wait_for(lambda: rows(own, kind="person-removed", whom="bob"), 30)
    assert (newest(own, "person-remove")["who"], newest(own, "person-removed")["who"]) == ("root1", "hub")
    assert link not in json.dumps(rows(own)) and link not in own.log.read_text()


def test_what_fails_is_not_there(own):
    before = len(rows(own))
    answer = own.admin.post("/hub/admin/act", {"user": "root1", "action": "disable"}, "/hub/admin")
    assert answer.status == 409 and "disable or remove yourself" in answer.text
    token = token_of(own.admin)
    assert by_token(own, token, "PATCH", "/hub/api/users/root1", {"admin": False}).status == 409
    assert by_token(own, token, "POST", "/hub/api/groups/spring/users", {"users": ["ada", "nobody-of-this-name"]}).status == 400
    assert by_token(own, token, "POST", "/hub/api/users", {"usernames": ["good-one", "b a d"]}).status == 400
    assert [r["kind"] for r in rows(own)[:len(rows(own)) - before]] == ["token-made"]


def test_programs(own):
    token = token_of(own.admin)
    number = newest(own, "token-made")["detail"]
    assert re.fullmatch(r"a\d+", number) and token not in json.dumps(rows(own))
    calls = [
        ("POST", "/hub/api/users/carl", {"admin": True}, "person-made", "carl"), ("PATCH", "/hub/api/users/carl", {"admin": False}, "admin-taken", "carl"),
        ("PATCH", "/hub/api/users/carl", {"admin": True, "name": "karl"}, "person-renamed", "karl"), ("POST", "/hub/api/groups/winter", None, "group-made", "winter"),
        ("POST", "/hub/api/groups/winter/users", {"users": ["karl"]}, "group-joined", "karl"),
        ("DELETE", "/hub/api/groups/winter/users", {"users": ["karl"]}, "group-left", "karl"),
        ("PUT", "/hub/api/groups/winter/properties", {"a": 1}, "group-changed", "winter"), ("DELETE", "/hub/api/groups/winter", None, "group-removed", "winter"),
        ("POST", "/hub/api/users/karl/tokens", {"note": "n"}, "token-made", "karl"),
        ("POST", "/hub/api/users/karl/server", None, "server-started", "karl"), ("DELETE", "/hub/api/users/karl/server", None, "server-stopped", "karl"),
    ]
    for method, path, body, kind, whom in calls:
        answer = by_token(own, token, method, path, body)
        assert 200 <= answer.status < 300, (path, answer.text)
        row = rows(own)[0]
        assert (row["kind"], row["whom"], row["who"], row["via"]) == (kind, whom, "root1", f"token {number}"), (path, row)
        if kind == "token-made":
            assert by_token(own, token, "DELETE", f"/hub/api/users/karl/tokens/{answer.json()['id']}").status == 204
            assert (newest(own, "token-revoked")["whom"], newest(own, "token-revoked")["detail"]) == ("karl", answer.json()["id"])
    assert newest(own, "admin-given")["whom"] == "carl"  # the name of that time


def test_the_own_server_is_nobodys_business(own):
    eva = own.add_person(own.admin, "eva")
    before = len(rows(own))
    assert eva.post("/hub/spawn", {}, "/hub/home").status == 303
    assert eva.post("/hub/stop", {}, "/hub/home").status == 303
    assert len(rows(own)) == before


def test_the_page_and_who_may_see_it(own):
    dora = own.add_person(own.admin, "dora")
    assert dora.get("/hub/admin/audit").status == 403
    refused = newest(own, "admin-page")
    assert (refused["result"], refused["who"], refused["detail"]) == ("refused", "dora", "/hub/admin/audit")
    assert Person(own).get("/hub/admin/audit").status == 303
    page = own.admin.get("/hub/admin/audit?person=dora")
    assert [what for what, _ in entries(page)] == ["Administrators' page refused", "Sign-in: dora", "Account made: dora"]
    assert all("dora" in what + who for what, who in entries(page))
    assert entries(own.admin.get("/hub/admin/audit?kind=breaker"))[0][0] == "Starts tried again"
    day = newest(own, "sign-in")["at_ms"] // 86400000
    today, next_day = (datetime.date(1970, 1, 1) + datetime.timedelta(days=day + n) for n in (0, 2))
    assert entries(own.admin.get(f"/hub/admin/audit?since={today}&until={next_day}"))
    assert not entries(own.admin.get(f"/hub/admin/audit?since={next_day}")) and not entries(own.admin.get("/hub/admin/audit?until=2020-01-01"))
    for wrong in ("kind=sneeze", "since=yesterday", "until=2026-13-01", "before=-1", "before=x", "since=2026-11-29T00"):
        answer = own.admin.get("/hub/admin/audit?" + wrong)
        assert answer.status == 400 and "role=\"alert\"" in answer.text, wrong
    assert "&lt;i&gt;" in own.admin.get("/hub/admin/audit?person=%3Ci%3E").text


def test_pages_one_after_the_other(own):
    with sqlite3.connect(own.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.executemany("INSERT INTO audit (at_ms, kind, result, who, via, source, whom, detail) VALUES (?, 'proof', 'done', ?, 'browser', '', '', '')",
                       [(int(time.time() * 1000), f"many{i % 2}") for i in range(500)])
    path, seen = "/hub/admin/audit?person=many1", []
    while path:
        page = own.admin.get(path)
        seen.append(len(entries(page)))
        assert all("many1" in who for _, who in entries(page))
        older = re.search(r'href="(/hub/admin/audit\?[^"]*before=\d+)"', page.text)
        path = older and html.unescape(older.group(1))
    assert seen == [100, 100, 50]


def test_strangers_do_not_fill_it(own):
    """And what they are kept from doing is still counted."""
    gina = own.add_person(own.admin, "gina")
    for _ in range(130):  # a minute may end in between
        assert gina.get("/hub/admin/audit").status == 403
    assert 0 < len(rows(own, who="gina", result="refused")) < 130
    if os.environ.get("CRATON_LONG"):
        wait_for(lambda: [r for r in rows(own, who="hub", result="refused") if "more refusals" in r["detail"]], 70)


def test_lines_of_the_log_are_the_rows(own):
    def lines():
        return {r["id"]: r for r in map(json.loads, re.findall(r"^\S+ info hub: audit (\{.*\})$", own.log.read_text(), re.M))}
    saved = {r["id"]: r for r in rows(own) if not r["who"].startswith("many")}
    wait_for(lambda: saved.keys() <= lines().keys(), 10)
    for number, row in saved.items():
        line = lines()[number]
        assert (line["kind"], line["result"], line["by"], line["via"], line["from"], line["on"], line["detail"]) == \
            tuple(row[k] for k in ("kind", "result", "who", "via", "source", "whom", "detail"))


def test_it_survives_kill_9(own):
    """The answer was given: the deed and its row are there."""
    answer = own.admin.post("/hub/admin/invite", {"username": "late"}, "/hub/admin")
    assert answer.status == 200
    before = rows(own)
    own.kill_hub()
    after = rows(own)
    assert after[len(after) - len(before):] == before and before[0]["kind"] == "link-made" and before[0]["whom"] == "late"

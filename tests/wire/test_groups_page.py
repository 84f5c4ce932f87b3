"""Administrators' pages for those who look after many people: groups, finding somebody, who else is administrator."""
import html
import re
import sqlite3
from urllib.parse import quote

import pytest
from hub_client import Person, running

PAGE = "/hub/admin/groups"


@pytest.fixture(scope="module")
def own():
    with running(prepared=False) as p:
        p.admin = p.administrator()
        p.people = {name: p.add_person(p.admin, name) for name in ("ann", "ben", "cora")}
        yield p


def act(own, action, group, people="", by=None):
    return (by or own.admin).post(PAGE, {"action": action, "group": group, "people": people}, PAGE)


def groups(own):
    return {g["name"]: g["users"] for g in own.admin.api("GET", "/hub/api/groups").json()}


def problem(answer):
    return html.unescape(re.sub("<[^>]+>", "", re.search(r'role="alert">(.*?)</div>', answer.text, re.S).group(1)))


def test_a_group_from_first_to_last(own):
    name = 'Tides & "waves" ü/1'
    assert "There is none yet" in own.admin.get(PAGE).text
    answer = act(own, "make", name)
    assert answer.status == 303 and answer.location == f"{PAGE}?group={quote(name, safe='')}"
    assert "Nobody is in it yet" in own.admin.get(answer.location).text
    assert act(own, "join", name, "Ann, the first\nben\n").location == answer.location
    assert groups(own) == {name: ["ann", "ben"]}
    page = own.admin.get(answer.location).text
    assert "<code>ann</code> <code>ben</code>" in page and "2 people" in page and not re.search(r"and \d+ more", page)
    for field in ("/hub/admin/invitations", "/hub/admin/ahead"):            # where a group is typed, those that are there are proposed
        assert f'<option value="{html.escape(name)}">' in own.admin.get(field).text
    page = own.admin.get(PAGE).text
    assert f'href="{answer.location}"'.replace("&", "&amp;") in page and "2 people" in page and html.escape(name) in page
    assert f"Groups: {html.escape(name)}." in own.admin.get("/hub/admin?name=ann").text and "Groups:" not in own.admin.get("/hub/admin?name=cora").text
    # A table with columns, whoever is in already.
    assert act(own, "join", name, "Name;Benutzer\nCora;cora\nBen;ben").status == 303
    assert groups(own)[name] == ["ann", "ben", "cora"]
    assert act(own, "leave", name, "ann\ncora").status == 303
    assert groups(own)[name] == ["ben"]
    kinds = re.findall(r"Put into a group|Taken out of a group", own.admin.get("/hub/admin/audit?person=cora").text)
    assert "Put into a group" in kinds and "Taken out of a group" in kinds
    assert act(own, "remove", name).location == PAGE
    assert groups(own) == {} and own.people["ben"].get("/hub/home").status == 200


def test_what_is_refused(own):
    assert act(own, "make", "course").status == 303
    assert act(own, "join", "course", "ann").status == 303
    answer = act(own, "join", "course", "ben\nnobody.here\ncora")
    assert answer.status == 404 and "line 2 (nobody.here)" in problem(answer) and "invitations" in problem(answer)
    assert "ben\nnobody.here\ncora" in html.unescape(answer.text)        # what was typed is not lost
    assert groups(own)["course"] == ["ann"]                              # all or nobody
    assert "line 1 (a b)" in problem(act(own, "leave", "course", "a b"))
    assert "one user name on each line" in problem(act(own, "join", "course", " \n"))
    assert act(own, "make", "course").status == 409
    for name in ("", "g" * 300, "tab\tin it"):
        assert "group's name has" in problem(act(own, "make", name)), name
    for action, group in (("join", "none such"), ("remove", "none such")):
        answer = act(own, action, group, "ann")
        assert answer.status == 404 and "No such group" in problem(answer)
    assert act(own, "paint", "course").status == 400
    assert own.admin.get(PAGE + "?group=none%20such").status == 404
    ann = own.people["ann"]
    assert ann.get(PAGE).status == 403 and ann.post(PAGE, {"action": "join", "group": "course", "people": "ann"}, "/hub/home").status == 403
    assert own.admin.post(PAGE, {"action": "remove", "group": "course"}).status == 403      # without the token of the form
    assert groups(own)["course"] == ["ann"]


def test_of_a_provider(own):
    """Who is in a group because a provider said so is taken out there; the page says it, and takes out nobody."""
    assert act(own, "make", "egi:vo").status == 303 and act(own, "join", "egi:vo", "ben").status == 303
    with sqlite3.connect(f"{own.folder}/state/hub/hub.sqlite", timeout=10) as db:
        db.execute("INSERT INTO identities (user_id, provider, issuer, subject, shown, email, created_ms, last_ms) SELECT id, 'egi', 'https://x.test', '1', '', '', 1, 1 FROM users WHERE name = 'cora'")
        db.execute("INSERT INTO memberships (identity_id, name) SELECT id, 'egi:vo' FROM identities")
    assert "2 people" in own.admin.get(PAGE + "?group=egi:vo").text
    answer = act(own, "leave", "egi:vo", "ben\ncora")
    assert answer.status == 409 and "has to be changed there" in problem(answer)
    assert act(own, "remove", "egi:vo").status == 409
    assert groups(own)["egi:vo"] == ["ben", "cora"]


def test_many_groups_and_people(own):
    made = [f"g{i:03d}" for i in range(130)]
    assert own.admin.api("POST", "/hub/api/groups", {"groups": made}).status == 201
    assert own.admin.api("POST", "/hub/api/users", {"usernames": [f"many{i:03d}" for i in range(450)]}).status == 201
    pages = [own.admin.get(PAGE + f"?offset={n}").text for n in (0, 100)]
    assert "More groups" in pages[0] and "More groups" not in pages[1]
    assert all(any(f"<strong>{name}</strong>" in page for page in pages) for name in made)
    for part in (range(250), range(250, 450)):
        assert act(own, "join", "g000", "\n".join(f"many{i:03d}" for i in part)).status == 303
    page = own.admin.get(PAGE + "?group=g000").text
    assert len(groups(own)["g000"]) == 450 and "450 people" in page and "<code>many299</code> and 150 more" in page and "many300" not in page


def test_finding_people(own):
    """The list of people by a part of the name, in pages; each page is small."""
    first = own.admin.get("/hub/admin")
    assert "More users" in first.text and first.text.count('<li class="card">') == 50
    found = own.admin.get("/hub/admin?name=MANY04")
    assert re.findall(r"<h2>([^<]*)</h2>", found.text.partition('<ul class="people">')[2]) == [f"many04{i}" for i in range(10)]
    assert 'value="MANY04"' in found.text and "More users" not in found.text
    following = own.admin.get(re.search(r'href="(/hub/admin\?offset=50&amp;name=many)"', own.admin.get("/hub/admin?name=many").text).group(1).replace("&amp;", "&"))
    assert "<h2>many050</h2>" in following.text and "<h2>many049</h2>" not in following.text
    nobody = own.admin.get("/hub/admin?name=%25%3Cb%3E")
    assert "Nobody has “%&lt;b&gt;” in the name" in nobody.text
    assert own.admin.get("/hub/admin?name=%5F").text.count('<li class="card">') == 0      # no wildcards


def test_the_people_of_a_group(own):
    """What a trainer looks at: how many work, who may need help, and back to the same place after a button."""
    assert act(own, "make", "Tuesday & co").status == 303 and act(own, "join", "Tuesday & co", "ann\nben\ncora").status == 303
    where = "group=Tuesday%20%26%20co"
    assert f'href="/hub/admin?{where}"' in own.admin.get(f"{PAGE}?{where}").text
    with sqlite3.connect(f"{own.folder}/state/hub/hub.sqlite", timeout=10) as db:
        number = dict(db.execute("SELECT name, id FROM users WHERE name IN ('ann', 'ben', 'cora')"))
        for name, reason, text in (("ann", "late", "It was not ready."), ("ben", "idle", "It was not used."), ("cora", "oom", "It ran out.")):
            db.execute("INSERT OR REPLACE INTO servers (user_id, name, generation, running, stopped_ms, stop_reason, stop_text) VALUES (?, '', 1, 0, 1, ?, ?)", (number[name], reason, text))
    page = own.admin.get(f"/hub/admin?{where}").text
    assert re.findall(r"<h2>([^<]*)</h2>", page.partition('<ul class="people">')[2]) == ["ann", "ben", "cora"]
    assert "<strong>3 people</strong>: 0 with a running server, 0 starting, waiting or stopping, 3 without." in page
    assert "<strong>3 Personen</strong>: 0 mit laufendem Server" in own.admin.get(f"/hub/admin?{where}", Accept_Language="de").text
    assert re.findall(r'<a href="#person-(\d+)">(\w+)</a>', page) == [(str(number["ann"]), "ann"), (str(number["cora"]), "cora")]
    assert "It was not ready." in page and "It ran out." in page and "It was not used." not in page and "Add a user" not in page
    both = own.admin.get(f"/hub/admin?name=n&{where}").text
    assert re.findall(r"<h2>([^<]*)</h2>", both.partition('<ul class="people">')[2]) == ["ann", "ben"]
    for action in ("disable", "enable"):
        answer = own.admin.post("/hub/admin/act", {"user": "ben", "action": action, "where": f"name=n&{where}"}, "/hub/admin")
        assert answer.location == f"/hub/admin?name=n&{where}#person-{number['ben']}"
    link = own.admin.post("/hub/admin/act", {"user": "ben", "action": "link", "where": where}, "/hub/admin")
    assert "/hub/join/" in link.text and "<h2>cora</h2>" in link.text and "<h2>many000</h2>" not in link.text
    for lost in ("group=gone", "%zz", "offset=-1&offset=x"):
        assert own.admin.post("/hub/admin/act", {"user": "ben", "action": "enable", "where": lost}, "/hub/admin").location == f"/hub/admin#person-{number['ben']}"
    assert own.admin.get("/hub/admin?group=gone").status == 404
    assert "Previous users" in own.admin.get("/hub/admin?offset=50").text and "Previous users" not in own.admin.get("/hub/admin").text


def test_pages_are_small(own):
    """Below 100 KiB with all that it loads, in each language, with as many people, groups and links as a page shows."""
    static = lambda text: sum(len(own.admin.get(path).body) for path in set(re.findall(r'"(/hub/static/[^"]+)"', text)))  # noqa: E731
    assert static(own.admin.get("/hub/home").text) > 1000
    form = {"people": "\n".join(f"a.learner.with.a.name-{i}" for i in range(300)), "hours": "24", "group": "a course of the summer"}
    answer = own.admin.post("/hub/admin/invitations/several", form, "/hub/admin/invitations")
    assert answer.status == 200 and len(answer.body) < 200 * 1024       # three hundred cards to print, once
    for page in ("/hub/admin", "/hub/admin?offset=50", PAGE, PAGE + "?group=g000", "/hub/admin/audit", "/hub/admin/disk", "/hub/admin/invitations", "/hub/admin/ahead",
                 "/hub/home", "/hub/token", "/hub/login", "/hub/password", "/hub/clusters"):
        for language in ("en", "de", "fr"):
            answer = own.admin.ask("GET", page, headers={"Accept-Language": language})
            assert answer.status in (200, 303) and len(answer.body) + static(answer.text) < 100 * 1024, (page, language, len(answer.body))


def test_administrators(own):
    act_on = lambda name, action, by=own.admin: by.post("/hub/admin/act", {"user": name, "action": action}, "/hub/admin")  # noqa: E731
    ann = own.people["ann"]
    assert 'aria-label="Make ann an administrator"' in own.admin.get("/hub/admin?name=ann").text
    assert act_on("ann", "make-admin").status == 303 and ann.get("/hub/admin").status == 200
    assert 'aria-label="ann is no administrator any more"' in own.admin.get("/hub/admin?name=ann").text
    assert "Made administrator" in own.admin.get("/hub/admin/audit?person=ann").text
    assert act_on("ann", "unmake-admin").status == 303 and ann.get("/hub/admin").status == 403
    # The last one stays, and nobody appoints oneself.
    answer = act_on("root1", "unmake-admin")
    assert answer.status == 409 and "last administrator" in answer.text
    assert ann.post("/hub/admin/act", {"user": "ann", "action": "make-admin"}, "/hub/home").status == 403
    assert "/hub/login" in Person(own).post("/hub/admin/act", {"user": "ann", "action": "make-admin"}).location
    assert not own.admin.api("GET", "/hub/api/users/ann").json()["admin"]

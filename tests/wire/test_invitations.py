"""Invitations for a course: a link for each of a list of people, and one link with seats for a room."""
import html
import re
import sqlite3
import threading
from urllib.parse import urlsplit

import pytest
from hub_client import PASSWORD, Person

PAGE = "/hub/admin/invitations"


def several(admin, people, hours="24", group=""):
    return admin.post(PAGE + "/several", {"people": people, "hours": hours, "group": group}, PAGE)


def links_of(answer):
    assert answer.status == 200, answer.text
    table = re.search(r'<textarea id="table"[^>]*>(.*?)</textarea>', answer.text, re.S)
    return dict(line.split(",") for line in html.unescape(table.group(1)).split("\n")[1:] if line)


def room(admin, seats, hours="1", group="", note="", status=200):
    answer = admin.post(PAGE + "/room", {"seats": str(seats), "hours": hours, "group": group, "note": note}, PAGE)
    assert answer.status == status, answer.text
    return answer


def link_of(answer):
    return re.search(r'id="link"[^>]*value="(http[^"]*/hub/join/[0-9a-f]{64})"', answer.text).group(1)


def message(answer):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.search(r'role="alert">(.*?)</div>', answer.text, re.S).group(1))))


def groups_of(admin, name):
    return admin.api("GET", f"/hub/api/users/{name}").json()["groups"]


def test_a_link_for_each(platform, admin):
    platform.add_person(admin, "old.hand")
    answer = several(admin, "Maria, María  Skłodowska\r\n\r\n  jan.kowalski;Jan\nold.hand\ntab\tTabea <b>\n", group="tuesday")
    links = links_of(answer)
    assert list(links) == ["maria", "jan.kowalski", "tab"]
    assert "María  Skłodowska" in answer.text and "Tabea &lt;b&gt;" in answer.text
    assert re.search(r"have an account already, and are in the group tuesday now.*old\.hand", answer.text, re.S)
    assert groups_of(admin, "old.hand") == ["tuesday"]
    person = Person(platform)
    assert person.join(links["maria"]).status == 303
    assert groups_of(admin, "maria") == ["tuesday"]
    assert Person(platform).get(urlsplit(links["maria"]).path).status == 404  # once
    # The name is fixed, whatever the form says.
    assert Person(platform).join(links["jan.kowalski"], "somebody").status == 303
    assert admin.api("GET", "/hub/api/users/somebody").status == 404
    assert admin.api("GET", "/hub/api/users/jan.kowalski").status == 200


@pytest.mark.parametrize("people, hours, group, words", [
    ("good\nvery bad name!\n", "24", "", "line 2 (very bad name!)"),
    ("x" + "\u017c" * 60, "24", "", "line 1 (x\u017c"),  # the line is shown in part, and 40 bytes end inside a character
    ("one\ntwo\nONE\n", "24", "", "line 3 (ONE): it stands in the list twice"),
    ("\r\n  \n", "24", "", "one user name on each line"),
    ("someone", "0", "", "1 to 720 hours"),
    ("someone", "721", "", "1 to 720 hours"),
    ("someone", "", "", "1 to 720 hours"),
    ("someone", "24", "g" * 300, "group's name"),
    ("\n".join(f"crowd{i}" for i in range(301)), "24", "", "more than 300 people"),
    ("one\n\"two", "24", "", "line 2: the quotation mark that begins there does not end"),
    ("one\nroot1\nROOT1\n", "24", "", "line 3 (ROOT1): it stands in the list twice"),
])
def test_nothing_is_made_when_something_is_wrong(platform, admin, people, hours, group, words):
    def rows():
        with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
            return db.execute("SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM groups)").fetchone()
    before = rows()
    answer = several(admin, people, hours, group)
    assert 400 <= answer.status < 500, answer.text
    assert words in message(answer)
    assert html.escape(people.strip().split("\n")[0]) in answer.text  # what was typed is not lost
    assert rows() == before


def test_a_table(platform, admin):
    """What a form for registrations gives out: quoted, with a line of columns, without user names."""
    answer = several(admin, '\ufeffTime;"Full name";E-mail\r\n2026-11-24;"Curie; Marie";marie@x.test\r\n;"Noether ""Emmy""";emmy@x.test\r\n')
    assert list(links_of(answer)) == ["marie@x.test", "emmy@x.test"]
    assert "The first line was read as the names of the columns" in answer.text
    assert "2026-11-24, Curie; Marie" in answer.text and "Noether &quot;Emmy&quot;" in answer.text
    assert "names of the columns" not in several(admin, "plain.one, Plain One").text


def test_who_is_here_already(platform, admin):
    """Of a list for a course: some have accounts, one of them in the group, one disabled; nobody is signed out or loses anything."""
    here = {name: platform.add_person(admin, name) for name in ("was.here", "was.in", "was.disabled")}
    assert admin.api("POST", "/hub/api/groups/mixed", {"users": ["was.in"]}).status == 201
    assert admin.post("/hub/admin/act", {"user": "was.disabled", "action": "disable"}, "/hub/admin").status == 303
    answer = several(admin, "was.here\nwas.in\nwas.disabled\nnew.one", group="mixed")
    assert list(links_of(answer)) == ["new.one"]
    assert re.search(r"was\.disabled</code>\s*\(disabled\)", answer.text)
    assert admin.api("GET", "/hub/api/groups/mixed").json()["users"] == ["was.disabled", "was.here", "was.in"]
    assert here["was.here"].get("/hub/home").status == 200
    rows = admin.get("/hub/admin/audit?person=was.here").text
    assert "Put into a group" in rows
    # Without a group they are named, and nothing is done.
    answer = several(admin, "was.here")
    assert re.search(r"have an account already, and get no link:.*was\.here", answer.text, re.S) and 'id="table"' not in answer.text
    assert groups_of(admin, "was.here") == ["mixed"]


def test_links_that_nobody_has_used(platform, admin):
    """The trainer sees who has not come yet; a card that was lost is closed, and another made."""
    links = links_of(several(admin, "not.yet\nhas.come\nlost.card", group="late"))
    assert Person(platform).join(links["has.come"]).status == 303
    unused = admin.get(PAGE).text.partition('id="unused-title"')[2]
    assert "<strong>not.yet</strong> · late" in unused and "has.come" not in unused
    row = re.search(r'<strong>lost\.card</strong>.*?name="id" value="([0-9a-f]{32})"', unused, re.S).group(1)
    assert admin.post(PAGE + "/close", {"id": row}, PAGE).status == 303
    assert Person(platform).get(urlsplit(links["lost.card"]).path).status == 404
    assert "Link closed" in admin.get("/hub/admin/audit?person=lost.card").text
    again = links_of(several(admin, "lost.card", group="late"))["lost.card"]
    assert Person(platform).join(again).status == 303 and groups_of(admin, "lost.card") == ["late"]
    assert Person(platform).get(urlsplit(links["not.yet"]).path).status == 200


def seats_taken(admin, note):
    return int(re.search(re.escape(note) + r".*?(\d+) of \d+ seats taken", admin.get(PAGE).text, re.S).group(1))


def take_seat(person, link):
    path = urlsplit(link).path
    return person.post(path + "/seat", {}, path)


def test_a_seat_for_who_has_an_account(platform, admin):
    link = link_of(room(admin, 2, group="room-seats", note="for both"))
    path = urlsplit(link).path
    person = platform.add_person(admin, "seated")
    # Not signed in: the way there is on the page, and leads back to it.
    page = Person(platform).get(path)
    assert f"/hub/login?next={path}" in page.text and "room-seats" not in page.text
    again = Person(platform)
    answer = again.post(f"/hub/login?next={path}", {"username": "seated", "password": person.password, "next": path}, f"/hub/login?next={path}")
    assert answer.status == 303 and answer.location.endswith(path)
    page = again.get(path)
    assert "You are signed in as seated" in page.text and "room-seats" in page.text and 'name="password"' not in page.text
    assert seats_taken(admin, "for both") == 0 and groups_of(admin, "seated") == []      # looking takes none
    answer = take_seat(again, link)
    assert answer.status == 200 and "You are in the group" in answer.text
    assert groups_of(admin, "seated") == ["room-seats"] and seats_taken(admin, "for both") == 1
    assert "You are in the group" in again.get(path).text
    csrf = again.csrf("/hub/home")
    assert again.send(path + "/seat", {"_csrf": csrf}, {}).status == 200 and seats_taken(admin, "for both") == 1      # a second click takes no second seat
    # Who wants another account has the form still.
    assert 'name="password"' in again.get(path + "?new=yes").text
    assert Person(platform).join(link, "newcomer").status == 303
    late = platform.add_person(admin, "too.late")
    assert late.get(path).status == 404
    assert late.send(path + "/seat", {"_csrf": late.csrf("/hub/home")}, {}).status == 404
    assert groups_of(admin, "too.late") == []


def test_seats_at_once(platform, admin):
    """Four clicks of one person, and one of each of four others, on three seats."""
    link = link_of(room(admin, 3, group="rush-seats", note="seats at once"))
    people = [platform.add_person(admin, f"clicker{i}") for i in range(5)]
    tokens = [p.csrf("/hub/home") for p in people]
    statuses = []

    def click(i):
        statuses.append((i, people[i].send(urlsplit(link).path + "/seat", {"_csrf": tokens[i]}, {}).status))
    threads = [threading.Thread(target=click, args=(i,)) for i in (0, 0, 0, 0, 1, 2, 3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    inside = admin.api("GET", "/hub/api/groups/rush-seats").json()["users"]
    assert len(inside) == 3 == seats_taken(admin, "seats at once"), (inside, statuses)
    assert {f"clicker{i}" for i, status in statuses if status == 200} == set(inside)


def at_once(n, post):
    """n posts, all under way before the first is answered."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post())) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_two_clicks_on_the_last_seat(platform, admin):
    """By somebody with an account: both say that it is done, also later; who comes too late reads why."""
    link = link_of(room(admin, 2, group="two-clicks", note="last seat"))
    path = urlsplit(link).path
    first, last, late = (platform.add_person(admin, f"{name}.clicks") for name in ("first", "last", "late"))
    assert take_seat(first, link).status == 200
    csrf = {"_csrf": last.csrf("/hub/home")}
    answers = at_once(2, lambda: last.send(path + "/seat", csrf))
    assert [a.status for a in answers] == [200, 200] and all("You are in the group" in a.text for a in answers)
    assert seats_taken(admin, "last seat") == 2 and "You are in the group" in last.get(path).text
    # Two people for one seat.
    for answer in (late.send(path + "/seat", {"_csrf": late.csrf("/hub/home")}), late.get(path), Person(platform).get(path)):
        assert answer.status == 404 and "all seats of this link are taken" in answer.text and "ask who gave you the link" in answer.text
    assert admin.api("GET", "/hub/api/groups/two-clicks").json()["users"] == ["first.clicks", "last.clicks"]


def test_two_clicks_make_one_account(platform, admin):
    """Of a room's link with a seat left or two, and of a link for one person."""
    room_link = link_of(room(admin, 2, group="new-clicks", note="new people"))
    for name, link in (("one.click", room_link), ("other.click", room_link), ("own.click", links_of(several(admin, "own.click"))["own.click"])):
        path, person = urlsplit(link).path, Person(platform)
        fields = {"username": name, "password": PASSWORD, "password_again": PASSWORD, "_csrf": person.csrf(path)}
        jar = dict(person.jar)
        clicks = [Person(platform) for _ in range(2)]      # of one browser, which has no session yet when it sends both
        for click in clicks:
            click.jar = dict(jar)
        left = list(clicks)
        answers = at_once(2, lambda: left.pop().send(path, fields))
        assert [(a.status, a.location) for a in answers] == [(303, "/hub/home")] * 2, [a.text for a in answers]
        assert all(click.api("GET", "/hub/api/user").json()["name"] == name for click in clicks)
        late = clicks[0].send(path, fields)                 # when the browser has the session already
        assert (late.status, late.location) == (303, "/hub/home")
    assert seats_taken(admin, "new people") == 2 and groups_of(admin, "other.click") == ["new-clicks"]
    made = sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True).execute("SELECT count(*) FROM users WHERE name LIKE '%.click'").fetchone()
    assert made == (3,)
    # With another password it is another person, who needs another name; and with another link it is no second click.
    link, elsewhere = link_of(room(admin, 3)), link_of(room(admin, 3))
    assert Person(platform).join(link, "same.name").status == 303
    for used, password in ((link, "a guess at the password"), (elsewhere, PASSWORD)):
        answer = Person(platform).join(used, "same.name", password)
        assert answer.status == 409 and "Choose another user name" in answer.text


def test_what_gives_no_seat(platform, admin):
    person = platform.add_person(admin, "seatless")
    csrf = person.csrf("/hub/home")

    def click(link, fields):
        return person.send(urlsplit(link).path + "/seat", fields, {}).status
    plain, grouped = link_of(room(admin, 3)), link_of(room(admin, 3, group="taken-away"))
    named = links_of(several(admin, "for.another", group="taken-away"))["for.another"]
    assert click(plain, {"_csrf": csrf}) == 409 and 'name="password"' in person.get(urlsplit(plain).path).text
    assert click(named, {"_csrf": csrf}) == 409                                # a link for somebody else
    assert click(grouped, {}) == 403 and click(grouped, {"_csrf": "0" * 64}) == 403
    assert click(f"{platform.hub}/hub/join/{'0' * 64}", {"_csrf": csrf}) == 404
    assert admin.api("DELETE", "/hub/api/groups/taken-away").status == 204
    assert click(grouped, {"_csrf": csrf}) == 404
    assert admin.api("GET", "/hub/api/groups/taken-away").status == 404 and groups_of(admin, "seatless") == []


def test_three_hundred_people(admin):
    assert len(links_of(several(admin, "\n".join(f"learner{i:03d}" for i in range(300))))) == 300


def test_a_room(platform, admin):
    link = link_of(room(admin, 3, group="room-1", note="Course <1>"))
    for name in ("seat1", "seat2"):
        assert Person(platform).join(link, name).status == 303
    assert Person(platform).join(link, "seat1", "another person's").status == 409  # the name is taken; no seat is lost
    page = admin.get(PAGE).text
    assert "Course &lt;1&gt;" in page and "2 of 3 seats taken" in page and "group room-1" in page
    assert urlsplit(link).path.rpartition("/")[2] not in page
    assert Person(platform).join(link, "seat3").status == 303
    refused = Person(platform).get(urlsplit(link).path)
    assert refused.status == 404
    assert "3 of 3 seats taken" in admin.get(PAGE).text
    assert groups_of(admin, "seat3") == ["room-1"]
    assert not admin.api("GET", "/hub/api/users/seat3").json()["admin"]


def test_all_come_at_once(platform, admin):
    link = link_of(room(admin, 4))
    statuses, people = [], []
    for i in range(10):
        person = Person(platform)
        fields = {"username": f"rush{i}", "password": "correct horse battery", "password_again": "correct horse battery"}
        fields["_csrf"] = person.csrf(urlsplit(link).path)  # all have the form open before the first sends it
        people.append((person, fields))
    threads = [threading.Thread(target=lambda p=p, f=f: statuses.append(p.post(urlsplit(link).path, f).status)) for p, f in people]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(statuses) == [303] * 4 + [404] * 6


def test_a_room_is_closed(platform, admin):
    link = link_of(room(admin, 5, note="to be closed"))
    row = re.search(r"to be closed.*?name=\"id\" value=\"([0-9a-f]{32})\"", admin.get(PAGE).text, re.S).group(1)
    assert row != urlsplit(link).path.rpartition("/")[2]
    assert Person(platform).get(f"/hub/join/{row}").status == 404  # the number of the row opens nothing
    assert admin.post(PAGE + "/close", {"id": row}, PAGE).status == 303
    assert Person(platform).get(urlsplit(link).path).status == 404
    assert admin.post(PAGE + "/close", {"id": row}, PAGE).status == 404


@pytest.mark.parametrize("seats", ["1", "0", "-3", "1001", "many", ""])
def test_seats_have_bounds(admin, seats):
    assert "2 to 1000 seats" in message(room(admin, seats, status=400))


def test_time_is_over(platform, admin):
    link = link_of(room(admin, 5, note="short"))
    with sqlite3.connect(f"{platform.folder}/state/hub/hub.sqlite", timeout=10) as db:
        db.execute("UPDATE links SET expires_ms = 1 WHERE note = 'short'")
    assert Person(platform).get(urlsplit(link).path).status == 404
    assert "short" not in admin.get(PAGE).text


def test_who_may_invite(platform, admin, person):
    for path in ("", "/several", "/room", "/close"):
        answer = person.get(PAGE) if not path else person.post(PAGE + path, {"people": "x", "hours": "1", "seats": "3", "id": "0"}, "/hub/home")
        assert answer.status == 403
    assert admin.post(PAGE + "/room", {"seats": "3", "hours": "1"}).status == 403  # without the token of the form


def test_links_end_with_their_maker(platform, admin):
    second = platform.add_person(admin, "helper")
    assert admin.api("PATCH", "/hub/api/users/helper", {"admin": True}).status == 200
    link = link_of(room(second, 5))
    assert Person(platform).get(urlsplit(link).path).status == 200
    assert admin.api("PATCH", "/hub/api/users/helper", {"admin": False}).status == 200
    assert Person(platform).get(urlsplit(link).path).status == 404

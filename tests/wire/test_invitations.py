"""Invitations for a course: a link for each of a list of people, and one link with seats for a room."""
import html
import re
import sqlite3
import threading
from urllib.parse import urlsplit

import pytest
from hub_client import Person

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
    assert re.search(r"have an account already.*old\.hand", answer.text, re.S)
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


def test_three_hundred_people(admin):
    assert len(links_of(several(admin, "\n".join(f"learner{i:03d}" for i in range(300))))) == 300


def test_a_room(platform, admin):
    link = link_of(room(admin, 3, group="room-1", note="Course <1>"))
    for name in ("seat1", "seat2"):
        assert Person(platform).join(link, name).status == 303
    assert Person(platform).join(link, "seat1").status == 409  # the name is taken; no seat is lost
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
    row = re.search(r"to be closed.*?name=\"id\" value=\"([0-9a-f]{64})\"", admin.get(PAGE).text, re.S).group(1)
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

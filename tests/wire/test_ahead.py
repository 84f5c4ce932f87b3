"""Servers that are started ahead of a training: within the room, one after the other, behind those who press Start, kept until it ends."""
import datetime
import re
import sqlite3
import time

import pytest
from hub_client import PATIENCE, running, wait_for, with_profiles
from test_admin_command import audit, lines, run
from test_session import server, start, stop

NAMES = ("ann", "ben", "cid", "dot", "eve")


@pytest.fixture(scope="module")
def room():
    """For three servers, and two starts at a time, of which plans may use one; who is not used is stopped quickly."""
    with running("--room", "1536M", "--guarantee", "512M", "--starts", "2", "--idle", "8", "--idle-warning", "1", prepared=True) as p:
        p.admin = p.administrator()
        people = {}
        for name in NAMES:
            people[name] = p.add_person(p.admin, name)
            people[name].name = name
        run(p, "group-add", "class")
        run(p, "group-join", "class", *NAMES[:4])
        yield p, people


def plan(platform, number=-1):
    return lines(platform, "ahead")[number]


def page(platform):
    return re.sub(r"\s+", " ", platform.admin.get("/hub/admin/ahead").text)


def keep_until(platform, name):
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        return db.execute("SELECT s.keep_until_ms FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = ?", (name,)).fetchone()[0] / 1000


def is_quiet(platform):
    """Nothing was written to the database for more than a turn of the plans, which is a second."""
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        before = db.execute("PRAGMA data_version").fetchone()
        time.sleep(1.6)
        return db.execute("PRAGMA data_version").fetchone() == before


def test_a_class(room):
    platform, people = room
    run(platform, "disable", "dot")
    answer = platform.admin.post("/hub/admin/ahead", {"group": "class", "at": "", "hours": "2"}, "/hub/admin/ahead")
    assert answer.status == 303, answer.text[-500:]
    most = 0
    end = time.monotonic() + PATIENCE * 100
    while plan(platform)["ready"] < 3 and time.monotonic() < end:
        states = [server(people[n]) for n in NAMES[:3]]
        most = max(most, sum(bool(s.get("pending")) for s in states))
        time.sleep(0.1)
    got = plan(platform)
    assert (got["people"], got["ready"], got["waiting"], got["state"]) == (3, 3, 0, "started"), got
    assert most <= 1
    assert "Of 3 people: 3 ready" in page(platform)
    assert audit(platform, "ahead-planned")["on"] == "class"
    # Not used, and kept, without a write for each in every second; eve comes by herself and finds the room full.
    since = time.monotonic()
    wait_for(lambda: is_quiet(platform), 40)
    time.sleep(max(0, since + 12 - time.monotonic()))
    for name in NAMES[:3]:
        assert server(people[name]).get("ready"), name
        assert 7200 - PATIENCE * 300 < keep_until(platform, name) - time.time() < 7210
    eve = people["eve"]
    assert eve.post("/hub/spawn", {}, "/hub/home").location == "/hub/spawn-pending/eve"
    wait_for(lambda: server(eve).get("pending"), 20)
    # What a person stops stays stopped; eve's turn comes.
    stop(people["ann"])
    wait_for(lambda: server(eve).get("ready"), 120)
    time.sleep(3)
    assert not server(people["ann"])
    wait_for(lambda: not server(eve), 60)  # hers is in no plan and was not used


def test_what_does_not_fit_comes_later_and_over_a_kill(room):
    platform, people = room
    run(platform, "ahead-cancel", str(plan(platform)["id"]))
    assert lines(platform, "ahead") == [] and server(people["ben"]).get("ready")
    run(platform, "enable", "dot")
    assert people["dot"].sign_in("dot").status == 303
    text = run(platform, "start-ahead", "--group", "class", "--hours", "1").stdout
    assert "servers of class are started from" in text
    # ben's and cid's run, one more fits, and one waits without a place in the queue.
    wait_for(lambda: plan(platform)["ready"] == 3, 120)
    assert plan(platform)["waiting"] == 1 and plan(platform)["state"] == "starting"
    platform.kill_hub()
    stop(people["ben"])
    wait_for(lambda: plan(platform)["ready"] == 4, 120)
    assert not server(people["ben"]) and plan(platform)["state"] == "started"
    for name in ("ann", "cid", "dot"):
        stop(people[name])


def test_who_needs_more_than_the_room_holds_nobody_up():
    profiles = "profiles:\n- {slug: usual}\n- {slug: huge, memory: 2G, guarantee: 1G}\n"
    with running("--room", "512M", "--guarantee", "64M", prepared=False, kind=with_profiles(profiles)) as p:
        admin = p.administrator()
        people = {name: p.add_person(admin, name) for name in ("ann", "ben", "cid")}
        for name, person in people.items():
            person.name = name
        start(people["cid"])      # else the large one would start: alone
        people["ann"].get("/hub/home")
        assert people["ann"].api("PATCH", "/hub/api/users/ann/server", {"user_options": {"profile": "huge"}}).status == 200
        run(p, "group-add", "class")
        run(p, "group-join", "class", "ann", "ben")
        run(p, "start-ahead", "--group", "class", "--hours", "1")
        wait_for(lambda: server(people["ben"]).get("ready"), 60)
        assert not server(people["ann"])


def test_later_and_by_program(room):
    platform, people = room
    admin = platform.admin
    for old in lines(platform, "ahead"):
        run(platform, "ahead-cancel", str(old["id"]))
    at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = admin.api("POST", "/hub/api/start-ahead", {"group": "class", "at": at, "hours": 1})
    assert made.status == 201, made.text
    number = made.json()["id"]
    one = f"/hub/api/start-ahead/{number}"
    assert made.json()["state"] == "planned" and made.json()["people"] == 0
    # Who is put in before it begins is one of them; whom maintenance keeps out waits.
    run(platform, "group-join", "class", "eve")
    run(platform, "maintenance", "on")
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=30) as db:       # the hour has gone by
        db.execute("UPDATE ahead SET begin_ms = begin_ms - 3600000, until_ms = until_ms - 3600000 WHERE id = ?", (number,))
    db.close()
    wait_for(lambda: admin.api("GET", one).json()["people"] == 5, 30)
    time.sleep(3)
    assert admin.api("GET", one).json()["waiting"] == 5
    run(platform, "maintenance", "off")
    wait_for(lambda: admin.api("GET", one).json()["ready"] == 3, 120)
    assert admin.api("DELETE", one).status == 204 and admin.api("GET", one).status == 404
    wait_for(lambda: not any(server(people[n]).get("pending") for n in NAMES), 30)


@pytest.mark.parametrize("fields,status,words", [
    ({"group": "nobody", "hours": "1"}, 404, "no group of the name"),
    ({"group": "class", "hours": "0"}, 400, "1 to 72 hours"),
    ({"group": "class", "hours": "100"}, 400, "1 to 72 hours"),
    ({"group": "class", "hours": "2", "at": "soon"}, 400, "is no time"),
    ({"group": "class", "hours": "2", "at": "2020-01-01T08:00"}, 400, "has passed"),
    ({"group": "class", "hours": "2", "at": "2199-01-01T08:00"}, 400, "more than 60 days"),
    ({"group": "<b>" * 100, "hours": "2"}, 404, "no group of the name"),
])
def test_wrong_plans(room, fields, status, words):
    platform, people = room
    before = len(lines(platform, "ahead"))
    answer = platform.admin.post("/hub/admin/ahead", {"at": "", **fields}, "/hub/admin/ahead")
    assert answer.status == status and words in answer.text, (answer.status, answer.text[-900:])
    assert "<b>" not in answer.text and len(lines(platform, "ahead")) == before


def test_who_may(room):
    platform, people = room
    ben = people["ben"]
    assert ben.get("/hub/admin/ahead").status == 403
    assert ben.post("/hub/admin/ahead", {"group": "class", "at": "", "hours": "1"}, "/hub/home").status == 403
    assert ben.api("GET", "/hub/api/start-ahead").status == 403
    assert ben.api("POST", "/hub/api/start-ahead", {"group": "class", "hours": 1}).status == 403
    assert platform.admin.post("/hub/admin/ahead", {"group": "class", "at": "", "hours": "1"}).status == 403  # without the form's token
    for body in ({}, {"group": 1, "hours": 1}, {"group": "class"}, {"group": "class", "hours": "1"}, {"group": "class", "hours": 1, "at": 5}):
        assert platform.admin.api("POST", "/hub/api/start-ahead", body).status == 400, body
    assert platform.admin.api("GET", "/hub/api/start-ahead/x").status == 404
    run(platform, "ahead-cancel", "999999", status=3)

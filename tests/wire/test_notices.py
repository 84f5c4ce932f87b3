"""Announcement, maintenance, and the pause after starts that fail."""
import os
import pwd
import sqlite3

import pytest
from hub_client import request, running, wait_for, with_profiles
from test_session import server, start, stop


@pytest.fixture(scope="module")
def world():
    with running("--breaker", "2", "--breaker-pause", "600") as p:
        admin = p.administrator()
        admin.name = "root1"
        people = [p.add_person(admin, name) for name in ("una", "dov", "zoe")]
        for person, name in zip(people, ("una", "dov", "zoe")):
            person.name = name
        yield p, admin, *people


def notice(admin, **fields):
    return admin.post("/hub/admin/notice", fields, "/hub/admin")


def test_announcement_is_text_on_every_page(world):
    platform, admin, una, *_ = world
    text = "<b>Friday</b> 18:00 & later: \"no\" servers {{csrf}}"
    assert notice(admin, text=text, hours="2").status == 303
    shown = "&lt;b&gt;Friday&lt;/b&gt; 18:00 &amp; later"
    for page in (una.get("/hub/home"), una.get("/hub/password"), una.get("/hub/nothing"), admin.get("/hub/admin"),
                 request("GET", platform.hub + "/hub/login", headers={"Accept": "text/html"})):
        assert shown in page.text and "<b>Friday" not in page.text and "{{csrf}}" in page.text, page.status
    assert "The announcement ends in 2 hours" in admin.get("/hub/admin").text
    # Its end is kept with it; what has ended is not shown. The row is moved as if the time had gone by, and the hub begins anew.
    platform.process.terminate()
    platform.process.wait(30)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite") as db:
        assert db.execute("SELECT text FROM notices").fetchall() == [(text,)]
    platform.start("--breaker", "2", "--breaker-pause", "600")
    assert shown in una.get("/hub/home").text
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite") as db:
        db.execute("UPDATE notices SET until_ms = 1")
    platform.process.terminate()
    platform.process.wait(30)
    platform.start("--breaker", "2", "--breaker-pause", "600")
    assert "Friday" not in una.get("/hub/home").text + admin.get("/hub/admin").text


@pytest.mark.parametrize("fields, says", [({"text": "x" * 501}, "at most 500 bytes"), ({"text": "x", "hours": "0"}, "from 1 to 2160"),
                                          ({"text": "x", "hours": "soon"}, "from 1 to 2160")])
def test_wrong_announcements_change_nothing(world, fields, says):
    platform, admin, una, *_ = world
    answer = notice(admin, **fields)
    assert answer.status in (400, 413) and says in answer.text, (answer.status, answer.text)
    assert "Announcement." not in una.get("/hub/home").text


def test_only_administrators(world):
    platform, admin, una, *_ = world
    for path in ("/hub/admin/notice", "/hub/admin/breaker"):
        assert una.post(path, {"text": "mine"}, "/hub/home").status == 403
        assert admin.post(path, {"text": "forged"}).status == 403
    assert "Announcement." not in una.get("/hub/home").text


def test_maintenance(world):
    """No new servers but administrators'; what runs goes on and can be stopped."""
    platform, admin, una, dov, zoe = world
    assert una.post("/hub/spawn", {}, "/hub/home").status == 303
    assert notice(admin, maintenance="yes").status == 303
    assert "Maintenance." in dov.get("/hub/home").text
    answer = dov.post("/hub/spawn", {}, "/hub/home")
    assert answer.status == 503 and "being maintained" in answer.text
    answer = dov.api("POST", "/hub/api/users/dov/server")
    assert answer.status == 503 and "being maintained" in answer.json()["message"]
    assert not server(dov)
    assert una.api("POST", "/hub/api/users/una/server").status in (202, 400)  # starts or runs already
    assert admin.post("/hub/spawn", {}, "/hub/home").location == "/hub/spawn-pending/root1"
    stop(admin)
    stop(una)
    assert una.post("/hub/spawn", {}, "/hub/home").status == 503
    assert notice(admin).status == 303
    assert "Maintenance." not in dov.get("/hub/home").text


def break_home(platform, person):
    """What many people manage: a configuration that ends the server."""
    start(person)
    stop(person)
    account = pwd.getpwnam(platform.accounts + person.name)
    folder = platform.folder / "state/home" / person.name / ".jupyter"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_server_config.py").write_text("import os\nos._exit(3)\n")
    for path in (folder, folder / "jupyter_server_config.py"):
        os.chown(path, account.pw_uid, account.pw_gid)


def fail_once(person):
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person), 60)
    assert "The last start failed" in person.get("/hub/home").text


def test_breaker(world):
    platform, admin, una, dov, zoe = world
    break_home(platform, una)
    fail_once(una)
    fail_once(una)
    # A second failure of one person stops that person only.
    answer = una.post("/hub/spawn", {}, "/hub/home")
    assert answer.status == 503 and "your last starts have failed" in answer.text and "exit code 3" in answer.text
    assert una.api("POST", "/hub/api/users/una/server").status == 503
    assert "Starts failed for several people" not in admin.get("/hub/admin").text
    break_home(platform, dov)  # begins with a good start, which closes the breaker of all
    admin.post("/hub/admin/breaker", {}, "/hub/admin")
    fail_once(dov)
    fail_once(una)
    # Two people in a row: nobody is tried, but an administrator may.
    answer = zoe.post("/hub/spawn", {}, "/hub/home")
    assert answer.status == 503 and "the last starts of several people have failed" in answer.text
    assert "Starts failed for several people" in admin.get("/hub/admin").text
    assert admin.post("/hub/admin/breaker", {}, "/hub/admin").status == 303
    assert "Starts failed for several people" not in admin.get("/hub/admin").text
    start(zoe)
    stop(zoe)


def test_a_profile_that_breaks_is_paused_alone():
    """What fails for several people with one kind of server stops that kind; the others start, also by programs."""
    profiles = with_profiles("profiles:\n- {slug: usual, display_name: The usual}\n- {slug: odd, display_name: The odd one}\n")
    with running("--breaker", "2", "--breaker-pause", "600", kind=profiles) as p:
        admin = p.administrator()
        una, dov, zoe = [p.add_person(admin, name) for name in ("una", "dov", "zoe")]
        una.name, dov.name, zoe.name = "una", "dov", "zoe"
        for person in (una, dov):
            break_home(p, person)
        for person in (una, dov):
            assert person.post("/hub/spawn", {"profile": "odd"}, "/hub/home").status == 303
            wait_for(lambda: not server(person), 60)
        answer = zoe.post("/hub/spawn", {"profile": "odd"}, "/hub/home")
        assert answer.status == 503 and "several people with this kind of server have failed" in answer.text
        assert zoe.api("POST", "/hub/api/users/zoe/server", {"profile": "odd"}).status == 503
        assert zoe.api("POST", "/hub/api/users/zoe/server", {"user_options": {"profile": "odd"}}).status == 503
        assert "Starts of “The odd one” failed for several people" in admin.get("/hub/admin").text
        assert zoe.post("/hub/spawn", {"profile": "usual"}, "/hub/home").status == 303
        wait_for(lambda: server(zoe).get("ready"), 120)
        # A good start of another kind does not end it; an administrator does.
        assert "The odd one" in admin.get("/hub/admin").text
        assert admin.post("/hub/admin/breaker", {}, "/hub/admin").status == 303
        assert "failed for several people" not in admin.get("/hub/admin").text
        stop(zoe)

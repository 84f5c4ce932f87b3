"""A start that never becomes ready ends in time, also when the hub that asked for it has been replaced meanwhile."""
import os
import sqlite3
import subprocess
import time

import pytest
from hub_client import running, wait_for
from test_session import server


@pytest.fixture(scope="module")
def platform():
    with running(prepared=False) as p:
        p.admin = p.administrator()
        yield p


def endless_start(platform, name):
    """Somebody whose JupyterLab hangs in its own settings."""
    person = platform.add_person(platform.admin, name)
    person.name = name
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    wait_for(lambda: server(person).get("ready"), 60)
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person), 40)
    home = platform.folder / "state/home" / name
    uid = home.stat().st_uid
    (home / ".jupyter").mkdir(exist_ok=True)
    (home / ".jupyter/jupyter_server_config.py").write_text("import time\ntime.sleep(100000)\n")
    for path in (home / ".jupyter", home / ".jupyter/jupyter_server_config.py"):
        os.chown(path, uid, uid)
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    wait_for(lambda: server(person).get("pending") == "spawn", 10)
    time.sleep(1)  # its process hangs now
    return person


def test_a_start_that_a_new_hub_finds_ends_in_time(platform):
    person = endless_start(platform, "ada")
    subprocess.run(platform.cratond("--stop", "--keep-servers"), check=True, capture_output=True)
    platform.process.wait(90)
    # Two minutes and twenty seconds have gone by for this start.
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite") as db:
        db.execute("UPDATE servers SET started_ms = ? WHERE running = 1", (int((time.time() - 140) * 1000),))
    db.close()
    moved = time.monotonic()
    platform.start()
    assert server(person).get("pending") == "spawn" or time.monotonic() - moved > 9      # ten seconds are left
    wait_for(lambda: not server(person), 60)
    assert "not ready after two and a half minutes" in person.get("/hub/home").text
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite") as db:
        assert "not ready after two and a half minutes" in db.execute("SELECT stop_text FROM servers WHERE generation = 2").fetchone()[0]
    db.close()


def test_a_start_that_was_just_asked_for_keeps_its_time(platform):
    person = endless_start(platform, "bert")
    platform.kill_hub()
    time.sleep(14)
    assert server(person).get("pending") == "spawn"
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person), 40)

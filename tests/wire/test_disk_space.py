"""Limits of the disk: homes are measured, who has too much is told what and can clean up, and starts again afterwards; nobody else is concerned."""
import os
import pwd
import re
import subprocess
import time

import pytest
from hub_client import request, running, wait_for
from test_session import Lab, server, start, stop
from test_admin_command import lines

MIB = 1 << 20


@pytest.fixture(scope="module")
def small():
    with running("--disk", "40M", "--disk-groups", "staff 400M", "--disk-period", "1", "--named-servers", "1", prepared=True) as p:
        admin = p.administrator()
        people = []
        for name in ("ann", "ben"):
            people.append(p.add_person(admin, name))
            people[-1].name = name
        yield p, admin, *people


def home(person):
    return re.sub(r"\s+", " ", person.get("/hub/home").text)


def folder(platform, name):
    return platform.folder / "state/home" / name


def write(platform, name, path, size):
    """As its person, from outside the server."""
    owner = pwd.getpwnam(platform.accounts + name)
    target = folder(platform, name) / path

    def become():
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
    subprocess.run(["sh", "-c", f"mkdir -p '{target.parent}' && head -c {size} /dev/urandom > '{target}'"], check=True, preexec_fn=become)


def du(platform, name):
    return int(subprocess.run(["du", "-s", "--block-size=1", folder(platform, name)], check=True, capture_output=True, text=True).stdout.split()[0])


def rows(platform):
    return {r["name"]: r for r in platform.ask(command="admin", do="disk", args=[])["rows"]}


def test_warned_refused_cleaned(small):
    platform, admin, ann, ben = small
    start(ann)
    begun = du(platform, "ann")
    assert begun < 30 * MIB, "the welcome notebooks leave no room for this test"
    # Near the limit the person is told, while the server runs.
    write(platform, "ann", "data/large.bin", 34 * MIB - begun)
    page = wait_for(lambda: (p := home(ann)) and "of your disk space:" in p and p, 30)
    assert "<code>data</code>" in page and "of 40.0 MiB" in page
    # Beyond it what runs goes on.
    write(platform, "ann", "<i>more.bin", 20 * MIB)
    wait_for(lambda: "cannot start" in admin.get("/hub/admin/disk").text, 30)
    assert server(ann)["ready"]
    # Meanwhile the page says so, and a further server is refused with the same words.
    assert "Your disk space is used up" in home(ann) and "<code>data</code>" in home(ann)
    assert ann.post("/hub/servers", {"server": "more"}, "/hub/home").location == "/hub/spawn/ann/more"
    answer = ann.post("/hub/spawn", {"server": "more"}, "/hub/home")
    assert answer.status == 409 and "Your disk space is used up" in answer.text, answer.text[-800:]
    assert ann.post("/hub/servers/remove", {"server": "more"}, "/hub/home").status == 303
    stop(ann)
    answer = ann.post("/hub/spawn", {}, "/hub/home")
    text = re.sub(r"\s+", " ", answer.text)
    assert answer.status == 409 and "Your disk space is used up" in text and "<code>data</code>" in text, text[-800:]
    assert "Start for cleaning up" in home(ann) and "<code>&lt;i&gt;more.bin</code>" in home(ann) and "<i>" not in home(ann)
    refused = ann.api("POST", "/hub/api/users/ann/server")
    assert refused.status == 409 and "are allowed" in refused.json()["message"], refused.text
    # Nor does a cluster, whose workers would write there.
    token = ann.api("POST", "/hub/api/users/ann/tokens", {"note": "gateway"}).json()["token"]
    refused = request("POST", f"http://127.0.0.1:{platform.port + 2}/services/dask-gateway/api/v1/clusters/", '{"cluster_options": {}}',
                      {"Authorization": f"jupyterhub {token}", "Content-Type": "application/json"})
    assert refused.status == 409 and "are allowed, so the cluster does not start" in refused.text, refused.text
    # Others are not concerned, and cannot say that they clean up.
    assert ben.post("/hub/spawn", {"cleaning": "yes"}, "/hub/home").location == "/hub/spawn-pending/ben"
    wait_for(lambda: server(ben).get("ready"), 120)
    lab = Lab(ben)
    assert lab.open().status == 200
    assert "python3" in lab.api("GET", "kernelspecs").json()["kernelspecs"]
    stop(ben)

    # Cleaning up: terminals and files, no kernels.
    assert ann.post("/hub/spawn", {"cleaning": "yes"}, "/hub/home").location == "/hub/spawn-pending/ann"
    wait_for(lambda: server(ann).get("ready"), 120)
    assert "It runs for cleaning up" in home(ann)
    lab = Lab(ann)
    assert lab.open().status == 200
    assert lab.api("GET", "kernelspecs").json()["kernelspecs"] == {}
    assert lab.api("POST", "kernels", {"name": "python3"}).status >= 400
    assert lab.api("POST", "terminals").status == 200
    assert lab.api("GET", "contents/data").status == 200
    subprocess.run(["rm", "-r", folder(platform, "ann") / "data", folder(platform, "ann") / "<i>more.bin"], check=True)
    stop(ann)
    wait_for(lambda: "used up" not in home(ann), 30)
    start(ann)
    wait_for(lambda: abs(du(platform, "ann") - measured(platform, "ann")) < MIB, 30)
    stop(ann)


def measured(platform, name):
    import sqlite3
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        row = db.execute("SELECT d.bytes FROM disk_use d JOIN users u ON u.id = d.user_id WHERE u.name = ?", (name,)).fetchone()
    return row[0] if row else 0


def test_a_group_has_more_and_measuring_on_demand(small):
    platform, admin, ann, ben = small
    start(ben)
    stop(ben)
    write(platform, "ben", "x/large.bin", 60 * MIB)
    assert ben.post("/hub/measure", {}, "/hub/home").location == "/hub/home?measuring=1"
    wait_for(lambda: "used up" in home(ben), 30)
    assert ben.post("/hub/measure", {}).status == 403  # without the form's token
    assert "error" not in platform.ask(command="admin", do="group-add", args=["staff"])
    assert "error" not in platform.ask(command="admin", do="group-join", args=["staff", "ben"])
    assert "used up" not in home(ben) and "of 400 MiB" in home(ben).replace("400.0", "400")
    start(ben)
    stop(ben)
    got = rows(platform)
    assert list(got)[0] == "ben" and got["ben"]["limit"].startswith("400") and not got["ben"]["full"], got
    shown = lines(platform, "disk")
    assert [r["name"] for r in shown][:2] == ["ben", "ann"]
    assert "admin/disk" in admin.get("/hub/admin").text
    assert ann.get("/hub/admin/disk").status == 403


def test_nothing_outside_a_home_is_counted(small):
    """Links and closed folders: what is measured is the home, wholly."""
    platform, admin, ann, ben = small
    top = folder(platform, "ben")
    for link, target in (("away", "/usr"), ("loop", "."), ("other", folder(platform, "ann"))):
        os.symlink(target, top / link)
        os.lchown(top / link, *(top.stat().st_uid, top.stat().st_gid))
    write(platform, "ben", "closed/hidden.bin", 30 * MIB)
    (top / "closed").chmod(0)
    expected = du(platform, "ben")
    time.sleep(3)  # asked again too soon it is put off
    ben.post("/hub/measure", {}, "/hub/home")
    wait_for(lambda: measured(platform, "ben") == expected, 30)
    assert expected > 90 * MIB
    (top / "closed").chmod(0o700)


def test_kill_of_the_hub_and_of_all(small):
    """What was measured lasts, and a server for cleaning up stays one."""
    platform, admin, ann, ben = small
    assert "error" not in platform.ask(command="admin", do="group-leave", args=["staff", "ben"])
    assert ben.post("/hub/spawn", {}, "/hub/home").status == 409
    assert ben.post("/hub/spawn", {"cleaning": "yes"}, "/hub/home").location == "/hub/spawn-pending/ben"
    wait_for(lambda: server(ben).get("ready"), 120)
    platform.kill_hub()
    wait_for(lambda: server(ben).get("ready"), 30)
    assert "It runs for cleaning up" in home(ben)
    stop(ben)
    assert ben.post("/hub/spawn", {}, "/hub/home").status == 409


def test_what_is_not_counted_is_said(small):
    """Folders nested more deeply than the walk goes: the person and administrators are told, since the figure is too small."""
    platform, admin, ann, ben = small
    if not folder(platform, "ben").exists():
        start(ben)
        stop(ben)
    words = "are not counted to their end"
    write(platform, "ben", "/".join(["d"] * 250) + "/deep.bin", 1000)
    assert ben.post("/hub/measure", {}, "/hub/home").status == 303
    wait_for(lambda: words in home(ben), 60)
    assert words in re.sub(r"\s+", " ", admin.get("/hub/admin/disk").text) and [n for n, r in rows(platform).items() if r["cut"]] == ["ben"]
    subprocess.run(["rm", "-r", folder(platform, "ben") / "d"], check=True)
    assert ben.post("/hub/measure", {}, "/hub/home").status == 303
    wait_for(lambda: words not in home(ben), 60)

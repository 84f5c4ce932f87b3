"""Folders of groups, and data for everybody: who is in writes, nobody else sees; what changes, changes with the next start."""
import ast
import json
import os
import pwd
import re
import stat
import subprocess
from pathlib import Path

import pytest
from hub_client import Platform, request, running, wait_for
from test_admin_command import run
from test_session import Lab, start, stop


ROOT = Path(__file__).resolve().parents[2]


class WithData(Platform):
    def __init__(self):
        super().__init__()
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o755)
        (self.data / "sea.txt").write_text("salt")
        self.options = ("--shared", str(self.data), "--group-folders", "the class class; staff class; staff staff")


@pytest.fixture(scope="module")
def room():
    with running(prepared=True, kind=WithData) as p:
        admin = p.admin_of_room = p.administrator()
        people = {}
        for name in ("ann", "ben", "eve"):
            people[name] = p.add_person(admin, name)
            people[name].name = name
        for group, names in (("the class", ["ann", "ben"]), ("staff", ["ben"])):
            run(p, "group-add", group)
            run(p, "group-join", group, *names)
        for person in people.values():
            start(person)
        yield p, people


def lab_of(person):
    lab = Lab(person)
    assert lab.open().status == 200
    return lab


def in_kernel(person, code):
    """What the code prints in a kernel of the person's server."""
    lab = lab_of(person)
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    out = lab.run(kernel, f"import io, contextlib\nbuffer = io.StringIO()\nwith contextlib.redirect_stdout(buffer):\n    exec({code!r}, {{}})\nbuffer.getvalue()")
    lab.api("DELETE", f"kernels/{kernel}")
    return ast.literal_eval(out)


SEE = "import os; print(sorted(os.listdir(os.path.expanduser('~/folders'))), sorted(os.getgroups()))"


def names(person):
    return [c["name"] for c in lab_of(person).api("GET", "contents/folders").json()["content"]]


def test_each_sees_what_is_theirs(room):
    platform, people = room
    assert sorted(names(people["ann"])) == ["class", "shared"]
    assert sorted(names(people["ben"])) == ["class", "shared", "staff"]
    assert sorted(names(people["eve"])) == ["shared"]
    ben, ann = lab_of(people["ben"]), lab_of(people["ann"])
    made = ben.api("PUT", "contents/folders/class/notes.txt", {"type": "file", "format": "text", "content": "of ben"})
    assert made.status == 201, made.text
    # Whatever the umask of the one, the other may change it.
    assert ann.api("GET", "contents/folders/class/notes.txt").json()["content"] == "of ben"
    assert ann.api("PUT", "contents/folders/class/notes.txt", {"type": "file", "format": "text", "content": "of both"}).status == 200
    st = (platform.folder / "state/groups/class/notes.txt").stat()
    assert st.st_mode & 0o777 == 0o660 and st.st_gid == (platform.folder / "state/groups/class").stat().st_gid
    assert ann.api("GET", "contents/folders/shared/sea.txt").json()["content"] == "salt"
    assert ann.api("PUT", "contents/folders/shared/sea.txt", {"type": "file", "format": "text", "content": "sweet"}).status >= 400
    assert (platform.data / "sea.txt").read_text() == "salt"


def test_kernels_have_the_groups_and_nobody_else_enters(room):
    platform, people = room
    state = platform.folder / "state/groups"
    gid = {name: (state / name).stat().st_gid for name in ("class", "staff")}
    assert len(set(gid.values())) == 2 and not {p.pw_uid for p in pwd.getpwall()} & set(gid.values())
    assert stat.S_IMODE((state / "class").stat().st_mode) == 0o2770 and (state / "class").stat().st_uid == 0
    assert str(sorted(gid.values())) in in_kernel(people["ben"], SEE)
    got = in_kernel(people["ann"], SEE)
    assert f"[{gid['class']}]" in got and "'staff'" not in got
    attempt = f"""
import os, subprocess
for path in ({str(state)!r}, {str(state / "staff")!r}, {str(state / "class")!r}, {str(platform.folder / "run/f/ann")!r}):
    for what in (os.listdir, lambda p: open(p + "/x", "w")):
        try:
            what(path)
            print("IN", path)
        except OSError as e:
            print(type(e).__name__)
try:
    os.setgroups([{gid["staff"]}])
    print("IN")
except OSError as e:
    print(type(e).__name__)
print(subprocess.run(["newgrp", "{gid["staff"]}"], capture_output=True, text=True, input="id -G").stdout)
"""
    out = in_kernel(people["eve"], attempt)
    assert "IN" not in out and out.count("PermissionError") == 9 and str(gid["staff"]) not in out, out


def test_left_with_the_next_start(room):
    platform, people = room
    ann = people["ann"]
    run(platform, "group-leave", "the class", "ann")
    # A program that gives its group to whoever starts it is none here.
    in_kernel(ann, "import os, shutil; shutil.copy('/bin/cat', os.path.expanduser('~/folders/class/cat')); "
                   "os.chmod(os.path.expanduser('~/folders/class/cat'), 0o2755); "
                   "os.link(os.path.expanduser('~/folders/class/cat'), os.path.expanduser('~/cat'))")
    stop(ann)
    start(ann)
    assert names(ann) == ["shared"]
    path = platform.folder / "state/groups/class/notes.txt"
    out = in_kernel(ann, f"import os, subprocess; print(os.getgroups(), subprocess.run([os.path.expanduser('~/cat'), {str(path)!r}], capture_output=True, text=True))")
    assert "of both" not in out and "ermission denied" in out, out
    # And back, which also a restart of everything does not undo.
    run(platform, "group-join", "the class", "ann")
    before = (platform.folder / "state/runner/folders").read_text()
    platform.process.terminate()
    platform.process.wait(30)
    platform.start()
    assert (platform.folder / "state/runner/folders").read_text() == before
    stop(ann)
    start(ann)
    assert sorted(names(ann)) == ["class", "shared"]


def test_what_is_in_the_way_stays(room):
    """A person's own file of that name is not touched, and no link of theirs leads root anywhere."""
    platform, people = room
    eve = people["eve"]
    stop(eve)
    home = platform.folder / "state/home/eve"
    (home / "folders").unlink()
    os.symlink("/etc", home / "folders")
    os.lchown(home / "folders", home.stat().st_uid, home.stat().st_gid)
    listed = sorted(os.listdir("/etc"))
    start(eve)
    assert os.readlink(home / "folders") == "/etc" and sorted(os.listdir("/etc")) == listed
    stop(eve)


def test_a_dask_worker_reads_the_folder(room):
    platform, people = room
    ben = people["ben"]
    token = ben.api("POST", "/hub/api/users/ben/tokens", {"note": "gateway"}).json()["token"]
    headers = {"Authorization": f"jupyterhub {token}", "Content-Type": "application/json"}
    base = f"http://127.0.0.1:{platform.port + 2}/services/dask-gateway/api/v1/clusters/"
    name = request("POST", base, json.dumps({"cluster_options": {}}), headers, timeout=90).json()["name"]
    gids = sorted(str((platform.folder / "state/groups" / folder).stat().st_gid) for folder in ("class", "staff"))
    uid = pwd.getpwnam(platform.accounts + "ben").pw_uid

    def groups_of(what):
        for folder in os.listdir("/proc"):
            try:
                if folder.isdigit() and os.stat(f"/proc/{folder}").st_uid == uid and what in open(f"/proc/{folder}/cmdline", "rb").read():
                    return open(f"/proc/{folder}/status").read().split("Groups:")[1].splitlines()[0].split()
            except OSError:
                continue
        return None
    links = platform.folder / "run/f/ben"
    before = {e.name: e.stat(follow_symlinks=False).st_ino for e in os.scandir(links)}
    assert sorted(before) == ["class", "shared", "staff"]
    assert sorted(wait_for(lambda: groups_of(b"scheduler"), 60)) == gids
    wait_for(lambda: request("GET", base + name, headers=headers).json()["status"] == "RUNNING", 60)
    assert request("POST", base + name + "/scale", json.dumps({"count": 1}), headers).status == 200
    assert sorted(wait_for(lambda: groups_of(b"dask-worker") or groups_of(b"dask\0worker"), 60)) == gids
    # What ben's other programs read by is not taken away and made again when a worker starts.
    assert {e.name: e.stat(follow_symlinks=False).st_ino for e in os.scandir(links)} == before
    assert request("DELETE", base + name, headers=headers).status in (200, 204)


def test_links_of_who_is_removed(room):
    platform, people = room
    links = platform.folder / "run/f/eve"
    assert links.is_dir()
    assert platform.admin_of_room.api("DELETE", "/hub/api/users/eve").status in (202, 204)
    wait_for(lambda: not links.exists(), 60)


def test_uninstalling_knows_what_lies_there(room):
    platform, _ = room
    lists = (ROOT / "tools/up/upkeep.sh").read_text()
    for folder, name in (("state", "STATE_NAMES"), ("run", "RUN_NAMES")):
        known = re.search(rf"readonly {name}=\(([^)]*)\)", lists)[1].split()
        left = {e for e in os.listdir(platform.folder / folder) if e not in known and not any(e.startswith(k + ".") for k in known)}
        assert not left, left


@pytest.mark.parametrize("value", ["class", "the class The", "a ../x", "a shared", "a " + "x" * 40])
def test_wrong_settings(value, tmp_path):
    p = Platform()
    answer = subprocess.run(p.cratond("--group-folders", value), capture_output=True, text=True, timeout=60)
    p.folder.rmdir()
    assert answer.returncode != 0 and "group-folders" in answer.stderr and "folder" in answer.stderr, answer.stderr

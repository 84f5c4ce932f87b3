"""Limits of homes that the file system enforces: an ext4 with project quotas, in a file. Needs a kernel with them."""
import os
import pwd
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hub_client import Platform, running, wait_for
from test_session import Lab, start, stop

MIB = 1 << 20
FILL = """
def fill():
    try:
        with open("large", "ab", buffering=0) as f:
            for _ in range(200):
                f.write(bytes(1 << 20))
    except OSError as e:
        return e.errno
    finally:
        global size
        size = __import__("os").path.getsize("large")
fill(), size
"""
ESCAPE = """
import ctypes, fcntl, os, struct
def leave(path, request, value):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, request, value)
        return "done"
    except OSError as e:
        return e.errno
    finally:
        os.close(fd)
[leave("large", 0x401C5820, bytes(28)), leave(".", 0x401C5820, bytes(28)), leave(".", 0x40086602, struct.pack("l", 0)),
 ctypes.CDLL(None, use_errno=True).syscall(469, -100, b"large", bytes(64), 64, 0)]
"""


class OnQuotas(Platform):
    """Its state lies on a small ext4 with project quotas."""

    def __init__(self):
        super().__init__()
        image, state = self.folder / "image", self.folder / "state"
        state.mkdir(mode=0o711)
        subprocess.run(["truncate", "--size=1G", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota", image], check=True)
        mounted = subprocess.run(["mount", "-o", "loop,prjquota", image, state], capture_output=True, text=True)
        if mounted.returncode != 0:
            shutil.rmtree(self.folder)
            pytest.skip(f"needs prjquota: {mounted.stderr.strip()}")
        self.mounted = True

    def stop(self):
        super().stop()
        if getattr(self, "mounted", False):
            wait_for(lambda: subprocess.run(["umount", self.folder / "state"], check=False).returncode == 0, 30)     # what was killed ends
            self.mounted = False


@pytest.fixture(scope="module")
def platform():
    with running("--disk", "64M", "--disk-period", "1", "--disk-free", "1M", "--reserve", "0", kind=OnQuotas) as p:
        p.admin = p.administrator()
        yield p


def used(platform, name):
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True, timeout=10) as db:
        row = db.execute("SELECT d.bytes, d.top FROM disk_use d JOIN users u ON u.id = d.user_id WHERE u.name = ?", (name,)).fetchone()
    db.close()
    return row or (0, "")


def project_of(path):
    return int(subprocess.run(["lsattr", "-p", "-d", path], check=True, capture_output=True, text=True).stdout.split()[0])


def evaluate(person, code):
    lab = Lab(person)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    return eval(wait_for(lambda: lab.run(kernel, code), 60))


def test_the_kernel_refuses_and_counts(platform):
    assert "limits of homes are enforced by the file system" in platform.log.read_text()
    quin = platform.add_person(platform.admin, "quin")
    quin.name = "quin"
    start(quin)
    code, size = evaluate(quin, FILL)
    assert code == 122 and 20 * MIB < size <= 80 * MIB      # EDQUOT, a little above the limit
    # Nobody leaves the project of the own home: not a file, not the folder, not what a new file inherits.
    assert evaluate(quin, ESCAPE) == [1, 1, 1, -1]
    assert evaluate(quin, FILL.replace('"large"', '"more"'))[0] == 122
    # Read, not walked for; and beyond the limit no further start.
    wait_for(lambda: used(platform, "quin")[0] > 64 * MIB, 60)
    assert "large" in used(platform, "quin")[1]
    stop(quin)
    assert quin.api("POST", "/hub/api/users/quin/server").status == 409
    (platform.folder / "state/home/quin/large").unlink()
    wait_for(lambda: quin.api("POST", "/hub/api/users/quin/server").status == 202, 60)


def test_a_home_from_before_is_marked(platform):
    rosa = platform.add_person(platform.admin, "rosa")
    rosa.name = "rosa"
    start(rosa)
    stop(rosa)
    home, owner = platform.folder / "state/home/rosa", pwd.getpwnam(platform.accounts + "rosa")
    # As one that was moved here: of no project, and without the note.
    (home / "old").mkdir()
    (home / "old/file").write_bytes(bytes(8 * MIB))
    for path in (home / "old", home / "old/file"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    subprocess.run(["chattr", "-R", "-P", "-p", "0", home], check=False, capture_output=True)      # says of links that it cannot
    assert project_of(home) == project_of(home / "old/file") == 0
    os.removexattr(home, "trusted.craton.project")
    start(rosa)
    wait_for(lambda: project_of(home / "old/file") == owner.pw_uid, 60)
    wait_for(lambda: used(platform, "rosa")[0] >= 8 * MIB, 60)
    assert "trusted.craton.project" not in os.listxattr(home)
    stop(rosa)      # what runs could have moved folders meanwhile: it is noted after a walk that was alone
    wait_for(lambda: os.getxattr(home, "trusted.craton.project") == str(owner.pw_uid).encode() if "trusted.craton.project" in os.listxattr(home) else False, 60)
    assert project_of(home) == owner.pw_uid


def test_files_are_really_on_it(platform):
    assert Path(platform.folder / "state").is_mount()

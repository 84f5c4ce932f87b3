"""Software environments for tests: real venvs, whose packages are links to those of the installed environment; and a disk that hangs."""
import contextlib
import ctypes
import os
import shutil
import subprocess
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

from hub_client import PREFIX

CURRENT = (PREFIX / "env/current").resolve()
MS_NOSUID, MS_NODEV, MNT_DETACH = 2, 4, 2


def site_of(prefix):
    return next(prefix.glob("lib/python3.*/site-packages"))


def closure(names):
    """The packages of these names and what they need, as they are installed."""
    installed = {d.metadata["Name"].lower().replace("_", "-"): d for d in distributions(path=[str(site_of(CURRENT))])}
    found, todo = {}, list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in found or name not in installed:
            continue
        found[name] = installed[name]
        for line in installed[name].requires or ():
            need = Requirement(line)
            if not need.marker or need.marker.evaluate({"extra": ""}):
                todo.append(need.name)
    return found.values()


def parts(distribution):
    """What lies of it directly in site-packages."""
    for file in distribution.files or ():
        if file.parts[0] not in ("..", "__pycache__"):
            yield file.parts[0]


@contextlib.contextmanager
def hanging(folder):
    """A file system at this folder whose other side never answers, as that of a network disk without its network: nobody reads what the kernel asks."""
    libc = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"craton-test", os.fsencode(folder), b"fuse", MS_NOSUID | MS_NODEV, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mounting a file system that hangs")
        yield
    finally:
        os.close(fuse)        # whoever waits is told that it is gone
        libc.umount2(os.fsencode(folder), MNT_DETACH)


class Environments:
    """A folder of root's, with venvs in it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="craton-software-"))
        self.folder.chmod(0o755)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self, name, *packages, programs=()):
        """packages: "*" for all that there are."""
        prefix = self.folder / name
        python = (CURRENT / "bin/python3").resolve()
        subprocess.run([python, "-m", "venv", "--without-pip", prefix], check=True, capture_output=True, timeout=120)
        site = site_of(prefix)
        entries = [p.name for p in site_of(CURRENT).iterdir()] if "*" in packages else {part for d in closure(packages) for part in parts(d)}
        for entry in entries:
            if not (site / entry).exists() and (site_of(CURRENT) / entry).exists():
                (site / entry).symlink_to(site_of(CURRENT) / entry)
        for program in programs:
            lines = (CURRENT / "bin" / program).read_text().splitlines(keepends=True)
            (prefix / "bin" / program).write_text(f"#!{prefix}/bin/python3\n" + "".join(lines[1:]))
            (prefix / "bin" / program).chmod(0o755)
        if programs:
            for data in ("share", "etc"):
                if (CURRENT / data).exists():
                    (prefix / data).symlink_to(CURRENT / data)
        return prefix
